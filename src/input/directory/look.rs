//! What a run would find in the directory, looked at without reading it.
//!
//! Enters: the settings. Leaves: how many files there are, and which cannot be read. What must hold: nothing is
//! changed, and no more is looked at than a person waits for.

use std::os::unix::ffi::OsStrExt;
use std::path::{Path, PathBuf};

use rustix::fs::{Access, access};

use super::file_id::{self, shown};
use super::filter::Filter;
use super::{After, Error, Settings};

/// Entries that are looked at.
const ENTRIES: u64 = 20_000;

/// What was found.
#[derive(Debug, Default)]
pub struct Found {
    /// Files that would be read.
    pub files: u64,
    /// Files that the patterns leave out.
    pub left_out: u64,
    /// There is more, which was not looked at.
    pub more: bool,
    /// Files that cannot be opened: how many, and one of them with the reason.
    pub unreadable: Option<(u64, String)>,
    /// Folders that cannot be listed, likewise.
    pub unlisted: Option<(u64, String)>,
    /// Folders whose files could not be deleted or moved away, where they are to be, likewise.
    pub kept: Option<(u64, String)>,
}

/// Looks at what is there.
///
/// # Errors
/// The settings contradict each other; the directory itself cannot be listed.
pub fn look(settings: &Settings) -> Result<Found, Error> {
    super::list(settings)?;
    let filter = Filter::new(settings)?;
    let (mut found, mut entries) = (Found::default(), 0);
    let mut folders = vec![PathBuf::new()];
    while let Some(folder) = folders.pop() {
        let there = settings.root.join(&folder);
        let listed = match there.read_dir() {
            Ok(listed) => listed,
            Err(error) => {
                add(&mut found.unlisted, &there, &error);
                continue;
            }
        };
        let files = found.files;
        for entry in listed.flatten() {
            entries += 1;
            if entries > ENTRIES {
                found.more = true;
                return Ok(found);
            }
            let path = folder.join(entry.file_name());
            match entry.file_type() {
                Ok(kind) if kind.is_dir() && filter.enters(&path) => folders.push(path),
                Ok(kind) if kind.is_file() => found.file(settings, &filter, &path),
                _ => {}
            }
        }
        if settings.after != After::Keep
            && found.files > files
            && let Err(error) = access(&there, Access::WRITE_OK | Access::EXEC_OK)
        {
            add(&mut found.kept, &there, &error);
        }
    }
    Ok(found)
}

impl Found {
    fn file(&mut self, settings: &Settings, filter: &Filter, path: &Path) {
        if !filter.reads(path) {
            // Names that begin with a dot are seldom meant to be read.
            let name = path.file_name().unwrap_or_default();
            self.left_out += u64::from(!name.as_bytes().starts_with(b"."));
            return;
        }
        self.files += 1;
        if let Err(error) = file_id::open(&settings.root, path)
            && error.kind() != std::io::ErrorKind::NotFound
        {
            add(&mut self.unreadable, &settings.root.join(path), &error);
        }
    }
}

fn add(found: &mut Option<(u64, String)>, path: &Path, error: &dyn std::fmt::Display) {
    match found {
        Some((count, _)) => *count += 1,
        None => *found = Some((1, format!("{}: {error}", shown(path)))),
    }
}
