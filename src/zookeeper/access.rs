//! Whether a candidate could be listed here at all, as far as an ACL tells: `status` only looks, and tries nothing.

use zookeeper_client::{Acl, Client, Error, Permission};

use super::Paths;

/// The znode whose ACL keeps everybody like us from being listed as a candidate; none if there is none, or if that
/// cannot be known.
pub(super) async fn closed(client: &Client, paths: &Paths) -> Option<String> {
    let mut deepest = None;
    let above = ["/"].into_iter().chain(paths.above_root());
    let below = [paths.root()].into_iter().chain(paths.below_root());
    for path in above.chain(below).chain([paths.candidates()]) {
        match client.get_acl(path).await {
            Ok((acl, _)) => deepest = Some((path, acl)),
            Err(Error::NoNode) => break,
            Err(_) => return None,
        }
    }
    let (path, acl) = deepest?;
    let lets_us_in = |acl: &Acl| acl.permission().has(Permission::CREATE) && may_be_us(acl);
    (!acl.iter().any(lets_us_in)).then(|| path.to_owned())
}

/// We are nobody in particular; but who asks here may have another address than a candidate.
fn may_be_us(acl: &Acl) -> bool {
    matches!(acl.auth_id().scheme(), "world" | "ip")
}
