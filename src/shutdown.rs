//! Stopping in order: no new units, what is in flight drains until a deadline, commits, exit.
//!
//! Enters: the work, a `stop` token that asks it to begin nothing new, an `abort` token that makes
//! it give up what is in flight. Leaves: the work's result. What must hold: the process ends within
//! the deadline and a short grace, whatever a collector or a disk does.

use std::future::Future;
use std::pin::pin;
use std::time::Duration;

use tokio::signal::unix::{SignalKind, signal};
use tokio_util::sync::CancellationToken;

/// The exit code of a second signal.
const SECOND_SIGNAL: i32 = 130;
/// How long the work may take to give up once it was aborted.
const GRACE: Duration = Duration::from_secs(2);

/// Runs `work` to its end; after `stop`, for at most `deadline`, then aborted. `None` when it did
/// not even give up in time.
pub async fn drain<F: Future>(
    work: F,
    stop: &CancellationToken,
    abort: &CancellationToken,
    deadline: Duration,
) -> Option<F::Output> {
    let mut work = pin!(work);
    tokio::select! {
        output = &mut work => return Some(output),
        () = stop.cancelled() => {}
    }
    if let Ok(output) = tokio::time::timeout(deadline, &mut work).await {
        return Some(output);
    }
    tracing::warn!(
        seconds = deadline.as_secs_f64(),
        "not everything was delivered in time: the rest is left for the next run"
    );
    abort.cancel();
    tokio::time::timeout(GRACE, &mut work).await.ok()
}

/// Cancels `stop` at the first SIGTERM or SIGINT; ends the process at the second, with exit
/// code 130.
///
/// # Errors
/// The signals cannot be listened to.
pub fn on_signals(stop: CancellationToken) -> std::io::Result<()> {
    let mut terminate = signal(SignalKind::terminate())?;
    let mut interrupt = signal(SignalKind::interrupt())?;
    tokio::spawn(async move {
        for first in [true, false] {
            let name = tokio::select! {
                _ = terminate.recv() => "SIGTERM",
                _ = interrupt.recv() => "SIGINT",
            };
            if first {
                tracing::info!(
                    signal = name,
                    "stopping: delivering what was read; a second signal ends at once"
                );
                stop.cancel();
            } else {
                std::process::exit(SECOND_SIGNAL);
            }
        }
    });
    Ok(())
}

#[cfg(test)]
mod tests {
    use super::*;
    use tokio::time::Instant;

    const DEADLINE: Duration = Duration::from_secs(15);

    #[tokio::test(start_paused = true)]
    async fn work_that_drains_in_time_is_not_aborted() {
        let (stop, abort) = (CancellationToken::new(), CancellationToken::new());
        stop.cancel();
        let work = async {
            tokio::time::sleep(Duration::from_secs(14)).await;
            "drained"
        };
        assert_eq!(drain(work, &stop, &abort, DEADLINE).await, Some("drained"));
        assert!(!abort.is_cancelled());
    }

    #[tokio::test(start_paused = true)]
    async fn work_that_hangs_is_aborted_at_the_deadline() {
        let (stop, abort) = (CancellationToken::new(), CancellationToken::new());
        stop.cancel();
        let begun = Instant::now();
        let work = async {
            abort.cancelled().await;
            "gave up"
        };
        assert_eq!(drain(work, &stop, &abort, DEADLINE).await, Some("gave up"));
        assert_eq!(begun.elapsed(), DEADLINE);
    }

    #[tokio::test(start_paused = true)]
    async fn work_that_does_not_give_up_is_left_behind() {
        let (stop, abort) = (CancellationToken::new(), CancellationToken::new());
        stop.cancel();
        assert_eq!(
            drain(std::future::pending::<()>(), &stop, &abort, DEADLINE).await,
            None
        );
        assert!(abort.is_cancelled());
    }

    #[tokio::test(start_paused = true)]
    async fn before_stop_there_is_no_deadline() {
        let (stop, abort) = (CancellationToken::new(), CancellationToken::new());
        let work = tokio::time::sleep(Duration::from_secs(100_000));
        assert_eq!(drain(work, &stop, &abort, DEADLINE).await, Some(()));
        assert!(!abort.is_cancelled());
    }
}
