//! `check --online`: as `check`, and asks the ensemble whether it will do.
//!
//! What was found goes to standard output as TOML comments after the file, so that all of it still loads again. What
//! somebody should look at goes to standard error besides.

use std::path::Path;
use std::process::ExitCode;
use std::thread;
use std::time::Duration;

use super::print::{complain, print};
use super::status::{in_time, refuse};
use super::{exit, run};
use crate::config;
use crate::core::lease::{EPSILON, Misfit, Timing, Wish};
use crate::core::path::ZnodePath;
use crate::zookeeper::Ensemble;
use crate::zookeeper::survey::{Ground, Probe, SurveyError, probe, survey};

/// Checks the file, then whether the ensemble will do.
pub(super) fn check(file: &Path) -> ExitCode {
    let config = match config::check(file) {
        Ok(config) => config,
        Err(errors) => {
            complain(errors);
            return exit::CONFIG.into();
        }
    };
    if let Err(code) = print(&config::render(&config)) {
        return code;
    }
    let ensemble = run::ensemble(&config, std::process::id(), 0);
    match in_time(&ensemble, &config.timing, probe) {
        Ok(probe) => {
            let code = tell(&ensemble, &config.timing, &probe);
            if let Some(warning) = warn_of_chroot(config.zookeeper.chroot.as_ref(), &probe.ground) {
                complain(warning);
            }
            code
        }
        Err(error) => refuse(&ensemble.paths, &error),
    }
}

/// A server, and why no session could be had from it; none if one could.
struct Verdict {
    server: String,
    obstacle: Option<String>,
}

fn tell(ensemble: &Ensemble, timing: &Timing, probe: &Probe) -> ExitCode {
    let verdicts = ask_each(ensemble, timing, probe);
    let granted = timing.granted(probe.granted);
    if let Err(code) = print(&findings(ensemble, timing, probe, &verdicts)) {
        return code;
    }
    for verdict in &verdicts {
        if let Some(obstacle) = &verdict.obstacle {
            let server = &verdict.server;
            complain(format!(
                "warning: server {server} does not serve: {obstacle}"
            ));
        }
    }
    match granted {
        Err(misfit) => {
            complain(unfit(timing, probe.granted, &misfit));
            exit::CONFIG.into()
        }
        Ok(shorter) => {
            if shorter.lease < timing.lease {
                complain(shortened(timing, &shorter));
            }
            ExitCode::SUCCESS
        }
    }
}

/// Opens a session on each server that takes connections: one that is cut off from the others, or hangs, takes them too.
fn ask_each(ensemble: &Ensemble, timing: &Timing, probe: &Probe) -> Vec<Verdict> {
    let ask = |server: &str| {
        let alone = Ensemble {
            servers: vec![server.to_owned()],
            ..ensemble.clone()
        };
        match in_time(&alone, timing, survey) {
            // That it may not be read is said elsewhere: the server serves.
            Ok(_) | Err(SurveyError::Forbidden { .. }) => None,
            Err(SurveyError::Unreachable { reason }) => {
                let prefix = format!("{server}: ");
                Some(reason.strip_prefix(&prefix).unwrap_or(&reason).to_owned())
            }
        }
    };
    thread::scope(|scope| {
        let asked: Vec<_> = probe
            .servers
            .iter()
            .map(|reach| {
                scope.spawn(|| Verdict {
                    server: reach.server.clone(),
                    obstacle: reach.obstacle.clone().or_else(|| ask(&reach.server)),
                })
            })
            .collect();
        let verdicts = asked.into_iter().map(|it| it.join());
        verdicts
            .map(|it| it.expect("a panic ends the process"))
            .collect()
    })
}

fn findings(ensemble: &Ensemble, timing: &Timing, probe: &Probe, verdicts: &[Verdict]) -> String {
    let widest = verdicts.iter().map(|it| it.server.len()).max();
    let width = widest.unwrap_or_default().max(12);
    let mut text = "\n# What the ensemble says:\n".to_owned();
    let mut put = |what: &str, says: &str| text.push_str(&format!("#   {what:<width$}   {says}\n"));
    for verdict in verdicts {
        put(
            &verdict.server,
            verdict.obstacle.as_deref().unwrap_or("serves"),
        );
    }
    let asked = show(timing.session_timeout);
    let granted = show(probe.granted);
    if probe.granted == timing.session_timeout {
        put("session", &format!("{granted}, as asked for"));
    } else {
        put("session", &format!("{granted}, not the {asked} asked for"));
    }
    match timing.granted(probe.granted) {
        Ok(fitted) if fitted.lease == timing.lease => put("lease", &show(timing.lease)),
        Ok(fitted) => put(
            "lease",
            &format!("{}, not {}", show(fitted.lease), show(timing.lease)),
        ),
        Err(_) => put("lease", "none: this candidate would not campaign"),
    }
    let (root, master) = (ensemble.paths.root(), ensemble.paths.master());
    let made = match &probe.ground {
        Ground::Ready => format!("`{master}` may be written"),
        Ground::WillBeMade { below } => format!("`{root}` may and will be made below `{below}`"),
    };
    put("znodes", &made);
    text
}

/// That the chroot is not there yet: `run` makes it, and a misspelt one would be an election of its own.
fn warn_of_chroot(chroot: Option<&ZnodePath>, ground: &Ground) -> Option<String> {
    let chroot = chroot?.as_str();
    let Ground::WillBeMade { below } = ground else {
        return None;
    };
    // What is there is on the way from the root of all to our znodes, as the chroot is.
    (below.len() < chroot.len()).then(|| {
        format!(
            "warning: the chroot `{chroot}` does not exist, and will be made below `{below}`\n  \
             a host with a misspelt one would hold an election of its own"
        )
    })
}

/// What a shorter session does to a lease that still fits.
fn shortened(asked: &Timing, granted: &Timing) -> String {
    format!(
        "warning: the ensemble grants a session of {}, not the {} asked for\n  \
         the lease is {}, not {}; it rides out {}, not {}, without touching the command\n\
         help: raise `maxSessionTimeout` in the servers' zoo.cfg, or take it as it is:\n      \
         session_timeout = \"{}\"",
        show(granted.session_timeout),
        show(asked.session_timeout),
        show(granted.lease),
        show(asked.lease),
        show(granted.rides_out()),
        show(asked.rides_out()),
        show(granted.session_timeout),
    )
}

/// Why the granted session leaves nothing to campaign with, and what to change.
fn unfit(asked: &Timing, granted: Duration, misfit: &Misfit) -> String {
    let why = match misfit {
        Misfit::NoRoomToStop { least, .. } => {
            let reserve = asked.grace_period + asked.kill_margin + EPSILON;
            format!(
                "`grace_period` {}, `kill_margin` {} and {} in reserve take {} of each lease,\n  \
                 and {} must be left for three renewals",
                show(asked.grace_period),
                show(asked.kill_margin),
                show(EPSILON),
                show(reserve),
                show(*least),
            )
        }
        Misfit::LeaseOutlivesSession { wait_out, .. } => format!(
            "a standby would wait {} for the lease to run out, longer than that session",
            show(*wait_out)
        ),
        Misfit::ConnectTimeoutTooLong { longest } => {
            format!(
                "with it, a connect timeout above {} has no effect",
                show(*longest)
            )
        }
    };
    let wanted = show(asked.session_timeout);
    let mend = mend(asked, granted).map_or_else(String::new, |mend| format!(", or:\n      {mend}"));
    format!(
        "the ensemble grants a session of {}, not the {wanted} asked for: would not campaign\n  {why}\n\
         help: raise `maxSessionTimeout` in the servers' zoo.cfg to {} or more{mend}",
        show(granted),
        asked.session_timeout.as_millis(),
    )
}

/// A setting with which the granted session would do.
fn mend(asked: &Timing, granted: Duration) -> Option<String> {
    let all_from = |session_timeout| {
        let session_timeout = Some(session_timeout);
        Wish {
            session_timeout,
            ..Wish::default()
        }
        .timing()
    };
    if *asked == all_from(asked.session_timeout) && all_from(granted).misfits().is_empty() {
        return Some(format!("session_timeout = \"{}\"", show(granted)));
    }
    // The lease does not depend on the grace period, so a lease without one shows how much of it there could be.
    let without = Timing {
        grace_period: Duration::ZERO,
        ..*asked
    };
    let fitted = without.granted(granted).ok()?;
    let room = fitted.stop_after() - fitted.renew_interval * 3;
    let tenths = u64::try_from(room.as_millis()).ok()? / 100 * 100;
    (tenths > 0).then(|| format!("grace_period = \"{}\"", show(Duration::from_millis(tenths))))
}

/// To the millisecond, as the file has it.
fn show(duration: Duration) -> String {
    let millis = u64::try_from(duration.as_millis()).unwrap_or(u64::MAX);
    humantime::format_duration(Duration::from_millis(millis)).to_string()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn only_a_missing_chroot_is_warned_of() {
        let chroot = ZnodePath::parse("/a/b").ok();
        let made = |below: &str| Ground::WillBeMade {
            below: below.to_owned(),
        };
        for (ground, is_warned_of) in [
            (made("/"), true),
            (made("/a"), true),
            (made("/a/b"), false),
            (made("/a/b/root"), false),
            (Ground::Ready, false),
        ] {
            let warning = warn_of_chroot(chroot.as_ref(), &ground);
            assert_eq!(warning.is_some(), is_warned_of, "{ground:?}");
        }
        assert_eq!(warn_of_chroot(None, &made("/")), None);
    }
}
