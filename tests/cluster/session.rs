//! One session on real servers: every transaction and refusal, the watch, the ways to lose it and to leave it.

use crate::support::{
    Ensemble, Group, Link, Netns, Way, expire, holds_for, millis, refuse_all, secs, shared,
    try_for, wait_for, wait_until,
};
use nix::sched::{CloneFlags, setns};
use std::fs::File;
use std::time::Duration;
use tokio::sync::mpsc::{UnboundedReceiver, unbounded_channel};
use zk_supervise::core::election::{
    Founding, Held, MasterSight, MasterZnode, Outcome, Record, Refusal, Sight, Stamp, TermId,
    TermSight, Token, Transaction,
};
use zk_supervise::core::lease::{Timing, Wish};
use zk_supervise::core::path::ZnodePath;
use zk_supervise::core::time::Time;
use zk_supervise::zookeeper::record::Candidate;
use zk_supervise::zookeeper::survey::{Ground, SurveyError, TermView, probe, survey};
use zk_supervise::zookeeper::{
    Abandoned, CandidateState, Ensemble as Servers, Event, Identity, Names, Paths, Session,
};
use zookeeper_client::{Acls, Client, CreateMode};

use MasterZnode::{Gone, Present};

const LEASE: Duration = secs(3);

/// A candidate's end of a session, with what it has heard and not looked at yet.
struct Seat {
    session: Session,
    events: UnboundedReceiver<Event>,
    heard: Vec<Event>,
    id: i64,
    operations: u64,
}

impl Seat {
    /// Opens a session, which may fail.
    fn take(servers: &Servers, timing: &Timing) -> Seat {
        let (sender, events) = unbounded_channel();
        Seat {
            session: Session::open(1, servers, timing, sender),
            events,
            heard: Vec::new(),
            id: 0,
            operations: 0,
        }
    }

    /// Opens a session of six seconds, and waits for it.
    #[track_caller]
    fn open(servers: &Servers) -> Seat {
        Seat::open_for(servers, &timing(6))
    }

    #[track_caller]
    fn open_for(servers: &Servers, timing: &Timing) -> Seat {
        let mut seat = Seat::take(servers, timing);
        seat.id = seat.wait("the session opens", |event| {
            let Event::Opened { id, granted, .. } = event else {
                return None;
            };
            assert_eq!(*granted, timing.session_timeout);
            Some(*id)
        });
        seat
    }

    fn listen(&mut self) {
        while let Ok(event) = self.events.try_recv() {
            self.heard.push(event);
        }
    }

    /// Takes the first event heard that `pick` likes.
    fn pick<T>(&mut self, pick: impl Fn(&Event) -> Option<T>) -> Option<T> {
        self.listen();
        let at = self.heard.iter().position(|event| pick(event).is_some())?;
        pick(&self.heard.remove(at))
    }

    #[track_caller]
    fn wait<T>(&mut self, what: &str, pick: impl Fn(&Event) -> Option<T>) -> T {
        wait_for(what, secs(20), || self.pick(&pick))
    }

    #[track_caller]
    fn wait_for(&mut self, event: &Event) {
        self.wait(&format!("{event:?}"), |heard| {
            (heard == event).then_some(())
        });
    }

    #[track_caller]
    fn look(&mut self) -> (Sight, Names) {
        self.session.look();
        self.wait("a look", |event| {
            let Event::Looked { sight, names, .. } = event else {
                return None;
            };
            Some((*sight, names.clone()))
        })
    }

    /// Looks until there is a connection.
    #[track_caller]
    fn look_again(&mut self) -> Sight {
        let mut failures = Vec::new();
        let sight = try_for(secs(20), || {
            self.session.look();
            let answer = try_for(secs(5), || {
                self.pick(|event| {
                    if let Event::Looked { sight, .. } = event {
                        return Some(Ok(*sight));
                    }
                    if let Event::LookFailed { reason, .. } = event {
                        return Some(Err(reason.clone()));
                    }
                    None
                })
            });
            let answer = answer.unwrap_or_else(|| Err("no answer".to_owned()));
            answer.map_err(|reason| failures.push(reason)).ok()
        });
        failures.dedup();
        let heard = &self.heard;
        sight.unwrap_or_else(|| {
            panic!("no look in 20 s, but {failures:?}; heard besides: {heard:?}")
        })
    }

    #[track_caller]
    fn commit(&mut self, transaction: Transaction) -> Outcome {
        self.operations += 1;
        let number = self.operations;
        self.session.commit(number, transaction);
        self.wait("an answer", |event| {
            let Event::Answered {
                operation,
                outcome,
                reason,
                ..
            } = event
            else {
                return None;
            };
            let is_done = matches!(outcome, Outcome::Done { .. });
            assert_eq!((*operation, reason.is_none()), (number, is_done));
            Some(*outcome)
        })
    }

    /// Waits for the end of a close; returns how long that took, and what is doubtful about it.
    #[track_caller]
    fn wait_closed(&mut self) -> (Duration, Option<String>) {
        let mut closed = None;
        let took = wait_until("it is closed", secs(5), || {
            closed = self.pick(|event| {
                let Event::Closed { doubt, .. } = event else {
                    return None;
                };
                Some(doubt.clone())
            });
            closed.is_some()
        });
        (took, closed.flatten())
    }

    /// A founding and a campaign: the version of `T` after it.
    #[track_caller]
    fn become_master(&mut self) -> i32 {
        self.commit(Transaction::Found(Founding::WithRoot));
        assert_eq!(self.look().0.master, MasterSight::Absent);
        let campaign = Transaction::Campaign(Gone, held(0), 0);
        let Outcome::Done { version, .. } = self.commit(campaign) else {
            panic!("the campaign is refused");
        };
        version
    }

    fn changes(&mut self) -> usize {
        self.listen();
        let before = self.heard.len();
        self.heard
            .retain(|event| !matches!(event, Event::MasterChanged { .. }));
        before - self.heard.len()
    }
}

fn timing(session: u64) -> Timing {
    Wish {
        session_timeout: Some(secs(session)),
        connect_timeout: Some(secs(1)),
        ..Wish::default()
    }
    .timing()
}

fn servers_at(addresses: Vec<String>, root: &str, name: &str) -> Servers {
    let path = |text| ZnodePath::parse(text).expect("a good path");
    Servers {
        servers: addresses,
        paths: Paths::new(None, &path(root), &path("/master")),
        identity: Identity {
            name: name.to_owned(),
            host: "here".to_owned(),
            pid: 1,
            incarnation: 7,
        },
    }
}

fn servers(group: &Group, name: &str) -> Servers {
    servers_at(shared().addresses(), group.root(), name)
}

/// One link to each server.
fn links(ensemble: &Ensemble) -> Vec<Link> {
    let servers = ensemble.servers().iter();
    servers.map(|it| Link::to(it.socket())).collect()
}

fn addresses(links: &[Link]) -> Vec<String> {
    links.iter().map(Link::address).collect()
}

fn held(generation: u32) -> Held {
    Held {
        id: Some(TermId {
            elector: 0xabc,
            number: 1,
        }),
        generation,
        lease: LEASE,
        token: Some(Token(77)),
    }
}

fn refused(refusal: Refusal) -> Outcome {
    Outcome::Refused(refusal)
}

#[test]
fn a_term_is_founded_won_renewed_resumed_and_released() {
    let group = Group::new(shared());
    let (mut a, mut b) = (
        Seat::open(&servers(&group, "a")),
        Seat::open(&servers(&group, "b")),
    );
    let nothing = Sight {
        master: MasterSight::Absent,
        term: TermSight::RootMissing,
    };
    assert_eq!(a.look(), (nothing, Names::default()));
    let founded = a.commit(Transaction::Found(Founding::WithRoot));
    assert_eq!(
        founded,
        Outcome::Done {
            version: 0,
            zxid: 0
        }
    );
    let TermSight::Present { stamp, record, .. } = b.look_again().term else {
        panic!("just founded");
    };
    assert_eq!((stamp.version, record), (0, Record::Virgin));

    let Outcome::Done { version: 1, zxid } = a.commit(Transaction::Campaign(Gone, held(0), 0))
    else {
        panic!("the campaign is won");
    };
    let (sight, names) = a.look();
    assert_eq!(sight.master, MasterSight::Ephemeral { owner: a.id });
    let held_now = TermSight::Present {
        stamp: Stamp {
            version: 1,
            ..stamp
        },
        modified: zxid,
        record: Record::Held(held(0)),
    };
    assert_eq!(sight.term, held_now);
    let note = names.master.expect("we made it");
    assert_eq!((note.name.as_str(), note.term), ("a", held(0).id));
    assert_eq!(names.holder.as_deref(), Some("a"));

    let renewed = a.commit(Transaction::Renew(held(0), 1));
    assert!(matches!(renewed, Outcome::Done { version: 2, zxid: later } if later > zxid));
    let resumed = b.commit(Transaction::Resume(Present, held(1), 2));
    assert!(matches!(resumed, Outcome::Done { version: 3, .. }));
    assert_eq!(
        b.look().0.master,
        MasterSight::Ephemeral { owner: b.id },
        "the other session took it over"
    );
    assert_eq!(
        a.commit(Transaction::Renew(held(0), 2)),
        refused(Refusal::VersionMismatch)
    );
    let released = b.commit(Transaction::Release(Present, 3));
    assert!(matches!(released, Outcome::Done { version: 4, .. }));
    let (sight, names) = b.look();
    assert_eq!(sight.master, MasterSight::Absent);
    assert!(matches!(
        sight.term,
        TermSight::Present {
            record: Record::Released,
            ..
        }
    ));
    assert_eq!(names.holder.as_deref(), Some("b"));
}

#[test]
fn a_term_that_is_withdrawn_stays_held_and_is_resumed_or_released_without_m() {
    let group = Group::new(shared());
    let mut seat = Seat::open(&servers(&group, "a"));
    let version = seat.become_master();
    let withdrawn = seat.commit(Transaction::Withdraw(version));
    assert_eq!(withdrawn, Outcome::Done { version, zxid: 0 });
    let sight = seat.look().0;
    assert_eq!(sight.master, MasterSight::Absent);
    assert!(
        matches!(sight.term, TermSight::Present { record: Record::Held(it), .. } if it == held(0))
    );
    let resumed = seat.commit(Transaction::Resume(Gone, held(1), version));
    assert!(matches!(resumed, Outcome::Done { version: 2, .. }));
    assert!(matches!(
        seat.commit(Transaction::Withdraw(2)),
        Outcome::Done { version: 2, .. }
    ));
    let released = seat.commit(Transaction::Release(Gone, 2));
    assert!(matches!(released, Outcome::Done { version: 3, .. }));
    let deposed = [
        seat.commit(Transaction::Campaign(Gone, held(0), 3)),
        seat.commit(Transaction::Campaign(Present, held(0), 4)),
    ];
    assert!(matches!(deposed[1], Outcome::Done { version: 5, .. }));
}

#[test]
fn a_record_that_is_missing_under_an_existing_root_is_held_by_nobody() {
    let group = Group::new(shared());
    group.znodes().create(group.root(), b"");
    let mut seat = Seat::open(&servers(&group, "a"));
    assert_eq!(seat.look().0.term, TermSight::Missing);
    assert_eq!(
        seat.commit(Transaction::Found(Founding::WithRoot)),
        refused(Refusal::TermMissing),
        "the root exists"
    );
    let founded = seat.commit(Transaction::Found(Founding::UnderRoot(LEASE)));
    assert!(matches!(founded, Outcome::Done { version: 0, .. }));
    let (sight, names) = seat.look();
    let nobody = Held {
        id: None,
        generation: 0,
        lease: LEASE,
        token: None,
    };
    assert!(
        matches!(sight.term, TermSight::Present { record: Record::Held(it), .. } if it == nobody)
    );
    assert_eq!(names.holder, None);
    assert_eq!(
        seat.commit(Transaction::Found(Founding::UnderRoot(LEASE))),
        refused(Refusal::TermMissing),
        "it exists already"
    );
}

#[test]
fn a_refused_transaction_says_why_and_changes_nothing() {
    let group = Group::new(shared());
    let mut seat = Seat::open(&servers(&group, "a"));
    let campaign = |master, version| Transaction::Campaign(master, held(0), version);
    assert_eq!(
        seat.commit(campaign(Gone, 0)),
        refused(Refusal::TermMissing)
    );
    seat.commit(Transaction::Found(Founding::WithRoot));
    for (transaction, refusal) in [
        (campaign(Gone, 1), Refusal::VersionMismatch),
        (campaign(Present, 0), Refusal::MasterMissing),
        (Transaction::Renew(held(0), 0), Refusal::MasterMissing),
        (
            Transaction::Resume(Present, held(0), 0),
            Refusal::MasterMissing,
        ),
        (Transaction::Release(Present, 0), Refusal::MasterMissing),
        (Transaction::Release(Gone, 1), Refusal::VersionMismatch),
        (Transaction::Withdraw(0), Refusal::MasterMissing),
        (Transaction::Withdraw(1), Refusal::VersionMismatch),
        (Transaction::Found(Founding::WithRoot), Refusal::TermMissing),
    ] {
        assert_eq!(
            seat.commit(transaction),
            refused(refusal),
            "{transaction:?}"
        );
        let sight = seat.look().0;
        assert_eq!(sight.master, MasterSight::Absent, "{transaction:?}");
        assert!(
            matches!(sight.term, TermSight::Present { stamp, .. } if stamp.version == 0),
            "{transaction:?}"
        );
    }
    assert!(matches!(
        seat.commit(campaign(Gone, 0)),
        Outcome::Done { version: 1, .. }
    ));
    for (transaction, refusal) in [
        (campaign(Gone, 1), Refusal::MasterExists),
        (campaign(Present, 0), Refusal::VersionMismatch),
        (Transaction::Renew(held(0), 0), Refusal::VersionMismatch),
        (Transaction::Resume(Gone, held(1), 1), Refusal::MasterExists),
        (Transaction::Release(Present, 0), Refusal::VersionMismatch),
    ] {
        assert_eq!(
            seat.commit(transaction),
            refused(refusal),
            "{transaction:?}"
        );
        let owner = seat.id;
        assert_eq!(seat.look().0.master, MasterSight::Ephemeral { owner });
    }
    group.znodes().delete(&group.term());
    assert_eq!(
        seat.commit(Transaction::Renew(held(0), 1)),
        refused(Refusal::TermMissing)
    );
    assert_eq!(seat.look().0.term, TermSight::Missing);
}

#[test]
fn what_a_stranger_made_is_seen_for_what_it_is() {
    let group = Group::new(shared());
    let mut seat = Seat::open(&servers(&group, "a"));
    group.znodes().create(&group.master(), b"\xff");
    group.znodes().create(&group.term(), b"{\"format\":9}");
    let (sight, names) = seat.look();
    assert_eq!(sight.master, MasterSight::Persistent);
    assert_eq!(sight.term, TermSight::Unreadable);
    assert_eq!(names.master, None);
    let flaw = format!(
        "`{}` cannot be read: `format` is 9, and only 1 is understood",
        group.term()
    );
    assert_eq!(names.flaw, Some(flaw));
}

/// Makes a znode that everybody may read and nobody may write.
fn make_read_only(path: &str) {
    let runtime = tokio::runtime::Builder::new_current_thread()
        .enable_all()
        .build()
        .expect("a runtime can be made");
    runtime.block_on(async {
        let client = Client::connect(&shared().addresses().join(","))
            .await
            .expect("the ensemble serves");
        let parents = CreateMode::Persistent.with_acls(Acls::anyone_all());
        let parent = path.rsplit_once('/').expect("a path").0;
        client.mkdir(parent, &parents).await.expect("we may");
        let options = CreateMode::Persistent.with_acls(Acls::anyone_read());
        client.create(path, b"", &options).await.expect("we may");
    });
}

#[test]
fn what_the_ensemble_forbids_is_refused_as_forbidden() {
    let group = Group::new(shared());
    make_read_only(group.root());
    let servers = servers(&group, "a");
    let mut seat = Seat::open(&servers);
    assert_eq!(seat.look().0.term, TermSight::Missing);
    let found = Transaction::Found(Founding::UnderRoot(LEASE));
    assert_eq!(seat.commit(found), refused(Refusal::Forbidden));
    let path = group.root().to_owned();
    let forbidden = probe(&servers, &timing(6)).expect_err("it is forbidden");
    assert!(
        matches!(&forbidden, SurveyError::Forbidden { path: at, .. } if at.starts_with(&path)),
        "{forbidden}"
    );
    let below = servers_at(shared().addresses(), &format!("{path}/deeper"), "a");
    assert!(matches!(
        probe(&below, &timing(6)),
        Err(SurveyError::Forbidden { .. })
    ));
    let mut seat = Seat::open(&below);
    let found = Transaction::Found(Founding::WithRoot);
    assert_eq!(seat.commit(found), refused(Refusal::Forbidden));
}

#[test]
fn the_watch_on_m_fires_once_for_each_change_however_often_we_look() {
    let group = Group::new(shared());
    let mut standby = Seat::open(&servers(&group, "b"));
    let mut master = Seat::open(&servers(&group, "a"));
    for _ in 0..20 {
        standby.look();
    }
    let version = master.become_master();
    wait_until("M's creation is told", secs(5), || standby.changes() == 1);
    for _ in 0..20 {
        standby.look();
    }
    master.commit(Transaction::Renew(held(0), version));
    assert!(matches!(
        master.commit(Transaction::Withdraw(version + 1)),
        Outcome::Done { .. }
    ));
    wait_until("M's deletion is told", secs(5), || standby.changes() == 1);
    master.commit(Transaction::Resume(Gone, held(1), version + 1));
    holds_for("without a look nothing is told", millis(300), || {
        standby.changes() == 0
    });
}

#[test]
fn the_watch_survives_the_way_to_another_server() {
    let group = Group::new(shared());
    let links = links(shared());
    let mut standby = Seat::open(&servers_at(addresses(&links), group.root(), "b"));
    standby.look();
    let mut master = Seat::open(&servers(&group, "a"));
    let used = links.iter().find(|link| link.connections() > 0);
    used.expect("one of them").refuse();
    standby.wait_for(&Event::Restored { session: 1 });
    let version = master.become_master();
    wait_until("M's creation is told", secs(5), || standby.changes() == 1);

    standby.look();
    refuse_all(&links);
    standby.wait_for(&Event::Interrupted { session: 1 });
    master.commit(Transaction::Withdraw(version));
    links.iter().for_each(Link::heal);
    standby.wait_for(&Event::Restored { session: 1 });
    wait_until("what happened meanwhile is told", secs(5), || {
        standby.changes() == 1
    });
}

#[test]
fn without_a_connection_every_request_is_answered_at_once() {
    let group = Group::new(shared());
    let links = links(shared());
    let mut seat = Seat::open(&servers_at(addresses(&links), group.root(), "a"));
    let version = seat.become_master();
    refuse_all(&links);
    seat.wait_for(&Event::Interrupted { session: 1 });
    assert_eq!(
        seat.commit(Transaction::Renew(held(0), version)),
        Outcome::Unknown
    );
    seat.session.look();
    seat.wait_for(&Event::LookFailed {
        session: 1,
        reason: "no connection".to_owned(),
    });
    links.iter().for_each(Link::heal);
    seat.wait_for(&Event::Restored { session: 1 });
    let sight = seat.look_again();
    assert!(
        matches!(sight.term, TermSight::Present { stamp, .. } if stamp.version == version),
        "the renewal was not queued"
    );
}

#[test]
fn a_transaction_whose_answer_is_lost_is_unknown() {
    let group = Group::new(shared());
    let links = links(shared());
    let mut seat = Seat::open(&servers_at(addresses(&links), group.root(), "a"));
    let version = seat.become_master();
    let held_back = |way| links.iter().for_each(|link| link.hold(way));
    held_back(Way::ToClient);
    assert_eq!(
        seat.commit(Transaction::Renew(held(0), version)),
        Outcome::Unknown
    );
    links.iter().for_each(Link::reset);
    links.iter().for_each(Link::heal);
    let sight = seat.look_again();
    assert!(
        matches!(sight.term, TermSight::Present { stamp, .. } if stamp.version == version + 1),
        "it happened all the same: {sight:?}"
    );
}

#[test]
fn a_frozen_server_is_left_for_another() {
    let ensemble = Ensemble::quick();
    let group = Group::new(&ensemble);
    let links = links(&ensemble);
    let mut seat = Seat::open(&servers_at(addresses(&links), group.root(), "a"));
    let version = seat.become_master();
    let at = links.iter().position(|link| link.connections() > 0);
    let server = &ensemble.servers()[at.expect("one of them")];
    server.freeze();
    let interrupted = wait_until("the connection is given up", secs(3), || {
        seat.pick(|event| matches!(event, Event::Interrupted { .. }).then_some(()))
            .is_some()
    });
    let restored = wait_until("another is found", secs(5), || {
        seat.pick(|event| matches!(event, Event::Restored { .. }).then_some(()))
            .is_some()
    });
    println!("interrupted after {interrupted:?}, restored {restored:?} later");
    let owner = seat.id;
    assert_eq!(seat.look_again().master, MasterSight::Ephemeral { owner });
    let renewed = seat.commit(Transaction::Renew(held(0), version));
    assert!(matches!(renewed, Outcome::Done { .. }), "{renewed:?}");
    server.thaw();
}

#[test]
fn a_session_that_the_ensemble_ends_is_told() {
    let group = Group::new(shared());
    let mut seat = Seat::open(&servers(&group, "a"));
    seat.become_master();
    seat.look();
    expire(&shared().servers()[0], seat.id).expect("it is alive");
    seat.wait_for(&Event::Ended {
        session: 1,
        why: "expired".to_owned(),
    });
    assert!(!group.znodes().exists(&group.master()));
    assert_eq!(
        seat.commit(Transaction::Renew(held(0), 1)),
        Outcome::Unknown
    );
}

#[test]
fn a_session_that_is_abandoned_keeps_m_until_it_runs_out() {
    let group = Group::new(shared());
    let mut seat = Seat::open_for(&servers(&group, "a"), &timing(4));
    seat.become_master();
    let mut abandoned = Abandoned::default();
    abandoned.add(seat.session, Time::from_nanos(5));
    let ended = wait_until("its thread ends", secs(10), || abandoned.oldest().is_none());
    println!("the thread of an abandoned session ended within {ended:?}");
    holds_for("M stays", secs(2), || {
        group.znodes().exists(&group.master())
    });
    wait_until("the session runs out", secs(6), || {
        !group.znodes().exists(&group.master())
    });
}

#[test]
fn a_session_that_is_closed_takes_m_along_at_once() {
    let group = Group::new(shared());
    let mut seat = Seat::open(&servers(&group, "a"));
    seat.become_master();
    seat.session.close();
    let (closed, doubt) = seat.wait_closed();
    assert_eq!(doubt, None);
    println!("closed within {closed:?}");
    assert!(!group.znodes().exists(&group.master()));
    let mut abandoned = Abandoned::default();
    abandoned.add(seat.session, Time::from_nanos(5));
    wait_until("its thread ends", secs(10), || abandoned.oldest().is_none());
}

#[test]
fn a_session_that_cannot_be_closed_says_so_within_two_connect_timeouts() {
    let group = Group::new(shared());
    let links = links(shared());
    let mut seat = Seat::open(&servers_at(addresses(&links), group.root(), "a"));
    links.iter().for_each(Link::blackhole);
    seat.session.close();
    let (closed, doubt) = seat.wait_closed();
    assert_eq!(doubt.as_deref(), Some("no answer"));
    println!("given up after {closed:?}");
}

#[test]
fn a_session_that_cannot_be_opened_says_why_of_each_server() {
    let group = Group::new(shared());
    let (refusing, silent) = (
        Link::to(shared().servers()[0].socket()),
        Link::to(shared().servers()[0].socket()),
    );
    refusing.refuse();
    silent.blackhole();
    let servers = vec![
        refusing.address(),
        silent.address(),
        "no-such-host.invalid:2181".to_owned(),
    ];
    let mut seat = Seat::take(&servers_at(servers, group.root(), "a"), &timing(6));
    assert_eq!(
        seat.commit(Transaction::Withdraw(0)),
        Outcome::Unknown,
        "answered although there is no session yet"
    );
    let reason = seat.wait("it fails", |event| {
        let Event::OpenFailed { reason, .. } = event else {
            return None;
        };
        Some(reason.clone())
    });
    println!("{reason}");
    assert!(reason.contains(&format!("{}: connection refused", refusing.address())));
    assert!(reason.contains(&format!(
        "{}: connected, but no session was opened",
        silent.address()
    )));
    assert!(reason.contains("no-such-host.invalid:2181: the name cannot be resolved"));
}

#[test]
fn a_candidate_is_published_and_a_twin_is_noticed() {
    let group = Group::new(shared());
    let first = servers(&group, "a");
    let mut twin = first.clone();
    twin.identity.incarnation = 8;
    let mut other = servers(&group, "b");
    other.identity.incarnation = 9;
    let mut seats = [&first, &other].map(Seat::open);
    for seat in &seats {
        seat.session.publish(CandidateState("standby"));
    }
    seats[0].wait_for(&Event::PublishFailed {
        session: 1,
        reason: "node not exists".to_owned(),
    });
    seats[0].commit(Transaction::Found(Founding::WithRoot));
    for seat in &mut seats {
        seat.look_again();
    }
    wait_until("both are published", secs(5), || {
        group.candidates() == ["a~0000000000000007", "b~0000000000000009"]
    });
    seats[0].session.publish(CandidateState("master"));
    let path = format!("{}.candidates/a~0000000000000007", group.master());
    wait_until("the state is written", secs(5), || {
        group.znodes().read(&path).expect("just made").json()["state"] == "master"
    });

    // The same supervisor on a new session: the znode changes hands.
    let successor = Seat::open(&first);
    successor.session.publish(CandidateState("standby"));
    wait_until("the znode changes hands", secs(5), || {
        let znode = group.znodes().read(&path);
        znode.is_some_and(|znode| znode.stat.ephemeral_owner == successor.id)
    });

    let mut seat = Seat::open(&twin);
    seat.session.publish(CandidateState("standby"));
    let found = seat.wait("the twin is noticed", |event| {
        let Event::Twin { other, .. } = event else {
            return None;
        };
        Some(other.clone())
    });
    let expected = Candidate {
        name: "a".to_owned(),
        incarnation: 7,
        host: "here".to_owned(),
        pid: 1,
        state: "standby".to_owned(),
        version: env!("CARGO_PKG_VERSION").to_owned(),
    };
    assert_eq!(found, expected);
}

#[test]
fn a_survey_sees_all_and_a_probe_leaves_nothing() {
    let group = Group::new(shared());
    let servers = servers(&group, "a");
    let empty = survey(&servers, &timing(6)).expect("the ensemble answers");
    assert_eq!(empty.term, TermView::RootMissing);
    assert_eq!((empty.master, empty.candidates), (None, vec![]));
    let probed = probe(&servers, &timing(6)).expect("all is allowed");
    assert!(
        matches!(probed.ground, Ground::WillBeMade { below } if group.root().starts_with(&below))
    );

    let mut seat = Seat::open(&servers);
    seat.become_master();
    wait_until("M's creation is told", secs(5), || seat.changes() == 1);
    seat.look();
    seat.session.publish(CandidateState("master"));
    wait_until("it is published", secs(5), || group.candidates().len() == 1);
    let version = survey(&servers, &timing(6)).expect("the ensemble answers");
    let master = version.master.expect("there is one");
    assert_eq!(master.owner, seat.id);
    assert_eq!(master.note.expect("ours").name, "a");
    assert!(master.since > 1_700_000_000_000);
    let TermView::Present { note, version, .. } = version.term else {
        panic!("it was founded");
    };
    assert_eq!(note.expect("ours").record, Record::Held(held(0)));
    assert_eq!(version, 1);

    let probed = probe(&servers, &timing(60)).expect("all is allowed");
    assert_eq!(probed.ground, Ground::Ready);
    assert_eq!(probed.granted, secs(60));
    assert!(
        probed
            .servers
            .iter()
            .all(|server| server.obstacle.is_none())
    );
    let sight = seat.look().0;
    assert!(matches!(sight.term, TermSight::Present { stamp, .. } if stamp.version == 1));
    let mut children = group.znodes().children(group.root());
    children.sort();
    assert_eq!(children, ["master", "master.candidates", "master.term"]);
    assert_eq!(seat.changes(), 0);

    let nobody = servers_at(vec!["127.0.0.1:1".to_owned()], group.root(), "a");
    let error = survey(&nobody, &timing(6)).expect_err("nobody is there");
    assert_eq!(
        error.to_string(),
        "no server answers: 127.0.0.1:1: connection refused"
    );
}

/// Defect A of the client library: with IP addresses and no route it spins once its deadline has passed.
#[test]
fn a_session_that_spins_leaves_the_driver_alone_and_is_seen_to_run_on() {
    let Some(netns) = Netns::new(shared()) else {
        return;
    };
    let group = Group::new(shared());
    let servers = servers_at(addresses(netns.links()), group.root(), "a");
    let name = format!("/run/netns/{}", netns.name());
    // A thread's network is that of the thread which made it.
    let open = move || {
        let namespace = File::open(&name).expect("the namespace is ours");
        setns(namespace, CloneFlags::CLONE_NEWNET).expect("we are root");
        [
            Seat::open_for(&servers, &timing(2)),
            Seat::open_for(&servers, &timing(2)),
        ]
    };
    let opened = std::thread::spawn(open).join();
    let [mut early, mut late] = opened.expect("both are open");
    netns.unplug();
    for seat in [&mut early, &mut late] {
        seat.wait_for(&Event::Interrupted { session: 1 });
    }
    let mut abandoned = Abandoned::default();
    abandoned.add(early.session, Time::from_nanos(1));
    let ended = wait_until("left in time, its thread ends", secs(2), || {
        abandoned.oldest().is_none()
    });
    println!("left before the deadline, the thread ended within {ended:?}");
    late.session.look();
    late.wait("it still answers", |event| {
        matches!(event, Event::LookFailed { .. }).then_some(())
    });
    let mut unanswered = 0;
    wait_until("it answers no more", secs(10), || {
        late.session.look();
        late.listen();
        unanswered = if late.heard.is_empty() {
            unanswered + 1
        } else {
            0
        };
        late.heard.clear();
        unanswered > 100
    });
    abandoned.add(late.session, Time::from_nanos(2));
    holds_for("it spins", millis(500), || {
        abandoned.oldest() == Some(Time::from_nanos(2))
    });
    netns.plug();
    wait_until("the network brings it to its end", secs(10), || {
        abandoned.oldest().is_none()
    });
}
