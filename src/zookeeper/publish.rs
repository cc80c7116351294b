//! Our own candidate znode, and whether another supervisor runs under our name. Best effort: nothing rests on it.

use std::sync::Arc;

use tokio::sync::watch;
use zookeeper_client::{Client, Error};

use super::Ensemble;
use super::attend::{Shell, is_connected};
use super::event::Event;
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
            Err(error) if told.as_ref() != Some(&error) => {
                let reason = error.to_string();
                told = Some(error);
                shell.tell(Event::PublishFailed { session, reason });
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
) -> Result<Vec<Candidate>, Error> {
    let identity = &ensemble.identity;
    let path = ensemble
        .paths
        .candidate(&identity.name, identity.incarnation);
    let data = candidate_data(identity, state.0);
    match client.check_stat(&path).await? {
        Some(stat) if stat.ephemeral_owner == client.session_id().0 => {
            client.set_data(&path, &data, None).await?;
        }
        // An earlier session of this very supervisor made it, and takes it along when it ends.
        Some(_) => {
            client.delete(&path, None).await?;
            client.create(&path, &data, &EPHEMERAL).await?;
        }
        None => {
            let candidates = ensemble.paths.candidates();
            let above = ensemble.paths.below_root().chain([candidates]);
            make(client, above).await?;
            client.create(&path, &data, &EPHEMERAL).await?;
        }
    }
    twins(client, ensemble).await
}

async fn twins(client: &Client, ensemble: &Ensemble) -> Result<Vec<Candidate>, Error> {
    let (paths, identity) = (&ensemble.paths, &ensemble.identity);
    let own = candidate_name(&identity.name, identity.incarnation);
    let name = own.rsplit_once('~').map(|(name, _)| name);
    let mut twins = Vec::new();
    for sibling in client.list_children(paths.candidates()).await? {
        if sibling != own && sibling.rsplit_once('~').map(|(name, _)| name) == name {
            let path = format!("{}/{sibling}", paths.candidates());
            match client.get_data(&path).await {
                Ok((data, _)) => twins.extend(Candidate::parse(&data).ok()),
                Err(Error::NoNode) => {}
                Err(error) => return Err(error),
            }
        }
    }
    Ok(twins)
}
