//! Temporary files for what does not fit into `limits.memory`.
//!
//! What must hold: no other process sees such a file, and it is gone with this one; an error names the remedy.

use std::fs::File;
use std::io;
use std::os::unix::fs::FileExt;
use std::sync::Arc;

use qtrail_core::sorted::{Space, Storage};

/// A space of so many bytes of memory; what does not fit is in temporary files.
pub(crate) fn space(memory_bytes: usize) -> Space {
    Space {
        memory_bytes,
        storage,
    }
}

/// An empty temporary file.
///
/// # Errors
/// It cannot be created.
pub(crate) fn storage() -> io::Result<Arc<dyn Storage>> {
    let file = tempfile::tempfile().map_err(unusable)?;
    Ok(Arc::new(Temporary(file)))
}

#[derive(Debug)]
struct Temporary(File);

impl Storage for Temporary {
    fn write_at(&self, bytes: &[u8], at: u64) -> io::Result<()> {
        self.0.write_all_at(bytes, at).map_err(unusable)
    }

    fn read_at(&self, into: &mut [u8], at: u64) -> io::Result<usize> {
        match self.0.read_at(into, at) {
            // Nothing is asked for that was not written.
            Ok(0) if !into.is_empty() => Err(unusable(io::ErrorKind::UnexpectedEof.into())),
            read => read.map_err(unusable),
        }
    }
}

fn unusable(error: io::Error) -> io::Error {
    let folder = std::env::temp_dir();
    io::Error::other(format!(
        "cannot keep what does not fit into limits.memory in {}: {error} (set TMPDIR to another directory, or raise \
         the limit with QTRAIL_LIMITS_MEMORY)",
        folder.display()
    ))
}
