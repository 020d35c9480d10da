//! Where files really are, whatever links lead there.
//!
//! Enters: paths, which need not exist yet. Leaves: what is wrong with them. What must hold: what qtrail writes is
//! not read as its own input.

use std::path::{Path, PathBuf};

use globset::GlobSet;

use super::{Config, Error};
use crate::export::Destination;
use crate::input::backfill::STATE;
use crate::input::directory::After;

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

/// The files that a command with this configuration appends to or makes, each with its key.
pub(crate) fn written(config: &Config) -> Vec<(&'static str, PathBuf)> {
    let letters = &config.dead_letters;
    let mut written = vec![("dead_letters.path", letters.path.clone())];
    if letters.keep > 0 {
        // Patterns may leave out the file alone, and read it once it is rotated.
        let mut rotated = letters.path.clone().into_os_string();
        rotated.push(".1");
        written.push(("dead_letters.path", rotated.into()));
    }
    if let Destination::File(path) = &config.export.destination {
        written.push(("export.file", path.clone()));
    }
    written
}

/// What of `written` would be read from `root`: its key, and why that cannot be. `ours`: folders that are
/// never read; `reads`: whether a path below the root is.
pub(super) fn read_again(
    root: &Path,
    written: Vec<(&'static str, PathBuf)>,
    ours: &[&Path],
    reads: impl Fn(&Path) -> bool,
    remedy: &str,
) -> Vec<(&'static str, String)> {
    let real = resolve(root);
    let ours: Vec<_> = ours.iter().map(|folder| resolve(folder)).collect();
    let is_read = |path: &Path| {
        let place = resolve(path);
        !ours
            .iter()
            .any(|ours| *ours != real && place.starts_with(ours))
            && place.strip_prefix(&real).is_ok_and(&reads)
    };
    let read = written.into_iter().filter(|(_, path)| is_read(path));
    let told = read.map(|(key, path)| {
        let (path, root) = (path.display(), root.display());
        let message = format!(
            "{path} would be read as input: put it outside of {root}, or exclude it by {remedy}"
        );
        (key, message)
    });
    let mut told: Vec<_> = told.collect();
    // Once for a file and what it is rotated to.
    told.dedup_by_key(|(key, _)| *key);
    told
}

/// What is wrong with the directory input: it would read what qtrail writes.
pub(super) fn of_directory(config: &Config) -> Vec<(&'static str, String)> {
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

/// Refuses a backfill that would read what it writes.
///
/// # Errors
/// The files, with the remedy.
pub(crate) fn outside_of_backfill(
    root: &Path,
    exclude: &GlobSet,
    config: &Config,
) -> Result<(), Error> {
    // One file that is named is known by its identity.
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
                .map(|(key, told)| format!("{key}: {told}"))
                .collect(),
        )),
    }
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
