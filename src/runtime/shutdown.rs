//! Stopping in order: no new units are read, those in flight are delivered until a deadline, progress is
//! committed, the process exits.
//!
//! Enters: the work, a `stop` token that asks it to begin nothing new, an `abort` token that makes
//! it give up what is in flight. Leaves: the work's result. What must hold: the process ends within
//! the deadline and a short grace, whatever a collector or a disk does.

use std::future::Future;
use std::pin::pin;
use std::time::Duration;

use tokio::signal::unix::{Signal, SignalKind, signal};
use tokio::sync::oneshot;
use tokio_util::sync::CancellationToken;

/// The exit code of a second signal.
const SECOND_SIGNAL: i32 = 130;
/// How long the work may take to give up once it was aborted.
const GRACE: Duration = Duration::from_secs(2);

/// Runs `work` to its end. After `stop` it has `deadline` to end by itself; then `abort` is cancelled.
/// Other code may cancel `abort` earlier. `None` when the work did not give up in time.
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
    tokio::select! {
        output = &mut work => return Some(output),
        () = abort.cancelled() => {}
        () = tokio::time::sleep(deadline) => {
            tracing::warn!(
                seconds = deadline.as_secs_f64(),
                "not everything was delivered in time"
            );
            abort.cancel();
        }
    }
    tokio::time::timeout(GRACE, &mut work).await.ok()
}

/// Listens from here on to the signals that stop a command: SIGTERM, SIGINT, SIGQUIT and SIGHUP. The first one
/// is kept for [`First::stop`], so that one that comes while the command starts stops it too. A second one ends
/// the process with exit code 130; a second SIGHUP does not, since a terminal that closes may send two. SIGHUP
/// is left ignored where it was ignored at the start, as `nohup` does. SIGUSR1 and SIGUSR2, which programs that
/// rotate logs send, do nothing.
///
/// # Errors
/// The signals cannot be listened to.
pub fn listen() -> std::io::Result<First> {
    let mut terminate = signal(SignalKind::terminate())?;
    let mut interrupt = signal(SignalKind::interrupt())?;
    let mut quit = signal(SignalKind::quit())?;
    // Without a listener they would end the process at once.
    let mut first_user = signal(SignalKind::user_defined1())?;
    let mut second_user = signal(SignalKind::user_defined2())?;
    let mut hangup = match is_ignored(SignalKind::hangup()) {
        true => None,
        false => Some(signal(SignalKind::hangup())?),
    };
    let (sender, first) = oneshot::channel();
    tokio::spawn(async move {
        let mut sender = Some(sender);
        loop {
            let name = tokio::select! {
                _ = terminate.recv() => "SIGTERM",
                _ = interrupt.recv() => "SIGINT",
                _ = quit.recv() => "SIGQUIT",
                () = received(&mut hangup) => "SIGHUP",
                _ = first_user.recv() => continue,
                _ = second_user.recv() => continue,
            };
            if let Some(sender) = sender.take() {
                // The command may have ended.
                let _ = sender.send(name);
            } else if name != "SIGHUP" {
                super::terminal::clear();
                std::process::exit(SECOND_SIGNAL);
            }
        }
    });
    Ok(First(first))
}

/// The first signal.
pub struct First(oneshot::Receiver<&'static str>);

impl First {
    /// For a command that listens to no signals.
    pub fn never() -> Self {
        First(oneshot::channel().1)
    }

    /// Cancels `stop` once it comes, or came; `announce` receives its name.
    pub fn stop(self, stop: CancellationToken, announce: impl FnOnce(&str) + Send + 'static) {
        tokio::spawn(async move {
            if let Ok(name) = self.0.await {
                announce(name);
                stop.cancel();
            }
        });
    }
}

async fn received(signal: &mut Option<Signal>) {
    match signal {
        Some(signal) => drop(signal.recv().await),
        None => std::future::pending().await,
    }
}

/// Whether the process was started with this signal ignored, on systems that report it.
fn is_ignored(signal: SignalKind) -> bool {
    let status = std::fs::read_to_string("/proc/self/status").unwrap_or_default();
    ignored_in(&status) >> (signal.as_raw_value() - 1) & 1 == 1
}

/// The mask of ignored signals in Linux' description of a process.
fn ignored_in(status: &str) -> u64 {
    let mask = status.lines().find_map(|line| line.strip_prefix("SigIgn:"));
    let mask = mask.and_then(|mask| u64::from_str_radix(mask.trim(), 16).ok());
    mask.unwrap_or_default()
}

#[cfg(test)]
mod tests {
    use super::*;
    use tokio::time::Instant;

    const DEADLINE: Duration = Duration::from_secs(15);

    #[test]
    fn an_ignored_signal_is_told_by_its_bit() {
        let status = "Name:\tq\nSigBlk:\t0000000000000001\nSigIgn:\t0000000000001001\n";
        assert_eq!(ignored_in(status), 0x1001);
        assert_eq!(ignored_in("Name:\tq\n"), 0);
    }

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
