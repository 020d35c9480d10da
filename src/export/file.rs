//! OTLP JSON lines, in a file or on standard output; and the transport that carries nothing.
//!
//! Enters: payloads. Leaves: one `{"resourceLogs":…}` or `{"resourceSpans":…}` a line, as the
//! collector's file exporter writes them. What must hold: a line is on disk before its records count
//! as accepted; the file never holds half a line. The file gets the mode that the umask gives.

use std::fs::{File, OpenOptions};
use std::io::{self, Seek, SeekFrom, Write};
use std::path::Path;
use std::sync::{Arc, Mutex, PoisonError};

use anyhow::Context;
use bytes::Bytes;

use super::classify::Answer;
use super::transport::{Answering, Transport};
use crate::ack::lines::cut_half_line;
use crate::otlp::Payload;

/// Carries nothing, successfully.
#[derive(Debug)]
pub(super) struct Discard;

impl Transport for Discard {
    fn body(&self, payload: &Payload) -> Bytes {
        payload.encode()
    }

    fn send(&self, _body: Bytes) -> Answering<'_> {
        Box::pin(std::future::ready(Answer::ACCEPTED))
    }

    fn peer(&self) -> String {
        "nowhere".to_owned()
    }
}

/// Appends lines.
#[derive(Debug)]
pub(super) struct Lines {
    output: Arc<Mutex<Output>>,
    name: String,
}

#[derive(Debug)]
enum Output {
    /// A regular file, and where its last whole line ends.
    Regular {
        file: File,
        end: u64,
    },
    /// A device or a pipe: neither synced nor cut back.
    Stream(File),
    Stdout,
}

impl Lines {
    /// Opens a file for appending, or creates it. Half a line at its end, which a crash left before
    /// anything was acknowledged, is cut off.
    ///
    /// # Errors
    /// It cannot be opened, or ends with something that is no line of ours.
    pub(super) fn file(path: &Path) -> anyhow::Result<Self> {
        let open = || -> anyhow::Result<Output> {
            // Reading is needed to see how a regular file ends; a device or a pipe may refuse it.
            let regular = path.metadata().map_or(true, |meta| meta.is_file());
            let mut file = OpenOptions::new()
                .read(regular)
                .write(true)
                .create(true)
                .truncate(false)
                .open(path)?;
            if !regular {
                return Ok(Output::Stream(file));
            }
            let end = cut_half_line(&mut file, b"{\"resource")?;
            if let Some(folder) = path
                .parent()
                .filter(|folder| !folder.as_os_str().is_empty())
            {
                File::open(folder)?.sync_all()?;
            }
            Ok(Output::Regular { file, end })
        };
        let output = open().with_context(|| format!("cannot write to {}", path.display()))?;
        Ok(Lines {
            output: Arc::new(Mutex::new(output)),
            name: path.display().to_string(),
        })
    }

    /// Standard output.
    pub(super) fn stdout() -> Self {
        Lines {
            output: Arc::new(Mutex::new(Output::Stdout)),
            name: "standard output".to_owned(),
        }
    }
}

impl Transport for Lines {
    fn body(&self, payload: &Payload) -> Bytes {
        if payload.is_empty() {
            return Bytes::new();
        }
        let mut line = payload.to_json();
        line.push(b'\n');
        line.into()
    }

    fn send(&self, body: Bytes) -> Answering<'_> {
        let output = Arc::clone(&self.output);
        Box::pin(async move {
            let written = tokio::task::spawn_blocking(move || {
                let mut output = output.lock().unwrap_or_else(PoisonError::into_inner);
                output.append(&body)
            });
            match written.await {
                Ok(Ok(())) => Answer::ACCEPTED,
                Ok(Err(e)) if e.kind() == io::ErrorKind::BrokenPipe => Answer::Closed {
                    reason: format!("nobody reads {} any more", self.name),
                },
                Ok(Err(e)) => Answer::retry(format!("writing failed: {e}")),
                Err(e) => Answer::retry(format!("writing failed: {e}")),
            }
        })
    }

    fn peer(&self) -> String {
        self.name.clone()
    }
}

impl Output {
    /// Appends whole lines; after an error, none of them is there.
    fn append(&mut self, lines: &[u8]) -> io::Result<()> {
        match self {
            Output::Regular { file, end } => {
                let written = file
                    .seek(SeekFrom::Start(*end))
                    .and_then(|_| file.write_all(lines))
                    .and_then(|()| file.sync_data());
                match written {
                    Ok(()) => {
                        *end += lines.len() as u64;
                        Ok(())
                    }
                    Err(e) => {
                        // If even this fails, the next try writes over the same place.
                        let _ = file.set_len(*end);
                        Err(e)
                    }
                }
            }
            Output::Stream(file) => file.write_all(lines),
            Output::Stdout => {
                let mut stdout = io::stdout().lock();
                stdout.write_all(lines)?;
                stdout.flush()
            }
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn append(lines: &Lines, text: &str) -> io::Result<()> {
        lines.output.lock().unwrap().append(text.as_bytes())
    }

    #[test]
    fn lines_are_appended_to_what_is_there() {
        let folder = tempfile::tempdir().unwrap();
        let path = folder.path().join("out.jsonl");
        append(&Lines::file(&path).unwrap(), "{\"resourceLogs\":[]}\n").unwrap();
        append(&Lines::file(&path).unwrap(), "{\"resourceSpans\":[]}\n").unwrap();
        let text = std::fs::read_to_string(&path).unwrap();
        assert_eq!(text, "{\"resourceLogs\":[]}\n{\"resourceSpans\":[]}\n");
    }

    #[test]
    fn half_a_line_left_by_a_crash_is_cut_off() {
        let folder = tempfile::tempdir().unwrap();
        let path = folder.path().join("out.jsonl");
        let long = format!("{{\"resourceLogs\":[\"{}", "x".repeat(200_000));
        std::fs::write(&path, format!("{{\"resourceLogs\":[]}}\n{long}")).unwrap();
        append(&Lines::file(&path).unwrap(), "{\"resourceSpans\":[]}\n").unwrap();
        let text = std::fs::read_to_string(&path).unwrap();
        assert_eq!(text, "{\"resourceLogs\":[]}\n{\"resourceSpans\":[]}\n");
    }

    #[test]
    fn a_file_of_something_else_is_left_alone() {
        let folder = tempfile::tempdir().unwrap();
        let path = folder.path().join("letter.txt");
        std::fs::write(&path, "Dear Sir,").unwrap();
        let error = format!("{:#}", Lines::file(&path).unwrap_err());
        assert!(error.contains("choose another file"), "{error}");
        assert_eq!(std::fs::read_to_string(&path).unwrap(), "Dear Sir,");
    }

    #[test]
    fn a_folder_that_is_missing_is_an_error_that_names_the_file() {
        let error = format!("{:#}", Lines::file(Path::new("/nowhere/out")).unwrap_err());
        assert!(
            error.starts_with("cannot write to /nowhere/out: "),
            "{error}"
        );
    }

    #[tokio::test]
    async fn a_full_disk_is_waited_out() {
        let lines = Lines::file(Path::new("/dev/full")).unwrap();
        let answer = lines.send(Bytes::from_static(b"{}\n")).await;
        assert!(matches!(answer, Answer::Retry { .. }), "{answer:?}");
    }

    #[tokio::test]
    async fn a_device_is_written_as_it_is() {
        let lines = Lines::file(Path::new("/dev/null")).unwrap();
        let answer = lines.send(Bytes::from_static(b"{}\n")).await;
        assert_eq!(answer, Answer::ACCEPTED);
    }

    #[test]
    fn a_write_that_fails_leaves_no_half_line() {
        let folder = tempfile::tempdir().unwrap();
        let path = folder.path().join("out.jsonl");
        std::fs::write(&path, "{\"resourceLogs\":[]}\n").unwrap();
        let lines = Lines::file(&path).unwrap();
        // A file opened for reading alone refuses the write, as a full disk would.
        if let Output::Regular { file, .. } = &mut *lines.output.lock().unwrap() {
            *file = File::open(&path).unwrap();
        }
        assert!(append(&lines, "{\"resourceSpans\":[]}\n").is_err());
        let text = std::fs::read_to_string(&path).unwrap();
        assert_eq!(text, "{\"resourceLogs\":[]}\n");
    }
}
