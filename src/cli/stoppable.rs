//! A file or a pipe whose reading can be stopped.
//!
//! Enters: an open file, a token. Leaves: its bytes; once the token is cancelled, an error, also while
//! a pipe is silent; and, where that is asked for, word that a pipe is silent, for what was read to be
//! delivered meanwhile.

use std::fs::File;
use std::io::{self, Read};
use std::time::{Duration, Instant};

use rustix::event::{PollFd, PollFlags, Timespec, poll};
use tokio_util::sync::CancellationToken;

use qtrail_core::envelope::Quiet;

/// How often a silent pipe's reader looks at its token.
const GLANCE: Duration = Duration::from_millis(100);
/// How long what was read waits for more, where none is there.
const GATHER: Duration = Duration::from_millis(200);

/// Bytes that are given until `stop`.
pub(super) struct Stoppable<R> {
    content: R,
    /// What is waited for before it is read.
    pipe: Option<Pipe>,
    stop: CancellationToken,
}

struct Pipe {
    file: File,
    /// Whether silence is told.
    tells: bool,
    /// When the first bytes came since it was told last.
    came: Option<Instant>,
}

impl<R> Stoppable<R> {
    /// Of something that can be read at any time.
    pub(super) fn new(content: R, stop: CancellationToken) -> Self {
        Stoppable {
            content,
            pipe: None,
            stop,
        }
    }
}

impl Stoppable<File> {
    /// Of a pipe, a terminal, a socket. With `tells`, silence after some bytes is told once, as the error
    /// [`Quiet`].
    pub(super) fn pipe(file: File, tells: bool, stop: CancellationToken) -> io::Result<Self> {
        Ok(Stoppable {
            content: file.try_clone()?,
            pipe: Some(Pipe {
                file,
                tells,
                came: None,
            }),
            stop,
        })
    }
}

impl Pipe {
    /// Waits a while for bytes, or the end; whether they are there.
    fn wait(&mut self) -> io::Result<bool> {
        let left = self.came.map(|came| GATHER.saturating_sub(came.elapsed()));
        let wait = Timespec::try_from(left.unwrap_or(GLANCE).min(GLANCE));
        let mut waiting = [PollFd::new(&self.file, PollFlags::IN)];
        match poll(&mut waiting, wait.ok().as_ref()) {
            Ok(0) if self.came.is_some_and(|came| came.elapsed() >= GATHER) => {
                self.came = None;
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
        if let Some(pipe) = self.pipe.as_mut().filter(|pipe| pipe.tells && read > 0) {
            pipe.came.get_or_insert_with(Instant::now);
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
    fn a_silent_pipe_can_be_stopped_and_what_came_before_is_read() {
        let (reader, mut writer) = io::pipe().unwrap();
        writer.write_all(b"before").unwrap();
        let stop = CancellationToken::new();
        let mut content =
            Stoppable::pipe(OwnedFd::from(reader).into(), false, stop.clone()).unwrap();
        let mut read = [0; 100];
        assert_eq!(content.read(&mut read).unwrap(), 6);
        let silent = std::thread::spawn(move || content.read(&mut [0; 100]));
        stop.cancel();
        let error = silent.join().unwrap().unwrap_err();
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
    fn a_silent_pipe_says_so_once_and_goes_on() {
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
