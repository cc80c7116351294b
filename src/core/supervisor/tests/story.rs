//! What the others and the operator see of an elector.

use super::*;

fn published(actions: Vec<Action>) -> Option<CandidateState> {
    actions.into_iter().find_map(|action| match action {
        Action::Publish(_, state) => Some(state),
        Action::Open(_)
        | Action::Abandon(_)
        | Action::Close(_)
        | Action::Look(_)
        | Action::Commit(..)
        | Action::Order(_)
        | Action::Tell(_)
        | Action::KillGuardian
        | Action::Exit(_) => None,
    })
}

/// Connected to a session of 30 s, by its number.
fn opened(session: u32, seconds: u64) -> Event {
    let granted = Duration::from_secs(seconds);
    Event::Session(session, SessionEvent::Opened { id: OWN, granted })
}

fn persistent() -> Event {
    Event::Session(1, sight(MasterSight::Persistent, 5, Record::Released))
}

#[test]
fn a_candidate_publishes_what_it_is_doing_and_only_when_that_changes() {
    let runs = Report {
        charge: Charge::Open(grant(6, 25_900)),
        tree: running(),
        started: 1,
        ..IDLE
    };
    let stops = Report {
        charge: Charge::Sealed(grant(6, 25_900), StopReason::GivenUp),
        ..runs
    };
    let released = Event::Session(1, sight(ABSENT, 5, Record::Released));
    let missing = refused(Refusal::MasterMissing);
    let mut scene = Scene::standby().0;
    for (event, state) in [
        (
            Event::CommandLooked(Command::Missing),
            Some(CandidateState::Unable),
        ),
        (Event::Woke, None),
        (
            Event::CommandLooked(Command::Runnable),
            Some(CandidateState::Standby),
        ),
        (persistent(), Some(CandidateState::Unable)),
        (Event::Woke, None),
        (released, Some(CandidateState::Standby)),
        (Event::Session(1, done(6)), Some(CandidateState::WaitingOut)),
        (Event::Reported(runs), Some(CandidateState::Master)),
        (Event::Session(1, missing), Some(CandidateState::Stopping)),
        (Event::Reported(stops), None),
    ] {
        assert_eq!(published(scene.step(at(1100), event)), state, "{event:?}");
    }
}

#[test]
fn each_session_is_told_the_state_anew_and_a_short_one_makes_a_candidate_unable() {
    let mut scene = Scene::standby().0;
    let ended = |session| Event::Session(session, SessionEvent::Ended);
    for (session, seconds, state) in [
        (2, 30, CandidateState::Standby),
        (3, 8, CandidateState::Unable),
    ] {
        assert_eq!(published(scene.step(at(1100), ended(session - 1))), None);
        let actions = scene.step(at(1100), opened(session, seconds));
        assert_eq!(published(actions), Some(state));
    }
}

/// The operator is told once, and again when it has changed.
#[test]
fn a_session_that_is_granted_shorter_is_told_of_when_that_changes() {
    let mut scene = Scene::standby().0;
    let shortened = |seconds, millis| {
        let lease = Duration::from_millis(millis);
        Some(News::LeaseShortened(Duration::from_secs(seconds), lease))
    };
    let table = [
        (30, None),
        (20, shortened(20, 16_666)),
        (20, None),
        (18, shortened(18, 15_000)),
        (40, None),
        (20, shortened(20, 16_666)),
    ];
    for (session, (seconds, news)) in (2..).zip(table) {
        let _ = scene.step(at(1100), Event::Session(session - 1, SessionEvent::Ended));
        let told = told(scene.step(at(1100), opened(session, seconds)));
        assert_eq!(told, Vec::from_iter(news), "session {session}");
    }
    let _ = scene.step(at(1100), Event::Session(7, SessionEvent::Ended));
    let told = told(scene.step(at(1100), opened(8, 8)));
    assert!(
        matches!(
            told[..],
            [News::SessionTooShort(_, Misfit::NoRoomToStop { .. })]
        ),
        "{told:?}"
    );
}

/// A term that is carried on is not won again, and a resume that comes too late has not carried it on.
#[test]
fn a_resumed_term_is_told_of_as_such() {
    let mut scene = Scene::standby().0;
    let report = Report {
        charge: Charge::Open(grant(7, 26_000)),
        tree: running(),
        started: 1,
        ..IDLE
    };
    assert_eq!(told(scene.step(at(1000), Event::Reported(report))), []);
    let record = Record::Held(held(ID, 0, Some(Token(60))));
    let look = Event::Session(1, sight(OTHERS, 7, record));
    assert_eq!(told(scene.step(at(1010), look)), []);
    let mut late = scene.clone();
    let resumed = News::Resumed(Token(60), 1);
    let answer = Event::Session(1, done(8));
    assert_eq!(told(scene.step(at(1020), answer)), [resumed]);
    let _ = late.step(at(26_000), Event::Woke);
    assert_eq!(told(late.step(at(26_001), answer)), []);
}

#[test]
fn what_keeps_a_candidate_from_campaigning_is_told_once() {
    let mut scene = Scene::standby().0;
    let missing = Event::CommandLooked(Command::Missing);
    let found = Event::CommandLooked(Command::Runnable);
    let gone = vec![News::CommandMissing];
    let mut told = |event| told(scene.step(at(1100), event));
    let looks = [missing, missing, found, missing].map(&mut told);
    assert_eq!(looks, [gone.clone(), vec![], vec![], gone]);
    let blocked = vec![News::Blocked(Block::PersistentMaster)];
    assert_eq!([(); 2].map(|()| told(persistent())), [blocked, vec![]]);
}

/// A look at the command is of interest only without a term.
#[test]
fn a_candidate_is_a_standby_until_its_campaign_is_won() {
    assert!(Scene::standby().0.is_standby());
    assert!(Scene::campaigning().0.is_standby());
    assert!(!Scene::master().0.is_standby());
}
