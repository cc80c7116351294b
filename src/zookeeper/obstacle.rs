//! An error with its place: what was to be done to which znode, and whose permission that needs.

use std::fmt;

use zookeeper_client::Error;

/// Why something could not be done, and where.
#[derive(Clone, PartialEq, Eq, Debug)]
pub(super) struct Obstacle {
    /// What the ensemble, or the library, answered.
    pub(super) error: Error,
    deed: Deed,
    znode: String,
}

/// What is done to a znode, named as the permission that it needs.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub(super) enum Deed {
    /// Needs its own `read`.
    Read,
    /// Needs its own `write`.
    Write,
    /// Needs its parent's `create`.
    Create,
    /// Needs its parent's `delete`.
    Delete,
}

impl Deed {
    /// What `error` kept this from being done to `znode`; for `map_err`.
    pub(super) fn to(self, znode: &str) -> impl FnOnce(Error) -> Obstacle {
        let (deed, znode) = (self, znode.to_owned());
        move |error| Obstacle { error, deed, znode }
    }

    fn permission(self) -> &'static str {
        match self {
            Deed::Read => "read",
            Deed::Write => "write",
            Deed::Create => "create",
            Deed::Delete => "delete",
        }
    }
}

impl Obstacle {
    /// Whether somebody must change something at the ensemble first: an ACL, a quota, or a znode in the way.
    pub(super) fn is_forbidden(&self) -> bool {
        is_forbidden(&self.error)
    }

    /// The znode whose ACL counts.
    fn place(&self) -> &str {
        match (self.deed, self.znode.rsplit_once('/')) {
            (Deed::Create | Deed::Delete, Some(("", _))) => "/",
            (Deed::Create | Deed::Delete, Some((parent, _))) => parent,
            (Deed::Create | Deed::Delete, None) | (Deed::Read | Deed::Write, _) => &self.znode,
        }
    }
}

impl fmt::Display for Obstacle {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let error = &self.error;
        if *error == Error::NoAuth {
            let (place, permission) = (self.place(), self.deed.permission());
            write!(f, "{error}: the ACL of `{place}` lacks `{permission}`")
        } else if self.is_forbidden() {
            write!(f, "{error}: `{}`", self.znode)
        } else {
            write!(f, "{error}")
        }
    }
}

/// Whether somebody must change something at the ensemble first: an ACL, a quota, or a znode in the way.
pub(super) fn is_forbidden(error: &Error) -> bool {
    matches!(
        error,
        Error::NoAuth
            | Error::InvalidAcl
            | Error::QuotaExceeded
            | Error::NoChildrenForEphemerals
            | Error::NotEmpty
    )
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_missing_permission_is_the_parents_where_a_znode_comes_or_goes() {
        for (deed, znode, expected) in [
            (
                Deed::Create,
                "/ha/master",
                "the ACL of `/ha` lacks `create`",
            ),
            (Deed::Create, "/ha", "the ACL of `/` lacks `create`"),
            (
                Deed::Delete,
                "/ha/master",
                "the ACL of `/ha` lacks `delete`",
            ),
            (
                Deed::Write,
                "/ha/master.term",
                "the ACL of `/ha/master.term` lacks `write`",
            ),
            (
                Deed::Read,
                "/ha/master",
                "the ACL of `/ha/master` lacks `read`",
            ),
        ] {
            let text = deed.to(znode)(Error::NoAuth).to_string();
            assert!(text.ends_with(expected), "{text}");
        }
    }

    #[test]
    fn what_else_is_forbidden_names_the_znode_and_what_is_not_forbidden_names_none() {
        let text = |error| Deed::Write.to("/ha/master.term")(error).to_string();
        assert!(text(Error::QuotaExceeded).ends_with(": `/ha/master.term`"));
        assert!(!text(Error::ConnectionLoss).contains('`'));
    }
}
