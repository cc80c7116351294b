//! One look at `M` and `T`, and a one-shot watch on `M`.

use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};

use zookeeper_client::{Client, Error, EventType, OneshotWatcher, Stat};

use super::Paths;
use super::record::{MasterNote, TermNote};
use crate::core::election::{MasterSight, Sight, Stamp, TermSight};

/// What a look showed besides, for logs: nothing is decided by it.
#[derive(Clone, PartialEq, Eq, Debug, Default)]
pub struct Names {
    /// Who made `M`, if it is there and says so.
    pub master: Option<MasterNote>,
    /// Who wrote `T` last.
    pub holder: Option<String>,
    /// Why `T` is unreadable, with its path.
    pub flaw: Option<String>,
}

/// Whether a watch on `M` is pending; the poll would pile them up otherwise.
#[derive(Clone, Default)]
pub(super) struct Watch(Arc<AtomicBool>);

impl Watch {
    /// Says whether a watch is needed; if so the caller registers one, or [clears](Watch::clear) this again.
    fn take(&self) -> bool {
        !self.0.swap(true, Ordering::Relaxed)
    }

    fn clear(&self) {
        self.0.store(false, Ordering::Relaxed);
    }
}

/// Reads `M` and `T`, pipelined in this order, and sees to it that a watch on `M` is pending: `changed` runs, in a
/// task of its own, when it has fired. Data and version of `T` come from one read.
///
/// Dropping it half-way is harmless, but the watch may then be lost until the session ends.
///
/// # Errors
/// What could not be read, and why.
pub(super) async fn look(
    client: &Client,
    paths: &Paths,
    watch: &Watch,
    changed: impl FnOnce() + Send + 'static,
) -> Result<(Sight, Names), String> {
    let watcher = watch
        .take()
        .then(|| client.check_and_watch_stat(paths.master()));
    let master = client.get_data(paths.master());
    let term = client.get_data(paths.term());
    if let Some(watcher) = watcher {
        match watcher.await {
            Ok((_, watcher)) => drop(tokio::spawn(await_change(watcher, watch.clone(), changed))),
            Err(error) => {
                watch.clear();
                return Err(unreadable(paths.master(), &error));
            }
        }
    }
    let mut names = Names::default();
    let master = match master.await {
        Ok((data, stat)) => {
            names.master = MasterNote::parse(&data).ok();
            master_sight(&stat)
        }
        Err(Error::NoNode) => MasterSight::Absent,
        Err(Error::NoAuth) => secret_master(client, paths).await?,
        Err(error) => return Err(unreadable(paths.master(), &error)),
    };
    let term = match term.await {
        Ok((data, stat)) => term_sight(paths.term(), &data, &stat, &mut names),
        Err(Error::NoNode) => absent_term(client, paths).await?,
        Err(error @ Error::NoAuth) => {
            names.flaw = Some(unreadable(paths.term(), &error));
            TermSight::Unreadable
        }
        Err(error) => return Err(unreadable(paths.term(), &error)),
    };
    Ok((Sight { master, term }, names))
}

async fn await_change(watcher: OneshotWatcher, watch: Watch, changed: impl FnOnce()) {
    let event = watcher.changed().await;
    watch.clear();
    // The end of the session is told by its state.
    if event.event_type != EventType::Session {
        changed();
    }
}

/// An `M` whose data we may not read: another program's, or ours under another's ACL. Its stat tells enough.
async fn secret_master(client: &Client, paths: &Paths) -> Result<MasterSight, String> {
    match client.check_stat(paths.master()).await {
        Ok(stat) => Ok(stat.map_or(MasterSight::Absent, |stat| master_sight(&stat))),
        Err(error) => Err(unreadable(paths.master(), &error)),
    }
}

async fn absent_term(client: &Client, paths: &Paths) -> Result<TermSight, String> {
    match client.check_stat(paths.root()).await {
        Ok(Some(_)) => Ok(TermSight::Missing),
        Ok(None) => Ok(TermSight::RootMissing),
        Err(error) => Err(unreadable(paths.root(), &error)),
    }
}

fn master_sight(stat: &Stat) -> MasterSight {
    match stat.ephemeral_owner {
        // A container has the smallest number for an owner (`EphemeralType.java`).
        0 | i64::MIN => MasterSight::Persistent,
        owner => MasterSight::Ephemeral { owner },
    }
}

fn term_sight(path: &str, data: &[u8], stat: &Stat, names: &mut Names) -> TermSight {
    match TermNote::parse(data, stat.version) {
        Ok(note) => {
            names.holder = note.holder;
            TermSight::Present {
                stamp: Stamp {
                    created: stat.czxid,
                    version: stat.version,
                },
                modified: stat.mzxid,
                record: note.record,
            }
        }
        Err(flaw) => {
            names.flaw = Some(unreadable(path, &flaw));
            TermSight::Unreadable
        }
    }
}

/// A read's result, without the error that says there is nothing.
pub(super) fn present<T>(read: Result<T, Error>) -> Result<Option<T>, Error> {
    match read {
        Ok(value) => Ok(Some(value)),
        Err(Error::NoNode) => Ok(None),
        Err(error) => Err(error),
    }
}

fn unreadable(path: &str, error: &dyn std::error::Error) -> String {
    format!("`{path}` cannot be read: {error}")
}
