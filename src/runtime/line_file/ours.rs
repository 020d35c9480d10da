//! The files that this process writes, known by device and inode.
//!
//! Enters: regular files, while they are open for appending. Leaves: whether a file that is about to be read
//! is one of them. What must hold: a file is known whatever name leads to it (a link, a second mount); it is
//! known only while it is open, since an inode that was given back may be another file's.

use std::collections::HashMap;
use std::fs::{File, Metadata};
use std::io;
use std::os::unix::fs::MetadataExt;
use std::sync::{Mutex, MutexGuard, PoisonError};

/// Device and inode, and how often each is open.
static OPEN: Mutex<Option<HashMap<(u64, u64), usize>>> = Mutex::new(None);

/// One file that is open for appending.
#[derive(Debug)]
pub(super) struct Ours((u64, u64));

/// Whether this process has the file open for appending.
pub(crate) fn is_ours(file: &Metadata) -> bool {
    let open = open();
    open.as_ref()
        .is_some_and(|open| open.contains_key(&id(file)))
}

impl Ours {
    pub(super) fn new(file: &File) -> io::Result<Ours> {
        let id = id(&file.metadata()?);
        *open().get_or_insert_default().entry(id).or_default() += 1;
        Ok(Ours(id))
    }
}

impl Drop for Ours {
    fn drop(&mut self) {
        if let Some(open) = &mut *open()
            && let Some(times) = open.get_mut(&self.0)
        {
            *times -= 1;
            if *times == 0 {
                open.remove(&self.0);
            }
        }
    }
}

fn open() -> MutexGuard<'static, Option<HashMap<(u64, u64), usize>>> {
    OPEN.lock().unwrap_or_else(PoisonError::into_inner)
}

fn id(file: &Metadata) -> (u64, u64) {
    (file.dev(), file.ino())
}
