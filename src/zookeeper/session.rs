//! One ZooKeeper session, on a thread and a runtime of its own.
//!
//! ```text
//!        open                       Opened                 close
//! driver ----> thread: opening ----------------> attending -------> closing ----> Closed, the thread ends
//!                        | OpenFailed               | dropped
//!                        v                          v
//!                    the thread ends            abandoned: the thread ends, the session runs out
//! ```
//!
//! Dropping the runtime is the only way to stop the library's task, and it needs that task to yield. Where it does
//! not (defect A), the thread goes on for ever: see [`Abandoned`].

use std::io;
use std::sync::Arc;
use std::thread::{Builder, JoinHandle};

use tokio::runtime;
use tokio::sync::mpsc::{UnboundedReceiver, UnboundedSender, unbounded_channel};

use super::Ensemble;
use super::attend::{Leave, Request, Shell, serve};
use super::event::Event;
use super::open::close;
use super::publish::CandidateState;
use crate::core::election::Transaction;
use crate::core::lease::Timing;
use crate::core::time::Time;

/// The handle of a session. Dropping it abandons the session: it is not closed, and `M` stays until it runs out.
#[derive(Debug)]
pub struct Session {
    requests: UnboundedSender<Request>,
    /// None if it could not even be started.
    thread: Option<JoinHandle<()>>,
}

impl Session {
    /// Begins to open a session in a thread of its own, and returns at once. `events` hears of
    /// [`Event::Opened`] or [`Event::OpenFailed`], the latter after at most two connect timeouts a server.
    #[must_use]
    pub fn open(
        number: u32,
        ensemble: &Ensemble,
        timing: &Timing,
        events: UnboundedSender<Event>,
    ) -> Session {
        let (requests, receiver) = unbounded_channel();
        let shell = Arc::new(Shell {
            number,
            ensemble: ensemble.clone(),
            timing: *timing,
            events,
        });
        let thread = {
            let shell = shell.clone();
            Builder::new()
                .name(format!("session-{number}"))
                .spawn(move || run(&shell, receiver))
        };
        if let Err(error) = &thread {
            shell.tell(Event::OpenFailed {
                session: number,
                reason: format!("no thread: {error}"),
            });
        }
        Session {
            requests,
            thread: thread.ok(),
        }
    }

    /// Asks for a look at `M` and `T`. It is answered unless the session was left; at once, with
    /// [`Event::LookFailed`], while there is no connection. One exception, of this and of [`commit`](Self::commit):
    /// of a connection that is lost while it is made the library may say nothing, and hold what is asked until the
    /// next one or the session's end. How long to wait for an answer is the caller's to bound.
    pub fn look(&self) {
        self.ask(Request::Look);
    }

    /// Asks for a transaction, which is handed to the library at some time after this call. It is answered unless
    /// the session was left; at once, with [`Outcome::Unknown`](crate::core::election::Outcome), while there is no connection.
    pub fn commit(&self, operation: u64, transaction: Transaction) {
        self.ask(Request::Commit(operation, transaction));
    }

    /// Says in our candidate znode what we are doing. Not answered, but for [`Event::Twin`] and
    /// [`Event::PublishFailed`]; of several states only the last may be written. What could not be written is tried
    /// again at the next look.
    pub fn publish(&self, state: CandidateState) {
        self.ask(Request::Publish(state));
    }

    /// Asks to close the session, so that its ephemerals go at once: some milliseconds. What is in flight is no
    /// longer answered. It is answered with [`Event::Closed`] after at most two connect timeouts, even if this
    /// handle is dropped meanwhile; but never where the library spins (defect A).
    pub fn close(&self) {
        self.ask(Request::Close);
    }

    /// Who is gone hears nothing; its thread has said so, or was left.
    fn ask(&self, request: Request) {
        drop(self.requests.send(request));
    }
}

/// The threads of sessions that were abandoned and have not ended. One that spins (defect A) ends only with the
/// process.
#[derive(Debug, Default)]
pub struct Abandoned(Vec<(Time, JoinHandle<()>)>);

impl Abandoned {
    /// Abandons `session`.
    pub fn add(&mut self, session: Session, now: Time) {
        self.0.extend(session.thread.map(|thread| (now, thread)));
    }

    /// Since when the longest-lived of them has been abandoned; none if all have ended. Usually that takes less than
    /// a millisecond.
    pub fn oldest(&mut self) -> Option<Time> {
        self.0.retain(|(_, thread)| !thread.is_finished());
        self.0.iter().map(|(since, _)| *since).min()
    }
}

fn run(shell: &Arc<Shell>, mut requests: UnboundedReceiver<Request>) {
    let session = shell.number;
    let leave = match on_a_runtime(serve(shell, &mut requests)) {
        Ok(leave) => leave,
        Err(error) => {
            let reason = format!("no runtime: {error}");
            return shell.tell(Event::OpenFailed { session, reason });
        }
    };
    let closed = match leave {
        Leave::Abandon => return,
        Leave::Close(None) => Ok(()),
        Leave::Close(Some(info)) => on_a_runtime(close(info, &shell.ensemble, &shell.timing))
            .unwrap_or_else(|error| Err(format!("no runtime: {error}"))),
    };
    let doubt = closed.err();
    shell.tell(Event::Closed { session, doubt });
}

/// Runs `work` on a runtime that is gone, with every task on it, when this returns; it does not wait for a name that
/// is still being resolved.
fn on_a_runtime<T>(work: impl Future<Output = T>) -> io::Result<T> {
    let runtime = runtime::Builder::new_current_thread()
        .enable_all()
        .build()?;
    let result = runtime.block_on(work);
    runtime.shutdown_background();
    Ok(result)
}
