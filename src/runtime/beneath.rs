//! Opens files below a folder.
//!
//! Enters: a root and a path below it. Leaves: an open file or folder. What must hold: nothing outside the root is
//! ever opened, whatever is renamed or linked meanwhile.

use std::fs::File;
use std::io;
use std::os::fd::OwnedFd;
use std::path::Path;

use rustix::fs::{Mode, OFlags};

/// Opens a file below `root` for reading, following no symbolic link and waiting for no writer of
/// a pipe.
pub(crate) fn open(root: &Path, below: &Path) -> io::Result<File> {
    let flags = OFlags::RDONLY | OFlags::NOFOLLOW | OFlags::NONBLOCK | OFlags::CLOEXEC;
    Ok(File::from(open_beneath(root, below, flags)?))
}

/// Opens a folder below `root`, likewise.
pub(crate) fn open_folder(root: &Path, below: &Path) -> io::Result<OwnedFd> {
    let below = match below.as_os_str().is_empty() {
        true => Path::new("."),
        false => below,
    };
    open_beneath(
        root,
        below,
        OFlags::RDONLY | OFlags::DIRECTORY | OFlags::CLOEXEC,
    )
}

fn open_beneath(root: &Path, below: &Path, flags: OFlags) -> io::Result<OwnedFd> {
    #[cfg(target_os = "linux")]
    {
        use rustix::fs::ResolveFlags;
        let beneath = ResolveFlags::BENEATH | ResolveFlags::NO_SYMLINKS;
        match rustix::fs::openat2(File::open(root)?, below, flags, Mode::empty(), beneath) {
            Ok(file) => return Ok(file),
            // Kernels before 5.6 and some sandboxes don't have it.
            Err(rustix::io::Errno::NOSYS | rustix::io::Errno::PERM) => {}
            Err(error) => return Err(error.into()),
        }
    }
    Ok(rustix::fs::open(root.join(below), flags, Mode::empty())?)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn links_pipes_and_ways_out_of_the_root_are_not_read() {
        let folder = tempfile::tempdir().unwrap();
        let root = folder.path().join("root");
        std::fs::create_dir_all(root.join("real")).unwrap();
        std::fs::write(folder.path().join("secret"), b"s").unwrap();
        std::fs::write(root.join("real/file"), b"f").unwrap();
        std::os::unix::fs::symlink("../secret", root.join("link")).unwrap();
        std::os::unix::fs::symlink("real", root.join("linked")).unwrap();

        assert!(open(&root, Path::new("real/file")).is_ok());
        assert!(open(&root, Path::new("link")).is_err());
        #[cfg(target_os = "linux")]
        {
            assert!(open(&root, Path::new("../secret")).is_err());
            assert!(open(&root, Path::new("linked/file")).is_err());
        }
    }
}
