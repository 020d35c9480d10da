//! Whether lines could be appended to a file, found out without leaving a trace.

use std::fs::{File, OpenOptions};
use std::io;
use std::os::unix::fs::OpenOptionsExt;
use std::path::Path;

use rustix::fs::{Access, access};

use super::{Kind, last_line, lock};

/// Tries what opening does, but cuts nothing off and keeps nothing that it makes. The folder has to be there.
///
/// # Errors
/// What opening would answer.
pub(crate) fn check(path: &Path, kind: &Kind) -> io::Result<&'static str> {
    match path.metadata() {
        Ok(there) if there.is_dir() => Err(io::ErrorKind::IsADirectory.into()),
        Ok(there) if !there.is_file() => {
            // Opening a pipe may wait for its reader.
            access(path, Access::WRITE_OK)?;
            Ok("writable, and no regular file")
        }
        Ok(_) => {
            let mut file = open(path, kind, false)?;
            lock(&file, path)?;
            last_line(&mut file, kind.line_start)?;
            Ok("writable")
        }
        Err(error) if error.kind() == io::ErrorKind::NotFound => {
            let made = open(path, kind, true)?;
            // A link may lead to it.
            let real = path.canonicalize()?;
            if made.metadata()?.len() == 0 {
                std::fs::remove_file(real)?;
            }
            Ok("will be made")
        }
        Err(error) => Err(error),
    }
}

fn open(path: &Path, kind: &Kind, create: bool) -> io::Result<File> {
    OpenOptions::new()
        .create(create)
        .append(true)
        .read(true)
        .mode(kind.mode)
        .open(path)
}
