//! What our znodes say, as small JSON that `zkCli.sh get` shows and a stranger's JSON does not mislead.

use std::time::Duration;

use serde::Serialize;

use super::Identity;
pub use super::note::Flaw;
use super::note::{FORMAT, Fields, WRITER};
use crate::core::election::{Held, Record, TermId, Token};
use crate::core::lease::LONGEST_LEASE;

const HELD: &str = "held";
const RELEASED: &str = "released";

/// What `T` says, and who wrote it.
#[derive(Clone, PartialEq, Eq, Debug)]
pub struct TermNote {
    /// What it says.
    pub record: Record,
    /// The name of the candidate that wrote it; none if it is virgin or held by nobody.
    pub holder: Option<String>,
}

/// What `M` says. It is for people: nothing is decided by it.
#[derive(Clone, PartialEq, Eq, Debug)]
pub struct MasterNote {
    /// The name of the candidate that is master.
    pub name: String,
    /// Its host.
    pub host: String,
    /// Its supervisor's process.
    pub pid: u32,
    /// Its term.
    pub term: Option<TermId>,
    /// The version of zk-supervise it runs.
    pub version: String,
}

/// What a candidate says of itself.
#[derive(Clone, PartialEq, Eq, Debug)]
pub struct Candidate {
    /// Its name.
    pub name: String,
    /// Random, one for each start of its supervisor.
    pub incarnation: u64,
    /// Its host.
    pub host: String,
    /// Its supervisor's process.
    pub pid: u32,
    /// What it is doing: `standby`, `master`, …
    pub state: String,
    /// The version of zk-supervise it runs.
    pub version: String,
}

impl TermNote {
    /// Reads `T`'s data at this version. The lease is cut to [`LONGEST_LEASE`]; unknown fields are ignored.
    ///
    /// # Errors
    /// It was not written by a zk-supervise whose format we understand.
    pub fn parse(data: &[u8], version: i32) -> Result<TermNote, Flaw> {
        match (data, version) {
            ([], 0) => {
                return Ok(TermNote {
                    record: Record::Virgin,
                    holder: None,
                });
            }
            // It may have been held by one whose tree is alive.
            ([], _) => return Err(Flaw::Emptied),
            ([..], _) => {}
        }
        let fields = Fields::parse(data)?;
        let record = match fields.str("state")? {
            HELD => Record::Held(parse_held(&fields)?),
            RELEASED => Record::Released,
            _ => {
                return Err(Flaw::Field {
                    name: "state",
                    expected: "`held` or `released`",
                });
            }
        };
        let holder = fields.text_or_null("holder")?;
        Ok(TermNote { record, holder })
    }
}

/// The data of `T` that says `record`, written by the candidate `writer`.
#[must_use]
pub fn term_data(record: &Record, writer: &str) -> Vec<u8> {
    match record {
        Record::Virgin => Vec::new(),
        Record::Released => json(&ReleasedText {
            format: FORMAT,
            state: RELEASED,
            holder: writer,
            version: WRITER,
        }),
        Record::Held(held) => json(&HeldText {
            format: FORMAT,
            state: HELD,
            holder: held.id.map(|_| writer),
            term: held.id.map(|id| id.to_string()),
            generation: held.generation,
            lease_ms: millis_rounded_up(held.lease),
            token: held.token.map(|token| token.to_string()),
            version: WRITER,
        }),
    }
}

impl MasterNote {
    /// Reads `M`'s data.
    ///
    /// # Errors
    /// It was not written by a zk-supervise whose format we understand.
    pub fn parse(data: &[u8]) -> Result<MasterNote, Flaw> {
        let fields = Fields::parse(data)?;
        Ok(MasterNote {
            name: fields.text("name")?,
            host: fields.text("host")?,
            pid: fields.number("pid", PID)?,
            term: fields.or_null("term", parse_term)?,
            version: fields.text("version")?,
        })
    }
}

/// The data of `M`: who is master, in which term.
#[must_use]
pub fn master_data(identity: &Identity, term: Option<TermId>) -> Vec<u8> {
    json(&MasterText {
        format: FORMAT,
        name: &identity.name,
        host: &identity.host,
        pid: identity.pid,
        term: term.map(|id| id.to_string()),
        version: WRITER,
    })
}

impl Candidate {
    /// Reads a candidate's data.
    ///
    /// # Errors
    /// It was not written by a zk-supervise whose format we understand.
    pub fn parse(data: &[u8]) -> Result<Candidate, Flaw> {
        let fields = Fields::parse(data)?;
        Ok(Candidate {
            name: fields.text("name")?,
            incarnation: fields.parsed("incarnation", "a hexadecimal number", |text| {
                u64::from_str_radix(text, 16).ok()
            })?,
            host: fields.text("host")?,
            pid: fields.number("pid", PID)?,
            state: fields.text("state")?,
            version: fields.text("version")?,
        })
    }
}

/// The data of our own candidate.
#[must_use]
pub fn candidate_data(identity: &Identity, state: &str) -> Vec<u8> {
    json(&CandidateText {
        format: FORMAT,
        name: &identity.name,
        incarnation: format!("{:016x}", identity.incarnation),
        host: &identity.host,
        pid: identity.pid,
        state,
        version: WRITER,
    })
}

const PID: &str = "a process number";

#[derive(Serialize)]
struct HeldText<'a> {
    format: u64,
    state: &'a str,
    holder: Option<&'a str>,
    term: Option<String>,
    generation: u32,
    lease_ms: u64,
    token: Option<String>,
    version: &'a str,
}

#[derive(Serialize)]
struct ReleasedText<'a> {
    format: u64,
    state: &'a str,
    holder: &'a str,
    version: &'a str,
}

#[derive(Serialize)]
struct MasterText<'a> {
    format: u64,
    name: &'a str,
    host: &'a str,
    pid: u32,
    term: Option<String>,
    version: &'a str,
}

#[derive(Serialize)]
struct CandidateText<'a> {
    format: u64,
    name: &'a str,
    incarnation: String,
    host: &'a str,
    pid: u32,
    state: &'a str,
    version: &'a str,
}

fn json(text: &impl Serialize) -> Vec<u8> {
    serde_json::to_vec(text).expect("texts and numbers are always JSON")
}

fn parse_held(fields: &Fields) -> Result<Held, Flaw> {
    let lease = fields.number("lease_ms", "a number of milliseconds")?;
    Ok(Held {
        id: fields.or_null("term", parse_term)?,
        generation: fields.number("generation", "a number below 2^32")?,
        lease: Duration::from_millis(lease).min(LONGEST_LEASE),
        token: fields.or_null("token", |fields| {
            fields.parsed("token", "a decimal number in a text", |text| {
                text.parse().ok().map(Token)
            })
        })?,
    })
}

fn parse_term(fields: &Fields) -> Result<TermId, Flaw> {
    fields.parsed("term", "the id of a term", |text| text.parse().ok())
}

/// Rounded up, so that who reads the lease never waits shorter than who holds it runs.
fn millis_rounded_up(lease: Duration) -> u64 {
    u64::try_from(lease.as_nanos().div_ceil(1_000_000)).unwrap_or(u64::MAX)
}

#[cfg(test)]
mod tests {
    use super::*;

    /// Written by earlier versions: these load for ever, or the format has another number.
    const FORMAT_1: &str = include_str!("format1.txt");

    fn held() -> Held {
        Held {
            id: Some(TermId {
                elector: 0x00ab_cdef_0123_4567,
                number: 3,
            }),
            generation: 2,
            lease: Duration::from_secs(25),
            token: Some(Token(0x1_0000_0007)),
        }
    }

    fn identity() -> Identity {
        Identity {
            name: "a \"b\" \u{fc}".to_owned(),
            host: "h1".to_owned(),
            pid: 42,
            incarnation: u64::MAX,
        }
    }

    #[test]
    fn what_is_written_is_read_back() {
        let nobody = Held {
            id: None,
            token: None,
            ..held()
        };
        for (record, holder) in [
            (Record::Virgin, None),
            (Record::Released, Some("zk1")),
            (Record::Held(held()), Some("zk1")),
            (Record::Held(nobody), None),
        ] {
            let note = TermNote::parse(&term_data(&record, "zk1"), 0).expect("our own data");
            assert_eq!(note.record, record);
            assert_eq!(note.holder.as_deref(), holder);
        }
        let master = MasterNote::parse(&master_data(&identity(), held().id)).expect("our own data");
        assert_eq!((master.name, master.term), (identity().name, held().id));
        let candidate =
            Candidate::parse(&candidate_data(&identity(), "standby")).expect("our own data");
        assert_eq!(
            (candidate.incarnation, candidate.state.as_str()),
            (u64::MAX, "standby")
        );
    }

    #[test]
    fn a_virgin_record_is_empty_and_a_held_one_reads_well() {
        assert_eq!(term_data(&Record::Virgin, "zk1"), b"");
        assert_eq!(
            String::from_utf8(term_data(&Record::Held(held()), "zk1")).expect("JSON is UTF-8"),
            format!(
                r#"{{"format":1,"state":"held","holder":"zk1","term":"00abcdef01234567-3","generation":2,"lease_ms":25000,"token":"4294967303","version":"{WRITER}"}}"#
            )
        );
    }

    #[test]
    fn a_lease_is_written_rounded_up_and_read_cut_to_the_longest() {
        let lease = |lease| {
            let record = Record::Held(Held { lease, ..held() });
            match TermNote::parse(&term_data(&record, ""), 1)
                .expect("our own data")
                .record
            {
                Record::Held(held) => held.lease,
                Record::Virgin | Record::Released => panic!("it was held"),
            }
        };
        assert_eq!(lease(Duration::from_nanos(1)), Duration::from_millis(1));
        assert_eq!(
            lease(Duration::from_nanos(5_000_001)),
            Duration::from_millis(6)
        );
        assert_eq!(lease(Duration::MAX), LONGEST_LEASE);
    }

    #[test]
    fn every_sample_of_format_1_loads() {
        let mut samples = 0;
        for line in FORMAT_1.lines().filter(|line| !line.starts_with('#')) {
            let (kind, data) = line.split_once(' ').expect("kind and data");
            let data = data.as_bytes();
            match kind {
                "term" => drop(TermNote::parse(data, 0).expect(line)),
                "master" => drop(MasterNote::parse(data).expect(line)),
                "candidate" => drop(Candidate::parse(data).expect(line)),
                other => panic!("no such kind: {other}"),
            }
            samples += 1;
        }
        assert_eq!(samples, 8);
    }

    #[test]
    fn what_is_wrong_is_named() {
        for (data, message) in [
            ("", "empty, although it was written before"),
            (
                "hello",
                "not a JSON object: expected value at line 1 column 1",
            ),
            (
                "[]",
                "not a JSON object: invalid type: sequence, expected a map at line 1 column 0",
            ),
            ("{}", "`format` is missing"),
            (r#"{"format":2}"#, "`format` is 2, and only 1 is understood"),
            (
                r#"{"format":"1"}"#,
                "`format` is \"1\", and only 1 is understood",
            ),
            (r#"{"format":1}"#, "`state` is missing"),
            (r#"{"format":1,"state":7}"#, "`state` is not a text"),
            (
                r#"{"format":1,"state":"lost"}"#,
                "`state` is not `held` or `released`",
            ),
            (r#"{"format":1,"state":"released"}"#, "`holder` is missing"),
            (r#"{"format":1,"state":"held"}"#, "`lease_ms` is missing"),
            (
                r#"{"format":1,"state":"held","lease_ms":-1}"#,
                "`lease_ms` is not a number of milliseconds",
            ),
            (
                r#"{"format":1,"state":"held","lease_ms":1e30}"#,
                "`lease_ms` is not a number of milliseconds",
            ),
            (
                r#"{"format":1,"state":"held","lease_ms":1,"term":"x"}"#,
                "`term` is not the id of a term",
            ),
            (
                r#"{"format":1,"state":"held","lease_ms":1,"term":null,"generation":4294967296}"#,
                "`generation` is not a number below 2^32",
            ),
            (
                r#"{"format":1,"state":"held","lease_ms":1,"term":null,"generation":0,"token":5}"#,
                "`token` is not a decimal number in a text",
            ),
        ] {
            let flaw = TermNote::parse(data.as_bytes(), 1).expect_err(data);
            assert_eq!(flaw.to_string(), message, "{data}");
        }
    }

    #[test]
    fn hostile_data_is_refused_without_a_panic() {
        let long = format!(r#"{{"format":1,"state":"{}"}}"#, "x".repeat(1 << 20));
        let deep = "[".repeat(60_000);
        for data in [long.as_bytes(), deep.as_bytes(), b"\xff\xfe{}", b"\0", b"{"] {
            assert!(TermNote::parse(data, 1).is_err());
            assert!(MasterNote::parse(data).is_err());
            assert!(Candidate::parse(data).is_err());
        }
    }

    #[test]
    fn every_damaged_record_is_read_or_refused_but_never_panics() {
        let good = term_data(&Record::Held(held()), "zk1");
        for at in 0..good.len() {
            let _ = TermNote::parse(&good[..at], 1);
            for byte in 0..=u8::MAX {
                let mut bad = good.clone();
                bad[at] = byte;
                let _ = TermNote::parse(&bad, 1);
            }
        }
    }

    #[test]
    fn a_strangers_name_cannot_write_on_our_terminal() {
        let data = format!(
            r#"{{"format":1,"state":"released","holder":"\u001b[2J{}"}}"#,
            "x".repeat(9000)
        );
        let holder = TermNote::parse(data.as_bytes(), 1)
            .expect("good data")
            .holder
            .expect("a holder");
        assert!(holder.starts_with("\u{fffd}[2Jxx"));
        assert_eq!(holder.chars().count(), 255);
    }
}
