//! Giving a term back from outside, once everything of its supervisor is dead (R11).

use zookeeper_client::Client;

use super::Ensemble;
use super::look::present;
use super::open::leave;
use super::record::TermNote;
use super::survey::{SurveyError, connect, failure, wait_for};
use super::transaction::commit;
use crate::core::election::{MasterZnode, Outcome, Record, TermId, Transaction};
use crate::core::lease::Timing;

/// How often it is tried: a transaction that was on its way when the supervisor died may come between, once.
const TRIES: u32 = 4;

/// What became of the term.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub enum Released {
    /// It was held, and is released.
    Now,
    /// It was not held any more.
    Before,
}

/// Releases the term `id`, and no other; `version` is one of the term record that it wrote. Whoever calls this has proven
/// its tree dead.
///
/// # Errors
/// No server answers, or the outcome is not known.
pub fn release(
    ensemble: &Ensemble,
    timing: &Timing,
    id: TermId,
    version: i32,
) -> Result<Released, SurveyError> {
    wait_for(async {
        let client = connect(ensemble, timing).await?;
        let result = try_releasing(&client, ensemble, id, version).await;
        leave(client, timing.connect_timeout).await;
        result
    })
}

async fn try_releasing(
    client: &Client,
    ensemble: &Ensemble,
    id: TermId,
    recorded: i32,
) -> Result<Released, SurveyError> {
    let mut why = String::new();
    for _ in 0..TRIES {
        let held = match look(client, ensemble, id).await? {
            Some(held) if held.version >= recorded => held,
            // R8: a server that lags behind shows what was before.
            Some(_) => continue,
            None => return Ok(Released::Before),
        };
        let release = Transaction::Release(held.master, held.version);
        match commit(client, ensemble, &release).await {
            (Outcome::Done { .. }, _) => return Ok(Released::Now),
            (Outcome::Refused(_) | Outcome::Unknown, reason) => why = reason.unwrap_or_default(),
        }
    }
    Err(SurveyError::Unreachable { reason: why })
}

/// The term, as it is held.
struct HeldTerm {
    master: MasterZnode,
    version: i32,
}

/// Looks at a server that has caught up; none if `T` is not held by the term `id`.
async fn look(
    client: &Client,
    ensemble: &Ensemble,
    id: TermId,
) -> Result<Option<HeldTerm>, SurveyError> {
    let paths = &ensemble.paths;
    let (m, t) = (paths.master(), paths.term());
    client.sync(t).await.map_err(|error| failure(t, &error))?;
    let master = client.check_stat(m).await;
    let master = match master.map_err(|error| failure(m, &error))? {
        Some(_) => MasterZnode::Present,
        None => MasterZnode::Gone,
    };
    let term = present(client.get_data(t).await).map_err(|error| failure(t, &error))?;
    let held =
        term.and_then(
            |(data, stat)| match TermNote::parse(&data, stat.version).ok()?.record {
                Record::Held(held) if held.id == Some(id) => Some(HeldTerm {
                    master,
                    version: stat.version,
                }),
                Record::Held(_) | Record::Virgin | Record::Released => None,
            },
        );
    Ok(held)
}
