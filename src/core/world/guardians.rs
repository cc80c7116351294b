//! The guardian's shell, and the tree.

use super::super::guard::{Action, ChildExit, Fact, Grant, Guard, StopReason, Survey};
use super::random::{millis, nanos};
use super::{
    Climate, Guardian, NEVER, Pace, Pid, ToElector, ToGuardian, Tree, What, World, new_clock,
};
use std::collections::VecDeque;

impl World {
    pub(super) fn host_of_guardian(&self, pid: Pid) -> Option<usize> {
        self.hosts
            .iter()
            .position(|host| host.guardian.as_ref().is_some_and(|it| it.pid == pid))
    }

    pub(super) fn new_pid(&mut self) -> Pid {
        self.pids += 1;
        self.pids
    }

    /// Between two processes of a host.
    pub(super) fn short_delay(&mut self) -> u64 {
        let longest = if self.random.percent(2) { 50 } else { 2 };
        20_000 + self.random.skewed(millis(longest))
    }

    /// A new supervisor, once nothing of the old one is left.
    pub(super) fn host_starts(&mut self, host: usize) {
        let (pid, place) = (self.new_pid(), &self.hosts[host]);
        if place.guardian.is_some() {
            return;
        }
        if place.elector.is_some() || place.tree.is_some() {
            return self.after(millis(50), What::HostStarts(host));
        }
        let guard = Guard::new(place.clock.local(self.now), place.timing);
        self.hosts[host].guardian = Some(Guardian {
            pid,
            guard,
            paused_until: 0,
            wakes: 0,
            inbox: VecDeque::new(),
            pace: Pace::default(),
        });
        self.note(|| format!("host {host} starts, guardian {pid}"));
        self.step_guardian(host, Fact::Woke);
    }

    pub(super) fn reach_guardian(&mut self, pid: Pid, what: ToGuardian) {
        let Some(host) = self.host_of_guardian(pid) else {
            return;
        };
        let guardian = self.hosts[host].guardian.as_mut().unwrap();
        if self.now < guardian.paused_until {
            let until = guardian.paused_until;
            if until != NEVER {
                self.at(until, What::Guardian(pid, what));
            }
            return;
        }
        let fact = match what {
            ToGuardian::Wakes(wake) if wake == guardian.wakes => Fact::Woke,
            ToGuardian::Wakes(_) => return,
            ToGuardian::Hears => match guardian.inbox.pop_front() {
                Some(order) => Fact::Ordered(order),
                None => return,
            },
            ToGuardian::Learns(fact) => {
                if let Fact::ElectorExited(_) = fact {
                    guardian.inbox.clear();
                }
                fact
            }
            ToGuardian::Surveys => Fact::Surveyed(self.survey(host)),
        };
        self.step_guardian(host, fact);
    }

    fn survey(&self, host: usize) -> Survey {
        let host = &self.hosts[host];
        match &host.tree {
            Some(tree) if tree.has_main => Survey::MainAlive,
            Some(_) => Survey::OthersAlive(host.exit),
            None => Survey::NothingLeft(host.exit),
        }
    }

    fn step_guardian(&mut self, host: usize, fact: Fact) {
        let now = self.hosts[host].clock.local(self.now);
        let guardian = self.hosts[host].guardian.as_mut().unwrap();
        let pid = guardian.pid;
        if let Err(spin) = guardian.pace.step(self.now) {
            self.checks
                .break_promise(format!("{spin}: guardian, at {fact:?}"));
        }
        let actions = guardian.guard.step(now, fact);
        let mut list = actions.into_iter();
        if list.any(|action| action != Action::Report) {
            self.note(|| {
                let actions: Vec<_> = actions.into_iter().collect();
                format!("guardian {pid} on {host} at {now:?}: {fact:?} -> {actions:?}")
            });
        }
        for action in actions {
            self.carry_out(host, action);
        }
        self.judge_lease(host);
        self.set_guardian_alarm(host, pid);
    }

    fn set_guardian_alarm(&mut self, host: usize, pid: Pid) {
        let late = self.random.skewed(millis(2));
        let Some(guardian) = &mut self.hosts[host].guardian else {
            return;
        };
        guardian.wakes += 1;
        let (wake, wakes) = (guardian.guard.next_wake(), guardian.wakes);
        self.judge_wake(host, wake);
        let time = self.hosts[host].clock.true_time(wake);
        self.at(
            time.saturating_add(late),
            What::Guardian(pid, ToGuardian::Wakes(wakes)),
        );
    }

    fn carry_out(&mut self, host: usize, action: Action) {
        match action {
            Action::Spawn(grant) => self.spawn(host, &grant),
            Action::Stop(reason) => self.stop(host, reason),
            Action::Kill => self.kill(host),
            Action::StartElector => self.start_elector(host),
            Action::KillElector => {
                let delay = self.random.skewed(millis(30));
                if let Some(elector) = &self.hosts[host].elector {
                    let elector = elector.pid;
                    self.after(delay, What::ElectorDies(elector));
                }
            }
            Action::Report => self.report(host),
            Action::Exit => {
                if self.hosts[host].tree.is_some() || self.hosts[host].elector.is_some() {
                    self.checks
                        .break_promise("the guardian left before its children");
                }
                self.hosts[host].guardian = None;
                self.restart_host(host);
            }
        }
    }

    fn report(&mut self, host: usize) {
        let delay = self.short_delay();
        let report = self.hosts[host].guardian.as_ref().unwrap().guard.report();
        if let Some(elector) = &mut self.hosts[host].elector {
            elector.inbox.push_back(report);
            let pid = elector.pid;
            self.after(delay, What::Elector(pid, ToElector::Hears));
        }
    }

    fn spawn(&mut self, host: usize, grant: &Grant) {
        self.judge_spawn(host, grant.id, grant.token);
        let guardian = self.hosts[host].guardian.as_ref().unwrap().pid;
        if self.climate != Climate::Calm && self.now < self.faults_end && self.random.percent(3) {
            self.hosts[host].exit = ChildExit::NotStarted(2);
            return self.after(millis(1), What::Guardian(guardian, ToGuardian::Surveys));
        }
        let number = self.new_pid();
        self.hosts[host].tree = Some(Tree {
            number,
            term: grant.id,
            has_main: true,
            ignores_stop: self.random.percent(50),
            survives_kills: u32::try_from(self.random.below(3)).unwrap(),
        });
        if self.random.percent(self.weather.mortal_children) {
            let life = self.random.skewed(millis(20_000));
            self.at(self.now + life, What::MainEnds(number));
        }
    }

    fn stop(&mut self, host: usize, _: StopReason) {
        self.judge_touch();
        let grace = nanos(self.hosts[host].timing.grace_period);
        let Some(tree) = &self.hosts[host].tree else {
            return;
        };
        let (number, ignores) = (tree.number, tree.ignores_stop);
        if !ignores {
            let (main, rest) = (self.random.below(grace), self.random.skewed(grace));
            self.after(main, What::MainEnds(number));
            self.after(main + rest, What::TreeEnds(number));
        }
    }

    fn kill(&mut self, host: usize) {
        self.judge_touch();
        let margin = nanos(self.hosts[host].timing.kill_margin);
        let delay = self.random.skewed(margin / 4);
        if let Some(tree) = &mut self.hosts[host].tree {
            let number = tree.number;
            match tree.survives_kills.checked_sub(1) {
                Some(left) => tree.survives_kills = left,
                None => self.after(delay, What::TreeEnds(number)),
            }
            self.after(delay / 2, What::MainEnds(number));
        }
    }

    fn host_of_tree(&self, number: u64) -> Option<usize> {
        self.hosts
            .iter()
            .position(|host| host.tree.as_ref().is_some_and(|it| it.number == number))
    }

    /// The main process ends; half of the time nothing else of the tree is left.
    pub(super) fn main_ends(&mut self, number: u64) {
        let leaves_others = self.random.percent(50);
        let Some(host) = self.host_of_tree(number) else {
            return;
        };
        self.note(|| format!("main process of tree {number} on {host} ends"));
        let tree = self.hosts[host].tree.as_mut().unwrap();
        tree.has_main = false;
        self.hosts[host].exit = ChildExit::Code(0);
        if leaves_others {
            self.notice_tree(host);
        } else {
            self.tree_ends(number);
        }
    }

    pub(super) fn tree_ends(&mut self, number: u64) {
        let Some(host) = self.host_of_tree(number) else {
            return;
        };
        self.note(|| format!("tree {number} on {host} is gone"));
        self.hosts[host].tree = None;
        self.notice_tree(host);
    }

    fn notice_tree(&mut self, host: usize) {
        let delay = self.short_delay();
        if let Some(guardian) = &self.hosts[host].guardian {
            let pid = guardian.pid;
            self.after(delay, What::Guardian(pid, ToGuardian::Surveys));
        }
    }

    /// The kernel kills the child; the elector hears of it. One that hangs is killed with the rest of the unit.
    pub(super) fn guardian_dies(&mut self, pid: Pid) {
        let Some(host) = self.host_of_guardian(pid) else {
            return;
        };
        self.note(|| format!("guardian {pid} on {host} is killed"));
        self.hosts[host].guardian = None;
        if let Some(tree) = &self.hosts[host].tree {
            let number = tree.number;
            let delay = self.random.skewed(millis(20));
            self.after(delay, What::TreeEnds(number));
        }
        if let Some(elector) = &self.hosts[host].elector {
            let pid = elector.pid;
            if elector.paused_until == NEVER {
                self.after(millis(1), What::ElectorDies(pid));
            } else {
                let delay = self.random.skewed(millis(100));
                self.after(delay, What::ElectorSweeps(pid));
            }
        }
        self.restart_host(host);
    }

    /// The whole host goes dark, and comes back with another clock.
    pub(super) fn power_fails(&mut self, host: usize) {
        self.note(|| format!("host {host} goes dark"));
        self.hosts[host].clock = new_clock(&mut self.random);
        let place = &mut self.hosts[host];
        (place.guardian, place.elector, place.tree) = (None, None, None);
        self.restart_host(host);
    }

    fn restart_host(&mut self, host: usize) {
        let delay = millis(20) + self.random.skewed(millis(20_000));
        self.after(delay, What::HostStarts(host));
    }
}
