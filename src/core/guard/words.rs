//! What guardian and elector say to each other, what the guardian's shell finds out, and what it must do.

use std::time::Duration;

use crate::core::election::{TermId, Token};
use crate::core::time::Time;

/// What the elector says, in full, every time: a lost or repeated order needs no special case.
#[derive(Clone, Copy, PartialEq, Eq, Hash, Debug)]
pub enum Order {
    /// No news: whatever lease there is goes on.
    Hold,
    /// A committed transaction gave this lease (R1).
    Lease(Grant),
    /// The term is over: no child may start in it again, and its tree must die (R6).
    GiveUp(TermId),
    /// The term was given back, or is another's: it need not be remembered.
    Forget(TermId),
}

/// A lease, with all the guardian must know of its term (R9).
#[derive(Clone, Copy, PartialEq, Eq, Hash, Debug)]
pub struct Grant {
    /// The term.
    pub id: TermId,
    /// Which elector or session of it got the lease.
    pub generation: u32,
    /// The term's fencing token.
    pub token: Token,
    /// The last known version of the term record.
    pub version: i32,
    /// The term's lease length.
    pub lease: Duration,
    /// The child may not start before.
    pub not_before: Time,
    /// The child must be dead by then.
    pub end: Time,
    /// How many times the child should have been started in this term.
    pub starts: u32,
}

/// What a guardian knows that goes on in another image (R9).
#[derive(Clone, Copy, PartialEq, Eq, Hash, Debug)]
pub struct Carried {
    /// The term in its charge, if there is one.
    pub grant: Option<Grant>,
    /// How often the child was started in it.
    pub started: u32,
    /// How it ended the last time, if it did.
    pub exit: Option<ChildExit>,
    /// Since when the child runs, if it does.
    pub running_since: Option<Time>,
}

/// What the guardian says, in full, every time.
#[derive(Clone, Copy, PartialEq, Eq, Hash, Debug)]
pub struct Report {
    /// The term in its charge.
    pub charge: Charge,
    /// The tree.
    pub tree: Tree,
    /// How often the child was started in the term in charge.
    pub started: u32,
    /// How it ended the last time, if it did.
    pub exit: Option<ChildExit>,
    /// Whether the supervisor was asked to stop.
    pub shutdown: Shutdown,
}

/// The term in the guardian's charge.
#[derive(Clone, Copy, PartialEq, Eq, Hash, Debug)]
pub enum Charge {
    /// None.
    None,
    /// One in which the child may run.
    Open(Grant),
    /// One in which it may never start again (R6).
    Sealed(Grant, StopReason),
    /// One that was given up before the guardian was told of a lease: it will not be accepted any more.
    Barred(TermId),
}

/// The child and all it forked.
#[derive(Clone, Copy, PartialEq, Eq, Hash, Debug)]
pub enum Tree {
    /// Nothing of it is left.
    Empty,
    /// The main process runs.
    Running {
        /// When it was started.
        since: Time,
    },
    /// The stop signal was sent.
    Stopping {
        /// When SIGKILL follows.
        kill_at: Time,
    },
    /// SIGKILL is sent, again and again, until nothing is left.
    Killing {
        /// When it is sent next.
        again_at: Time,
    },
}

/// Why the tree is stopped.
#[derive(Clone, Copy, PartialEq, Eq, Hash, Debug)]
pub enum StopReason {
    /// No renewal succeeded in time.
    LeaseLapsed,
    /// The elector gave the term up.
    GivenUp,
    /// The supervisor was asked to stop.
    Shutdown,
    /// The main process ended and left descendants behind.
    MainExited,
}

/// How the child's main process ended.
#[derive(Clone, Copy, PartialEq, Eq, Hash, Debug)]
pub enum ChildExit {
    /// With this exit code.
    Code(i32),
    /// By this signal.
    Signal(i32),
    /// It could not be started: the `errno` of what failed.
    NotStarted(i32),
}

/// Whether the supervisor was asked to stop.
#[derive(Clone, Copy, PartialEq, Eq, Hash, Debug)]
pub enum Shutdown {
    /// No.
    No,
    /// Yes; the tree gets its grace period.
    Graceful,
    /// Again, later: the grace period is over.
    AtOnce,
}

/// What the guardian's shell found out.
#[derive(Clone, Copy, PartialEq, Eq, Hash, Debug)]
pub enum Fact {
    /// Nothing but the time.
    Woke,
    /// The elector said something.
    Ordered(Order),
    /// A look at the processes.
    Surveyed(Survey),
    /// SIGTERM or SIGINT came.
    ShutdownAsked,
    /// The elector was reaped.
    ElectorExited(ElectorExit),
}

/// What is left of the tree.
#[derive(Clone, Copy, PartialEq, Eq, Hash, Debug)]
pub enum Survey {
    /// The main process runs.
    MainAlive,
    /// It ended; processes that it left behind are alive.
    OthersAlive(ChildExit),
    /// Nothing is left: all are dead, reaped, and the cgroup is empty.
    NothingLeft(ChildExit),
}

/// How the elector ended.
#[derive(Clone, Copy, PartialEq, Eq, Hash, Debug)]
pub enum ElectorExit {
    /// Of its own will, everything done: code 0.
    Done,
    /// In any other way.
    Failed,
}

/// What the guardian's shell must do.
#[derive(Clone, Copy, PartialEq, Eq, Hash, Debug)]
pub enum Action {
    /// Start the child under this lease.
    Spawn(Grant),
    /// Send the stop signal to the tree.
    Stop(StopReason),
    /// Send SIGKILL to all of the tree.
    Kill,
    /// Start an elector.
    StartElector,
    /// Send SIGKILL to the elector.
    KillElector,
    /// Tell the elector how things are.
    Report,
    /// Everything is done: exit 0.
    Exit,
}

/// A short list of actions; it needs no heap.
#[derive(Clone, Copy, PartialEq, Eq, Debug, Default)]
pub struct Actions {
    list: [Option<Action>; 6],
    length: usize,
}

impl Actions {
    pub(super) fn push(&mut self, action: Action) {
        assert!(
            self.length < self.list.len(),
            "one step has no more kinds of actions than this"
        );
        self.list[self.length] = Some(action);
        self.length += 1;
    }
}

impl IntoIterator for Actions {
    type Item = Action;
    type IntoIter = std::iter::Flatten<std::array::IntoIter<Option<Action>, 6>>;

    fn into_iter(self) -> Self::IntoIter {
        self.list.into_iter().flatten()
    }
}
