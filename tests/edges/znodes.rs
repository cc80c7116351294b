//! What a znode may say.

use std::time::Duration;

use proptest::option;
use proptest::prelude::*;
use zk_supervise::core::candidacy::{Candidacy, Plan};
use zk_supervise::core::election::{
    Held, MasterSight, Record, Sight, Stamp, TermId, TermSight, Token,
};
use zk_supervise::core::lease::{LONGEST_LEASE, Wish};
use zk_supervise::core::time::Time;
use zk_supervise::zookeeper::Identity;
use zk_supervise::zookeeper::record::{
    Candidate, MasterNote, TermNote, candidate_data, master_data, term_data,
};

use crate::cases;
use crate::meter::most_held;
use crate::mutate::spoilt;

/// A value of JSON takes 32 bytes and two of data (`0,`); a list that grows is there twice, and up to twice too long.
const BYTES_PER_BYTE: usize = 64;
/// For short data: a map, an error and its words.
const BYTES_AT_LEAST: usize = 8 * 1024;

/// What we write and what earlier versions wrote.
fn samples() -> Vec<Vec<u8>> {
    let identity = Identity {
        name: "zk1".to_owned(),
        host: "zk1.example.org".to_owned(),
        pid: 4711,
        incarnation: 7,
    };
    let id = TermId {
        elector: 0x00ab_cdef_0123_4567,
        number: 3,
    };
    let lines = include_str!("../../src/zookeeper/format1.txt").lines();
    let written = lines.filter_map(|line| {
        line.strip_prefix("term ")
            .or(line.strip_prefix("master "))
            .or(line.strip_prefix("candidate "))
    });
    let mut samples: Vec<_> = written.map(|data| data.as_bytes().to_vec()).collect();
    assert_eq!(samples.len(), 8);
    samples.extend([
        master_data(&identity, Some(id)),
        candidate_data(&identity, "standby"),
    ]);
    samples
}

fn term_id() -> impl Strategy<Value = TermId> {
    any::<(u64, u32)>().prop_map(|(elector, number)| TermId { elector, number })
}

fn record() -> impl Strategy<Value = Record> {
    let held = (
        option::of(term_id()),
        any::<u32>(),
        any::<u32>(),
        option::of(any::<i64>()),
    );
    let held = held.prop_map(|(id, generation, millis, token)| {
        let lease = Duration::from_millis(millis.into());
        Record::Held(Held {
            id,
            generation,
            lease,
            token: token.map(Token),
        })
    });
    prop_oneof![1 => Just(Record::Virgin), 1 => Just(Record::Released), 8 => held]
}

/// What a reader of a record goes by: the lease is cut.
fn as_read(record: Record) -> Record {
    match record {
        Record::Held(held) => Record::Held(Held {
            lease: held.lease.min(LONGEST_LEASE),
            ..held
        }),
        Record::Virgin | Record::Released => record,
    }
}

/// Whether who finds this record, and no master, starts its child without a wait-out.
fn starts_at_once(record: Record) -> bool {
    let now = Time::from_nanos(1 << 50);
    let stamp = Stamp {
        created: 1,
        version: 1,
    };
    let term = TermSight::Present {
        stamp,
        modified: 1,
        record,
    };
    let master = MasterSight::Absent;
    let sight = Sight { master, term };
    let mut candidacy = Candidacy::default();
    candidacy.note(now, &sight);
    let id = TermId {
        elector: 1,
        number: 1,
    };
    match candidacy.plan(now, &sight, &Wish::default().timing(), 1, id) {
        Plan::Campaign(campaign) => campaign.not_before <= now,
        Plan::Wait | Plan::Found(_) | Plan::Withdraw(_) | Plan::Blocked(_) => false,
    }
}

fn says_released(data: &[u8]) -> bool {
    let json: serde_json::Value = serde_json::from_slice(data).unwrap_or_default();
    json["state"] == "released"
}

fn is_tame(text: &str) -> bool {
    text.chars().count() <= 255 && !text.chars().any(char::is_control)
}

fn check(data: &[u8]) -> Result<(), TestCaseError> {
    let bound = BYTES_PER_BYTE * data.len() + BYTES_AT_LEAST;
    let (term, most) = most_held(|| TermNote::parse(data, 1));
    prop_assert!(most <= bound, "{most} bytes for {}", data.len());
    match term {
        Ok(note) => {
            prop_assert!(!starts_at_once(note.record) || says_released(data));
            prop_assert_eq!(note.record, as_read(note.record));
            prop_assert!(note.holder.as_deref().is_none_or(is_tame));
            let holder = note.holder.as_deref().unwrap_or_default();
            let again = TermNote::parse(&term_data(&note.record, holder), 1);
            prop_assert_eq!(again.map(|note| note.record), Ok(note.record));
        }
        Err(flaw) => prop_assert!(!flaw.to_string().is_empty()),
    }
    let (master, most) = most_held(|| MasterNote::parse(data));
    prop_assert!(most <= bound, "{most} bytes for {}", data.len());
    if let Ok(note) = master {
        prop_assert!(
            [&note.name, &note.host, &note.version]
                .into_iter()
                .all(|text| is_tame(text))
        );
    }
    let (candidate, most) = most_held(|| Candidate::parse(data));
    prop_assert!(most <= bound, "{most} bytes for {}", data.len());
    if let Ok(note) = candidate {
        prop_assert!(
            [&note.name, &note.host, &note.state, &note.version]
                .into_iter()
                .all(|text| is_tame(text))
        );
    }
    Ok(())
}

proptest! {
    #![proptest_config(cases(1000))]

    #[test]
    fn any_data_is_a_record_within_bounds_or_refused(data in spoilt(samples(), b"{}[]:,")) {
        check(&data)?;
    }

    #[test]
    fn every_record_is_read_as_it_was_written(record in record(), writer in ".{0,40}") {
        let note = TermNote::parse(&term_data(&record, &writer), 0);
        prop_assert_eq!(note.map(|note| note.record), Ok(as_read(record)));
    }
}

/// The dearest data there are, byte for byte, and the longest that are read.
#[test]
fn the_dearest_data_cost_no_more() {
    for piece in [
        "0,", "[],", "{},", "\"\",", "[", "{\"a\":", "\\u0000", "1", "\u{65e5}",
    ] {
        for length in [100, 4096, 65_000] {
            let inner = piece.repeat(length / piece.len());
            for data in [
                inner.clone(),
                format!("[{inner}0]"),
                format!(r#"{{"format":1,"x":[{inner}0]}}"#),
                format!(r#"{{"format":"{inner}"}}"#),
            ] {
                check(data.as_bytes())
                    .unwrap_or_else(|error| panic!("{piece} up to {length}: {error}"));
            }
        }
    }
    let keys: String = (0..6000)
        .map(|number| format!(r#""{number}":0,"#))
        .collect();
    check(format!(r#"{{{keys}"format":1}}"#).as_bytes()).unwrap_or_else(|error| panic!("{error}"));
}

#[test]
fn what_is_too_long_costs_nothing() {
    let data = vec![b'0'; 10 << 20];
    let (note, most) = most_held(|| TermNote::parse(&data, 1));
    assert!(note.is_err() && most == 0, "{most} bytes");
}
