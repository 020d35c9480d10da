//! Why the exporter ends by itself.
//!
//! Enters: a cause that cannot pass. Leaves: an [`End`], once, for all waiting tasks. What must hold:
//! after it nothing more is sent.

use std::future::pending;
use std::os::fd::{AsFd, OwnedFd};

use rustix::event::{PollFd, PollFlags, poll};
use rustix::io::Errno;
use tokio::sync::{oneshot, watch};
use tokio_util::sync::CancellationToken;

/// Why nothing more can be delivered.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum End {
    /// Nobody reads the output any more (`qtrail convert … | head`).
    Unread,
    /// What failed for good, or for too long.
    Failed(String),
}

/// The end of an exporter, which comes once.
#[derive(Debug)]
pub(super) struct Ending {
    end: watch::Sender<Option<End>>,
    /// Cancelled with it.
    stop: CancellationToken,
}

impl Ending {
    pub(super) fn new(stop: CancellationToken) -> Self {
        Ending {
            end: watch::Sender::new(None),
            stop,
        }
    }

    pub(super) fn begin(&self, end: End) {
        self.end.send_if_modified(|known| {
            let is_first = known.is_none();
            known.get_or_insert(end);
            is_first
        });
        self.stop.cancel();
    }

    pub(super) fn now(&self) -> Option<End> {
        self.end.borrow().clone()
    }

    pub(super) async fn wait(&self) -> End {
        let mut end = self.end.subscribe();
        match end.wait_for(Option::is_some).await.as_deref() {
            Ok(Some(end)) => end.clone(),
            _ => pending().await,
        }
    }
}

/// Returns once the reader has exited, for files whose reader the system knows: a pipe, a terminal.
pub(crate) async fn unread(output: impl AsFd) {
    let (gone, told) = oneshot::channel();
    let watching = output.as_fd().try_clone_to_owned().and_then(|output| {
        // It may wait for as long as the process lives.
        let watch = move || {
            if watch(&output) {
                // Nobody may wait for it any more.
                let _ = gone.send(());
            }
        };
        std::thread::Builder::new().spawn(watch)
    });
    if watching.is_err() || told.await.is_err() {
        pending().await
    }
}

/// Blocks until the reader has exited; returns whether the system can tell.
fn watch(output: &OwnedFd) -> bool {
    loop {
        // Errors and hang-ups are always reported.
        let mut watched = [PollFd::new(output, PollFlags::empty())];
        match poll(&mut watched, None) {
            Err(Errno::INTR) => {}
            Err(_) => return false,
            Ok(_) => {
                return watched[0]
                    .revents()
                    .intersects(PollFlags::ERR | PollFlags::HUP);
            }
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[tokio::test]
    async fn a_pipe_is_unread_once_its_reader_has_gone() {
        let (reader, mut writer) = std::io::pipe().unwrap();
        std::io::Write::write_all(&mut writer, b"first").unwrap();
        let watched = unread(writer);
        let mut watched = std::pin::pin!(watched);
        tokio::select! {
            biased;
            () = &mut watched => panic!("it has a reader"),
            () = tokio::task::yield_now() => {}
        }
        drop(reader);
        watched.await;
    }

    #[tokio::test]
    async fn the_first_end_is_the_end() {
        let ending = Ending::new(CancellationToken::new());
        assert_eq!(ending.now(), None);
        ending.begin(End::Failed("a full disk".to_owned()));
        ending.begin(End::Unread);
        assert_eq!(ending.wait().await, End::Failed("a full disk".to_owned()));
        assert!(ending.stop.is_cancelled());
    }
}
