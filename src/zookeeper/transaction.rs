//! `core`'s transactions as ZooKeeper's, and ZooKeeper's answers as `core`'s outcomes.
//!
//! Only an OK reply with exactly the expected results is a success, and only the error of one of the operations is a
//! refusal: it came from a quorum. Every other answer leaves open what happened.

use zookeeper_client::{
    Acls, Client, CreateMode, CreateOptions, Error, MultiWriteError, MultiWriteResult, MultiWriter,
};

use super::obstacle::{Deed, Obstacle, is_forbidden};
use super::record::{master_data, term_data};
use super::{Ensemble, Paths};
use crate::core::election::{Founding, MasterZnode, Outcome, Record, Refusal, TermId, Transaction};

/// A znode that stays; who may reach the ensemble may change it.
pub(super) const PERSISTENT: CreateOptions<'static> =
    CreateMode::Persistent.with_acls(Acls::anyone_all());
/// A znode that goes with its session.
pub(super) const EPHEMERAL: CreateOptions<'static> =
    CreateMode::Ephemeral.with_acls(Acls::anyone_all());

/// What the answer does not tell: only a `set` answers with the zxid of its transaction.
const UNTOLD: i64 = 0;

/// An outcome, and why if it is not `Done`.
pub(super) type Answer = (Outcome, Option<String>);

/// One operation of a multi.
#[derive(Clone, PartialEq, Eq, Debug)]
enum Operation {
    CheckMaster,
    DeleteMaster,
    CreateMaster(Option<TermId>),
    CheckTerm(i32),
    SetTerm(Record, i32),
    CreateTerm(Record),
    CreateDirectory(String),
}

/// Commits `transaction`. It must not be dropped half-way: what was sent cannot be called back.
pub(super) async fn commit(
    client: &Client,
    ensemble: &Ensemble,
    transaction: &Transaction,
) -> Answer {
    if let Err(obstacle) = prepare(client, &ensemble.paths, transaction).await {
        let outcome = match obstacle.is_forbidden() {
            true => Outcome::Refused(Refusal::Forbidden),
            false => Outcome::Unknown,
        };
        return (outcome, Some(obstacle.to_string()));
    }
    let operations = operations(transaction, &ensemble.paths);
    let mut writer = client.new_multi_writer();
    let added = operations
        .iter()
        .try_for_each(|operation| add(&mut writer, operation, ensemble));
    match added {
        Ok(()) => judge(
            &operations,
            &ensemble.paths,
            version_before(transaction),
            writer.commit().await,
        ),
        Err(error) => (Outcome::Unknown, Some(error.to_string())),
    }
}

/// Makes the parents that a founding needs, one by one: they carry no meaning.
async fn prepare(
    client: &Client,
    paths: &Paths,
    transaction: &Transaction,
) -> Result<(), Obstacle> {
    match transaction {
        Transaction::Found(Founding::WithRoot | Founding::WithLostRoot(_)) => {
            make(client, paths.above_root()).await
        }
        Transaction::Found(Founding::UnderRoot(_)) => make(client, paths.below_root()).await,
        Transaction::Campaign(..)
        | Transaction::Renew(..)
        | Transaction::Resume(..)
        | Transaction::Release(..)
        | Transaction::Withdraw(..) => Ok(()),
    }
}

/// Makes what is missing of `paths`. It looks first: a `create` is refused without a right to the parent even where
/// there is nothing to create.
pub(super) async fn make<'a>(
    client: &Client,
    paths: impl Iterator<Item = &'a str>,
) -> Result<(), Obstacle> {
    for path in paths {
        let stat = client.check_stat(path).await;
        if stat.map_err(Deed::Read.to(path))?.is_none() {
            match client.create(path, b"", &PERSISTENT).await {
                Ok(_) | Err(Error::NodeExists) => {}
                Err(error) => return Err(Deed::Create.to(path)(error)),
            }
        }
    }
    Ok(())
}

/// The operations of `transaction`, as its documentation has them.
fn operations(transaction: &Transaction, paths: &Paths) -> Vec<Operation> {
    use Operation::{CheckMaster, CheckTerm, CreateTerm, DeleteMaster, SetTerm};
    match *transaction {
        Transaction::Found(Founding::WithRoot) => with_root(paths, Record::Virgin),
        Transaction::Found(Founding::WithLostRoot(lease)) => {
            with_root(paths, Record::held_by_nobody(lease))
        }
        Transaction::Found(Founding::UnderRoot(lease)) => {
            vec![CreateTerm(Record::held_by_nobody(lease))]
        }
        Transaction::Campaign(master, held, version)
        | Transaction::Resume(master, held, version) => after(
            master,
            [
                Operation::CreateMaster(held.id),
                SetTerm(Record::Held(held), version),
            ],
        ),
        Transaction::Renew(held, version) => {
            vec![CheckMaster, SetTerm(Record::Held(held), version)]
        }
        Transaction::Release(master, version) => {
            after(master, [SetTerm(Record::Released, version)])
        }
        Transaction::Withdraw(version) => vec![CheckTerm(version), DeleteMaster],
    }
}

/// Makes the root, what else is missing below it, and `T`.
fn with_root(paths: &Paths, record: Record) -> Vec<Operation> {
    [paths.root()]
        .into_iter()
        .chain(paths.below_root())
        .map(|path| Operation::CreateDirectory(path.to_owned()))
        .chain([Operation::CreateTerm(record)])
        .collect()
}

/// The same, after `M` was deleted if it is there.
fn after<const N: usize>(master: MasterZnode, operations: [Operation; N]) -> Vec<Operation> {
    match master {
        MasterZnode::Present => [Operation::DeleteMaster]
            .into_iter()
            .chain(operations)
            .collect(),
        MasterZnode::Gone => operations.into(),
    }
}

/// `T`'s version if `transaction` does not set it.
fn version_before(transaction: &Transaction) -> i32 {
    match *transaction {
        Transaction::Found(_) => 0,
        Transaction::Campaign(_, _, version)
        | Transaction::Renew(_, version)
        | Transaction::Resume(_, _, version)
        | Transaction::Release(_, version)
        | Transaction::Withdraw(version) => version,
    }
}

fn add(
    writer: &mut MultiWriter<'_>,
    operation: &Operation,
    ensemble: &Ensemble,
) -> Result<(), Error> {
    let (paths, identity) = (&ensemble.paths, &ensemble.identity);
    let name = &identity.name;
    match operation {
        Operation::CheckMaster => writer.add_check_version(paths.master(), -1),
        Operation::DeleteMaster => writer.add_delete(paths.master(), None),
        Operation::CreateMaster(term) => {
            writer.add_create(paths.master(), &master_data(identity, *term), &EPHEMERAL)
        }
        Operation::CheckTerm(version) => writer.add_check_version(paths.term(), *version),
        Operation::SetTerm(record, version) => {
            writer.add_set_data(paths.term(), &term_data(record, name), Some(*version))
        }
        Operation::CreateTerm(record) => {
            writer.add_create(paths.term(), &term_data(record, name), &PERSISTENT)
        }
        Operation::CreateDirectory(path) => writer.add_create(path, b"", &PERSISTENT),
    }
}

fn judge(
    operations: &[Operation],
    paths: &Paths,
    version: i32,
    reply: Result<Vec<MultiWriteResult>, MultiWriteError>,
) -> Answer {
    match reply {
        Ok(results) if is_expected(operations, &results) => (done(version, &results), None),
        Ok(results) => (
            Outcome::Unknown,
            Some(format!(
                "an answer with {} unexpected results",
                results.len()
            )),
        ),
        Err(MultiWriteError::RequestFailed { source }) => {
            (Outcome::Unknown, Some(source.to_string()))
        }
        Err(MultiWriteError::OperationFailed { index, source }) => {
            let operation = operations.get(index);
            let refusal = operation.and_then(|operation| refusal(operation, &source));
            let outcome = refusal.map_or(Outcome::Unknown, Outcome::Refused);
            let reason = match operation {
                Some(operation) => obstacle(operation, paths, source).to_string(),
                None => source.to_string(),
            };
            (outcome, Some(reason))
        }
    }
}

fn obstacle(operation: &Operation, paths: &Paths, error: Error) -> Obstacle {
    let (deed, znode) = match operation {
        Operation::CheckMaster => (Deed::Read, paths.master()),
        Operation::DeleteMaster => (Deed::Delete, paths.master()),
        Operation::CreateMaster(_) => (Deed::Create, paths.master()),
        Operation::CheckTerm(_) => (Deed::Read, paths.term()),
        Operation::SetTerm(..) => (Deed::Write, paths.term()),
        Operation::CreateTerm(_) => (Deed::Create, paths.term()),
        Operation::CreateDirectory(path) => (Deed::Create, path.as_str()),
    };
    deed.to(znode)(error)
}

fn is_expected(operations: &[Operation], results: &[MultiWriteResult]) -> bool {
    operations.len() == results.len()
        && operations
            .iter()
            .zip(results)
            .all(|(operation, result)| match operation {
                Operation::CheckMaster | Operation::CheckTerm(_) => {
                    matches!(result, MultiWriteResult::Check)
                }
                Operation::DeleteMaster => matches!(result, MultiWriteResult::Delete),
                Operation::SetTerm(..) => matches!(result, MultiWriteResult::SetData { .. }),
                Operation::CreateMaster(_)
                | Operation::CreateTerm(_)
                | Operation::CreateDirectory(_) => {
                    matches!(result, MultiWriteResult::Create { .. })
                }
            })
}

/// Version and zxid from the `set`'s stat: that of a `create` inside a multi is invalid on 3.8.0 (ZOOKEEPER-4026).
fn done(version: i32, results: &[MultiWriteResult]) -> Outcome {
    let mut outcome = Outcome::Done {
        version,
        zxid: UNTOLD,
    };
    for result in results {
        if let MultiWriteResult::SetData { stat } = result {
            outcome = Outcome::Done {
                version: stat.version,
                zxid: stat.mzxid,
            };
        }
    }
    outcome
}

/// What the error of one operation means; none if it is not one that a quorum answers.
fn refusal(operation: &Operation, error: &Error) -> Option<Refusal> {
    use Operation::{CheckMaster, CreateMaster, DeleteMaster};
    let about_master = matches!(operation, CheckMaster | CreateMaster(_) | DeleteMaster);
    if is_forbidden(error) {
        Some(Refusal::Forbidden)
    } else if *error == Error::NodeExists && about_master {
        Some(Refusal::MasterExists)
    } else if *error == Error::NoNode && matches!(operation, CheckMaster | DeleteMaster) {
        Some(Refusal::MasterMissing)
    } else if *error == Error::NodeExists || *error == Error::NoNode {
        Some(Refusal::TermMissing)
    } else if *error == Error::BadVersion {
        Some(Refusal::VersionMismatch)
    } else {
        None
    }
}

#[cfg(test)]
mod tests {
    use std::time::Duration;

    use super::*;
    use crate::core::election::Held;
    use crate::core::path::ZnodePath;
    use zookeeper_client::Stat;

    fn held() -> Held {
        Held {
            id: None,
            generation: 1,
            lease: Duration::from_secs(25),
            token: None,
        }
    }

    fn all() -> Vec<Transaction> {
        use MasterZnode::{Gone, Present};
        vec![
            Transaction::Found(Founding::WithRoot),
            Transaction::Found(Founding::WithLostRoot(Duration::from_secs(25))),
            Transaction::Found(Founding::UnderRoot(Duration::from_secs(25))),
            Transaction::Campaign(Gone, held(), 7),
            Transaction::Campaign(Present, held(), 7),
            Transaction::Renew(held(), 7),
            Transaction::Resume(Gone, held(), 7),
            Transaction::Resume(Present, held(), 7),
            Transaction::Release(Gone, 7),
            Transaction::Release(Present, 7),
            Transaction::Withdraw(7),
        ]
    }

    fn paths() -> Paths {
        let path = |text| ZnodePath::parse(text).expect("a good path");
        Paths::new(None, &path("/ha"), &path("/master"))
    }

    fn operations_of(transaction: &Transaction) -> Vec<Operation> {
        operations(transaction, &paths())
    }

    fn result(operation: &Operation, stat: Stat) -> MultiWriteResult {
        match operation {
            Operation::CheckMaster | Operation::CheckTerm(_) => MultiWriteResult::Check,
            Operation::DeleteMaster => MultiWriteResult::Delete,
            Operation::SetTerm(..) => MultiWriteResult::SetData { stat },
            Operation::CreateMaster(_)
            | Operation::CreateTerm(_)
            | Operation::CreateDirectory(_) => MultiWriteResult::Create {
                path: String::new(),
                stat: Stat {
                    version: -1,
                    mzxid: -1,
                    ..stat
                },
            },
        }
    }

    fn results(operations: &[Operation]) -> Vec<MultiWriteResult> {
        let stat = Stat {
            czxid: 1,
            mzxid: 99,
            pzxid: 1,
            ctime: 0,
            mtime: 0,
            version: 8,
            cversion: 0,
            aversion: 0,
            ephemeral_owner: 0,
            data_length: 0,
            num_children: 0,
        };
        operations
            .iter()
            .map(|operation| result(operation, stat))
            .collect()
    }

    #[test]
    fn each_transaction_has_the_operations_it_is_documented_with() {
        use Operation::{
            CheckMaster, CheckTerm, CreateDirectory, CreateMaster, CreateTerm, DeleteMaster,
            SetTerm,
        };
        let set = SetTerm(Record::Held(held()), 7);
        let release = SetTerm(Record::Released, 7);
        let nobodys = CreateTerm(Record::held_by_nobody(held().lease));
        let expected = [
            vec![
                CreateDirectory("/ha".to_owned()),
                CreateTerm(Record::Virgin),
            ],
            vec![CreateDirectory("/ha".to_owned()), nobodys.clone()],
            vec![nobodys],
            vec![CreateMaster(None), set.clone()],
            vec![DeleteMaster, CreateMaster(None), set.clone()],
            vec![CheckMaster, set.clone()],
            vec![CreateMaster(None), set.clone()],
            vec![DeleteMaster, CreateMaster(None), set],
            vec![release.clone()],
            vec![DeleteMaster, release],
            vec![CheckTerm(7), DeleteMaster],
        ];
        for (transaction, expected) in all().iter().zip(expected) {
            assert_eq!(operations_of(transaction), expected, "{transaction:?}");
        }
    }

    #[test]
    fn only_exactly_the_expected_results_are_a_success() {
        for transaction in all() {
            let operations = operations_of(&transaction);
            let before = version_before(&transaction);
            let judged = |results| judge(&operations, &paths(), before, Ok(results)).0;
            let sets = operations
                .iter()
                .any(|it| matches!(it, Operation::SetTerm(..)));
            let (version, zxid) = if sets { (8, 99) } else { (before, UNTOLD) };
            assert_eq!(
                judged(results(&operations)),
                Outcome::Done { version, zxid },
                "{transaction:?}"
            );
            let mut short = results(&operations);
            short.pop();
            assert_eq!(judged(short), Outcome::Unknown, "{transaction:?}");
            let mut long = results(&operations);
            long.push(MultiWriteResult::Check);
            assert_eq!(judged(long), Outcome::Unknown, "{transaction:?}");
            let mut wrong = results(&operations);
            wrong.rotate_left(1);
            if wrong != results(&operations) {
                assert_eq!(judged(wrong), Outcome::Unknown, "{transaction:?}");
            }
        }
    }

    #[test]
    fn a_refusal_is_the_error_of_the_operation_that_was_refused() {
        use Operation::{CheckMaster, CheckTerm, CreateMaster, CreateTerm, DeleteMaster, SetTerm};
        let set = SetTerm(Record::Released, 7);
        for (operation, error, expected) in [
            (
                &CreateMaster(None),
                Error::NodeExists,
                Refusal::MasterExists,
            ),
            (&CreateMaster(None), Error::NoNode, Refusal::TermMissing),
            (&DeleteMaster, Error::NoNode, Refusal::MasterMissing),
            (&CheckMaster, Error::NoNode, Refusal::MasterMissing),
            (&set, Error::NoNode, Refusal::TermMissing),
            (&set, Error::BadVersion, Refusal::VersionMismatch),
            (&CheckTerm(7), Error::NoNode, Refusal::TermMissing),
            (&CheckTerm(7), Error::BadVersion, Refusal::VersionMismatch),
            (
                &CreateTerm(Record::Virgin),
                Error::NodeExists,
                Refusal::TermMissing,
            ),
            (&set, Error::NoAuth, Refusal::Forbidden),
            (&set, Error::InvalidAcl, Refusal::Forbidden),
            (&set, Error::QuotaExceeded, Refusal::Forbidden),
        ] {
            assert_eq!(
                refusal(operation, &error),
                Some(expected),
                "{operation:?} {error}"
            );
        }
    }

    #[test]
    fn a_refusal_says_which_permission_is_missing_where() {
        let operations = operations_of(&Transaction::Resume(MasterZnode::Present, held(), 7));
        for (index, expected) in [
            "the ACL of `/ha` lacks `delete`",
            "the ACL of `/ha` lacks `create`",
            "the ACL of `/ha/master.term` lacks `write`",
        ]
        .iter()
        .enumerate()
        {
            let source = Error::NoAuth;
            let reply = Err(MultiWriteError::OperationFailed { index, source });
            let (outcome, reason) = judge(&operations, &paths(), 7, reply);
            assert_eq!(outcome, Outcome::Refused(Refusal::Forbidden));
            assert!(reason.is_some_and(|reason| reason.ends_with(expected)));
        }
    }

    #[test]
    fn every_other_error_leaves_open_what_happened() {
        let operations = operations_of(&Transaction::Renew(held(), 7));
        for source in [
            Error::ConnectionLoss,
            Error::SessionMoved,
            Error::SessionExpired,
            Error::Throttled,
            Error::Timeout,
            Error::ClientClosed,
            Error::UnexpectedErrorCode(-2),
        ] {
            for index in [0, 1, 2] {
                let source = source.clone();
                let reply = Err(MultiWriteError::OperationFailed { index, source });
                assert_eq!(judge(&operations, &paths(), 7, reply).0, Outcome::Unknown);
            }
            let reply = Err(MultiWriteError::RequestFailed { source });
            assert_eq!(judge(&operations, &paths(), 7, reply).0, Outcome::Unknown);
        }
        for source in [Error::NoNode, Error::BadVersion, Error::NoAuth] {
            let reply = Err(MultiWriteError::RequestFailed { source });
            assert_eq!(judge(&operations, &paths(), 7, reply).0, Outcome::Unknown);
        }
    }
}
