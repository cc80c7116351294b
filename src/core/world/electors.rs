//! The elector's shell.

use super::super::facts::{Action, Event, Exit, Sweep};
use super::super::guard::{ElectorExit, Fact, Order};
use super::super::supervisor::{Settings, Supervisor};
use super::random::millis;
use super::{Elector, NEVER, Pace, Pid, ToElector, ToGuardian, What, World};
use std::collections::{BTreeMap, VecDeque};

impl World {
    pub(super) fn host_of_elector(&self, pid: Pid) -> Option<usize> {
        self.hosts
            .iter()
            .position(|host| host.elector.as_ref().is_some_and(|it| it.pid == pid))
    }

    pub(super) fn start_elector(&mut self, host: usize) {
        let (pid, number) = (self.new_pid(), self.random.next());
        let place = &mut self.hosts[host];
        let settings = Settings {
            timing: place.timing,
            elector: number,
            servers: 3,
        };
        if place.elector.is_some() {
            return self.checks.break_promise("R5: two electors");
        }
        place.elector = Some(Elector {
            pid,
            supervisor: Supervisor::new(place.clock.local(self.now), settings),
            paused_until: 0,
            pings_in_its_sleep: self.random.percent(50),
            wakes: 0,
            inbox: VecDeque::new(),
            connections: BTreeMap::new(),
            told_until: 0,
            pace: Pace::default(),
        });
        let command = place.command;
        self.tell(pid, Event::CommandLooked(command));
    }

    /// Tells an elector something; what is told first arrives first.
    pub(super) fn tell(&mut self, pid: Pid, event: Event) {
        let delay = self.short_delay();
        let Some(host) = self.host_of_elector(pid) else {
            return;
        };
        let elector = self.hosts[host].elector.as_mut().unwrap();
        elector.told_until = (elector.told_until + 1).max(self.now + delay);
        let time = elector.told_until;
        self.at(time, What::Elector(pid, ToElector::Learns(event)));
    }

    pub(super) fn reach_elector(&mut self, pid: Pid, what: ToElector) {
        let Some(host) = self.host_of_elector(pid) else {
            return;
        };
        let elector = self.hosts[host].elector.as_mut().unwrap();
        if self.now < elector.paused_until {
            let until = elector.paused_until;
            if until != NEVER {
                self.at(until, What::Elector(pid, what));
            }
            return;
        }
        let event = match what {
            ToElector::Wakes(wake) if wake == elector.wakes => Event::Woke,
            ToElector::Wakes(_) => return,
            ToElector::Hears => match elector.inbox.pop_front() {
                Some(report) => Event::Reported(report),
                None => return,
            },
            ToElector::Learns(event) => event,
            ToElector::Replies(session, serial, event) => {
                match elector.connections.get_mut(&session) {
                    Some(it) if it.asked == Some(serial) && !it.is_left => it.asked = None,
                    Some(_) | None => return,
                }
                event
            }
        };
        self.step_elector(host, event);
    }

    fn step_elector(&mut self, host: usize, event: Event) {
        let now = self.hosts[host].clock.local(self.now);
        let elector = self.hosts[host].elector.as_mut().unwrap();
        let pid = elector.pid;
        if let Err(spin) = elector.pace.step(self.now) {
            self.checks
                .break_promise(format!("{spin}: elector, at {event:?}"));
        }
        let actions = elector.supervisor.step(now, event);
        if is_telling(&event, &actions) {
            self.note(|| format!("elector {pid} on {host} at {now:?}: {event:?} -> {actions:?}"));
        }
        for action in actions {
            self.obey(host, pid, action);
        }
        let late = self.random.skewed(millis(2));
        let Some(elector) = &mut self.hosts[host].elector else {
            return;
        };
        elector.wakes += 1;
        let (wake, wakes) = (elector.supervisor.next_wake(), elector.wakes);
        self.judge_wake(host, wake);
        let time = self.hosts[host].clock.true_time(wake);
        self.at(
            time.saturating_add(late),
            What::Elector(pid, ToElector::Wakes(wakes)),
        );
    }

    fn obey(&mut self, host: usize, pid: Pid, action: Action) {
        if self.host_of_elector(pid).is_none() {
            return;
        }
        match action {
            Action::Open(_) | Action::Look(_) | Action::Commit(..) => {
                let elector = self.hosts[host].elector.as_mut().unwrap();
                if let Err(flood) = elector.pace.request(self.now) {
                    self.checks.break_promise(flood);
                }
                self.ask(host, pid, action);
            }
            Action::Abandon(session) => self.leave(host, session),
            Action::Close(session) => {
                let delay = self.network_delay();
                self.after(delay, What::Closes(pid, session));
            }
            Action::Order(order) => {
                let delay = self.short_delay();
                if let Some(guardian) = &mut self.hosts[host].guardian {
                    guardian.inbox.push_back(order);
                    let pid = guardian.pid;
                    self.after(delay, What::Guardian(pid, ToGuardian::Hears));
                }
            }
            Action::Publish(..) | Action::Tell(_) => {}
            Action::KillGuardian => {
                let delay = self.random.skewed(millis(5));
                if let Some(guardian) = &self.hosts[host].guardian {
                    let pid = guardian.pid;
                    self.after(delay, What::GuardianDies(pid));
                }
            }
            Action::Exit(Exit::Done) => self.elector_ends(pid, ElectorExit::Done),
            Action::Exit(Exit::Superseded | Exit::Bereft) => {
                self.elector_ends(pid, ElectorExit::Failed);
            }
        }
    }

    /// The elector is gone. A guardian that is stopped just now goes with it: both at once are not covered.
    pub(super) fn elector_ends(&mut self, pid: Pid, exit: ElectorExit) {
        let delay = self.random.skewed(millis(20));
        let Some(host) = self.host_of_elector(pid) else {
            return;
        };
        self.note(|| format!("elector {pid} on {host} is gone"));
        self.hosts[host].elector = None;
        let Some(guardian) = &self.hosts[host].guardian else {
            return;
        };
        let (guardian, is_paused) = (guardian.pid, self.now < guardian.paused_until);
        if is_paused {
            self.guardian_dies(guardian);
        } else {
            let fact = Fact::ElectorExited(exit);
            self.after(delay, What::Guardian(guardian, ToGuardian::Learns(fact)));
        }
    }

    /// `Clean` only when the tree is really dead; what cannot be seen is not vouched for.
    pub(super) fn elector_sweeps(&mut self, pid: Pid) {
        let Some(host) = self.host_of_elector(pid) else {
            return;
        };
        let sweep = if self.random.percent(20) {
            Sweep::Unproven
        } else if self.hosts[host].tree.is_some() {
            return self.after(millis(5), What::ElectorSweeps(pid));
        } else {
            Sweep::Clean
        };
        self.tell(pid, Event::GuardianDied(sweep));
    }
}

/// Not for a trace: that all is as it was.
fn is_telling(event: &Event, actions: &[Action]) -> bool {
    let is_routine =
        |action: &Action| matches!(action, Action::Order(Order::Hold | Order::Lease(_)));
    !matches!(event, Event::Woke | Event::Reported(_)) || !actions.iter().all(is_routine)
}
