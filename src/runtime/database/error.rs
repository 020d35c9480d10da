//! Why a database cannot be used, with the remedy.

use std::fmt;
use std::io::{self, ErrorKind};
use std::path::{Path, PathBuf};

use super::Definition;

/// Why a database cannot be used. Its text names the file, the cause and the remedy.
#[derive(Debug)]
pub struct Error {
    path: PathBuf,
    /// The cause.
    pub kind: Kind,
    remedies: Remedies,
}

/// The cause; each has a remedy of its own.
#[derive(Debug, PartialEq, Eq)]
pub enum Kind {
    /// Another process uses it: its pid, or `unknown`.
    Locked {
        /// What the other process wrote beside the file.
        pid: String,
    },
    /// Another version wrote it.
    Schema {
        /// The file's schema.
        found: i64,
        /// The schema that this version writes.
        ours: i64,
    },
    /// The disk or the quota is full, or the file is as large as it may be.
    Full(String),
    /// This user may not read or write it.
    Denied(String),
    /// It is damaged, or no database.
    Damaged(String),
    /// Any other error.
    Other(String),
}

/// The parts of the remedies that differ from one database to another.
#[derive(Debug, Clone, Copy)]
pub(crate) struct Remedies {
    /// After "is held by another process": what to do.
    pub(crate) locked: &'static str,
    /// After "delete the file": what that costs.
    pub(crate) deleted: &'static str,
}

impl Error {
    pub(super) fn new(path: &Path, definition: &Definition, kind: Kind) -> Self {
        Error {
            path: path.to_owned(),
            kind,
            remedies: definition.remedies,
        }
    }
}

impl From<redb::Error> for Kind {
    fn from(error: redb::Error) -> Self {
        match error {
            redb::Error::Io(error) => error.into(),
            redb::Error::Corrupted(detail) => Kind::Damaged(detail),
            other => Kind::Other(other.to_string()),
        }
    }
}

impl From<io::Error> for Kind {
    fn from(error: io::Error) -> Self {
        let detail = error.to_string();
        match error.kind() {
            ErrorKind::StorageFull | ErrorKind::QuotaExceeded | ErrorKind::FileTooLarge => {
                Kind::Full(detail)
            }
            ErrorKind::PermissionDenied | ErrorKind::ReadOnlyFilesystem => Kind::Denied(detail),
            ErrorKind::InvalidData | ErrorKind::UnexpectedEof => Kind::Damaged(detail),
            _ => Kind::Other(detail),
        }
    }
}

impl fmt::Display for Error {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let Remedies { locked, deleted } = self.remedies;
        write!(f, "{} ", self.path.display())?;
        match &self.kind {
            Kind::Locked { pid } => write!(f, "is held by another process (pid {pid}): {locked}"),
            Kind::Schema { found, ours } => write!(
                f,
                "has schema {found}, this version writes schema {ours}: run the version that wrote it, or delete the file ({deleted})"
            ),
            Kind::Full(detail) => write!(f, "cannot be written: {detail}; free some space"),
            Kind::Denied(detail) => write!(
                f,
                "cannot be used: {detail}; let qtrail's user read and write it and its folder"
            ),
            Kind::Damaged(detail) => {
                write!(f, "is damaged: {detail}; delete it ({deleted})")
            }
            Kind::Other(detail) => write!(
                f,
                "cannot be used: {detail}; free some space, make its folder writable, or, if the file is damaged, delete it ({deleted})"
            ),
        }
    }
}

impl std::error::Error for Error {}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn each_cause_names_the_file_and_its_remedy() {
        let remedies = Remedies {
            locked: "stop it",
            deleted: "all is read again",
        };
        let io = |kind: ErrorKind| Kind::from(redb::Error::Io(kind.into()));
        let damaged = redb::Error::Corrupted("no root".to_owned()).into();
        for (kind, expected) in [
            (io(ErrorKind::StorageFull), "free some space"),
            (io(ErrorKind::FileTooLarge), "free some space"),
            (io(ErrorKind::PermissionDenied), "let qtrail's user"),
            (io(ErrorKind::ReadOnlyFilesystem), "let qtrail's user"),
            (io(ErrorKind::InvalidData), "delete it (all is"),
            (damaged, "is damaged: no root; delete it (all is"),
            (redb::Error::PreviousIo.into(), "make its folder writable"),
            (Kind::Locked { pid: "7".into() }, "(pid 7): stop it"),
            (Kind::Schema { found: 2, ours: 1 }, "run the version that"),
        ] {
            let path = PathBuf::from("/state/x.redb");
            let error = Error {
                path,
                kind,
                remedies,
            };
            let text = error.to_string();
            assert!(text.starts_with("/state/x.redb "), "{text}");
            assert!(text.contains(expected), "{text}");
        }
    }
}
