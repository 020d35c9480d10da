//! The first reading of `backfill --assemble`: the facts of all events of the range.
//!
//! Enters: every file that was listed, done before or not. Leaves: the tree. What must hold: memory is bounded; the
//! tree does not depend on which file is read faster; without a file that cannot be read, there is no tree.

use std::io::{self, Cursor, Read};
use std::sync::Arc;
use std::sync::atomic::Ordering;

use anyhow::Context;
use tokio_util::sync::CancellationToken;

use super::Run;
use super::status::with_status;
use crate::cli::assemble::Gathering;
use crate::cli::count;
use crate::cli::progress::Progress;
use crate::export::Outcome;
use crate::input::backfill::source::Source;
use crate::input::backfill::{Backfill, Listed, Status};
use crate::input::directory::{Deliver, Slot};
use crate::pipeline::{Content, Report, Unit};
use crate::sidecar;
use qtrail_core::Converter;
use qtrail_core::assemble::{FactsReader, Tree};
use qtrail_core::envelope::Again;

impl Run {
    /// The tree of all files of the range.
    ///
    /// # Errors
    /// A file cannot be read; the events do not fit into memory, and cannot be kept outside.
    pub(super) async fn tree(
        &self,
        backfill: &Backfill<impl Source>,
        listed: &Listed,
        status: &Status,
    ) -> anyhow::Result<Arc<Tree>> {
        anyhow::ensure!(
            listed.unlisted == 0,
            "--assemble needs every file of the range, and a folder could not be listed: nothing was delivered"
        );
        let reading = FirstReading {
            conversion: Arc::new(sidecar::conversion(&self.config)),
            gathering: Gathering::new(self.config.memory_bytes),
            failed: self.stop.child_token(),
        };
        let progress = Progress::spinner(self.quiet);
        let total = listed.left.files + listed.done.files;
        let line = || {
            let files = status.files.load(Ordering::Relaxed);
            format!("assembling: {files}/{} read", count(total, "file"))
        };
        let (fetchers, failed) = (self.args.fetchers as usize, reading.failed.clone());
        let work = backfill.read_all(fetchers, reading.clone(), failed);
        let read = with_status(self.quiet, work, line, || progress.at(0, line())).await?;
        progress.finish();
        if self.stop.is_cancelled() {
            return Ok(Arc::default());
        }
        anyhow::ensure!(
            read.unread == 0 || reading.gathering.has_failed(),
            "{} cannot be read, and --assemble needs every file of the range: nothing was delivered; mend that, or \
             leave the files out with --exclude",
            count(read.unread, "file")
        );
        let work = tokio::task::spawn_blocking(move || reading.gathering.finish());
        let tree = work.await.context("the assembly failed")??;
        Ok(Arc::new(tree))
    }
}

/// Reads files for their facts. Cheap to clone.
#[derive(Clone)]
struct FirstReading {
    conversion: Arc<Converter>,
    gathering: Gathering,
    /// Cancelled once the facts cannot be kept.
    failed: CancellationToken,
}

impl Deliver for FirstReading {
    /// Answers once the unit was read.
    async fn deliver(&self, unit: Unit, _: &mut Slot) -> Report {
        let this = self.clone();
        let read = tokio::task::spawn_blocking(move || this.read(unit));
        let read = read.await.map_err(io::Error::other).flatten();
        if self.gathering.has_failed() {
            self.failed.cancel();
        }
        let outcome = match self.failed.is_cancelled() {
            true => Outcome::Abandoned,
            false => Outcome::Delivered,
        };
        Report {
            read_error: read.err().map(|error| error.to_string()),
            ..Report::empty(outcome, 0)
        }
    }
}

impl FirstReading {
    fn read(&self, unit: Unit) -> io::Result<()> {
        let (content, again): (Box<dyn Read + Send>, _) = match unit.content {
            Content::Twice(content, again) => (content, Some(again)),
            Content::Whole(content) => (content, None),
            Content::Bytes(bytes) => {
                let content = Cursor::new(bytes);
                (Box::new(content.clone()), Some(Again::clones(content)))
            }
            // Files are no texts of their own.
            Content::Texts(_) => return Ok(()),
        };
        let mut reader = FactsReader::default();
        self.gathering
            .file(|each| reader.read(&self.conversion, content, again, each))
    }
}
