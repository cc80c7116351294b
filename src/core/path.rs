//! The znodes of one election, as checked paths.

use std::fmt;

/// An absolute znode path: begins with `/`, has no empty, `.` or `..` part and no trailing `/`. The root itself is
/// not one: nothing of ours is kept there.
#[derive(Clone, PartialEq, Eq, PartialOrd, Ord, Hash, Debug)]
pub struct ZnodePath(String);

/// Why a text is not a [`ZnodePath`].
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub enum PathFlaw {
    /// It does not begin with `/`.
    Relative,
    /// It is `/`, or empty.
    Bare,
    /// It ends in `/`.
    TrailingSlash,
    /// It has `//` in it.
    EmptyPart,
    /// It has a part `.` or `..`, which ZooKeeper refuses.
    Dots,
    /// It has a character ZooKeeper refuses: a control character, a surrogate or a private one.
    Character(char),
}

impl ZnodePath {
    /// Checks `text`.
    ///
    /// # Errors
    /// The first flaw found.
    pub fn parse(text: &str) -> Result<ZnodePath, PathFlaw> {
        if text.is_empty() || text == "/" {
            return Err(PathFlaw::Bare);
        }
        let parts = text.strip_prefix('/').ok_or(PathFlaw::Relative)?;
        if text.ends_with('/') {
            return Err(PathFlaw::TrailingSlash);
        }
        parts.split('/').try_for_each(check_part)?;
        Ok(ZnodePath(text.to_owned()))
    }

    /// The path as text.
    #[must_use]
    pub fn as_str(&self) -> &str {
        &self.0
    }

    /// The path of `below` under this one.
    #[must_use]
    pub fn join(&self, below: &ZnodePath) -> ZnodePath {
        ZnodePath(format!("{}{}", self.0, below.0))
    }

    /// The sibling whose name is this one's with `suffix` added; `suffix` has no `/`.
    #[must_use]
    pub fn with_suffix(&self, suffix: &str) -> ZnodePath {
        debug_assert!(!suffix.contains('/'), "a suffix stays in its directory");
        ZnodePath(format!("{}{suffix}", self.0))
    }

    /// Its ancestors, the outermost first, itself last.
    pub fn ancestry(&self) -> impl Iterator<Item = &str> {
        let ends = self
            .0
            .match_indices('/')
            .map(|(at, _)| at)
            .skip(1)
            .chain([self.0.len()]);
        ends.map(|end| &self.0[..end])
    }
}

impl fmt::Display for ZnodePath {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.0)
    }
}

/// What ZooKeeper's `PathUtils.validatePath` asks of one part.
fn check_part(part: &str) -> Result<(), PathFlaw> {
    match part {
        "" => Err(PathFlaw::EmptyPart),
        "." | ".." => Err(PathFlaw::Dots),
        _ => part
            .chars()
            .find(|&c| is_refused(c))
            .map_or(Ok(()), |c| Err(PathFlaw::Character(c))),
    }
}

fn is_refused(c: char) -> bool {
    matches!(c, '\u{0}'..='\u{1f}' | '\u{7f}'..='\u{9f}' | '\u{e000}'..='\u{f8ff}' | '\u{fff0}'..='\u{ffff}')
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn every_flaw_is_named() {
        for (text, flaw) in [
            ("", PathFlaw::Bare),
            ("/", PathFlaw::Bare),
            ("ha", PathFlaw::Relative),
            ("/ha/", PathFlaw::TrailingSlash),
            ("//ha", PathFlaw::EmptyPart),
            ("/ha//b", PathFlaw::EmptyPart),
            ("/ha/../b", PathFlaw::Dots),
            ("/./ha", PathFlaw::Dots),
            ("/h\u{1}", PathFlaw::Character('\u{1}')),
        ] {
            assert_eq!(ZnodePath::parse(text), Err(flaw), "{text:?}");
        }
    }

    #[test]
    fn a_good_path_is_kept_as_written() {
        for text in ["/a", "/ha/billing", "/ha/..billing", "/ä/b c"] {
            assert_eq!(ZnodePath::parse(text).expect("a good path").as_str(), text);
        }
    }

    #[test]
    fn the_ancestry_runs_from_the_outermost_to_the_path_itself() {
        let path = ZnodePath::parse("/a/bc/d").expect("a good path");
        assert_eq!(
            path.ancestry().collect::<Vec<_>>(),
            ["/a", "/a/bc", "/a/bc/d"]
        );
    }

    #[test]
    fn a_path_is_joined_and_given_a_suffix() {
        let path = |text| ZnodePath::parse(text).expect("a good path");
        assert_eq!(path("/ha/b").join(&path("/m")), path("/ha/b/m"));
        assert_eq!(path("/ha/b").with_suffix(".term"), path("/ha/b.term"));
        assert_eq!(path("/ha/b").to_string(), "/ha/b");
    }
}
