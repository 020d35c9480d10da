//! A file or a pipe whose reading can be stopped.
//!
//! Enters: an open file, a token. Leaves: its bytes; an error once the token is cancelled, also while a pipe is
//! idle; and optionally a report that a pipe is idle, so that the records so far can be delivered.

use std::fs::File;
use std::io::{self, Read};
use std::time::{Duration, Instant};

use rustix::event::{PollFd, PollFlags, Timespec, poll};
use tokio_util::sync::CancellationToken;

use qtrail_core::envelope::Quiet;

/// How often the token is checked while a pipe is idle.
const POLL_INTERVAL: Duration = Duration::from_millis(100);
/// After this long without new bytes, a pipe is idle.
const IDLE_AFTER: Duration = Duration::from_millis(200);

/// A reader that fails once `stop` is cancelled.
pub(super) struct Stoppable<R> {
    content: R,
    /// A pipe, which is polled before it is read.
    pipe: Option<Pipe>,
    stop: CancellationToken,
}

struct Pipe {
    file: File,
    reports_idle: bool,
    /// When the first bytes since the last report were read.
    first_read: Option<Instant>,
}

impl<R> Stoppable<R> {
    /// For a file, which never blocks for long.
    pub(super) fn new(content: R, stop: CancellationToken) -> Self {
        Stoppable {
            content,
            pipe: None,
            stop,
        }
    }
}

impl Stoppable<File> {
    /// For a pipe, a terminal or a socket. With `reports_idle`, it returns the error [`Quiet`] once when it is
    /// idle after some bytes.
    pub(super) fn pipe(
        file: File,
        reports_idle: bool,
        stop: CancellationToken,
    ) -> io::Result<Self> {
        Ok(Stoppable {
            content: file.try_clone()?,
            pipe: Some(Pipe {
                file,
                reports_idle,
                first_read: None,
            }),
            stop,
        })
    }
}

impl Pipe {
    /// Waits briefly for bytes or the end; whether the pipe can be read.
    fn wait(&mut self) -> io::Result<bool> {
        let left = self
            .first_read
            .map(|first| IDLE_AFTER.saturating_sub(first.elapsed()));
        let wait = Timespec::try_from(left.unwrap_or(POLL_INTERVAL).min(POLL_INTERVAL));
        let mut waiting = [PollFd::new(&self.file, PollFlags::IN)];
        match poll(&mut waiting, wait.ok().as_ref()) {
            Ok(0)
                if self
                    .first_read
                    .is_some_and(|first| first.elapsed() >= IDLE_AFTER) =>
            {
                self.first_read = None;
                Err(io::Error::other(Quiet))
            }
            Ok(0) | Err(rustix::io::Errno::INTR) => Ok(false),
            Ok(_) => Ok(true),
            Err(error) => Err(error.into()),
        }
    }
}

impl<R: Read> Read for Stoppable<R> {
    fn read(&mut self, buffer: &mut [u8]) -> io::Result<usize> {
        loop {
            if self.stop.is_cancelled() {
                return Err(io::Error::other("stopped"));
            }
            let Some(pipe) = &mut self.pipe else { break };
            if pipe.wait()? {
                break;
            }
        }
        let read = self.content.read(buffer)?;
        if let Some(pipe) = self
            .pipe
            .as_mut()
            .filter(|pipe| pipe.reports_idle && read > 0)
        {
            pipe.first_read.get_or_insert_with(Instant::now);
        }
        Ok(read)
    }
}

#[cfg(test)]
mod tests {
    use std::io::Write;
    use std::os::fd::OwnedFd;

    use super::*;

    #[test]
    fn an_idle_pipe_can_be_stopped_and_earlier_bytes_are_read() {
        let (reader, mut writer) = io::pipe().unwrap();
        writer.write_all(b"before").unwrap();
        let stop = CancellationToken::new();
        let mut content =
            Stoppable::pipe(OwnedFd::from(reader).into(), false, stop.clone()).unwrap();
        let mut read = [0; 100];
        assert_eq!(content.read(&mut read).unwrap(), 6);
        let idle = std::thread::spawn(move || content.read(&mut [0; 100]));
        stop.cancel();
        let error = idle.join().unwrap().unwrap_err();
        assert_eq!(error.to_string(), "stopped");
    }

    #[test]
    fn a_pipe_ends_where_its_writer_ends_it() {
        let (reader, writer) = io::pipe().unwrap();
        drop(writer);
        let stop = CancellationToken::new();
        let mut content = Stoppable::pipe(OwnedFd::from(reader).into(), false, stop).unwrap();
        assert_eq!(content.read(&mut [0; 100]).unwrap(), 0);
    }

    #[test]
    fn an_idle_pipe_reports_it_once_and_goes_on() {
        let (reader, mut writer) = io::pipe().unwrap();
        let stop = CancellationToken::new();
        let mut content = Stoppable::pipe(OwnedFd::from(reader).into(), true, stop).unwrap();
        let mut read = [0; 100];
        for text in ["one", "another"] {
            writer.write_all(text.as_bytes()).unwrap();
            assert_eq!(content.read(&mut read).unwrap(), text.len());
            let error = content.read(&mut read).unwrap_err();
            assert!(qtrail_core::envelope::is_quiet(&error), "{error}");
        }
        drop(writer);
        assert_eq!(content.read(&mut read).unwrap(), 0);
    }
}
