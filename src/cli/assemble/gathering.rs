//! The facts that several readers find, for one tree.
//!
//! What must hold: memory is bounded; after an error of the temporary files there is no tree.

use std::io;
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};

use crate::runtime::temporary;
use qtrail_core::assemble::{Assembler, Facts, Tree};

/// Facts that a reader adds at a time. Those of a file with no more of them are added once all of it was read.
const BATCH: usize = 4096;

/// Gathers facts. Cheap to clone.
#[derive(Clone)]
pub(in crate::cli) struct Gathering(Arc<Mutex<Gathered>>);

struct Gathered {
    /// `None` at the end.
    assembler: Option<Assembler>,
    error: Option<io::Error>,
}

impl Gathering {
    /// Without facts. They take so many bytes of memory at most.
    pub(in crate::cli) fn new(memory_bytes: usize) -> Self {
        Gathering(Arc::new(Mutex::new(Gathered {
            assembler: Some(Assembler::new(temporary::space(memory_bytes))),
            error: None,
        })))
    }

    /// Passes a function to `read` which takes facts and returns whether to go on; adds them unless `read` fails.
    pub(in crate::cli) fn file(
        &self,
        read: impl FnOnce(&mut dyn FnMut(Facts) -> bool) -> io::Result<()>,
    ) -> io::Result<()> {
        let mut batch = Vec::new();
        read(&mut |facts| {
            batch.push(facts);
            batch.len() < BATCH || self.add(&mut batch)
        })?;
        self.add(&mut batch);
        Ok(())
    }

    /// Adds these. Returns whether to go on.
    fn add(&self, batch: &mut Vec<Facts>) -> bool {
        let gathered = &mut *self.lock();
        let (Some(assembler), None) = (&mut gathered.assembler, &gathered.error) else {
            return false;
        };
        let added = batch.drain(..).try_for_each(|facts| assembler.add(facts));
        gathered.error = added.err();
        gathered.error.is_none()
    }

    /// Whether there was an error, so that nothing more is to be read.
    pub(in crate::cli) fn has_failed(&self) -> bool {
        self.lock().error.is_some()
    }

    /// The tree. Nothing is added any more.
    ///
    /// # Errors
    /// The events do not fit into memory, and the temporary files cannot be used.
    pub(in crate::cli) fn finish(&self) -> io::Result<Tree> {
        let mut gathered = self.lock();
        match (gathered.error.take(), gathered.assembler.take()) {
            (Some(error), _) => Err(error),
            (None, assembler) => assembler.map_or(Ok(Tree::default()), Assembler::finish),
        }
    }

    fn lock(&self) -> MutexGuard<'_, Gathered> {
        self.0.lock().unwrap_or_else(PoisonError::into_inner)
    }
}
