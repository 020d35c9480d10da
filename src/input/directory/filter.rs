//! Which paths below the root are read at all.
//!
//! Enters: paths below the root. Leaves: yes or no.

use std::path::{Path, PathBuf};

use globset::GlobSet;

use super::{After, Error, Settings, after};
use crate::runtime::paths::resolve;

/// The user's patterns, and the folders that are ours.
#[derive(Debug)]
pub(super) struct Filter {
    include: GlobSet,
    exclude: GlobSet,
    /// Below the root: the state, and where delivered files are moved.
    ours: Vec<PathBuf>,
}

impl Filter {
    /// # Errors
    /// State or target of moved files is the root itself.
    pub(super) fn new(settings: &Settings) -> Result<Filter, Error> {
        let mut ours = Vec::new();
        let target = match &settings.after {
            After::Move(target) => Some(target),
            After::Keep | After::Delete => None,
        };
        for folder in [Some(&settings.state), target].into_iter().flatten() {
            if let Some(below) = below(&settings.root, folder) {
                if below.as_os_str().is_empty() {
                    return Err(Error::InTheWay {
                        folder: folder.clone(),
                    });
                }
                ours.push(below);
            }
        }
        Ok(Filter {
            include: settings.include.clone(),
            exclude: settings.exclude.clone(),
            ours,
        })
    }

    /// Whether a file is read, as far as its path tells. A staged file has a path of its own:
    /// see [`super::after`].
    pub(super) fn reads(&self, path: &Path) -> bool {
        after::original(path).is_none() && self.wants(path)
    }

    /// The same for the original path of a staged file.
    pub(super) fn wants(&self, path: &Path) -> bool {
        (self.include.is_empty() || self.include.is_match(path)) && self.enters(path)
    }

    /// Whether a folder is looked into: one that `exclude` names is not.
    pub(super) fn enters(&self, path: &Path) -> bool {
        !self.exclude.is_match(path) && !self.ours.iter().any(|ours| path.starts_with(ours))
    }
}

/// `folder` as seen from `root`, as it really is, where it is below. It may be made later.
fn below(root: &Path, folder: &Path) -> Option<PathBuf> {
    let below = resolve(folder).strip_prefix(resolve(root)).ok()?.to_owned();
    Some(below)
}

#[cfg(test)]
mod tests {
    use std::ffi::OsStr;
    use std::os::unix::ffi::OsStrExt;

    use globset::{Glob, GlobSetBuilder};

    use super::*;

    fn globs(patterns: &[&str]) -> GlobSet {
        let mut set = GlobSetBuilder::new();
        for pattern in patterns {
            set.add(Glob::new(pattern).unwrap());
        }
        set.build().unwrap()
    }

    #[test]
    fn patterns_and_our_own_folders_decide() {
        let mut filter = Filter {
            include: globs(&[]),
            exclude: globs(&["**/CloudTrail-Digest", "*.tmp"]),
            ours: vec![PathBuf::from("state")],
        };
        assert!(filter.reads(Path::new("a/b.json")));
        assert!(filter.reads(Path::new(OsStr::from_bytes(b"\xff\n.json"))));
        assert!(!filter.reads(Path::new("b.tmp")));
        assert!(!filter.reads(Path::new("a/.qtrail~0~b.json")));
        assert!(!filter.reads(Path::new("state/state.redb")));
        assert!(filter.reads(Path::new("state.json")));
        assert!(!filter.enters(Path::new("AWSLogs/CloudTrail-Digest")));
        filter.include = globs(&["**/*.json.gz"]);
        assert!(!filter.reads(Path::new("a/b.json")));
        assert!(filter.reads(Path::new("a/b.json.gz")));
        assert!(filter.enters(Path::new("a")));
    }

    #[test]
    fn the_root_cannot_be_the_state_nor_the_target() {
        let folder = tempfile::tempdir().unwrap();
        let root = folder.path();
        let link = root.join("link");
        std::os::unix::fs::symlink(root, &link).unwrap();
        for (folder, expected) in [
            (root.join("x/y"), Some("x/y")),
            (link.join("x/y"), Some("x/y")),
            (root.parent().unwrap().to_owned(), None),
            (root.to_owned(), Some("")),
        ] {
            let expected = expected.map(PathBuf::from);
            assert_eq!(below(root, &folder), expected, "{}", folder.display());
            assert_eq!(below(&link, &folder), expected, "{}", folder.display());
        }
    }
}
