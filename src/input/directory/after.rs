//! A file that was delivered is taken out of the directory: deleted, or moved away.
//!
//! Enters: a file and how it looked when it was read. Leaves: a directory without it. What must
//! hold: what goes is the file that was read, unchanged, whatever is renamed or written meanwhile;
//! nothing is ever overwritten; a process that is killed in between leaves the file, under its own
//! name or under one that the next walk finds.
//!
//! So the file is first renamed, within its folder, to a name that nobody else writes to. What has
//! that name then is looked at; it goes, or gets its old name back.

use std::collections::HashSet;
use std::ffi::{OsStr, OsString};
use std::fs::{self, File, OpenOptions};
use std::io;
use std::os::fd::{AsFd, OwnedFd};
use std::os::unix::ffi::{OsStrExt, OsStringExt};
use std::os::unix::fs::OpenOptionsExt;
use std::path::{Path, PathBuf};
use std::sync::{Mutex, MutexGuard, PoisonError};

use rustix::fs::{AtFlags, CWD, Mode, OFlags, RenameFlags};
use rustix::io::Errno;

use super::file_id::{self, Stat};

/// The prefix of the names of staged files.
const PREFIX: &[u8] = b".qtrail~";
/// Names that are tried for a file.
const NAMES: u32 = 10_000;

/// The staged files, by their paths.
#[derive(Debug, Default)]
pub(super) struct StagedFiles(Mutex<HashSet<PathBuf>>);

impl StagedFiles {
    /// Gives a file back the name that it had before an earlier process was killed: its path then, or
    /// `None` if this process has it staged.
    ///
    /// # Errors
    /// [`io::ErrorKind::AlreadyExists`] when its name was taken meanwhile.
    pub(super) fn recover(&self, root: &Path, staged: &Path) -> io::Result<Option<PathBuf>> {
        let (Some(name), Some(staged_name)) = (original(staged), staged.file_name()) else {
            return Ok(None);
        };
        if self.lock().contains(staged) {
            return Ok(None);
        }
        let folder = folder_of(root, staged)?;
        rename_new(&folder, staged_name, &folder, name)?;
        Ok(Some(staged.with_file_name(name)))
    }

    fn lock(&self) -> MutexGuard<'_, HashSet<PathBuf>> {
        self.0.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

/// The original name of a staged file; `None` for other paths.
pub(super) fn original(path: &Path) -> Option<&OsStr> {
    let rest = path.file_name()?.as_bytes().strip_prefix(PREFIX)?;
    let tilde = memchr::memchr(b'~', rest)?;
    let number = rest[..tilde].iter().all(u8::is_ascii_digit) && tilde > 0;
    let name = &rest[tilde + 1..];
    (number && !name.is_empty()).then(|| OsStr::from_bytes(name))
}

fn staged_name(name: &OsStr, number: u32) -> OsString {
    let mut staged = PREFIX.to_vec();
    staged.extend_from_slice(format!("{number}~").as_bytes());
    staged.extend_from_slice(name.as_bytes());
    OsString::from_vec(staged)
}

/// A file renamed so that no program finds it, until it is deleted, moved or restored. If dropped, it stays staged until
/// the next walk.
#[derive(Debug)]
pub(super) struct Staged<'a> {
    all: &'a StagedFiles,
    folder: OwnedFd,
    /// Its path below the root as it was.
    path: &'a Path,
    /// The name to give back.
    name: &'a OsStr,
    staged: PathBuf,
    read: Stat,
}

/// Stages a file that looked like `read`. `around` is given each path below the root that it is about to
/// have, and calls the renaming.
///
/// # Errors
/// [`io::ErrorKind::StaleNetworkFileHandle`] when it no longer does; it keeps its name then.
pub(super) fn stage<'a>(
    all: &'a StagedFiles,
    root: &Path,
    path: &'a Path,
    read: &Stat,
    mut around: impl FnMut(&Path, &mut dyn FnMut() -> io::Result<()>) -> io::Result<()>,
) -> io::Result<Staged<'a>> {
    let name = path.file_name().ok_or(io::ErrorKind::InvalidInput)?;
    let folder = folder_of(root, path)?;
    if look(&folder, name)? != *read {
        return Err(io::ErrorKind::StaleNetworkFileHandle.into());
    }
    for number in 0..NAMES {
        let to = staged_name(original(path).unwrap_or(name), number);
        let staged = path.with_file_name(&to);
        if !all.lock().insert(staged.clone()) {
            continue;
        }
        let taken = Staged {
            all,
            folder: folder.try_clone()?,
            path,
            name,
            staged,
            read: *read,
        };
        match around(&taken.staged, &mut || rename_ours(&folder, name, &to)) {
            Ok(()) => return Ok(taken),
            Err(error) if error.kind() == io::ErrorKind::AlreadyExists => {}
            Err(error) => return Err(error),
        }
    }
    Err(io::ErrorKind::AlreadyExists.into())
}

impl Staged<'_> {
    /// Whether it is the file that was read, with the same bytes. Its ctime is that of the renaming.
    pub(super) fn is_unchanged(&self) -> io::Result<bool> {
        let now = look(&self.folder, self.staged_name())?;
        let same = |stat: &Stat| (stat.id, stat.size, stat.modified);
        Ok(same(&now) == same(&self.read))
    }

    /// Gives it its name back.
    ///
    /// # Errors
    /// [`io::ErrorKind::AlreadyExists`] when another file has it: it stays staged, and the next walk
    /// finds it.
    pub(super) fn restore(self) -> io::Result<()> {
        rename_new(&self.folder, self.staged_name(), &self.folder, self.name)
    }

    /// Deletes it.
    pub(super) fn delete(self) -> io::Result<()> {
        Ok(rustix::fs::unlinkat(
            &self.folder,
            self.staged_name(),
            AtFlags::empty(),
        )?)
    }

    /// Moves it below `target`, its path kept; a number is appended where the name is taken. Returns
    /// where it is.
    pub(super) fn relocate(self, target: &Path) -> io::Result<PathBuf> {
        let name = original(self.path).unwrap_or(self.name);
        let wanted = target.join(self.path.with_file_name(name));
        if let Some(folder) = wanted.parent() {
            fs::create_dir_all(folder)?;
        }
        let moved = first_free(&wanted, |to| {
            rename_new(&self.folder, self.staged_name(), CWD, to.as_os_str())
        });
        match moved {
            Err(error) if error.kind() == io::ErrorKind::CrossesDevices => {}
            moved => return moved,
        }
        let copied = self.copy(&wanted)?;
        let to = first_free(&wanted, |to| {
            rename_new(CWD, copied.as_os_str(), CWD, to.as_os_str())
        })?;
        sync_folder(&to)?;
        self.delete()?;
        Ok(to)
    }

    /// Copies it beside `wanted`, on another file system; on disk when this returns. A copy that was
    /// cut off never has the name of a whole one.
    fn copy(&self, wanted: &Path) -> io::Result<PathBuf> {
        let mut from = File::from(open(&self.folder, self.staged_name())?);
        let name = wanted.file_name().unwrap_or_default();
        let mut number = 0;
        let (path, mut file) = loop {
            let path = wanted.with_file_name(staged_name(name, number));
            let mut options = OpenOptions::new();
            match options.write(true).create_new(true).mode(0o600).open(&path) {
                Ok(file) => break (path, file),
                Err(error) if error.kind() == io::ErrorKind::AlreadyExists && number < NAMES => {
                    number += 1;
                }
                Err(error) => return Err(error),
            }
        };
        let copied = io::copy(&mut from, &mut file)
            .and_then(|_| file.set_permissions(from.metadata()?.permissions()))
            .and_then(|()| file.sync_all());
        match copied {
            Ok(()) => Ok(path),
            Err(error) => {
                // The half copy is ours alone.
                let _ = fs::remove_file(path);
                Err(error)
            }
        }
    }

    fn staged_name(&self) -> &OsStr {
        self.staged.file_name().unwrap_or_default()
    }
}

impl Drop for Staged<'_> {
    fn drop(&mut self) {
        self.all.lock().remove(&self.staged);
    }
}

/// The first of the names `wanted`, `wanted.1`, … that `rename` finds free.
fn first_free(wanted: &Path, rename: impl Fn(&Path) -> io::Result<()>) -> io::Result<PathBuf> {
    for number in 0..NAMES {
        let mut to = wanted.as_os_str().to_owned();
        if number > 0 {
            to.push(format!(".{number}"));
        }
        match rename(Path::new(&to)) {
            Ok(()) => return Ok(to.into()),
            Err(error) if error.kind() == io::ErrorKind::AlreadyExists => {}
            Err(error) => return Err(error),
        }
    }
    Err(io::ErrorKind::AlreadyExists.into())
}

/// The folder of a file below `root`, through no symbolic link.
fn folder_of(root: &Path, below: &Path) -> io::Result<OwnedFd> {
    let folder = below.parent().unwrap_or(Path::new(""));
    file_id::open_folder(root, folder)
}

fn open(folder: &OwnedFd, name: &OsStr) -> io::Result<OwnedFd> {
    let flags = OFlags::RDONLY | OFlags::NOFOLLOW | OFlags::NONBLOCK | OFlags::CLOEXEC;
    Ok(rustix::fs::openat(folder, name, flags, Mode::empty())?)
}

fn look(folder: &OwnedFd, name: &OsStr) -> io::Result<Stat> {
    Ok(Stat::of(&File::from(open(folder, name)?).metadata()?))
}

/// Renames, but never over another file.
fn rename_new(
    from_folder: impl AsFd,
    from: &OsStr,
    to_folder: impl AsFd,
    to: &OsStr,
) -> io::Result<()> {
    let (from_folder, to_folder) = (from_folder.as_fd(), to_folder.as_fd());
    match rustix::fs::renameat_with(from_folder, from, to_folder, to, RenameFlags::NOREPLACE) {
        // File systems that cannot do it in one step: a link first, which never overwrites either.
        // `from` is a name of ours: nobody puts another file there meanwhile.
        Err(error) if lacks_noreplace(error) => {
            rustix::fs::linkat(from_folder, from, to_folder, to, AtFlags::empty())?;
            Ok(rustix::fs::unlinkat(from_folder, from, AtFlags::empty())?)
        }
        renamed => Ok(renamed?),
    }
}

/// Renames to a name of ours: where that cannot be done in one step, nobody else takes it between two.
fn rename_ours(folder: &OwnedFd, from: &OsStr, to: &OsStr) -> io::Result<()> {
    match rustix::fs::renameat_with(folder, from, folder, to, RenameFlags::NOREPLACE) {
        Err(error) if lacks_noreplace(error) => {
            match rustix::fs::statat(folder, to, AtFlags::SYMLINK_NOFOLLOW) {
                Err(Errno::NOENT) => Ok(rustix::fs::renameat(folder, from, folder, to)?),
                Ok(_) => Err(io::ErrorKind::AlreadyExists.into()),
                Err(error) => Err(error.into()),
            }
        }
        renamed => Ok(renamed?),
    }
}

fn lacks_noreplace(error: Errno) -> bool {
    [Errno::INVAL, Errno::NOSYS, Errno::NOTSUP].contains(&error)
}

fn sync_folder(path: &Path) -> io::Result<()> {
    match path.parent() {
        Some(folder) => File::open(folder)?.sync_all(),
        None => Ok(()),
    }
}

#[cfg(test)]
mod tests;
