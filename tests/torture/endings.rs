//! Supervisors and electors that ended, and nobody had ended them: a needless restart too, though the child may not notice.

use crate::judge::{Evidence, Trial};
use crate::kinds::OfHost;
use std::os::unix::process::ExitStatusExt;
use std::process::ExitStatus;
use std::time::Duration;

/// By these an elector ends, or is given up, and its guardian goes on.
const ELECTOR_ENDS: [OfHost; 3] = [
    OfHost::ElectorKilled,
    OfHost::ElectorStopped,
    OfHost::Reloaded,
];

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
        supervisors.chain(self.trials.iter().flat_map(replaced))
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
}

/// The electors that ended and should not have.
fn replaced(trial: &Trial) -> impl Iterator<Item = String> {
    let is_unexpected = |host: &&String| !trial.has_done(&ELECTOR_ENDS, host);
    let hosts = trial.replaced.iter().filter(is_unexpected);
    hosts.map(|host| format!("{host}'s elector ended, after: {}", trial.words()))
}
