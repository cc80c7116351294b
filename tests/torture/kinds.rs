//! The kinds of faults: what each is called, whom it may be aimed at, how long it may last.

use std::time::Duration;
use zk_supervise::core::lease::Timing;

/// A kind of fault.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub(crate) enum Kind {
    Host(OfHost),
    Server(OfServer),
    Group(OfGroup),
}

/// Done to one host.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub(crate) enum OfHost {
    GuardianKilled,
    GuardianStopped,
    ElectorKilled,
    ElectorStopped,
    ChildKilled,
    ChildStopped,
    ChildEnds,
    Killed,
    Frozen,
    FrozenBriefly,
    PairKilled,
    PairStopped,
    PlannedStop,
    Reloaded,
    Cut(Lost),
    Refused,
    OneLinkDead,
    Delayed,
    Reset,
}

/// Which packets are lost between who asks and who answers: a host and the servers, clients and a server, a leader and its
/// followers.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub(crate) enum Lost {
    Requests,
    Answers,
    Both,
}

/// Done to one server.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub(crate) enum OfServer {
    Killed,
    Frozen,
    FrozenAfterRenewal,
    CutFromPeers(Lost),
    CutFromClients(Lost),
    Delayed,
    Reset,
}

/// Done to all, or to what they share.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub(crate) enum OfGroup {
    RollingRestart,
    QuorumLost,
    MasterDeleted,
    SessionExpired,
    Starved,
}

/// Every kind, as often as it is in a bag.
pub(crate) const KINDS: [Kind; 37] = [
    Kind::Host(OfHost::GuardianKilled),
    Kind::Host(OfHost::GuardianStopped),
    Kind::Host(OfHost::ElectorKilled),
    Kind::Host(OfHost::ElectorStopped),
    Kind::Host(OfHost::ChildKilled),
    Kind::Host(OfHost::ChildStopped),
    Kind::Host(OfHost::ChildEnds),
    Kind::Host(OfHost::Killed),
    Kind::Host(OfHost::Frozen),
    Kind::Host(OfHost::FrozenBriefly),
    Kind::Host(OfHost::PairKilled),
    Kind::Host(OfHost::PairStopped),
    Kind::Host(OfHost::PlannedStop),
    Kind::Host(OfHost::Reloaded),
    Kind::Host(OfHost::Cut(Lost::Requests)),
    Kind::Host(OfHost::Cut(Lost::Answers)),
    Kind::Host(OfHost::Cut(Lost::Both)),
    Kind::Host(OfHost::Refused),
    Kind::Host(OfHost::OneLinkDead),
    Kind::Host(OfHost::Delayed),
    Kind::Host(OfHost::Reset),
    Kind::Server(OfServer::Killed),
    Kind::Server(OfServer::Frozen),
    Kind::Server(OfServer::FrozenAfterRenewal),
    Kind::Server(OfServer::CutFromPeers(Lost::Requests)),
    Kind::Server(OfServer::CutFromPeers(Lost::Answers)),
    Kind::Server(OfServer::CutFromPeers(Lost::Both)),
    Kind::Server(OfServer::CutFromClients(Lost::Requests)),
    Kind::Server(OfServer::CutFromClients(Lost::Answers)),
    Kind::Server(OfServer::CutFromClients(Lost::Both)),
    Kind::Server(OfServer::Delayed),
    Kind::Server(OfServer::Reset),
    Kind::Group(OfGroup::RollingRestart),
    Kind::Group(OfGroup::QuorumLost),
    Kind::Group(OfGroup::MasterDeleted),
    Kind::Group(OfGroup::SessionExpired),
    Kind::Group(OfGroup::Starved),
];

/// The host that is meant; who that is, is found out when it is done.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub(crate) enum HostAim {
    Master,
    /// One of the two standbys.
    Standby(usize),
}

/// The server that is meant.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub(crate) enum ServerAim {
    Leader,
    /// One of the two that follow.
    Follower(usize),
    /// The one that the master's session is on.
    Masters,
}

/// A range of lengths.
pub(crate) type Range = (Duration, Duration);

const TENTH: Duration = Duration::from_millis(100);
const SECOND: Duration = Duration::from_secs(1);
const NO_LENGTH: Range = (Duration::ZERO, Duration::ZERO);

impl Kind {
    /// In a few words, as the report has it.
    pub(crate) fn words(self) -> &'static str {
        match self {
            Kind::Host(kind) => kind.words(),
            Kind::Server(kind) => kind.words(),
            Kind::Group(kind) => kind.words(),
        }
    }

    /// The ranges from one of which its length is drawn: for what is killed, the time until it is started again.
    pub(crate) fn lengths(self, timing: &Timing) -> Vec<Range> {
        match self {
            Kind::Host(kind) => kind.lengths(timing),
            Kind::Server(kind) => kind.lengths(),
            Kind::Group(kind) => kind.lengths(timing),
        }
    }
}

impl OfHost {
    fn words(self) -> &'static str {
        match self {
            OfHost::GuardianKilled => "guardian killed",
            OfHost::GuardianStopped => "guardian stopped",
            OfHost::ElectorKilled => "elector killed",
            OfHost::ElectorStopped => "elector stopped",
            OfHost::ChildKilled => "child killed",
            OfHost::ChildStopped => "child stopped",
            OfHost::ChildEnds => "child ends by itself",
            OfHost::Killed => "host killed",
            OfHost::Frozen => "host frozen",
            OfHost::FrozenBriefly => "host frozen briefly",
            OfHost::PairKilled => "guardian and elector killed",
            OfHost::PairStopped => "guardian and elector stopped",
            OfHost::PlannedStop => "planned stop",
            OfHost::Reloaded => "reload",
            OfHost::Cut(Lost::Requests) => "host's requests lost",
            OfHost::Cut(Lost::Answers) => "answers to a host lost",
            OfHost::Cut(Lost::Both) => "host cut off",
            OfHost::Refused => "connections refused",
            OfHost::OneLinkDead => "link in use dead",
            OfHost::Delayed => "host delayed",
            OfHost::Reset => "connections reset",
        }
    }

    /// Whether it can be done to a standby, who has no child.
    pub(crate) fn suits_standby(self) -> bool {
        match self {
            OfHost::ChildKilled
            | OfHost::ChildStopped
            | OfHost::ChildEnds
            | OfHost::Frozen
            | OfHost::PairKilled
            | OfHost::PairStopped => false,
            OfHost::GuardianKilled
            | OfHost::GuardianStopped
            | OfHost::ElectorKilled
            | OfHost::ElectorStopped
            | OfHost::Killed
            | OfHost::FrozenBriefly
            | OfHost::PlannedStop
            | OfHost::Reloaded
            | OfHost::Cut(_)
            | OfHost::Refused
            | OfHost::OneLinkDead
            | OfHost::Delayed
            | OfHost::Reset => true,
        }
    }

    fn lengths(self, timing: &Timing) -> Vec<Range> {
        let patience = timing.patience();
        let beyond = timing.takeover_after();
        // A server must be found again afterwards.
        let covered = timing.rides_out() - timing.connect_timeout;
        match self {
            // Well below the patience of its partner, about it, well above.
            OfHost::GuardianStopped | OfHost::ElectorStopped => vec![
                (TENTH, patience / 2),
                (patience / 2, patience * 2),
                (patience * 2, patience * 3),
            ],
            OfHost::ChildStopped => vec![(TENTH * 3, SECOND * 2)],
            OfHost::Killed | OfHost::PairKilled => vec![(TENTH, SECOND * 3)],
            // One that the others do not give up shows nothing.
            OfHost::Frozen | OfHost::PairStopped => vec![(beyond + SECOND / 2, beyond + SECOND)],
            OfHost::FrozenBriefly => vec![(TENTH * 3, covered)],
            // What is ridden out, what may be, what is not.
            OfHost::Cut(_) | OfHost::Refused => vec![
                (TENTH * 3, covered),
                (covered, timing.stop_after() + SECOND),
                (timing.stop_after() + SECOND, beyond + SECOND),
            ],
            OfHost::PlannedStop => vec![(TENTH, SECOND)],
            OfHost::Delayed | OfHost::OneLinkDead => vec![(SECOND, SECOND * 3)],
            OfHost::GuardianKilled
            | OfHost::ElectorKilled
            | OfHost::ChildKilled
            | OfHost::ChildEnds
            | OfHost::Reloaded
            | OfHost::Reset => vec![NO_LENGTH],
        }
    }
}

impl OfServer {
    fn words(self) -> &'static str {
        match self {
            OfServer::Killed => "server killed",
            OfServer::Frozen => "server frozen",
            OfServer::FrozenAfterRenewal => "server frozen after a renewal",
            OfServer::CutFromPeers(Lost::Requests) => "leader not heard by followers",
            OfServer::CutFromPeers(Lost::Answers) => "followers not heard by leader",
            OfServer::CutFromPeers(Lost::Both) => "leader cut from followers",
            OfServer::CutFromClients(Lost::Requests) => "clients not heard by server",
            OfServer::CutFromClients(Lost::Answers) => "server not heard by clients",
            OfServer::CutFromClients(Lost::Both) => "server cut from clients",
            OfServer::Delayed => "server delayed",
            OfServer::Reset => "server's connections reset",
        }
    }

    pub(crate) fn aims(self) -> &'static [ServerAim] {
        match self {
            OfServer::Killed | OfServer::Frozen => &[
                ServerAim::Leader,
                ServerAim::Follower(0),
                ServerAim::Follower(1),
                ServerAim::Masters,
            ],
            // Nobody else would notice.
            OfServer::CutFromClients(_) | OfServer::Delayed | OfServer::Reset => {
                &[ServerAim::Masters]
            }
            OfServer::FrozenAfterRenewal => &[
                ServerAim::Follower(0),
                ServerAim::Follower(1),
                ServerAim::Masters,
            ],
            OfServer::CutFromPeers(_) => &[ServerAim::Leader],
        }
    }

    /// Whether its clients alone can notice.
    pub(crate) fn is_for_clients(self) -> bool {
        match self {
            OfServer::CutFromClients(_) | OfServer::Delayed | OfServer::Reset => true,
            OfServer::Killed
            | OfServer::Frozen
            | OfServer::FrozenAfterRenewal
            | OfServer::CutFromPeers(_) => false,
        }
    }

    fn lengths(self) -> Vec<Range> {
        match self {
            OfServer::Killed => vec![(TENTH, SECOND)],
            OfServer::Frozen | OfServer::FrozenAfterRenewal | OfServer::CutFromClients(_) => {
                vec![(TENTH * 3, SECOND * 5)]
            }
            // As long as it lasts nobody may be elected: what is ridden out, and what need not be.
            OfServer::CutFromPeers(Lost::Answers) => {
                vec![(TENTH * 3, SECOND), (SECOND * 2, SECOND * 5)]
            }
            OfServer::CutFromPeers(_) => vec![(SECOND, SECOND * 5)],
            OfServer::Delayed => vec![(SECOND, SECOND * 3)],
            OfServer::Reset => vec![NO_LENGTH],
        }
    }
}

impl OfGroup {
    fn words(self) -> &'static str {
        match self {
            OfGroup::RollingRestart => "rolling restart",
            OfGroup::QuorumLost => "quorum lost",
            OfGroup::MasterDeleted => "master znode deleted",
            OfGroup::SessionExpired => "session expired",
            OfGroup::Starved => "processors starved",
        }
    }

    fn lengths(self, timing: &Timing) -> Vec<Range> {
        match self {
            OfGroup::Starved => vec![(SECOND, SECOND * 3)],
            OfGroup::QuorumLost => {
                let beyond = timing.stop_after() + SECOND;
                vec![(TENTH * 3, SECOND), (beyond, beyond + SECOND * 3)]
            }
            OfGroup::RollingRestart | OfGroup::MasterDeleted | OfGroup::SessionExpired => {
                vec![NO_LENGTH]
            }
        }
    }
}
