//! What goes wrong, and when.

use super::super::facts::{Command, Event};
use super::super::guard::Fact;
use super::random::{Random, millis, nanos};
use super::{Climate, NEVER, ToGuardian, Weather, What, World};
use std::time::Duration;

/// A kind of fault.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub(super) enum Kind {
    ElectorCrashes,
    ElectorHangs,
    ElectorPauses,
    GuardianPauses,
    GuardianStops,
    /// Cut off first, so that the lease runs out while the guardian is stopped.
    GuardianStopsInTheDark,
    GuardianIsKilled,
    PowerFails,
    ShutdownIsAsked,
    EnsembleIsDown,
    HostIsCut,
    SessionExpires,
    MasterIsDeleted,
    TermIsDeleted,
    CommandFlips,
    ChildEnds,
    WritesAreForbidden,
    NetworkIsBad,
}

const HOSTILE: [Kind; 16] = [
    Kind::ElectorCrashes,
    Kind::ElectorHangs,
    Kind::ElectorPauses,
    Kind::GuardianPauses,
    Kind::GuardianStops,
    Kind::GuardianStopsInTheDark,
    Kind::GuardianIsKilled,
    Kind::PowerFails,
    Kind::ShutdownIsAsked,
    Kind::EnsembleIsDown,
    Kind::HostIsCut,
    Kind::SessionExpires,
    Kind::MasterIsDeleted,
    Kind::CommandFlips,
    Kind::ChildEnds,
    Kind::WritesAreForbidden,
];

const CALM: [Kind; 7] = [
    Kind::ElectorCrashes,
    Kind::ElectorHangs,
    Kind::ElectorPauses,
    Kind::GuardianPauses,
    Kind::EnsembleIsDown,
    Kind::HostIsCut,
    Kind::NetworkIsBad,
];

pub(super) fn weather(random: &mut Random, climate: Climate, session: u64) -> Weather {
    let bad = climate != Climate::Calm;
    let mut some = |list: &[u64]| if bad { random.pick(list) } else { 0 };
    let mut weather = Weather {
        lost_requests: some(&[0, 1, 10]),
        lost_replies: some(&[0, 1, 10, 25]),
        slow: some(&[0, 2, 20]),
        longest_delay: some(&[100, 1000, 5000]) * 1_000_000,
        lag: 0,
        odd_timeouts: some(&[0, 0, 20]),
        immortal_sessions: some(&[0, 0, 30]),
        mortal_children: some(&[0, 0, 50]),
        kinds: CALM.to_vec(),
        longest_pause: session * 1_000_000_000 / random.pick(&[1, 2, 8]),
    };
    weather.lag = random.pick(&[0, 2, 30]);
    if bad {
        let share = random.pick(&[20, 40, 100]);
        weather.kinds = HOSTILE.to_vec();
        weather.kinds.retain(|_| random.percent(share));
        weather.kinds.push(random.pick(&HOSTILE));
    }
    if climate == Climate::Lawless {
        weather.kinds.push(Kind::TermIsDeleted);
    }
    weather
}

impl World {
    pub(super) fn plan_faults(&mut self) {
        self.at(self.faults_end, What::FaultsEnd);
        let quiet = match self.climate {
            Climate::Hostile | Climate::Lawless => self.random.below(self.longest_session()),
            Climate::Calm => 2 * self.longest_session() + millis(5000),
        };
        self.after(quiet, What::Fault);
    }

    /// Something goes wrong; the next thing does so after a while.
    pub(super) fn fault(&mut self) {
        if self.now >= self.faults_end {
            return;
        }
        let kind = {
            let kinds = &self.weather.kinds;
            self.random.pick(kinds)
        };
        let host = self.victim();
        self.note(|| format!("fault: {kind:?} on {host}"));
        self.inflict(kind, host);
        let pause = match self.climate {
            Climate::Hostile | Climate::Lawless => self.random.skewed(self.weather.longest_pause),
            Climate::Calm => 3 * self.longest_session() + self.random.below(millis(2000)),
        };
        self.after(pause, What::Fault);
    }

    /// Mostly the host whose child runs.
    fn victim(&mut self) -> usize {
        let master = self.hosts.iter().position(|host| host.tree.is_some());
        let any = usize::try_from(self.random.below(6)).unwrap() % self.hosts.len();
        master.filter(|_| self.random.percent(60)).unwrap_or(any)
    }

    /// How long the ensemble or the network may be away.
    fn absence(&mut self, host: usize) -> u64 {
        match self.climate {
            Climate::Hostile | Climate::Lawless => self.random.skewed(2 * self.longest_session()),
            Climate::Calm => {
                let timing = self.hosts[host].timing;
                // The last request of the absence may be lost without a sign; then another session must be opened.
                let recovery =
                    timing.connect_timeout * 2 + timing.renew_interval + Duration::from_millis(200);
                self.random
                    .below(nanos(timing.rides_out().saturating_sub(recovery)))
            }
        }
    }

    fn inflict(&mut self, kind: Kind, host: usize) {
        match kind {
            Kind::ElectorCrashes
            | Kind::ElectorHangs
            | Kind::ElectorPauses
            | Kind::GuardianPauses
            | Kind::GuardianStops
            | Kind::GuardianIsKilled
            | Kind::PowerFails
            | Kind::ShutdownIsAsked
            | Kind::CommandFlips
            | Kind::ChildEnds => self.harm(kind, host),
            Kind::GuardianStopsInTheDark => {
                let timing = self.hosts[host].timing;
                let (length, margin) = (nanos(timing.lease), nanos(timing.kill_margin));
                self.cut(host, self.now + 2 * length);
                let delay = length - margin * 2 + self.random.below(margin * 3 / 2);
                self.after(delay, What::GuardianStops(host));
            }
            Kind::EnsembleIsDown => {
                self.down_until = self.now + self.absence(host);
                for host in 0..self.hosts.len() {
                    self.notice_all(host);
                }
            }
            Kind::HostIsCut => {
                let until = self.now + self.absence(host);
                self.cut(host, until);
            }
            Kind::SessionExpires => {
                let ids: Vec<i64> = self.ensemble.sessions.keys().copied().collect();
                if !ids.is_empty() {
                    let id = self.random.pick(&ids);
                    let master = self.ensemble.latest().master;
                    self.end_session(master.filter(|_| id % 2 == 0).unwrap_or(id));
                }
            }
            Kind::MasterIsDeleted => {
                self.ensemble.delete_master();
                self.tell_watchers();
            }
            Kind::TermIsDeleted => self.ensemble.delete_term(),
            Kind::WritesAreForbidden => self.ensemble.forbids = !self.ensemble.forbids,
            Kind::NetworkIsBad => self.notice_all(host),
        }
    }

    /// What goes wrong on a host. Guardian and elector are never both stopped: that is not covered.
    fn harm(&mut self, kind: Kind, host: usize) {
        let now = self.now;
        let patience = nanos(self.hosts[host].timing.patience());
        let place = &mut self.hosts[host];
        let pause = match self.climate {
            Climate::Hostile | Climate::Lawless => self.random.skewed(patience),
            Climate::Calm => self.random.skewed(patience / 3),
        };
        let (Some(guardian), Some(elector)) = (&mut place.guardian, &mut place.elector) else {
            return;
        };
        let (guardian_pid, elector_pid) = (guardian.pid, elector.pid);
        let tree = place.tree.as_ref().map(|tree| tree.number);
        if now < guardian.paused_until || now < elector.paused_until {
            return;
        }
        match kind {
            Kind::ElectorCrashes => self.after(0, What::ElectorDies(elector_pid)),
            Kind::ElectorHangs => self.hang(host),
            Kind::ElectorPauses => elector.paused_until = now + pause,
            Kind::GuardianPauses => guardian.paused_until = now + pause,
            Kind::GuardianStops => guardian.paused_until = NEVER,
            Kind::GuardianIsKilled => self.guardian_dies(guardian_pid),
            Kind::PowerFails => self.power_fails(host),
            Kind::ShutdownIsAsked => self.ask_shutdown(guardian_pid),
            Kind::CommandFlips => {
                place.command = match place.command {
                    Command::Runnable => Command::Missing,
                    Command::Missing => Command::Runnable,
                };
                let command = place.command;
                self.tell(elector_pid, Event::CommandLooked(command));
            }
            Kind::ChildEnds => {
                if let Some(tree) = tree {
                    self.main_ends(tree);
                }
            }
            Kind::EnsembleIsDown
            | Kind::HostIsCut
            | Kind::SessionExpires
            | Kind::MasterIsDeleted
            | Kind::TermIsDeleted
            | Kind::WritesAreForbidden
            | Kind::GuardianStopsInTheDark
            | Kind::NetworkIsBad => {}
        }
    }

    pub(super) fn guardian_stops(&mut self, host: usize) {
        let kind = self
            .random
            .pick(&[Kind::GuardianStops, Kind::GuardianPauses]);
        self.note(|| format!("in the dark: {kind:?} on {host}"));
        self.harm(kind, host);
    }

    fn ask_shutdown(&mut self, guardian: u64) {
        self.after(
            0,
            What::Guardian(guardian, ToGuardian::Learns(Fact::ShutdownAsked)),
        );
        if self.random.percent(30) {
            let delay = self.random.skewed(millis(5000));
            self.after(
                delay,
                What::Guardian(guardian, ToGuardian::Learns(Fact::ShutdownAsked)),
            );
        }
    }

    /// From now on all is well.
    pub(super) fn end_faults(&mut self) {
        self.note(|| "faults end".into());
        let kinds = std::mem::take(&mut self.weather.kinds);
        let odd_timeouts = self.weather.odd_timeouts;
        self.weather = Weather {
            lost_requests: 0,
            lost_replies: 0,
            slow: 0,
            longest_delay: 0,
            lag: 0,
            odd_timeouts: 0,
            immortal_sessions: 0,
            mortal_children: 0,
            longest_pause: 0,
            kinds,
        };
        (self.down_until, self.ensemble.forbids) = (self.now, false);
        for id in self.ensemble.sessions.keys().copied().collect::<Vec<_>>() {
            // The operator has put the ensemble's limits right, and restarted it.
            if odd_timeouts > 0 {
                self.end_session(id);
            }
        }
        for host in 0..self.hosts.len() {
            let place = &mut self.hosts[host];
            (place.cut_until, place.command) = (self.now, Command::Runnable);
            if let Some(elector) = &place.elector {
                let pid = elector.pid;
                self.tell(pid, Event::CommandLooked(Command::Runnable));
            }
        }
    }
}
