//! The objects of a bucket, for a report or `lint-trail`.
//!
//! Enters: a bucket and a prefix. Leaves: each object as a unit, one after the other, with several requests under way.
//! What must hold: objects are listed and read as `backfill` does it, with the same errors and tries; memory does not
//! grow with the number of objects.

use crate::config::Config;
use crate::pipeline::Unit;

#[cfg(feature = "aws")]
pub(in crate::cli) use with_aws::read;

/// Passes each object below `prefix` to `each`. `false`: something is missing, which is logged.
///
/// # Errors
/// This qtrail was built without AWS.
#[cfg(not(feature = "aws"))]
pub(in crate::cli) fn read(
    bucket: String,
    prefix: String,
    _config: &Config,
    _each: impl FnMut(Unit) -> anyhow::Result<()>,
) -> anyhow::Result<bool> {
    anyhow::bail!(
        "s3://{bucket}/{prefix} is in a bucket, and this qtrail was built without the feature `aws`: copy it first, \
         such as with `aws s3 sync s3://{bucket}/{prefix} DIR`"
    )
}

#[cfg(feature = "aws")]
mod with_aws {
    use std::sync::Arc;

    use anyhow::Context;
    use tokio::runtime::Handle;
    use tokio::sync::{mpsc, oneshot};
    use tokio_util::sync::CancellationToken;

    use super::{Config, Unit};
    use crate::aws::Aws;
    use crate::cli::backfill::left_out;
    use crate::export::Outcome;
    use crate::input::backfill::bucket::Bucket;
    use crate::input::backfill::layout::Wanted;
    use crate::input::backfill::plan::Plan;
    use crate::input::backfill::source::Source;
    use crate::input::backfill::{Backfill, Status};
    use crate::input::directory::{Deliver, Slot};
    use crate::pipeline::Report;

    /// Objects that are opened at once.
    const FETCHERS: usize = 16;

    /// Passes each object below `prefix`, or the one with that key, to `each`. `false`: something is missing, which
    /// is logged. Call it on a blocking thread.
    ///
    /// # Errors
    /// Nothing can be listed, or there is nothing; those of `each`.
    pub(in crate::cli) fn read(
        bucket: String,
        prefix: String,
        config: &Config,
        mut each: impl FnMut(Unit) -> anyhow::Result<()>,
    ) -> anyhow::Result<bool> {
        let stop = CancellationToken::new();
        let _stops_requests = stop.clone().drop_guard();
        let (units, mut opened) = mpsc::channel(1);
        let (handle, config) = (Handle::current(), config.clone());
        let work = handle.spawn(async move {
            let aws = Aws::load(&config.aws).await;
            let source = Bucket::new(aws, bucket, prefix, config.objects);
            fetch(source, Units(units), stop).await
        });
        while let Some((unit, read)) = opened.blocking_recv() {
            each(unit)?;
            // The fetcher may have been stopped.
            let _: Result<(), ()> = read.send(());
        }
        handle.block_on(work)?
    }

    /// Lists all objects, then opens them. The list is on disk.
    async fn fetch(source: Bucket, units: Units, stop: CancellationToken) -> anyhow::Result<bool> {
        let name = source.name(b"");
        let folder = tempfile::tempdir().context(
            "cannot keep the list of objects in a temporary directory (set TMPDIR to another one)",
        )?;
        let plan = Plan::open(folder.path())?;
        let listing = plan.begin(false)?;
        let status = Arc::<Status>::default();
        let backfill = Backfill::new(source, Some(plan), Some(listing), status, stop.clone());
        let listed = backfill.list(Wanted::everything()).await?;
        anyhow::ensure!(
            listed.left.files > 0,
            "{name} has no objects: check the bucket and the prefix"
        );
        left_out(&listed);
        let delivered = backfill.deliver(FETCHERS, units, stop).await?;
        Ok(listed.unlisted + delivered.gone + delivered.unread == 0)
    }

    /// Passes units to the thread that reads.
    #[derive(Clone)]
    struct Units(mpsc::Sender<(Unit, oneshot::Sender<()>)>);

    impl Deliver for Units {
        /// Answers once the unit was read. That thread reports what cannot be read of it.
        async fn deliver(&self, unit: Unit, _: &mut Slot) -> Report {
            let (done, read) = oneshot::channel();
            let passed = self.0.send((unit, done)).await.is_ok() && read.await.is_ok();
            let outcome = match passed {
                true => Outcome::Delivered,
                false => Outcome::Abandoned,
            };
            Report::empty(outcome, 0)
        }
    }
}
