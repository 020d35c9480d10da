//! What becomes of a file that was delivered: it is deleted, or moved away.
//!
//! Enters: a file and how it looked when it was read. Leaves: a directory without it. What must
//! hold: a file that changed since is left alone; nothing is ever overwritten.

use std::fs::{self, File, OpenOptions};
use std::io;
use std::os::unix::fs::OpenOptionsExt;
use std::path::{Path, PathBuf};

use rustix::fs::{CWD, RenameFlags, renameat_with};
use rustix::io::Errno;

use super::file_id::{self, Stat};

/// Names that are tried for a moved file.
const NAMES: u32 = 10_000;

/// Deletes a file.
///
/// # Errors
/// [`io::ErrorKind::StaleNetworkFileHandle`] when it is no longer the file that was read.
pub(super) fn delete(root: &Path, below: &Path, read: &Stat) -> io::Result<()> {
    let path = root.join(below);
    unchanged(&path, read)?;
    fs::remove_file(path)
}

/// Moves a file below `target`, its path kept; a number is appended where the name is taken.
/// Returns where it is.
///
/// # Errors
/// As [`delete`].
pub(super) fn relocate(
    root: &Path,
    below: &Path,
    read: &Stat,
    target: &Path,
) -> io::Result<PathBuf> {
    let wanted = target.join(below);
    if let Some(folder) = wanted.parent() {
        fs::create_dir_all(folder)?;
    }
    for number in 0..NAMES {
        let to = numbered(&wanted, number);
        let from = root.join(below);
        unchanged(&from, read)?;
        match rename(&from, &to) {
            Ok(()) => return Ok(to),
            Err(error) if error.kind() == io::ErrorKind::AlreadyExists => {}
            Err(error) if error.kind() == io::ErrorKind::CrossesDevices => {
                match copy(root, below, &to) {
                    Ok(()) => {
                        delete(root, below, read)?;
                        return Ok(to);
                    }
                    Err(error) if error.kind() == io::ErrorKind::AlreadyExists => {}
                    Err(error) => return Err(error),
                }
            }
            Err(error) => return Err(error),
        }
    }
    Err(io::ErrorKind::AlreadyExists.into())
}

fn unchanged(path: &Path, read: &Stat) -> io::Result<()> {
    if Stat::of(&path.symlink_metadata()?) == *read {
        Ok(())
    } else {
        Err(io::ErrorKind::StaleNetworkFileHandle.into())
    }
}

fn numbered(path: &Path, number: u32) -> PathBuf {
    if number == 0 {
        return path.to_owned();
    }
    let mut name = path.as_os_str().to_owned();
    name.push(format!(".{number}"));
    PathBuf::from(name)
}

/// Renames, but never over another file.
fn rename(from: &Path, to: &Path) -> io::Result<()> {
    match renameat_with(CWD, from, CWD, to, RenameFlags::NOREPLACE) {
        Ok(()) => Ok(()),
        // File systems that cannot do it in one step: a link first, which never overwrites either.
        Err(Errno::INVAL | Errno::NOSYS | Errno::NOTSUP) => {
            fs::hard_link(from, to)?;
            fs::remove_file(from)
        }
        Err(error) => Err(error.into()),
    }
}

/// Copies to another file system; on disk when this returns.
fn copy(root: &Path, below: &Path, to: &Path) -> io::Result<()> {
    let mut from = file_id::open(root, below)?;
    let mut file = OpenOptions::new()
        .write(true)
        .create_new(true)
        .mode(0o600)
        .open(to)?;
    let copied = (|| {
        io::copy(&mut from, &mut file)?;
        file.set_permissions(from.metadata()?.permissions())?;
        file.sync_all()?;
        match to.parent() {
            Some(folder) => File::open(folder)?.sync_all(),
            None => Ok(()),
        }
    })();
    if copied.is_err() {
        // The half copy is ours alone.
        let _ = fs::remove_file(to);
    }
    copied
}

#[cfg(test)]
mod tests {
    use super::*;

    struct Tree {
        _folder: tempfile::TempDir,
        root: PathBuf,
        target: PathBuf,
        below: &'static Path,
    }

    fn tree() -> Tree {
        let folder = tempfile::tempdir().unwrap();
        let root = folder.path().join("root");
        fs::create_dir_all(root.join("a")).unwrap();
        fs::write(root.join("a/f.json"), "one").unwrap();
        Tree {
            target: folder.path().join("done"),
            root,
            _folder: folder,
            below: Path::new("a/f.json"),
        }
    }

    fn stat(tree: &Tree) -> Stat {
        Stat::of(&tree.root.join(tree.below).symlink_metadata().unwrap())
    }

    #[test]
    fn a_file_that_changed_since_it_was_read_is_left_alone() {
        let tree = tree();
        let read = stat(&tree);
        fs::write(tree.root.join(tree.below), "longer").unwrap();
        assert!(delete(&tree.root, tree.below, &read).is_err());
        assert!(relocate(&tree.root, tree.below, &read, &tree.target).is_err());
        assert_eq!(fs::read(tree.root.join(tree.below)).unwrap(), b"longer");
        delete(&tree.root, tree.below, &stat(&tree)).unwrap();
        assert!(!tree.root.join(tree.below).exists());
    }

    #[test]
    fn a_moved_file_overwrites_nothing() {
        let tree = tree();
        fs::create_dir_all(tree.target.join("a")).unwrap();
        fs::write(tree.target.join("a/f.json"), "zero").unwrap();
        fs::write(tree.target.join("a/f.json.1"), "zero").unwrap();
        let to = relocate(&tree.root, tree.below, &stat(&tree), &tree.target).unwrap();
        assert_eq!(to, tree.target.join("a/f.json.2"));
        assert_eq!(fs::read(to).unwrap(), b"one");
        assert_eq!(fs::read(tree.target.join("a/f.json")).unwrap(), b"zero");
        assert!(!tree.root.join(tree.below).exists());
    }

    #[test]
    fn a_copy_overwrites_nothing_either() {
        let tree = tree();
        let to = tree.root.join("copy");
        copy(&tree.root, tree.below, &to).unwrap();
        assert_eq!(fs::read(&to).unwrap(), b"one");
        let error = copy(&tree.root, tree.below, &to).unwrap_err();
        assert_eq!(error.kind(), io::ErrorKind::AlreadyExists);
    }
}
