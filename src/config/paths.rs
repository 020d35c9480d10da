//! Paths with their links resolved.
//!
//! Enters: paths, which need not exist yet. Leaves: problems with them. What must hold: qtrail never reads the
//! files that it writes.

use std::path::{Path, PathBuf};

use globset::GlobSet;

use super::{Config, Error};
use crate::export::Destination;
use crate::input::backfill::STATE;
use crate::input::directory::After;

/// Links followed for one path, as on Linux.
const MAX_LINKS: usize = 40;

/// A path with its links resolved as far as it exists; the rest stays as written.
pub(crate) fn resolve(path: &Path) -> PathBuf {
    let mut path = std::path::absolute(path).unwrap_or_else(|_| path.to_owned());
    for _ in 0..MAX_LINKS {
        if let Ok(real) = path.canonicalize() {
            return real;
        }
        let (Some(parent), Some(name)) = (path.parent(), path.file_name()) else {
            return path;
        };
        match path.read_link() {
            // A link whose target does not exist yet.
            Ok(target) => path = parent.join(target),
            Err(_) => return resolve(parent).join(name),
        }
    }
    path
}

/// The files that a command with this configuration creates or appends to, each with its key.
pub(crate) fn written(config: &Config) -> Vec<(&'static str, PathBuf)> {
    let letters = &config.dead_letters;
    let mut written = vec![("dead_letters.path", letters.path.clone())];
    if letters.keep > 0 {
        // A pattern may exclude the file, and still match it once it is rotated.
        let mut rotated = letters.path.clone().into_os_string();
        rotated.push(".1");
        written.push(("dead_letters.path", rotated.into()));
    }
    if let Destination::File(path) = &config.export.destination {
        written.push(("export.file", path.clone()));
    }
    written
}

/// The files of `written` that would be read from `root`: key and message. `ours`: folders that are never
/// read; `reads`: whether a path below the root is read.
fn read_again(
    root: &Path,
    written: Vec<(&'static str, PathBuf)>,
    ours: &[&Path],
    reads: impl Fn(&Path) -> bool,
    remedy: &str,
) -> Vec<(&'static str, String)> {
    let real = resolve(root);
    let ours: Vec<_> = ours.iter().map(|folder| resolve(folder)).collect();
    let is_read = |path: &Path| {
        let path = resolve(path);
        !ours
            .iter()
            .any(|ours| *ours != real && path.starts_with(ours))
            && path.strip_prefix(&real).is_ok_and(&reads)
    };
    let read = written.into_iter().filter(|(_, path)| is_read(path));
    let messages = read.map(|(key, path)| {
        let (path, root) = (path.display(), root.display());
        let message = format!(
            "{path} would be read as input: move it out of {root}, or exclude it with {remedy}"
        );
        (key, message)
    });
    let mut messages: Vec<_> = messages.collect();
    // One message for a file and its rotated name.
    messages.dedup_by_key(|(key, _)| *key);
    messages
}

/// The written files that the directory input would read: key and message.
pub(super) fn check_directory(config: &Config) -> Vec<(&'static str, String)> {
    let Some(input) = &config.directory else {
        return Vec::new();
    };
    let mut written = written(config);
    if let After::Move(dir) = &input.after {
        written.push(("directory.after", dir.join("x.json.gz")));
    }
    let reads = |below: &Path| {
        (input.include.is_empty() || input.include.is_match(below))
            && !below.ancestors().any(|part| input.exclude.is_match(part))
    };
    read_again(
        &input.root,
        written,
        &[&config.state],
        reads,
        "directory.exclude",
    )
}

/// Rejects a backfill that would read the files that it writes.
///
/// # Errors
/// The files, with the remedy.
pub(crate) fn check_backfill(root: &Path, exclude: &GlobSet, config: &Config) -> Result<(), Error> {
    // A single file is compared by its identity elsewhere.
    if !root.is_dir() {
        return Ok(());
    }
    let reads = |below: &Path| !below.ancestors().any(|part| exclude.is_match(part));
    let state = config.state.join(STATE);
    let ours = [&*config.state, &state];
    let read = read_again(root, written(config), &ours, reads, "--exclude");
    match read.is_empty() {
        true => Ok(()),
        false => Err(Error(
            read.into_iter()
                .map(|(key, message)| format!("{key}: {message}"))
                .collect(),
        )),
    }
}

#[cfg(test)]
mod tests {
    use std::os::unix::fs::symlink;

    use super::*;

    #[test]
    fn links_are_resolved_also_where_nothing_exists_yet() {
        let folder = tempfile::tempdir().unwrap();
        let root = folder.path().canonicalize().unwrap();
        std::fs::create_dir(root.join("w")).unwrap();
        symlink(root.join("w"), root.join("link")).unwrap();
        symlink("w/later", root.join("dangling")).unwrap();
        symlink("circle", root.join("circle")).unwrap();
        for (path, expected) in [
            ("link/a/b", "w/a/b"),
            ("w/../link/x", "w/x"),
            ("dangling", "w/later"),
            ("dangling/deeper", "w/later/deeper"),
            ("nothing/here", "nothing/here"),
        ] {
            assert_eq!(resolve(&root.join(path)), root.join(expected), "{path}");
        }
        // A circle ends.
        resolve(&root.join("circle"));
    }
}
