//! A candidate's host: its supervisor, the relays through which it reaches the servers, its flavour of child.

use crate::endings::Exit;
use crate::leases::Leases;
use crate::support::process::descendants;
use crate::support::time::now;
use crate::support::{Config, Link, Supervisor, Who, is_alive, secs};
use nix::sys::signal::{Signal, kill};
use nix::unistd::Pid;
use std::mem;

/// One host.
pub(crate) struct Host {
    pub(crate) name: String,
    pub(crate) links: Vec<Link>,
    pub(crate) leases: Leases,
    config: Config,
    supervisor: Option<Supervisor>,
    /// The elector that was there when last looked.
    elector: Option<Pid>,
}

impl Host {
    pub(crate) fn new(name: &str, links: Vec<Link>, leases: Leases, config: Config) -> Host {
        Host {
            name: name.into(),
            links,
            leases,
            config,
            supervisor: None,
            elector: None,
        }
    }

    /// Starts the supervisor, unless it runs, or the elector of a guardian that died still sweeps up after it. What they
    /// left behind is for the new one to find: nothing is cleaned up for it. Returns the end of the one before.
    pub(crate) fn ensure_running(&mut self) -> Option<Exit> {
        if self.is_running() {
            self.elector = self.pid(Who::Elector).or(self.elector);
            return None;
        }
        if self.elector.is_some_and(is_alive) {
            return None;
        }
        let exit = self.supervisor.take().map(|mut old| {
            let status = old.wait_exit(secs(1));
            // Dropped, it would kill all that carries its mark.
            mem::forget(old);
            Exit {
                host: self.name.clone(),
                at: now(),
                status,
            }
        });
        self.supervisor = Some(self.config.start());
        exit
    }

    pub(crate) fn is_running(&self) -> bool {
        self.supervisor.as_ref().is_some_and(Supervisor::is_running)
    }

    /// One of its processes, if it is there.
    pub(crate) fn pid(&self, who: Who) -> Option<Pid> {
        let supervisor = self.supervisor.as_ref().filter(|it| it.is_running())?;
        match who {
            Who::Guardian => Some(supervisor.guardian()),
            Who::Elector => supervisor.elector(),
            Who::Child => supervisor.child(),
        }
    }

    /// Guardian, elector, child and all it forked, as far as they are the guardian's descendants.
    pub(crate) fn everybody(&self) -> Vec<Pid> {
        let guardian = self.pid(Who::Guardian);
        guardian.map_or(Vec::new(), |guardian| {
            [vec![guardian], descendants(guardian)].concat()
        })
    }

    /// All its processes end at one moment, if there are any.
    pub(crate) fn crash(&mut self) -> bool {
        let running = self.supervisor.as_mut().filter(|it| it.is_running());
        running.map(Supervisor::crash).is_some()
    }
}

/// Sends a signal to each, unless it has ended.
pub(crate) fn signal_all(pids: &[Pid], signal: Signal) {
    for &pid in pids {
        kill(pid, signal).ok();
    }
}
