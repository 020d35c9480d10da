//! Files that qtrail writes are not read as its own input.
//!
//! Enters: paths, which need not exist yet. Leaves: problems with them. What must hold: qtrail never reads the
//! files that it writes.

use std::path::{Path, PathBuf};

use globset::GlobSet;

use super::{Config, Error};
use crate::export::Destination;
use crate::input::backfill::STATE;
use crate::input::directory::After;
use crate::runtime::paths::resolve;

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
