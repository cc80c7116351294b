//! What each kind of fault may cost: whether the child must run on through it, and for how long nobody may be master.
//!
//! All of it follows from the lease ([`Timing`]) and from the constants below. A *gap* is the time in which no
//! witness executed, from the last sign of the old tree to the first of the new one. In the table, *outage* is for how
//! long no renewal can succeed; where it may reach what the lease rides out, the mastership may move, else the child
//! must not notice.
//!
//! | fault | outage | the child | a gap is at most |
//! |---|---|---|---|
//! | guardian killed, of the master | | moves: the kernel kills it, the elector sweeps and releases | slack |
//! | guardian stopped for more than half the elector's patience | | moves: the elector kills the guardian | slack |
//! | elector killed or stopped, reload | patience + connect timeout | runs on | 0 |
//! | child killed, or ends by itself | | is started again in its term | its backoff + slack |
//! | child stopped | | runs on, for all that is known | 0 |
//! | host killed | | moves | takeover + slack |
//! | host frozen for longer than the lease | | excluded: it may run beside the next until its guardian has run | takeover + slack |
//! | host frozen briefly | length + connect timeout | runs on | 0 |
//! | guardian and elector killed | | excluded: descendants may run until the host's next supervisor finds them | takeover + slack |
//! | planned stop | | moves | slack |
//! | guardian and elector stopped for longer than the lease | | excluded: it runs beside the next until its guardian goes on | takeover + slack |
//! | host cut off, whichever way, or refused | length + connect timeout | runs on, or stops itself; stops itself if longer than stop + slack | takeover − stop + renew interval + slack |
//! | host delayed by an eighth of the connect timeout each way | connect timeout | runs on | 0 |
//! | connections reset, link in use dead | connect timeout | runs on | 0 |
//! | follower killed or frozen | connect timeout | runs on | 0 |
//! | server cut from clients, whichever way, delayed or its connections reset | connect timeout | runs on | 0 |
//! | leader killed | election + connect timeout | runs on | 0 |
//! | leader frozen, not heard by its followers, or cut from them | given up + election + connect timeout | runs on | 0 |
//! | followers not heard by their leader, whom they elect again and again | length + election + connect timeout | runs on, or stops itself | that of a lost quorum |
//! | rolling restart | that of a leader killed, once a server | runs on | 0 |
//! | quorum lost: both followers frozen | length + election + connect timeout | the same | length − stop + election + connect timeout + slack, and what is left of the takeover, or two polls |
//! | master znode deleted, session expired | | moves: the old one stops and releases, the next polls that | 2 polls + slack |
//! | processors starved | length + connect timeout | runs on, as long as it is drawn | 0 |
//!
//! Done to a standby, each of them leaves the child alone. No fault starts the child more than once.
//!
//! Where two are done at once, one of which leaves the child alone by itself, and the lease rides out both outages one after
//! the other, the child may do no more than the other allows. A gap then is at most longer by twice both outages, for what
//! is released and what is taken over, or by a takeover. Else the mastership may move, once for each that moves it and
//! once at least, and the gap may be as long as both together and one more takeover.
//!
//! While a host is dead or frozen, or its two processes are stopped, another starts the child no sooner than a lease after
//! the last renewal that can have been answered. Where none can succeed for longer than a lease, nothing executes beyond it.

use crate::draw::{Deed, Plan};
use crate::kinds::{HostAim, Lost, OfGroup, OfHost, OfServer};
use crate::story::{Label, Life};
use std::time::Duration;
use zk_supervise::core::lease::Timing;
use zk_supervise::core::restart::Backoff;

/// What a loaded machine with two processors adds to what should happen at once: the dying, the sweep, the watch, the
/// campaign and the start of the next child each wait for a processor that others use.
pub(crate) const SLACK: Duration = Duration::from_millis(1500);

/// How long an election among the servers takes at the quick pace, until clients are served again. Half of those in a run
/// took less than 0.25 s, nine in ten less than 0.45 s, as the servers' logs tell; at a load of 26 on two processors one
/// took 4.4 s in all.
const ELECTION: Duration = Duration::from_millis(3800);

/// When the followers of a silent leader give it up, and it them: five ticks of 200 ms.
const GIVEN_UP: Duration = Duration::from_millis(1000);

/// By how much a renewal may be late, on a machine that is busy.
const HASTE: Duration = Duration::from_millis(300);

/// How long all may take to be well again: JVMs start slowly where others compile.
pub(crate) const WHOLE_WITHIN: Duration = Duration::from_secs(60);

/// What a fault may do, as it is judged.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub(crate) enum Effect {
    /// The child does not notice.
    None,
    /// The child is started again, in its term.
    StartedAgain,
    /// The mastership may move.
    MayMove,
    /// It moves: a fault that changes nothing was not done.
    Moves,
    /// The same, and two may run at once: for how long is judged.
    Excluded(Excluded),
}

/// What the design does not cover.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub(crate) enum Excluded {
    /// All of a host stands still, and goes on later.
    Frozen,
    /// Guardian and elector die at once, and leave descendants behind.
    Orphaned,
    /// Guardian and elector stand still, and the child does not.
    Unguarded,
}

impl Excluded {
    /// For how long two may run at once when it is over.
    pub(crate) fn within(self) -> Duration {
        match self {
            // Its guardian is the last to be woken.
            Excluded::Frozen => Duration::from_millis(500),
            // The host's next supervisor must start, and find them.
            Excluded::Orphaned | Excluded::Unguarded => Duration::from_millis(1500),
        }
    }
}

impl Effect {
    pub(crate) fn label(self) -> Label {
        match self {
            Effect::None => Label::MustRideOut,
            Effect::StartedAgain | Effect::MayMove | Effect::Moves => Label::MayMove,
            Effect::Excluded(excluded) => Label::Excluded(excluded.within()),
        }
    }
}

/// What is expected of a fault.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub(crate) struct Expectation {
    pub(crate) effect: Effect,
    /// For how long no renewal can succeed, if the child is to run on.
    pub(crate) outage: Duration,
    /// How often the child may start.
    pub(crate) starts: usize,
    /// How long after the beginning it starts elsewhere at the earliest.
    pub(crate) apart: Duration,
    /// For how long nobody may be master.
    pub(crate) bound: Duration,
}

impl Expectation {
    /// The child runs on, although no renewal succeeds for so long.
    pub(crate) fn calm(outage: Duration) -> Expectation {
        Expectation {
            effect: Effect::None,
            outage,
            starts: 0,
            apart: Duration::ZERO,
            bound: Duration::ZERO,
        }
    }

    /// The child may start once.
    pub(crate) fn new(effect: Effect, bound: Duration) -> Expectation {
        Expectation {
            effect,
            outage: Duration::ZERO,
            starts: 1,
            apart: Duration::ZERO,
            bound,
        }
    }

    /// The design does not cover it, and the others wait for the lease nevertheless.
    fn excluded(excluded: Excluded, timing: &Timing) -> Expectation {
        let bound = timing.takeover_after() + SLACK;
        Expectation {
            apart: apart(timing),
            ..Expectation::new(Effect::Excluded(excluded), bound)
        }
    }

    /// Two at once.
    pub(crate) fn beside(self, other: Expectation, timing: &Timing) -> Expectation {
        let outage = self.outage + other.outage;
        let apart = self.apart.max(other.apart).saturating_sub(outage);
        let is_one_calm = self.effect == Effect::None || other.effect == Effect::None;
        if is_one_calm && outage <= timing.rides_out() {
            let rest = if self.effect == Effect::None {
                other
            } else {
                self
            };
            let more = (outage * 2).min(timing.takeover_after());
            let bound = rest.bound
                + if rest.effect == Effect::None {
                    Duration::ZERO
                } else {
                    more
                };
            return Expectation {
                outage,
                apart,
                bound,
                ..rest
            };
        }
        let excluded = [self.effect, other.effect]
            .into_iter()
            .find(|effect| matches!(effect, Effect::Excluded(_)));
        Expectation {
            effect: excluded.unwrap_or(Effect::MayMove),
            outage,
            starts: (self.starts + other.starts).max(1),
            apart,
            bound: self.bound + other.bound + timing.takeover_after(),
        }
    }
}

/// What a fault may do, done as it was planned.
///
/// `role`: what the server is that it was done to. `term`: the lives of the term that it was done in.
pub(crate) fn expect(
    plan: &Plan,
    role: Option<Role>,
    term: &[Life],
    timing: &Timing,
) -> Expectation {
    match plan.deed {
        Deed::Host(_, HostAim::Standby(_)) => Expectation::calm(Duration::ZERO),
        Deed::Host(kind, HostAim::Master) => of_host(kind, plan.length, term, timing),
        Deed::Server(kind, _) => of_server(kind, plan.length, role, timing),
        Deed::Group(kind) => of_group(kind, plan.length, timing),
    }
}

fn of_host(kind: OfHost, length: Duration, term: &[Life], timing: &Timing) -> Expectation {
    let takeover = timing.takeover_after() + SLACK;
    match kind {
        OfHost::GuardianStopped if length <= timing.patience() / 2 => Expectation::calm(length),
        OfHost::GuardianStopped if length < timing.patience() * 2 => {
            Expectation::new(Effect::MayMove, SLACK)
        }
        OfHost::GuardianKilled | OfHost::GuardianStopped | OfHost::PlannedStop => {
            Expectation::new(Effect::Moves, SLACK)
        }
        OfHost::ChildKilled | OfHost::ChildEnds => {
            Expectation::new(Effect::StartedAgain, backoff(term) + SLACK)
        }
        OfHost::Killed => Expectation {
            apart: apart(timing),
            ..Expectation::new(Effect::Moves, takeover)
        },
        OfHost::Frozen => Expectation::excluded(Excluded::Frozen, timing),
        OfHost::PairKilled => Expectation::excluded(Excluded::Orphaned, timing),
        OfHost::PairStopped => Expectation::excluded(Excluded::Unguarded, timing),
        OfHost::FrozenBriefly => outage(length, timing),
        OfHost::Cut(_) | OfHost::Refused => stopped_by(length, outage(length, timing), timing),
        OfHost::ElectorKilled | OfHost::ElectorStopped | OfHost::Reloaded => {
            Expectation::calm(timing.patience() + timing.connect_timeout)
        }
        OfHost::ChildStopped => Expectation::calm(Duration::ZERO),
        OfHost::OneLinkDead | OfHost::Delayed | OfHost::Reset => {
            Expectation::calm(timing.connect_timeout)
        }
    }
}

fn of_server(kind: OfServer, length: Duration, role: Option<Role>, timing: &Timing) -> Expectation {
    if kind == OfServer::CutFromPeers(Lost::Answers) {
        return leaderless(length, timing);
    }
    let election = match (kind, role) {
        (OfServer::CutFromClients(_) | OfServer::Delayed | OfServer::Reset, _)
        | (_, Some(Role::Follower)) => Duration::ZERO,
        (OfServer::Killed, _) => ELECTION,
        (OfServer::Frozen | OfServer::FrozenAfterRenewal | OfServer::CutFromPeers(_), _) => {
            length.min(GIVEN_UP) + ELECTION
        }
    };
    outage(election, timing)
}

fn of_group(kind: OfGroup, length: Duration, timing: &Timing) -> Expectation {
    match kind {
        OfGroup::RollingRestart => outage(ELECTION, timing),
        OfGroup::QuorumLost => stopped_by(length, leaderless(length, timing), timing),
        OfGroup::MasterDeleted | OfGroup::SessionExpired => {
            Expectation::new(Effect::Moves, timing.poll_interval * 2 + SLACK)
        }
        OfGroup::Starved => outage(length, timing),
    }
}

/// What a server is in its ensemble.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub(crate) enum Role {
    Leader,
    Follower,
}

/// No renewal can succeed for so long, and then a server must be found: the lease rides it out, or the child stops.
fn outage(span: Duration, timing: &Timing) -> Expectation {
    let whole = span + timing.connect_timeout;
    if whole <= timing.rides_out() {
        Expectation::calm(whole)
    } else {
        Expectation {
            outage: whole,
            ..Expectation::new(Effect::MayMove, cut_off(timing))
        }
    }
}

/// Nobody leads for so long, and then somebody must be elected.
fn leaderless(length: Duration, timing: &Timing) -> Expectation {
    let expected = outage(length + ELECTION, timing);
    if expected.effect == Effect::None {
        return expected;
    }
    Expectation {
        bound: without_quorum(length, timing),
        ..expected
    }
}

/// No renewal succeeds for so long, for sure: if that is longer than any lease lasts, the child must stop.
fn stopped_by(length: Duration, expected: Expectation, timing: &Timing) -> Expectation {
    let must_stop = length > timing.stop_after() + SLACK;
    Expectation {
        effect: if must_stop && expected.effect == Effect::MayMove {
            Effect::Moves
        } else {
            expected.effect
        },
        ..expected
    }
}

/// What a host that is silent showed last still counts for so long.
fn apart(timing: &Timing) -> Duration {
    timing.lease - timing.renew_interval - HASTE
}

/// The child stops itself that long after the last good renewal; the next starts that long after the last it saw.
fn cut_off(timing: &Timing) -> Duration {
    timing.takeover_after() - timing.stop_after() + timing.renew_interval + SLACK
}

/// Nobody can take over before there is a quorum, and a leader, and a session again. What is waited out is waited out
/// meanwhile.
fn without_quorum(length: Duration, timing: &Timing) -> Duration {
    let stopped = length.saturating_sub(timing.stop_after());
    let waited_out = timing.takeover_after().saturating_sub(length);
    let taken_over = waited_out.max(timing.poll_interval * 2);
    stopped + ELECTION + timing.connect_timeout + taken_over + SLACK
}

/// The pause before the child of a term is started again, after all the lives it had in it.
fn backoff(term: &[Life]) -> Duration {
    let mut backoff = Backoff::default();
    let pauses = term
        .iter()
        .map(|life| backoff.pause_after(life.end.saturating_sub(life.start)));
    pauses
        .last()
        .unwrap_or_else(|| Backoff::default().pause_after(Duration::ZERO))
}
