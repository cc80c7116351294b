//! Between the electors and the ensemble: what is late, what is lost, and when a session ends.

use super::super::election::{Outcome, Transaction};
use super::super::facts::{Action, Event, SessionEvent};
use super::super::time::Time;
use super::random::{millis, nanos};
use super::{Climate, Elector, NEVER, Pid, ToElector, What, World};
use std::time::Duration;

/// A session as the elector's client library knows it.
#[derive(Debug, Default)]
pub(super) struct Connection {
    pub(super) id: Option<i64>,
    /// Abandoned by the elector.
    pub(super) is_left: bool,
    is_up: bool,
    /// The request that has no answer yet.
    pub(super) asked: Option<u64>,
    is_commit: bool,
    /// Requests of a session arrive in order.
    last_arrival: u64,
}

#[derive(Clone, Copy, Debug)]
pub(super) struct Request {
    pid: Pid,
    session: u32,
    id: i64,
    serial: u64,
    /// When it was sent, by the host's clock.
    sent: Time,
    what: Asked,
}

#[derive(Clone, Copy, Debug)]
enum Asked {
    Look,
    Commit(Transaction),
}

fn no_answer(is_commit: bool) -> SessionEvent {
    if is_commit {
        SessionEvent::Answered(Outcome::Unknown)
    } else {
        SessionEvent::LookFailed
    }
}

impl World {
    /// When this host and the ensemble can talk again; the past, if they can.
    fn healed(&self, host: usize) -> u64 {
        self.hosts[host].cut_until.max(self.down_until)
    }

    fn is_broken(&self, host: usize) -> bool {
        self.now < self.healed(host)
    }

    pub(super) fn network_delay(&mut self) -> u64 {
        if self.random.percent(self.weather.slow) {
            self.random.skewed(self.weather.longest_delay)
        } else {
            200_000 + self.random.skewed(millis(8))
        }
    }

    fn connect_timeout(&self, host: usize) -> u64 {
        nanos(self.hosts[host].timing.connect_timeout)
    }

    fn elector(&mut self, pid: Pid) -> Option<(usize, &mut Elector)> {
        let host = self.host_of_elector(pid)?;
        Some((host, self.hosts[host].elector.as_mut()?))
    }

    fn connection(&mut self, pid: Pid, session: u32) -> Option<(usize, &mut Connection)> {
        let (host, elector) = self.elector(pid)?;
        Some((host, elector.connections.get_mut(&session)?))
    }

    pub(super) fn ask(&mut self, host: usize, pid: Pid, action: Action) {
        match action {
            Action::Open(session) => self.open(host, pid, session),
            Action::Look(session) => self.send(host, pid, session, Asked::Look),
            Action::Commit(session, what) => {
                let elector = self.hosts[host].elector.as_ref().unwrap();
                let mut others = elector.connections.values();
                if others.any(|it| !it.is_left && it.is_commit && it.asked.is_some()) {
                    self.checks.break_promise("R4: two commits in flight");
                }
                self.send(host, pid, session, Asked::Commit(what));
            }
            Action::Abandon(_)
            | Action::Close(_)
            | Action::Order(_)
            | Action::Publish(..)
            | Action::Tell(_)
            | Action::KillGuardian
            | Action::Exit(_) => {}
        }
    }

    fn send(&mut self, host: usize, pid: Pid, session: u32, what: Asked) {
        self.queued += 1;
        let (serial, now) = (self.queued, self.now);
        let sent = self.hosts[host].clock.local(now);
        let arrival = self.arrival(host);
        let is_commit = matches!(what, Asked::Commit(_));
        let fails_at_once = self.is_broken(host) && self.random.percent(20);
        let Some((_, connection)) = self.connection(pid, session) else {
            return self
                .checks
                .break_promise("asked on a session that is not open");
        };
        let Some(id) = connection.id else {
            return self
                .checks
                .break_promise("asked on a session that is not open");
        };
        (connection.asked, connection.is_commit) = (Some(serial), is_commit);
        if !connection.is_up || fails_at_once {
            let event = Event::Session(session, no_answer(is_commit));
            return self.after(
                30_000,
                What::Elector(pid, ToElector::Replies(session, serial, event)),
            );
        }
        match arrival {
            Some(time) => {
                let time = time.max(connection.last_arrival + 1).max(now);
                connection.last_arrival = time;
                let request = Request {
                    pid,
                    session,
                    id,
                    serial,
                    sent,
                    what,
                };
                self.at(time, What::Arrives(request));
            }
            None => self.notice_loss(host, pid, session),
        }
    }

    /// When a request sent now arrives, if it does.
    fn arrival(&mut self, host: usize) -> Option<u64> {
        let delay = self.network_delay();
        if !self.is_broken(host) && !self.random.percent(self.weather.lost_requests) {
            return Some(self.now + delay);
        }
        let late = self.random.skewed(self.longest_session());
        (self.climate != Climate::Calm && self.random.percent(40))
            .then(|| self.healed(host).max(self.now) + late)
    }

    /// The library may notice that something is lost, or be silent for ever.
    fn notice_loss(&mut self, host: usize, pid: Pid, session: u32) {
        if self.random.percent(70) {
            let delay = self.random.skewed(self.connect_timeout(host) * 2);
            self.after(delay, What::Breaks(pid, session));
        }
    }

    pub(super) fn arrives(&mut self, request: Request) {
        if self.now < self.down_until {
            let late = self.random.skewed(millis(100));
            return self.at(self.down_until + late, What::Arrives(request));
        }
        if !self.ensemble.sessions.contains_key(&request.id) {
            return self.session_has_ended(request.pid, request.session);
        }
        let (now, id) = (self.now, request.id);
        let (had_master, lag) = (self.ensemble.latest().master, self.weather.lag);
        let answer = match request.what {
            Asked::Look => {
                let random = &mut self.random;
                SessionEvent::Looked(self.ensemble.look(now, id, lag, random))
            }
            Asked::Commit(what) => {
                self.judge_commit(&what);
                let outcome = self.ensemble.apply(now, id, &what);
                if let Outcome::Done { .. } = outcome {
                    self.note_commit(request.sent, &what);
                }
                SessionEvent::Answered(outcome)
            }
        };
        self.note(|| format!("ensemble: {:x} {:?} -> {answer:?}", id, request.what));
        if self.ensemble.latest().master != had_master {
            self.tell_watchers();
        }
        self.reply(&request, answer);
    }

    fn reply(&mut self, request: &Request, answer: SessionEvent) {
        let delay = self.network_delay();
        let Some(host) = self.host_of_elector(request.pid) else {
            return;
        };
        if self.is_broken(host) || self.random.percent(self.weather.lost_replies) {
            return self.notice_loss(host, request.pid, request.session);
        }
        let event = Event::Session(request.session, answer);
        let reply = What::Elector(
            request.pid,
            ToElector::Replies(request.session, request.serial, event),
        );
        self.after(delay, reply);
    }

    fn session_has_ended(&mut self, pid: Pid, session: u32) {
        let Some((_, connection)) = self.connection(pid, session) else {
            return;
        };
        if connection.is_up {
            (connection.is_up, connection.asked) = (false, None);
            self.tell(pid, Event::Session(session, SessionEvent::Ended));
        }
    }

    /// `M` has changed: whoever watches it is told, once.
    pub(super) fn tell_watchers(&mut self) {
        let mut told = Vec::new();
        for (host, place) in self.hosts.iter().enumerate() {
            let Some(elector) = &place.elector else {
                continue;
            };
            for (&session, connection) in &elector.connections {
                if let Some(id) = connection.id.filter(|_| !connection.is_left) {
                    told.push((host, elector.pid, session, id));
                }
            }
        }
        for (host, pid, session, id) in told {
            let is_broken = self.is_broken(host);
            let Some(entry) = self.ensemble.sessions.get_mut(&id) else {
                continue;
            };
            if std::mem::take(&mut entry.is_watching) && !is_broken {
                self.tell(pid, Event::Session(session, SessionEvent::MasterChanged));
            }
        }
    }

    fn open(&mut self, host: usize, pid: Pid, session: u32) {
        let elector = self.hosts[host].elector.as_mut().unwrap();
        elector.connections.insert(session, Connection::default());
        let delay = 500_000 + self.random.skewed(millis(80));
        let connect = self.connect_timeout(host);
        if self.is_broken(host) && self.random.percent(30) {
            let delay = self.random.skewed(connect);
            return self.after(delay, What::Opens(pid, session));
        }
        let time = self.healed(host).max(self.now) + delay;
        self.at(time, What::Opens(pid, session));
    }

    pub(super) fn opens(&mut self, pid: Pid, session: u32) {
        let Some((host, connection)) = self.connection(pid, session) else {
            return;
        };
        if connection.is_left {
            return;
        }
        if self.is_broken(host) || self.random.percent(self.weather.lost_requests) {
            return self.tell(pid, Event::Session(session, SessionEvent::OpenFailed));
        }
        let granted = self.granted(host);
        let id = self.ensemble.open(self.now, nanos(granted));
        self.after(nanos(granted), What::Expires(id));
        self.after(nanos(granted) / 4, What::Pings(pid, session));
        let (_, connection) = self.connection(pid, session).unwrap();
        (connection.id, connection.is_up) = (Some(id), true);
        let opened = SessionEvent::Opened { id, granted };
        self.tell(pid, Event::Session(session, opened));
    }

    fn granted(&mut self, host: usize) -> Duration {
        let asked = self.hosts[host].timing.session_timeout;
        if !self.random.percent(self.weather.odd_timeouts) {
            return asked;
        }
        match self.random.below(3) {
            0 => asked * 8 / 10,
            1 => asked / 5,
            _ => asked * 2,
        }
    }

    /// The library notices that its connection is gone.
    pub(super) fn breaks(&mut self, pid: Pid, session: u32) {
        let answer_first = self.random.percent(50);
        let Some((host, connection)) = self.connection(pid, session) else {
            return;
        };
        if connection.is_left || !std::mem::take(&mut connection.is_up) {
            return;
        }
        let answer = connection
            .asked
            .take()
            .map(|_| no_answer(connection.is_commit));
        let mut events = vec![SessionEvent::Interrupted];
        events.extend(answer);
        if answer_first {
            events.reverse();
        }
        for event in events {
            self.tell(pid, Event::Session(session, event));
        }
        self.plan_reconnect(host, pid, session);
    }

    fn plan_reconnect(&mut self, host: usize, pid: Pid, session: u32) {
        let delay = self.random.skewed(self.connect_timeout(host));
        let time = self.healed(host).max(self.now) + millis(1) + delay;
        self.at(time, What::Reconnects(pid, session));
    }

    pub(super) fn reconnects(&mut self, pid: Pid, session: u32) {
        let Some((host, connection)) = self.connection(pid, session) else {
            return;
        };
        let Some(id) = connection.id.filter(|_| !connection.is_left) else {
            return;
        };
        if self.is_broken(host) {
            return self.plan_reconnect(host, pid, session);
        }
        let now = self.now;
        let event = match self.ensemble.sessions.get_mut(&id) {
            Some(entry) => {
                entry.heard = now;
                self.connection(pid, session).unwrap().1.is_up = true;
                SessionEvent::Restored
            }
            None => {
                self.connection(pid, session).unwrap().1.asked = None;
                SessionEvent::Ended
            }
        };
        self.tell(pid, Event::Session(session, event));
    }

    pub(super) fn leave(&mut self, host: usize, session: u32) {
        let elector = self.hosts[host].elector.as_mut().unwrap();
        if let Some(connection) = elector.connections.get_mut(&session) {
            connection.is_left = true;
        }
    }

    pub(super) fn closes(&mut self, pid: Pid, session: u32) {
        let Some((host, connection)) = self.connection(pid, session) else {
            return;
        };
        let id = connection.id;
        if self.is_broken(host) {
            return;
        }
        if let Some(id) = id {
            self.end_session(id);
        }
        self.tell(pid, Event::Session(session, SessionEvent::Closed));
    }

    /// The library keeps a session alive, rarely even one that was left: it may spin (facts/client.md).
    pub(super) fn pings(&mut self, pid: Pid, session: u32) {
        let climate = self.climate;
        let Some((host, elector)) = self.elector(pid) else {
            return;
        };
        let (hangs, sleeps_well) = (elector.paused_until, elector.pings_in_its_sleep);
        let connection = &elector.connections[&session];
        let Some(id) = connection.id else { return };
        let spins = pid.is_multiple_of(4) && climate != Climate::Lawless;
        let is_silent = connection.is_left && !spins;
        let is_awake = self.now >= hangs || sleeps_well;
        let (now, is_broken) = (self.now, self.is_broken(host));
        if let Some(entry) = self.ensemble.sessions.get_mut(&id) {
            if is_awake && !is_broken && !is_silent {
                entry.heard = now;
            }
            let pause = entry.timeout / 4;
            self.after(pause, What::Pings(pid, session));
        } else if !is_broken && is_awake {
            self.session_has_ended(pid, session);
        }
    }

    /// The ensemble looks whether a session is still alive; while it is down, no time passes for it.
    pub(super) fn expires(&mut self, id: i64) {
        let is_spared = self.random.percent(self.weather.immortal_sessions);
        let Some(entry) = self.ensemble.sessions.get_mut(&id) else {
            return;
        };
        let (due, timeout) = (entry.heard.saturating_add(entry.timeout), entry.timeout);
        if self.now < self.down_until {
            self.at(self.down_until + timeout, What::Expires(id));
        } else if self.now < due {
            self.at(due, What::Expires(id));
        } else if is_spared {
            self.after(timeout * 3, What::Expires(id));
        } else {
            self.end_session(id);
        }
    }

    pub(super) fn end_session(&mut self, id: i64) {
        self.note(|| format!("ensemble: session {id:x} ends"));
        let had_master = self.ensemble.latest().master;
        self.ensemble.end(id);
        if self.ensemble.latest().master != had_master {
            self.tell_watchers();
        }
    }

    /// Cuts what a host has open, sooner or later noticed.
    pub(super) fn cut(&mut self, host: usize, until: u64) {
        self.note(|| format!("host {host} is cut off"));
        self.hosts[host].cut_until = until;
        self.notice_all(host);
    }

    pub(super) fn notice_all(&mut self, host: usize) {
        let Some(elector) = &self.hosts[host].elector else {
            return;
        };
        let (pid, open) = (elector.pid, elector.connections.keys().copied());
        for session in open.collect::<Vec<_>>() {
            self.notice_loss(host, pid, session);
        }
    }

    pub(super) fn hang(&mut self, host: usize) {
        if let Some(elector) = &mut self.hosts[host].elector {
            elector.paused_until = NEVER;
        }
    }
}
