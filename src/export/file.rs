//! OTLP JSON lines, in a file or on standard output; and the transport that carries nothing.
//!
//! Enters: payloads. Leaves: one `{"resourceLogs":…}` or `{"resourceSpans":…}` a line, as the
//! collector's file exporter writes them. What must hold: a line is on disk before its records count
//! as accepted. The file gets the mode that the umask gives.

use std::io::{self, Write};
use std::path::Path;
use std::sync::{Arc, Mutex, PoisonError};

use super::End;
use super::classify::{Answer, AnswerCode};
use super::request::RequestBody;
use super::transport::{Answering, Transport};
use crate::runtime::line_file::{self, LineFile};
use anyhow::Context;
use qtrail_core::otlp::Payload;

/// What the file is.
const KIND: line_file::Kind = line_file::Kind {
    line_start: b"{\"resource",
    mode: 0o666,
    makes_folder: false,
    rotation: None,
};

/// Carries nothing, successfully.
#[derive(Debug)]
pub(super) struct Discard;

impl Transport for Discard {
    fn body(&self, payload: &Payload) -> RequestBody {
        payload.encode_parts().into()
    }

    fn transcodes(&self) -> bool {
        false
    }

    fn send(&self, _body: RequestBody) -> Answering<'_> {
        Box::pin(std::future::ready((AnswerCode::Write, Answer::ACCEPTED)))
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
    /// Whether an error ends everything.
    errors_end: bool,
}

#[derive(Debug)]
enum Output {
    File(LineFile),
    Stdout,
}

impl Lines {
    /// Opens a file for appending, or creates it.
    ///
    /// # Errors
    /// It cannot be opened, another process writes it, or it ends with something that is no line of
    /// ours.
    pub(super) fn file(path: &Path, errors_end: bool) -> anyhow::Result<Self> {
        let file = LineFile::open(path, KIND)
            .with_context(|| format!("cannot write to {}", path.display()))?;
        Ok(Lines {
            output: Arc::new(Mutex::new(Output::File(file))),
            name: path.display().to_string(),
            errors_end,
        })
    }

    /// Makes a file that holds nothing, unless it is a device or a pipe.
    ///
    /// # Errors
    /// It cannot be made, or another process writes it.
    pub(super) fn begin_anew(path: &Path) -> anyhow::Result<()> {
        if path.metadata().is_ok_and(|there| !there.is_file()) {
            return Ok(());
        }
        LineFile::begin_anew(path, KIND)
            .with_context(|| format!("cannot write to {}", path.display()))?;
        Ok(())
    }

    /// Whether lines could be appended to a file, found out without leaving a trace.
    ///
    /// # Errors
    /// As [`Lines::file`].
    pub(super) fn check(path: &Path) -> io::Result<&'static str> {
        line_file::check(path, &KIND)
    }

    /// Standard output.
    pub(super) fn stdout(errors_end: bool) -> Self {
        Lines {
            output: Arc::new(Mutex::new(Output::Stdout)),
            name: "standard output".to_owned(),
            errors_end,
        }
    }
}

impl Transport for Lines {
    fn body(&self, payload: &Payload) -> RequestBody {
        if payload.is_empty() {
            return RequestBody::default();
        }
        let mut line = payload.to_json();
        line.push(b'\n');
        line.into()
    }

    fn transcodes(&self) -> bool {
        true
    }

    fn send(&self, body: RequestBody) -> Answering<'_> {
        let output = Arc::clone(&self.output);
        Box::pin(async move {
            let written = tokio::task::spawn_blocking(move || {
                let mut output = output.lock().unwrap_or_else(PoisonError::into_inner);
                output.append(&body)
            });
            let answer = match written.await {
                Ok(Ok(())) => Answer::ACCEPTED,
                Ok(Err(e)) if e.kind() == io::ErrorKind::BrokenPipe => Answer::End(End::Unread),
                Ok(Err(e)) if self.errors_end => {
                    Answer::End(End::Failed(format!("cannot write to {}: {e}", self.name)))
                }
                Ok(Err(e)) => Answer::blocked(format!(
                    "writing failed: {e}; free some space or correct its permissions"
                )),
                Err(e) => Answer::retry(format!("writing failed: {e}")),
            };
            (AnswerCode::Write, answer)
        })
    }

    fn peer(&self) -> String {
        self.name.clone()
    }
}

impl Output {
    /// Appends whole lines.
    fn append(&mut self, lines: &RequestBody) -> io::Result<()> {
        match self {
            Output::File(file) => {
                let bytes = lines.len() as u64;
                file.append(bytes, &|out| lines.write_to(out)).map(|_| ())
            }
            Output::Stdout => {
                let mut stdout = io::stdout().lock();
                lines.write_to(&mut stdout)?;
                stdout.flush()
            }
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn append(lines: &Lines, text: &str) -> io::Result<()> {
        let text = text.as_bytes().to_vec().into();
        lines.output.lock().unwrap().append(&text)
    }

    #[test]
    fn lines_are_appended_to_what_is_there() {
        let folder = tempfile::tempdir().unwrap();
        let path = folder.path().join("out.jsonl");
        append(
            &Lines::file(&path, false).unwrap(),
            "{\"resourceLogs\":[]}\n",
        )
        .unwrap();
        append(
            &Lines::file(&path, false).unwrap(),
            "{\"resourceSpans\":[]}\n",
        )
        .unwrap();
        let text = std::fs::read_to_string(&path).unwrap();
        assert_eq!(text, "{\"resourceLogs\":[]}\n{\"resourceSpans\":[]}\n");
    }

    #[test]
    fn a_folder_that_is_missing_is_an_error_that_names_the_file() {
        let error = format!(
            "{:#}",
            Lines::file(Path::new("/nowhere/out"), false).unwrap_err()
        );
        assert!(
            error.starts_with("cannot write to /nowhere/out: "),
            "{error}"
        );
    }

    #[tokio::test]
    async fn a_full_disk_is_waited_out_or_ends_everything() {
        for errors_end in [false, true] {
            let lines = Lines::file(Path::new("/dev/full"), errors_end).unwrap();
            let (_, answer) = lines.send(b"{}\n".to_vec().into()).await;
            match answer {
                Answer::End(End::Failed(reason)) if errors_end => {
                    assert!(reason.contains("/dev/full"), "{reason}");
                }
                Answer::Blocked { .. } if !errors_end => {}
                other => panic!("{errors_end}: {other:?}"),
            }
        }
    }

    #[tokio::test]
    async fn a_device_is_written_as_it_is() {
        let lines = Lines::file(Path::new("/dev/null"), false).unwrap();
        let (_, answer) = lines.send(b"{}\n".to_vec().into()).await;
        assert_eq!(answer, Answer::ACCEPTED);
    }
}
