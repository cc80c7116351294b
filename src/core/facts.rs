//! What the elector's shell tells [`super::supervisor::Supervisor`], and what that tells the shell.

use super::candidacy::Block;
use super::election::{MasterZnode, Outcome, Sight, TermId, Token, Transaction};
use super::guard::{Order, Report};
use super::lease::Misfit;
use super::term::{Ending, Loss};
use std::time::Duration;

/// What the elector's shell found out.
#[derive(Clone, Copy, PartialEq, Eq, Hash, Debug)]
pub enum Event {
    /// Nothing but the time.
    Woke,
    /// The guardian said how things are.
    Reported(Report),
    /// The guardian is dead, and this is what was found of its tree.
    GuardianDied(Sweep),
    /// Whether the command can be started now.
    CommandLooked(Command),
    /// Something about a session, by its number.
    Session(u32, SessionEvent),
}

/// What a sweep after the guardian's death has proven.
#[derive(Clone, Copy, PartialEq, Eq, Hash, Debug)]
pub enum Sweep {
    /// Nothing of the tree is left.
    Clean,
    /// Something may be left: no release.
    Unproven,
}

/// Whether the command can be started.
#[derive(Clone, Copy, PartialEq, Eq, Hash, Debug)]
pub enum Command {
    /// Yes, as far as can be seen.
    Runnable,
    /// No: its file is missing, or may not be executed.
    Missing,
}

/// Something about a session.
#[derive(Clone, Copy, PartialEq, Eq, Hash, Debug)]
pub enum SessionEvent {
    /// It is open.
    Opened {
        /// What the ensemble calls it.
        id: i64,
        /// The timeout it was granted.
        granted: Duration,
    },
    /// It could not be opened.
    OpenFailed,
    /// Its connection is lost.
    Interrupted,
    /// It has a connection again.
    Restored,
    /// It expired, or was closed or refused by the ensemble.
    Ended,
    /// The answer to a look.
    Looked(Sight),
    /// A look got no answer.
    LookFailed,
    /// What became of a transaction.
    Answered(Outcome),
    /// `M` was made, changed or deleted.
    MasterChanged,
    /// It is closed, as it was asked to be.
    Closed,
}

/// What the elector's shell must do.
#[derive(Clone, Copy, PartialEq, Eq, Hash, Debug)]
pub enum Action {
    /// Open a session.
    Open(u32),
    /// Leave a session without closing it.
    Abandon(u32),
    /// Close a session.
    Close(u32),
    /// Read `T` and `M`, and watch `M`.
    Look(u32),
    /// Send a transaction.
    Commit(u32, Transaction),
    /// Tell the guardian.
    Order(Order),
    /// Show the others, and `status`, what this candidate is doing.
    Publish(u32, CandidateState),
    /// Tell the operator.
    Tell(News),
    /// End the guardian, which does not answer: SIGKILL.
    KillGuardian,
    /// End this process.
    Exit(Exit),
}

/// What a candidate is doing, as the others see it.
#[derive(Clone, Copy, PartialEq, Eq, Hash, Debug)]
pub enum CandidateState {
    /// Standing by.
    Standby,
    /// Standing by, and unable to do more: the command, the lease or a znode forbids it.
    Unable,
    /// Campaign sent, or won and waiting until the last master's lease is over.
    WaitingOut,
    /// Master.
    Master,
    /// Stopping its tree.
    Stopping,
}

/// How this process ends.
#[derive(Clone, Copy, PartialEq, Eq, Hash, Debug)]
pub enum Exit {
    /// Everything was done.
    Done,
    /// Another elector carries the term on (R5).
    Superseded,
    /// The guardian is dead and nothing more can be vouched for.
    Bereft,
}

/// What an operator wants to know.
#[derive(Clone, Copy, PartialEq, Eq, Hash, Debug)]
pub enum News {
    /// A campaign is sent: for a free mastership, or (`Present`) over a master that did nothing for a full wait-out.
    Campaigning(MasterZnode, TermId),
    /// The mastership is ours.
    Promoted(Token, Wait),
    /// A new session or elector carries the term on.
    Resumed(Token, u32),
    /// The child ended by itself and is started again; so many starts in a row did not last.
    ChildRestarts(Wait, u32),
    /// The term ends.
    Demoted(Token, Loss),
    /// The term is over.
    Ended(Token, Ending),
    /// This candidate cannot campaign.
    Blocked(Block),
    /// The granted session is too short for grace period and kill margin.
    SessionTooShort(Duration, Misfit),
    /// The granted session is shorter than asked, and so is the lease.
    LeaseShortened(Duration, Duration),
    /// The command cannot be started.
    CommandMissing,
    /// The session did not answer for too long and is replaced.
    SessionReplaced,
    /// The guardian does not answer.
    GuardianSilent,
}

/// How long until the child may start.
#[derive(Clone, Copy, PartialEq, Eq, Hash, Debug)]
pub struct Wait(pub Duration);
