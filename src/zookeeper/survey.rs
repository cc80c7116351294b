//! What `status` and `check --online` want to know, asked once: they wait for the answer, unlike the driver.

use std::fmt;
use std::io;
use std::time::Duration;

use tokio::runtime;
use zookeeper_client::{Client, Error};

use super::Ensemble;
use super::access::closed;
use super::look::present;
use super::obstacle::is_forbidden;
use super::open::{Dropped, leave, open};
use super::reach::{Reach, reach};
use super::record::{Candidate, Flaw, MasterNote, TermNote};
use super::transaction::EPHEMERAL;
use crate::core::lease::Timing;

/// The most candidates that are read: no group is a thousand hosts, and a stranger may have made any number.
const MOST_CANDIDATES: usize = 1000;

/// A version that no record ever has: it would be written for two hundred years.
const IMPOSSIBLE_VERSION: i32 = i32::MAX;

/// What all our znodes say. Not one instant: they are read one after the other.
#[derive(Clone, PartialEq, Eq, Debug)]
pub struct Survey {
    /// The session timeout that the ensemble granted.
    pub granted: Duration,
    /// `M`, if it is there.
    pub master: Option<MasterView>,
    /// `T`.
    pub term: TermView,
    /// The live candidates, by the name of their znodes.
    pub candidates: Vec<CandidateView>,
    /// Where there are none: the znode whose ACL lets nobody be one, if it is known.
    pub closed: Option<String>,
}

/// `M` as `status` sees it.
#[derive(Clone, PartialEq, Eq, Debug)]
pub struct MasterView {
    /// What it says.
    pub note: Result<MasterNote, Flaw>,
    /// The session that owns it; 0 if none does.
    pub owner: i64,
    /// When it was made, by the ensemble's clock, in milliseconds since 1970.
    pub since: i64,
}

/// `T` as `status` sees it.
#[derive(Clone, PartialEq, Eq, Debug)]
pub enum TermView {
    /// There is none, nor a root: no supervisor of this election ever ran.
    RootMissing,
    /// The root is there, but no record.
    Missing,
    /// There is one.
    Present {
        /// What it says.
        note: Result<TermNote, Flaw>,
        /// Its data version.
        version: i32,
        /// When it was last written, by the ensemble's clock, in milliseconds since 1970.
        written: i64,
    },
}

/// A candidate as `status` sees it.
#[derive(Clone, PartialEq, Eq, Debug)]
pub struct CandidateView {
    /// The name of its znode.
    pub znode: String,
    /// What it says.
    pub note: Result<Candidate, Flaw>,
    /// The session that owns it; 0 if none does.
    pub owner: i64,
    /// When its session made it, by the ensemble's clock, in milliseconds since 1970.
    pub since: i64,
}

/// Whether a supervisor could work here.
#[derive(Clone, PartialEq, Eq, Debug)]
pub struct Probe {
    /// Each server, and whether it answers.
    pub servers: Vec<Reach>,
    /// The session timeout that the ensemble granted.
    pub granted: Duration,
    /// Where our znodes go.
    pub ground: Ground,
}

/// Where our znodes go.
#[derive(Clone, PartialEq, Eq, Debug)]
pub enum Ground {
    /// Beside `M`; all its parents exist.
    Ready,
    /// They will be made below this znode, the deepest that exists.
    WillBeMade {
        /// Which.
        below: String,
    },
}

/// Why there is no answer.
#[derive(Clone, PartialEq, Eq, Debug)]
pub enum SurveyError {
    /// No server answers, or none does any more: exit code 69.
    Unreachable {
        /// Why, server by server.
        reason: String,
    },
    /// The ensemble answers, and forbids what a supervisor must do.
    Forbidden {
        /// Where.
        path: String,
        /// Why.
        reason: String,
    },
}

impl TermView {
    /// What `T` says, if it is there and readable.
    #[must_use]
    pub fn note(&self) -> Option<&TermNote> {
        match self {
            TermView::Present { note, .. } => note.as_ref().ok(),
            TermView::Missing | TermView::RootMissing => None,
        }
    }
}

impl fmt::Display for SurveyError {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            SurveyError::Unreachable { reason } => write!(f, "no server answers: {reason}"),
            SurveyError::Forbidden { path, reason } => {
                write!(
                    f,
                    "the ensemble forbids what must be done at `{path}`: {reason}"
                )
            }
        }
    }
}

impl std::error::Error for SurveyError {}

/// Reads all our znodes. Writes none; costs a session, and a few connect timeouts where servers do not answer.
///
/// # Errors
/// No server answers, or a znode may not be read.
pub fn survey(ensemble: &Ensemble, timing: &Timing) -> Result<Survey, SurveyError> {
    wait_for(async {
        let client = connect(ensemble, timing).await?;
        let result = read_all(&client, ensemble).await;
        leave(client, timing.connect_timeout).await;
        result
    })
}

/// Tries each server, and whether we may write where we must; what it writes it deletes in the same transaction.
///
/// # Errors
/// No server opens a session, or we may not write where we must.
pub fn probe(ensemble: &Ensemble, timing: &Timing) -> Result<Probe, SurveyError> {
    wait_for(async {
        let client = connect(ensemble, timing).await?;
        let servers = reach(&ensemble.servers, timing.connect_timeout).await;
        let ground = try_writing(&client, ensemble).await;
        let granted = client.session_timeout();
        leave(client, timing.connect_timeout).await;
        Ok(Probe {
            servers,
            granted,
            ground: ground?,
        })
    })
}

pub(super) fn wait_for<T>(
    work: impl Future<Output = Result<T, SurveyError>>,
) -> Result<T, SurveyError> {
    let no_runtime = |error: io::Error| SurveyError::Unreachable {
        reason: format!("no runtime: {error}"),
    };
    let runtime = runtime::Builder::new_current_thread()
        .enable_all()
        .build()
        .map_err(no_runtime)?;
    let result = runtime.block_on(work);
    runtime.shutdown_background();
    result
}

pub(super) async fn connect(ensemble: &Ensemble, timing: &Timing) -> Result<Client, SurveyError> {
    open(ensemble, timing, Dropped::Closes)
        .await
        .map_err(|reason| SurveyError::Unreachable { reason })
}

async fn read_all(client: &Client, ensemble: &Ensemble) -> Result<Survey, SurveyError> {
    let paths = &ensemble.paths;
    let master = present(client.get_data(paths.master()).await)
        .map_err(|error| failure(paths.master(), &error))?;
    let candidates = read_candidates(client, paths.candidates()).await?;
    Ok(Survey {
        closed: match candidates.is_empty() {
            true => closed(client, paths).await,
            false => None,
        },
        granted: client.session_timeout(),
        master: master.map(|(data, stat)| MasterView {
            note: MasterNote::parse(&data),
            owner: stat.ephemeral_owner,
            since: stat.ctime,
        }),
        term: read_term(client, ensemble).await?,
        candidates,
    })
}

async fn read_term(client: &Client, ensemble: &Ensemble) -> Result<TermView, SurveyError> {
    let paths = &ensemble.paths;
    let term = present(client.get_data(paths.term()).await);
    if let Some((data, stat)) = term.map_err(|error| failure(paths.term(), &error))? {
        return Ok(TermView::Present {
            note: TermNote::parse(&data, stat.version),
            version: stat.version,
            written: stat.mtime,
        });
    }
    match client.check_stat(paths.root()).await {
        Ok(Some(_)) => Ok(TermView::Missing),
        Ok(None) => Ok(TermView::RootMissing),
        Err(error) => Err(failure(paths.root(), &error)),
    }
}

async fn read_candidates(client: &Client, parent: &str) -> Result<Vec<CandidateView>, SurveyError> {
    let children = present(client.list_children(parent).await);
    let mut names = children
        .map_err(|error| failure(parent, &error))?
        .unwrap_or_default();
    names.sort_unstable();
    names.truncate(MOST_CANDIDATES);
    let mut candidates = Vec::new();
    for znode in names {
        let path = format!("{parent}/{znode}");
        let read = present(client.get_data(&path).await).map_err(|error| failure(&path, &error))?;
        candidates.extend(read.map(|(data, stat)| CandidateView {
            znode,
            note: Candidate::parse(&data),
            owner: stat.ephemeral_owner,
            since: stat.ctime,
        }));
    }
    Ok(candidates)
}

async fn try_writing(client: &Client, ensemble: &Ensemble) -> Result<Ground, SurveyError> {
    let paths = &ensemble.paths;
    let session = client.session_id().0;
    let mut deepest = "";
    let parents = paths.above_root().chain([paths.root()]);
    for parent in parents.chain(paths.below_root()) {
        match client.check_stat(parent).await {
            Ok(Some(_)) => deepest = parent,
            Ok(None) => {
                try_creating(
                    client,
                    &format!("{deepest}/zk-supervise.probe~{session:016x}"),
                )
                .await?;
                let below = if deepest.is_empty() { "/" } else { deepest };
                return Ok(Ground::WillBeMade {
                    below: below.to_owned(),
                });
            }
            Err(error) => return Err(failure(parent, &error)),
        }
    }
    try_creating(client, &paths.probe(session)).await?;
    try_setting(client, paths.term(), &paths.probe(session)).await?;
    Ok(Ground::Ready)
}

/// Creates an ephemeral znode and deletes it in one transaction: nobody ever sees it.
async fn try_creating(client: &Client, path: &str) -> Result<(), SurveyError> {
    let mut writer = client.new_multi_writer();
    writer
        .add_create(path, b"", &EPHEMERAL)
        .and_then(|()| writer.add_delete(path, None))
        .map_err(|error| failure(path, &error))?;
    let result = writer.commit().await;
    result
        .map(drop)
        .map_err(|error| failure(path, &error.into()))
}

/// Whether `term` may be set. The ACL is checked before the version, which is wrong; and even if it were right the
/// transaction could not happen, because `absent` is not there to be deleted.
async fn try_setting(client: &Client, term: &str, absent: &str) -> Result<(), SurveyError> {
    let mut writer = client.new_multi_writer();
    writer
        .add_set_data(term, b"", Some(IMPOSSIBLE_VERSION))
        .and_then(|()| writer.add_delete(absent, None))
        .map_err(|error| failure(term, &error))?;
    match writer.commit().await.map_err(Error::from) {
        Err(Error::BadVersion | Error::NoNode) => Ok(()),
        Err(error) => Err(failure(term, &error)),
        Ok(_) => Ok(()),
    }
}

pub(super) fn failure(path: &str, error: &Error) -> SurveyError {
    let reason = error.to_string();
    if is_forbidden(error) {
        let path = path.to_owned();
        SurveyError::Forbidden { path, reason }
    } else {
        SurveyError::Unreachable { reason }
    }
}
