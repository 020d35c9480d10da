//! The merge of sorted runs.

use std::collections::BTreeMap;
use std::io;
use std::ops::Range;
use std::sync::Arc;

use super::spill::Reader;
use super::{Record, Storage};

/// The records of several runs, by their keys. After an error it is at its end.
pub struct Merge<R: Record> {
    runs: Vec<Reader<R>>,
    /// The next record of each run, by its key and the number of the run.
    heads: BTreeMap<(R::Key, usize), R>,
    error: Option<io::Error>,
}

impl<R: Record> Merge<R> {
    pub(super) fn new(
        storage: &Arc<dyn Storage>,
        runs: impl IntoIterator<Item = Range<u64>>,
    ) -> Self {
        let runs = runs.into_iter();
        let mut merge = Merge {
            runs: runs
                .map(|run| Reader::new(Arc::clone(storage), run))
                .collect(),
            heads: BTreeMap::new(),
            error: None,
        };
        (0..merge.runs.len()).for_each(|run| merge.advance(run));
        merge
    }

    fn advance(&mut self, run: usize) {
        match self.runs[run].next() {
            Some(Ok(record)) => {
                self.heads.insert((record.key(), run), record);
            }
            Some(Err(error)) => self.error = Some(error),
            None => {}
        }
    }
}

impl<R: Record> Iterator for Merge<R> {
    type Item = io::Result<R>;

    fn next(&mut self) -> Option<io::Result<R>> {
        if let Some(error) = self.error.take() {
            self.heads.clear();
            return Some(Err(error));
        }
        let ((_, run), record) = self.heads.pop_first()?;
        self.advance(run);
        Some(Ok(record))
    }
}
