//! Supervisors and electors that ended, and nobody had ended them: a needless restart too, though the child may not notice.

use crate::judge::{Done, Evidence, Trial};
use crate::kinds::{Kind, OfGroup, OfHost};
use std::os::unix::process::ExitStatusExt;
use std::process::ExitStatus;
use std::time::Duration;

/// A supervisor that ended.
#[derive(Clone, PartialEq, Eq, Debug)]
pub(crate) struct Exit {
    pub(crate) host: String,
    /// When that was noticed.
    pub(crate) at: Duration,
    pub(crate) status: ExitStatus,
}

impl Evidence<'_> {
    /// Those that should not have been, a sentence each.
    pub(crate) fn endings(&self) -> impl Iterator<Item = String> {
        let supervisors = self.exits.iter().filter_map(|exit| self.unexpected(exit));
        supervisors.chain(self.trials.iter().flat_map(|trial| self.replaced(trial)))
    }

    /// What is wrong with the end of a supervisor, unless somebody has ended it.
    fn unexpected(&self, exit: &Exit) -> Option<String> {
        let trial = self.trial_at(exit.at).map(|index| &self.trials[index]);
        let is_done = |to: &[OfHost]| trial.is_some_and(|trial| trial.has_done(to, &exit.host));
        let is_meant = match (exit.status.code(), exit.status.signal()) {
            (Some(0), _) => is_done(&[OfHost::PlannedStop]),
            (_, Some(libc::SIGKILL)) => is_done(&[
                OfHost::GuardianKilled,
                OfHost::GuardianStopped,
                OfHost::Killed,
                OfHost::PairKilled,
            ]),
            _ => false,
        };
        let (host, status) = (&exit.host, exit.status);
        let after = trial.map_or_else(String::new, |trial| format!(", after: {}", trial.words()));
        (!is_meant).then(|| format!("{host}'s supervisor ended ({status}){after}"))
    }

    /// The electors that ended and should not have.
    fn replaced(&self, trial: &Trial) -> impl Iterator<Item = String> {
        let is_meant = |host: &String| trial.done.iter().any(|done| self.ends_elector(done, host));
        let hosts = trial.replaced.iter().filter(move |host| !is_meant(host));
        hosts.map(|host| format!("{host}'s elector ended, after: {}", trial.words()))
    }

    /// Whether the elector of this host ends by that, or is given up, and its guardian goes on.
    fn ends_elector(&self, done: &Done, host: &String) -> bool {
        let is_there = done.on.contains(host);
        match done.kind {
            Kind::Host(OfHost::ElectorKilled | OfHost::Reloaded) => is_there,
            Kind::Host(OfHost::ElectorStopped) => {
                is_there && done.until - done.from > self.timing.patience() / 2
            }
            // One that gets no processor for so long does not answer.
            Kind::Group(OfGroup::Starved) => true,
            Kind::Host(_) | Kind::Server(_) | Kind::Group(_) => false,
        }
    }
}
