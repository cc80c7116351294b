//! Our own candidate znode, and whether another supervisor runs under our name. Best effort: nothing rests on it.

use std::sync::Arc;

use tokio::sync::watch;
use zookeeper_client::{Client, Error};

use super::Ensemble;
use super::attend::{Shell, is_connected};
use super::event::Event;
use super::obstacle::{Deed, Obstacle};
use super::paths::candidate_name;
use super::record::{Candidate, candidate_data};
use super::transaction::{EPHEMERAL, make};

/// What a candidate is doing, in one word: `standby`, `wait-out`, `master`, `stopping`, …
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub struct CandidateState(pub &'static str);

/// Starts the task that writes our candidate znode: one write at a time, and only what was said last. Whoever pokes
/// the channel makes it try again what it could not write.
pub(super) fn start_publisher(
    shell: &Arc<Shell>,
    client: &Client,
) -> watch::Sender<Option<CandidateState>> {
    let (sender, receiver) = watch::channel(None);
    tokio::spawn(publish_changes(shell.clone(), client.clone(), receiver));
    sender
}

async fn publish_changes(
    shell: Arc<Shell>,
    client: Client,
    mut states: watch::Receiver<Option<CandidateState>>,
) {
    let session = shell.number;
    let mut written = None;
    let mut told = None;
    while states.changed().await.is_ok() {
        let wanted = *states.borrow_and_update();
        let Some(state) = wanted.filter(|_| wanted != written && is_connected(&client)) else {
            continue;
        };
        match publish(&client, &shell.ensemble, state).await {
            Ok(twins) => {
                (written, told) = (wanted, None);
                for other in twins {
                    shell.tell(Event::Twin { session, other });
                }
            }
            Err(obstacle) if told.as_ref() != Some(&obstacle) => {
                let reason = obstacle.to_string();
                shell.tell(match obstacle.is_forbidden() {
                    true => Event::PublishForbidden { session, reason },
                    false => Event::PublishFailed { session, reason },
                });
                told = Some(obstacle);
            }
            Err(_) => {}
        }
    }
}

/// Writes our candidate znode and returns the live candidates of our name that are not us: two supervisors with the
/// same name, or one that was killed and whose session has not ended yet.
///
/// # Errors
/// Why it could not be written or its siblings not be read.
async fn publish(
    client: &Client,
    ensemble: &Ensemble,
    state: CandidateState,
) -> Result<Vec<Candidate>, Obstacle> {
    let identity = &ensemble.identity;
    let path = &*ensemble
        .paths
        .candidate(&identity.name, identity.incarnation);
    let data = candidate_data(identity, state.0);
    let stat = client.check_stat(path).await;
    match stat.map_err(Deed::Read.to(path))? {
        Some(stat) if stat.ephemeral_owner == client.session_id().0 => {
            let written = client.set_data(path, &data, None).await;
            written.map_err(Deed::Write.to(path))?;
        }
        // An earlier session of this very supervisor made it, and takes it along when it ends.
        Some(_) => {
            let deleted = client.delete(path, None).await;
            deleted.map_err(Deed::Delete.to(path))?;
            create(client, path, &data).await?;
        }
        None => {
            let candidates = ensemble.paths.candidates();
            let above = ensemble.paths.below_root().chain([candidates]);
            make(client, above).await?;
            create(client, path, &data).await?;
        }
    }
    twins(client, ensemble).await
}

async fn create(client: &Client, path: &str, data: &[u8]) -> Result<(), Obstacle> {
    let created = client.create(path, data, &EPHEMERAL).await;
    created.map(drop).map_err(Deed::Create.to(path))
}

async fn twins(client: &Client, ensemble: &Ensemble) -> Result<Vec<Candidate>, Obstacle> {
    let (paths, identity) = (&ensemble.paths, &ensemble.identity);
    let own = candidate_name(&identity.name, identity.incarnation);
    let name = own.rsplit_once('~').map(|(name, _)| name);
    let mut twins = Vec::new();
    let siblings = client.list_children(paths.candidates()).await;
    for sibling in siblings.map_err(Deed::Read.to(paths.candidates()))? {
        if sibling != own && sibling.rsplit_once('~').map(|(name, _)| name) == name {
            let path = format!("{}/{sibling}", paths.candidates());
            match client.get_data(&path).await {
                Ok((data, _)) => twins.extend(Candidate::parse(&data).ok()),
                Err(Error::NoNode) => {}
                Err(error) => return Err(Deed::Read.to(&path)(error)),
            }
        }
    }
    Ok(twins)
}
