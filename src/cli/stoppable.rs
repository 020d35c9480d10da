//! A file or a pipe whose reading can be stopped.
//!
//! Enters: an open file, a token. Leaves: its bytes; once the token is cancelled, an error, also while
//! a pipe is silent.

use std::fs::File;
use std::io::{self, Read};

use rustix::event::{PollFd, PollFlags, Timespec, poll};
use tokio_util::sync::CancellationToken;

/// How often a silent pipe's reader looks at its token.
const GLANCE: Timespec = Timespec {
    tv_sec: 0,
    tv_nsec: 100_000_000,
};

/// Bytes that are given until `stop`.
pub(super) struct Stoppable<R> {
    content: R,
    /// What is waited for before it is read.
    pipe: Option<File>,
    stop: CancellationToken,
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
    /// Of a pipe, a terminal, a socket.
    pub(super) fn pipe(pipe: File, stop: CancellationToken) -> io::Result<Self> {
        Ok(Stoppable {
            content: pipe.try_clone()?,
            pipe: Some(pipe),
            stop,
        })
    }
}

impl<R: Read> Read for Stoppable<R> {
    fn read(&mut self, buffer: &mut [u8]) -> io::Result<usize> {
        loop {
            if self.stop.is_cancelled() {
                return Err(io::Error::other("stopped"));
            }
            let Some(pipe) = &self.pipe else { break };
            let mut waiting = [PollFd::new(pipe, PollFlags::IN)];
            match poll(&mut waiting, Some(&GLANCE)) {
                Ok(0) | Err(rustix::io::Errno::INTR) => {}
                Ok(_) => break,
                Err(error) => return Err(error.into()),
            }
        }
        self.content.read(buffer)
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
        let mut content = Stoppable::pipe(OwnedFd::from(reader).into(), stop.clone()).unwrap();
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
        let mut content = Stoppable::pipe(OwnedFd::from(reader).into(), stop).unwrap();
        assert_eq!(content.read(&mut [0; 100]).unwrap(), 0);
    }
}
