//! Reads a trail's files, to know what there is at all.

use std::path::PathBuf;

use tokio_util::sync::CancellationToken;

use crate::cli::files::{Outputs, sources};
use crate::cli::progress::Progress;
use crate::cli::reading::{Reading, Target};
use crate::cli::report::{bucket, named};
use crate::cli::totals::Totals;
use crate::config::Config;
use crate::dead_letter::Origin;
use crate::lint::seen::Seen;
use crate::pipeline::Unit;
use crate::sidecar;
use qtrail_core::convert::Body;
use qtrail_core::envelope::Skipped;
use qtrail_core::event::amazon_q::Select;

/// Reads all that the paths name. Call it on a blocking thread.
///
/// # Errors
/// A path does not exist; a bucket cannot be listed.
pub(super) fn read(
    paths: &[PathBuf],
    mut config: Config,
    progress: &Progress,
) -> anyhow::Result<(Seen, Totals)> {
    let roots = paths.iter().map(|path| path.to_string_lossy().into_owned());
    let mut seen = Seen::below(roots.collect());
    // A trail's other events tell what it selects, too.
    config.select = Select::All;
    let mut conversion = sidecar::conversion(&config);
    conversion.options.body = Body::None;
    let mut outputs = Outputs::default();
    outputs.add_stdout();
    let (buckets, paths) = named(paths)?;
    let listed = sources(&paths, outputs)?;
    let never = CancellationToken::new();
    let letters = sidecar::dead_letters(&config, false, &never)?;
    let mut reading = Reading::new(conversion, letters, never);
    for (bucket, prefix) in buckets {
        let each = |mut unit: Unit| {
            unit.origin.input = "files";
            reading.one(unit, progress, &mut seen)
        };
        let is_complete = bucket::read(bucket, prefix, &config, each)?;
        reading.done.failed |= !is_complete;
    }
    reading.all(listed, progress, &mut seen)?;
    Ok((seen, reading.done))
}

impl Target for Seen {
    type Sink = Seen;

    fn sink(&mut self) -> &mut Seen {
        self
    }

    fn opened(&mut self, origin: &Origin) {
        self.file(&origin.name);
    }

    fn skipped(&mut self, skipped: Skipped) {
        if skipped == Skipped::Digest {
            self.digest();
        }
    }

    fn by_event_bridge(&mut self) {
        self.by_event_bridge += 1;
    }
}
