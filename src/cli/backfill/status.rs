//! The status of a backfill while it runs.

use std::sync::atomic::Ordering;
use std::time::Duration;

use crate::cli::count;
use crate::cli::progress::Progress;
use crate::input::backfill::Status;
use crate::telemetry::metrics::Metrics;

/// Time between status lines in the log, without a terminal.
const LOG_INTERVAL: Duration = Duration::from_secs(30);
/// Time between updates of the progress bar.
const BAR_INTERVAL: Duration = Duration::from_millis(200);

/// How far the delivery of `total` files has come.
pub(super) fn line(status: &Status, total: u64, metrics: &Metrics) -> String {
    let files = status.files.load(Ordering::Relaxed);
    let (read, exported) = (metrics.read.get(), metrics.exported.get());
    format!(
        "{files}/{}, {}, {exported} exported",
        count(total, "file"),
        count(read, "event")
    )
}

/// Does the work and shows its status: on the bar, or in a log line now and then.
pub(super) async fn with_status<T>(
    quiet: bool,
    work: impl Future<Output = T>,
    status: impl Fn() -> String,
    show: impl Fn(),
) -> T {
    let mut work = std::pin::pin!(work);
    let shown = Progress::is_shown(quiet);
    let mut tick = tokio::time::interval(BAR_INTERVAL);
    let mut line =
        tokio::time::interval_at(tokio::time::Instant::now() + LOG_INTERVAL, LOG_INTERVAL);
    loop {
        tokio::select! {
            output = &mut work => return output,
            _ = tick.tick(), if shown => show(),
            _ = line.tick(), if !shown => tracing::info!("{}", status()),
        }
    }
}
