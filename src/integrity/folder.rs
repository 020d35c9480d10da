//! A copy of a bucket on disk.
//!
//! What must hold: nothing outside of the folder is read, and no symbolic link is followed.

use std::ffi::OsStr;
use std::fs::File;
use std::io::{self, BufReader, Read};
use std::os::unix::ffi::OsStrExt;
use std::path::{Component, Path, PathBuf};

use rustix::fs::{Dir, FileType};
use serde::Deserialize;

use super::source::{Bytes, Error, Listed, OpenedDigest, Source};
use crate::runtime::beneath;

/// The longest answer of `aws s3api head-object`, in bytes.
const LONGEST_ANSWER: u64 = 64 << 10;
/// What the name of such an answer ends in.
pub(super) const ANSWER: &str = ".head.json";

/// A folder.
#[derive(Debug)]
pub(crate) struct Folder {
    /// The path as it was given.
    given: PathBuf,
    /// The canonical path.
    root: PathBuf,
}

/// The answer of `aws s3api head-object`.
#[derive(Deserialize)]
struct Answer {
    #[serde(rename = "Metadata")]
    metadata: Metadata,
}

#[derive(Deserialize)]
struct Metadata {
    signature: String,
}

impl Folder {
    /// The files below a path.
    ///
    /// # Errors
    /// It is no folder that exists.
    pub(crate) fn new(given: &Path) -> io::Result<Folder> {
        let root = given.canonicalize()?;
        if !root.is_dir() {
            return Err(io::ErrorKind::NotADirectory.into());
        }
        Ok(Folder {
            given: given.to_owned(),
            root,
        })
    }

    /// The canonical path.
    pub(crate) fn root(&self) -> &Path {
        &self.root
    }

    fn open(&self, key: &str) -> Result<File, Error> {
        let path = Path::new(key);
        let is_name = |part| matches!(part, Component::Normal(_));
        if !path.components().all(is_name) {
            return Err(Error::Failed("its name leads out of the folder".to_owned()));
        }
        let file = beneath::open(&self.root, path).map_err(|error| failed(&error))?;
        let metadata = file.metadata().map_err(|error| failed(&error))?;
        match metadata.is_file() {
            true => Ok(file),
            false => Err(Error::Failed("it is no regular file".to_owned())),
        }
    }

    /// The signature of a digest in the answer beside it.
    fn signature(&self, key: &str) -> Result<Option<String>, String> {
        let name = format!("{key}{ANSWER}");
        let of_answer = |why: String| format!("{}: {why}", self.name(&name));
        let file = match self.open(&name) {
            Ok(file) => file,
            Err(Error::Gone) => return Ok(None),
            Err(error) => return Err(of_answer(error.to_string())),
        };
        let read = serde_json::from_reader::<_, Answer>(BufReader::new(file.take(LONGEST_ANSWER)));
        match read {
            Ok(answer) => Ok(Some(answer.metadata.signature)),
            Err(error) => Err(of_answer(format!(
                "not the answer of `aws s3api head-object` about a digest: {error}"
            ))),
        }
    }
}

impl Source for Folder {
    fn bucket(&self) -> Option<&str> {
        None
    }

    fn top(&self) -> &str {
        ""
    }

    fn list(&self, folder: &str) -> Result<Listed, Error> {
        let mut listed = Listed::default();
        let below = Path::new(folder);
        let opened = match beneath::open_folder(&self.root, below) {
            Ok(opened) => opened,
            Err(error) if error.kind() == io::ErrorKind::NotFound => return Ok(listed),
            Err(error) => return Err(failed(&error)),
        };
        let entries = Dir::new(opened).map_err(|error| failed(&error.into()))?;
        for entry in entries {
            let entry = entry.map_err(|error| failed(&error.into()))?;
            let name = entry.file_name().to_bytes();
            if matches!(name, b"." | b"..") {
                continue;
            }
            let (text, path) = (String::from_utf8_lossy(name), OsStr::from_bytes(name));
            let key = format!("{folder}{text}");
            let is_folder = match entry.file_type() {
                FileType::Directory => true,
                // Some file systems do not tell.
                FileType::Unknown => beneath::open_folder(&self.root, &below.join(path)).is_ok(),
                _ => false,
            };
            match is_folder && text.as_bytes() == name {
                true => listed.folders.push(format!("{key}/")),
                // Links and folders whose names are no text are among them: opening one fails, and is found.
                false => listed.files.push(key),
            }
        }
        listed.folders.sort_unstable();
        listed.files.sort_unstable();
        Ok(listed)
    }

    fn open_digest(&self, key: &str) -> Result<OpenedDigest, Error> {
        Ok(OpenedDigest {
            bytes: Box::new(self.open(key)?),
            signature: self.signature(key),
        })
    }

    fn open_log_file(&self, _: &str, key: &str) -> Result<Bytes, Error> {
        Ok(Box::new(self.open(key)?))
    }

    fn name(&self, key: &str) -> String {
        self.given.join(key).to_string_lossy().into_owned()
    }

    fn remedy(&self, bucket: &str, object: &str, key: &str) -> String {
        format!(
            "write the answer of `aws s3api head-object --bucket {bucket} --key {object}` to {}{ANSWER}",
            self.name(key)
        )
    }
}

fn failed(error: &io::Error) -> Error {
    use rustix::io::Errno;
    // The errors of openat2(2) for a path through a link, or out of the root.
    let away = [Errno::LOOP, Errno::XDEV].map(|errno| Some(errno.raw_os_error()));
    match error.kind() {
        io::ErrorKind::NotFound => Error::Gone,
        _ if away.contains(&error.raw_os_error()) => Error::Failed(
            "it is a symbolic link, which is not followed: put a copy of the file there".to_owned(),
        ),
        _ => Error::Failed(error.to_string()),
    }
}
