//! The harness: real servers, the real binary, real signals, and a witness that notices when two run at once.
//!
//! A test looks like this:
//!
//! ```text
//! #[test]
//! fn a_master_that_is_told_to_stop_hands_over() {
//!     let group = Group::new(shared());                  // own root, on the ensemble that nobody may harm
//!     let mut hosts = [group.start("a"), group.start("b")];
//!     let first = group.wait_running(secs(15));          // a `Run` of the witness: name, token, pid, start, end
//!     let master = hosts.iter_mut().find(|host| host.name() == first.name).expect("one of them");
//!     master.signal(Who::Guardian, Signal::SIGTERM);
//!     assert!(master.wait_exit(secs(5)).success());
//!     let second = group.wait_takeover(&first, secs(5));
//!     assert!(second.token > first.token);
//! }                                                      // everything is killed; an overlap fails the test here
//! ```
//!
//! * Who harms a server takes `Ensemble::quick()` (tick 200 ms; three servers) or `Ensemble::start(n)` (stock ticks):
//!   `ensemble.leader().freeze()`, `.thaw()`, `.stop()`, `.kill()`, `.start()`.
//! * Who harms a connection puts a `Link` before each server: `group.config("a").through(&links).start()`, then
//!   `link.refuse()`, `.blackhole()`, `.hold(Way::ToClient)`, `.delay(..)`, `.reset()`, `.heal()`; or `refuse_all(&links)`.
//! * Who needs ENETUNREACH takes a `Netns`: `config.inside(&netns)`, `netns.unplug()`, `netns.plug()`.
//! * Who needs a process that not even SIGKILL ends takes a `Freezer`: `freezer.freeze(pid)`, `freezer.thaw()`.
//! * `group.config("a").set("command.grace_period", "\"500ms\"").exec(&group.witness(&["--ignore-term"]))` changes one
//!   candidate's file; `tests/witness/witness.rs` lists the witness's options.
//! * `group.znodes()` reads and writes znodes; `expire(server, group.master_session())` ends the master's session.
//! * Conditions are waited for (`wait_until`, `wait_for`), or held true (`holds_for`); nothing sleeps.

pub(crate) mod ensemble;
mod freezer;
mod group;
mod link;
mod netns;
pub(crate) mod process;
mod record;
pub(crate) mod scratch;
mod supervisor;
pub(crate) mod time;
mod znodes;

pub(crate) use ensemble::{Ensemble, shared};
pub(crate) use freezer::Freezer;
pub(crate) use group::{Config, Group};
pub(crate) use link::{Link, Way, refuse_all};
pub(crate) use netns::Netns;
pub(crate) use process::{Process, children, command_line, environment, is_alive};
pub(crate) use record::Run;
pub(crate) use scratch::{skip, tell};
pub(crate) use supervisor::{Supervisor, Who, zk_supervise};
pub(crate) use time::{holds_for, millis, secs, try_for, wait_for, wait_until};
pub(crate) use znodes::{Znodes, expire};
