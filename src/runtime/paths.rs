//! Where files really are, whatever links lead there.

use std::path::{Path, PathBuf};

/// Links that are followed for one path, as Linux does.
const LINKS: usize = 40;

/// The place that a path leads to, without links: as far as it exists, and the rest as it is written.
pub(crate) fn resolve(path: &Path) -> PathBuf {
    let mut path = std::path::absolute(path).unwrap_or_else(|_| path.to_owned());
    for _ in 0..LINKS {
        if let Ok(real) = path.canonicalize() {
            return real;
        }
        let (Some(parent), Some(name)) = (path.parent(), path.file_name()) else {
            return path;
        };
        match path.read_link() {
            // It leads to what does not exist yet.
            Ok(target) => path = parent.join(target),
            Err(_) => return resolve(parent).join(name),
        }
    }
    path
}

#[cfg(test)]
mod tests {
    use std::os::unix::fs::symlink;

    use super::*;

    #[test]
    fn a_place_is_found_through_links_also_where_nothing_is_yet() {
        let folder = tempfile::tempdir().unwrap();
        let root = folder.path().canonicalize().unwrap();
        std::fs::create_dir(root.join("w")).unwrap();
        symlink(root.join("w"), root.join("link")).unwrap();
        symlink("w/later", root.join("dangling")).unwrap();
        symlink("circle", root.join("circle")).unwrap();
        for (path, place) in [
            ("link/a/b", "w/a/b"),
            ("w/../link/x", "w/x"),
            ("dangling", "w/later"),
            ("dangling/deeper", "w/later/deeper"),
            ("nothing/here", "nothing/here"),
        ] {
            assert_eq!(resolve(&root.join(path)), root.join(place), "{path}");
        }
        // It leads nowhere, and ends.
        resolve(&root.join("circle"));
    }
}
