//! What these tests read off a supervisor from outside: how long its renewals were out, what it says, what it costs.

use crate::support::{Config, Ensemble, Link, Supervisor, Who, Znodes, secs, wait_until};
use nix::unistd::{Pid, SysconfVar, sysconf};
use std::fs;
use std::time::{Duration, SystemTime};

/// How long hosts that start together may take until one runs the command.
pub(crate) const ELECTED_WITHIN: Duration = secs(30);

/// How much more than its calculation a measured time may be: what a busy machine adds. It may even starve an elector
/// until it is replaced, and the next one begins its wait-out anew. So this is a deadline; that something was *not* waited
/// out is shown by a lease that is longer.
pub(crate) const BUSY: Duration = secs(15);

/// A session whose lease, 25 s, is longer than [`BUSY`]: what happens within that has not waited the lease out.
pub(crate) const LONG: Duration = secs(30);

/// One link to each server.
pub(crate) fn links(ensemble: &Ensemble) -> Vec<Link> {
    let servers = ensemble.servers().iter();
    servers.map(|it| Link::to(it.socket())).collect()
}

/// Does the same to every link.
pub(crate) fn all(links: &[Link], act: impl Fn(&Link)) {
    links.iter().for_each(act);
}

/// The link that the elector of `host` uses.
#[track_caller]
pub(crate) fn used(links: &[Link]) -> &Link {
    let mut used = None;
    wait_until("one connection passes", secs(10), || {
        used = links.iter().find(|link| link.connections() > 0);
        used.is_some()
    });
    used.expect("just found")
}

/// Waits until every server takes part: a write through each of them is committed. One that was thawed says for a while
/// that it serves, although the others have given it up.
#[track_caller]
pub(crate) fn wait_whole(ensemble: &Ensemble) {
    ensemble.wait_serving();
    for server in ensemble.servers() {
        Znodes::at(&[server.address()]).write("/", b"");
    }
}

/// Starts a candidate whose session is on the server behind `links[at]`; the others refuse it until it has one.
#[track_caller]
pub(crate) fn start_at(config: Config, links: &[Link], at: usize) -> Supervisor {
    let others = || links.iter().enumerate().filter(|&(index, _)| index != at);
    others().for_each(|(_, link)| link.refuse());
    let host = config.through(links).start();
    wait_until("it has a session", ELECTED_WITHIN, || {
        said(&host, "session opened") > 0
    });
    others().for_each(|(_, link)| link.heal());
    host
}

/// How often a line with this message was logged; cheap enough to be asked again and again.
pub(crate) fn said(host: &Supervisor, message: &str) -> usize {
    let marker = format!("\"message\":\"{message}\"");
    host.log_text().matches(&marker).count()
}

/// The messages at `warn` and above, with their reasons.
pub(crate) fn complaints(host: &Supervisor) -> Vec<String> {
    messages(host, |level| level == "warn" || level == "error")
}

/// The same, and those at `info`: all that an operator is told.
pub(crate) fn notices(host: &Supervisor) -> Vec<String> {
    messages(host, |level| level != "debug")
}

fn messages(host: &Supervisor, counts: impl Fn(&serde_json::Value) -> bool) -> Vec<String> {
    let lines = host.log();
    let lines = lines.iter().filter(|line| counts(&line["level"]));
    lines
        .map(|line| format!("{} ({})", line["message"], line["reason"]))
        .collect()
}

/// The processor time that a process has used.
pub(crate) fn processor_time(pid: Pid) -> Duration {
    let stat = fs::read_to_string(format!("/proc/{pid}/stat")).unwrap_or_default();
    let (_, fields) = stat.rsplit_once(')').unwrap_or_default();
    let fields: Vec<u32> = fields
        .split_whitespace()
        .skip(11)
        .take(2)
        .filter_map(|field| field.parse().ok())
        .collect();
    let ticks: u32 = fields.iter().sum();
    let rate = sysconf(SysconfVar::CLK_TCK).expect("Linux has it");
    let rate = u32::try_from(rate.expect("Linux has it")).expect("a hundred");
    secs(1) * ticks / rate
}

/// The processor time that guardian and elector have used.
#[track_caller]
pub(crate) fn cost(host: &Supervisor) -> Duration {
    [Who::Guardian, Who::Elector]
        .map(|who| processor_time(host.pid(who)))
        .iter()
        .sum()
}

/// An interruption of a master's renewals, measured by its own log.
pub(crate) struct Outage {
    answered: usize,
}

impl Outage {
    /// To be called before the harm is done.
    pub(crate) fn begin(host: &Supervisor) -> Outage {
        Outage {
            answered: answers(host).len(),
        }
    }

    /// To be called when the harm is over: waits until renewals are answered again, and returns the longest time
    /// between two that were.
    #[track_caller]
    pub(crate) fn end(self, host: &Supervisor, limit: Duration) -> Duration {
        let before = answers(host).len();
        wait_until("renewals are answered again", limit, || {
            answers(host).len() >= before + 3
        });
        let answers = answers(host);
        let since = &answers[self.answered.saturating_sub(1)..];
        let gaps = since
            .windows(2)
            .map(|pair| pair[1].duration_since(pair[0]).unwrap_or_default());
        gaps.max().unwrap_or_default()
    }
}

/// When each transaction was answered.
fn answers(host: &Supervisor) -> Vec<SystemTime> {
    let text = host.log_text();
    let lines = text
        .lines()
        .filter(|line| line.contains("\"message\":\"committed\""));
    lines
        .filter_map(|line| {
            let line: serde_json::Value = serde_json::from_str(line).ok()?;
            humantime::parse_rfc3339(line["time"].as_str()?).ok()
        })
        .collect()
}
