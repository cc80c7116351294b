//! The znodes of one election, by their full paths: the chroot is simply their beginning.

use crate::core::path::ZnodePath;

/// Where the master znode `M`, the term record `T` and the candidates are.
#[derive(Clone, PartialEq, Eq, Hash, Debug)]
pub struct Paths {
    root: ZnodePath,
    master: ZnodePath,
    term: ZnodePath,
    candidates: ZnodePath,
}

impl Paths {
    /// The znodes of the election `master`, which is below `root`, which is below `chroot`.
    #[must_use]
    pub fn new(chroot: Option<&ZnodePath>, root: &ZnodePath, master: &ZnodePath) -> Paths {
        let root = chroot.map_or_else(|| root.clone(), |chroot| chroot.join(root));
        let master = root.join(master);
        Paths {
            term: master.with_suffix(".term"),
            candidates: master.with_suffix(".candidates"),
            root,
            master,
        }
    }

    /// The root: persistent, made if missing.
    #[must_use]
    pub fn root(&self) -> &str {
        self.root.as_str()
    }

    /// `M`.
    #[must_use]
    pub fn master(&self) -> &str {
        self.master.as_str()
    }

    /// `T`.
    #[must_use]
    pub fn term(&self) -> &str {
        self.term.as_str()
    }

    /// The parent of the candidates.
    #[must_use]
    pub fn candidates(&self) -> &str {
        self.candidates.as_str()
    }

    /// What must exist before the root can be made, the outermost first.
    pub(super) fn above_root(&self) -> impl Iterator<Item = &str> {
        let root = self.root();
        self.root.ancestry().filter(move |path| *path != root)
    }

    /// What is between the root and `M`: nothing, unless the name of the master has several parts.
    pub(super) fn below_root(&self) -> impl Iterator<Item = &str> {
        let (root, master) = (self.root(), self.master());
        self.master
            .ancestry()
            .filter(move |path| path.len() > root.len() && *path != master)
    }

    /// The znode of one candidate. A name is no path: what a path may not have in it becomes `_`.
    pub(super) fn candidate(&self, name: &str, incarnation: u64) -> String {
        format!("{}/{}", self.candidates, candidate_name(name, incarnation))
    }

    /// A sibling of `M` which only a check of our rights makes, and deletes at once.
    pub(super) fn probe(&self, session: i64) -> String {
        format!("{}.probe~{session:016x}", self.master)
    }
}

/// The last part of a candidate's path.
pub(super) fn candidate_name(name: &str, incarnation: u64) -> String {
    let flat: String = name
        .chars()
        .map(|c| if is_plain(c) { c } else { '_' })
        .collect();
    format!("{flat}~{incarnation:016x}")
}

fn is_plain(c: char) -> bool {
    c != '/' && ZnodePath::parse(&format!("/a{c}")).is_ok()
}

#[cfg(test)]
mod tests {
    use super::*;

    fn path(text: &str) -> ZnodePath {
        ZnodePath::parse(text).expect("a good path")
    }

    #[test]
    fn every_znode_is_named_after_the_master_and_begins_with_the_chroot() {
        let paths = Paths::new(Some(&path("/prod")), &path("/ha/billing"), &path("/master"));
        assert_eq!(paths.root(), "/prod/ha/billing");
        assert_eq!(paths.master(), "/prod/ha/billing/master");
        assert_eq!(paths.term(), "/prod/ha/billing/master.term");
        assert_eq!(paths.candidates(), "/prod/ha/billing/master.candidates");
        assert_eq!(
            paths.above_root().collect::<Vec<_>>(),
            ["/prod", "/prod/ha"]
        );
        assert_eq!(paths.below_root().count(), 0);
        assert_eq!(
            paths.probe(-1),
            "/prod/ha/billing/master.probe~ffffffffffffffff"
        );
    }

    #[test]
    fn a_master_of_several_parts_has_znodes_between_it_and_the_root() {
        let paths = Paths::new(None, &path("/ha"), &path("/a/b/master"));
        assert_eq!(paths.below_root().collect::<Vec<_>>(), ["/ha/a", "/ha/a/b"]);
        assert_eq!(paths.above_root().count(), 0);
    }

    #[test]
    fn a_hostile_name_stays_in_the_directory_of_the_candidates() {
        let paths = Paths::new(None, &path("/ha"), &path("/master"));
        for name in ["../x", "a/b", "a\u{0}b", "..", ""] {
            let znode = paths.candidate(name, 7);
            let name = znode
                .strip_prefix("/ha/master.candidates/")
                .expect("a child of the candidates");
            assert!(ZnodePath::parse(&znode).is_ok(), "{znode:?}");
            assert!(!name.contains('/'), "{name:?}");
        }
    }
}
