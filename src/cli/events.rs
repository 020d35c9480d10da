//! `qtrail convert --format events`: one flat JSON object per event, in the order of the input.

use std::io::{self, Write};
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::time::Duration;

use anyhow::Context;
use tokio_util::sync::CancellationToken;

use super::OutputClosed;
use super::args::ConvertArgs;
use super::files::Listed;
use super::progress::Progress;
use super::reading::{Reading, Target};
use super::totals::Totals;
use crate::config::Config;
use crate::export::{End, unread};
use crate::runtime::line_file::{self, LineFile};
use crate::sidecar;
use qtrail_core::assemble::Tree;
use qtrail_core::otlp::Flat;

/// How long a file may take to finish after a signal.
const GRACE: Duration = Duration::from_secs(2);
/// Encoded bytes that are written at once; more to a file, where each write is synced.
const WRITE_BYTES: usize = 64 << 10;
const WRITE_BYTES_TO_FILE: usize = 1 << 20;
/// A file of events, as a line file.
const EVENTS: line_file::Kind = line_file::Kind {
    line_start: b"{",
    mode: 0o666,
    makes_folder: false,
    rotation: None,
};

/// Writes the events of all sources to the output.
///
/// # Errors
/// The output or the dead letters cannot be opened or written, or the reader of the output has exited.
pub(super) async fn write(
    listed: Listed,
    tree: Option<Arc<Tree>>,
    args: &ConvertArgs,
    to_stdout: bool,
    config: &Config,
    progress: &Progress,
    stop: &CancellationToken,
) -> anyhow::Result<Totals> {
    let output = match args.output().to_str() {
        _ if to_stdout => Output::Stream(Box::new(io::stdout())),
        Some("discard") => Output::Stream(Box::new(io::sink())),
        _ => Output::File(
            LineFile::begin_anew(args.output(), EVENTS)
                .with_context(|| format!("cannot write {}", args.output().display()))?,
        ),
    };
    // Nothing waits for a full disk, so nothing needs to be aborted.
    let never = CancellationToken::new();
    let dead_letters = sidecar::dead_letters(config, args.dead_letters.is_some(), &never)?;
    let done = Arc::new(Mutex::default());
    let conversion = sidecar::conversion(config);
    let mut reading = Reading::new(conversion, dead_letters, stop.clone()).with_tree(tree);
    let mut writer = Writer {
        flat: Flat::new(&config.convert),
        output,
        name: match to_stdout {
            true => "standard output".to_owned(),
            false => args.output().display().to_string(),
        },
        written: Arc::clone(&done),
    };
    let bar = progress.clone();
    let work = tokio::task::spawn_blocking(move || {
        reading.all(listed, &bar, &mut writer)?;
        writer.flush(&reading.done)
    });
    // The thread checks `stop` while it reads, but writing may block.
    let grace_over = async {
        stop.cancelled().await;
        tokio::time::sleep(GRACE).await;
    };
    let reader_gone = async {
        match to_stdout {
            true => unread(io::stdout()).await,
            false => std::future::pending().await,
        }
    };
    let written = tokio::select! {
        biased;
        written = work => written?,
        () = reader_gone => Err(OutputClosed.into()),
        () = grace_over => Ok(()),
    };
    progress.finish();
    let end = match written {
        Err(error) if error.is::<OutputClosed>() => Some(End::Unread),
        Err(error) => Some(End::Failed(format!("{error:#}"))),
        Ok(()) => None,
    };
    let mut done = *lock(&done);
    done.end(end, stop, None)?;
    Ok(done)
}

enum Output {
    Stream(Box<dyn Write + Send>),
    /// A file, which is overwritten, as with `>`.
    File(LineFile),
}

impl Output {
    fn write(&mut self, lines: &[u8]) -> io::Result<()> {
        match self {
            Output::Stream(stream) => {
                stream.write_all(lines)?;
                stream.flush()
            }
            Output::File(file) => {
                let bytes = lines.len() as u64;
                file.append(bytes, &|out| out.write_all(lines)).map(|_| ())
            }
        }
    }

    /// Bytes to write at once.
    fn block(&self) -> usize {
        match self {
            Output::Stream(_) => WRITE_BYTES,
            Output::File(_) => WRITE_BYTES_TO_FILE,
        }
    }
}

struct Writer {
    flat: Flat,
    output: Output,
    /// The name of the output in errors.
    name: String,
    /// The totals as of the last write.
    written: Arc<Mutex<Totals>>,
}

fn lock(done: &Mutex<Totals>) -> MutexGuard<'_, Totals> {
    done.lock().unwrap_or_else(PoisonError::into_inner)
}

impl Target for Writer {
    type Sink = Flat;

    fn sink(&mut self) -> &mut Flat {
        &mut self.flat
    }

    fn after_record(&mut self, done: &Totals, idle: bool) -> anyhow::Result<()> {
        match idle || self.flat.encoded_len() >= self.output.block() {
            true => self.flush(done),
            false => Ok(()),
        }
    }
}

impl Writer {
    /// Writes the encoded events.
    fn flush(&mut self, done: &Totals) -> anyhow::Result<()> {
        let lines = self.flat.take();
        match self.output.write(&lines) {
            Err(e) if e.kind() == io::ErrorKind::BrokenPipe => return Err(OutputClosed.into()),
            written => written.with_context(|| format!("cannot write to {}", self.name))?,
        }
        *lock(&self.written) = *done;
        Ok(())
    }
}
