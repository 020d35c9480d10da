//! `qtrail replay`: sends dead letters again.

mod letters;

use std::fs::File;
use std::io::{self, BufReader, Read};
use std::path::Path;
use std::sync::Arc;
use std::time::Instant;

use anyhow::Context;
use tokio::sync::mpsc;
use tokio::task::JoinSet;
use tokio_util::sync::CancellationToken;

use self::letters::Numbered;
use super::args::ReplayArgs;
use super::files::{self, Outputs};
use super::progress::Progress;
use super::totals::Totals;
use super::{Exit, OutputClosed, stop_on, summary};
use crate::config::Config;
use crate::dead_letter::{Begin, Letter};
use crate::dead_letter::{OnDamage, Origin};
use crate::export::{Destination, unread};
use crate::pipeline::{Content, Report, Truncation, Unit};
use crate::runtime::shutdown::First;
use crate::sidecar::Sidecar;

/// Records in flight at a time, and their bytes, unless a single record is larger.
const MAX_IN_FLIGHT: usize = 256;
const MAX_BYTES_IN_FLIGHT: usize = 16 << 20;

/// Sends dead letters again. `quiet`: no progress bars.
pub async fn run(
    args: ReplayArgs,
    mut config: Config,
    quiet: bool,
    signal: First,
) -> anyhow::Result<Exit> {
    let start = Instant::now();
    config.dead_letters.begin = match args.dead_letters {
        Some(_) => Begin::Anew,
        None => Begin::AnewWithFirst,
    };
    if args.dead_letters.is_none() {
        config.dead_letters.path = rejected_again(&args.file);
    }
    let stop = CancellationToken::new();
    stop_on(signal, &stop, &config);
    let content = open(&args.file, &outputs(&config), &stop)?;
    let progress = Progress::over(std::slice::from_ref(&args.file), quiet);
    let mut letters = letters::read(BufReader::new(progress.wrap(content)));
    let file = || format!("in {}", args.file.display());
    let mut done = Totals {
        files: 1,
        ..Totals::default()
    };
    // Nothing is created or sent before the file is known to hold dead letters.
    let reader_gone = async {
        match config.export.destination {
            Destination::Stdout => unread(io::stdout()).await,
            _ => std::future::pending().await,
        }
    };
    let first = tokio::select! {
        first = letters.recv() => first,
        () = reader_gone => return Err(OutputClosed.into()),
    };
    let first = match first {
        Some(Err(_)) if stop.is_cancelled() => None,
        first => first.transpose().with_context(file)?,
    };
    if let Some(first) = first {
        let sidecar = Sidecar::start(&config, Arc::default(), true)?;
        let work = each(first, letters, &sidecar, &stop, &mut done);
        let drained = sidecar.drain(work, &stop, config.shutdown).await;
        let unfinished = drained.output.is_none().then_some(&*sidecar.metrics);
        progress.finish();
        done.end(drained.end, &stop, unfinished)?;
        drained.output.unwrap_or(Ok(())).with_context(file)?;
    } else {
        progress.finish();
        done.end(None, &stop, None)?;
    }
    let letters = &config.dead_letters.path;
    summary::print(args.summary, &done, start.elapsed(), Some(letters));
    Ok(done.exit())
}

/// The files that are written, which must not be read.
fn outputs(config: &Config) -> Outputs {
    let mut outputs = Outputs::default();
    outputs.add_dead_letters(&config.dead_letters);
    match &config.export.destination {
        Destination::File(path) => outputs.paths.push(path.clone()),
        Destination::Stdout => outputs.add_stdout(),
        Destination::Otlp { .. } | Destination::Discard => {}
    }
    outputs
}

/// The bytes of a file until `stop`.
fn open(
    file: &Path,
    outputs: &Outputs,
    stop: &CancellationToken,
) -> anyhow::Result<Box<dyn Read + Send>> {
    if file.as_os_str() == "-" {
        outputs.reject(file, &files::stdin_metadata()?)?;
        return Ok(files::stdin(false, stop)?.0);
    }
    let cannot = || format!("cannot read {}", file.display());
    let content = File::open(file).with_context(cannot)?;
    let metadata = content.metadata().with_context(cannot)?;
    outputs.reject(file, &metadata)?;
    let (content, _) = files::read(content, false, stop).with_context(cannot)?;
    Ok(content)
}

fn rejected_again(file: &Path) -> std::path::PathBuf {
    let mut path = match file.as_os_str() == "-" {
        true => "dead-letters.jsonl".into(),
        false => file.as_os_str().to_owned(),
    };
    path.push(".replay");
    path.into()
}

async fn each(
    first: (usize, Letter),
    mut letters: mpsc::Receiver<Numbered>,
    sidecar: &Sidecar,
    stop: &CancellationToken,
    done: &mut Totals,
) -> anyhow::Result<()> {
    let mut in_flight = InFlight::default();
    let mut next = Some(Ok(first));
    let mut result = Ok(());
    while let Some(letter) = next.take() {
        if stop.is_cancelled() {
            break;
        }
        let before = letter.as_ref().ok().map(|(_, letter)| letter.before());
        let read = letter.and_then(|(number, letter)| {
            let (source, sha256) = (letter.source.clone(), letter.record_sha256.clone());
            let unit = unit(letter).with_context(|| format!("line {number}"))?;
            Ok((number, source, sha256, unit))
        });
        match read {
            Err(error) => {
                result = Err(error);
                break;
            }
            Ok((number, source, sha256, None)) => {
                tracing::error!(
                    line = number,
                    source,
                    sha256,
                    "this line does not hold the record: fix the record in its source, then run `qtrail convert` on that"
                );
                done.counts.read += 1;
                done.counts.dead_lettered += 1;
            }
            Ok((_, _, _, Some((unit, bytes)))) => {
                while in_flight.is_full(bytes) {
                    in_flight.join(done, stop).await;
                }
                let pipeline = match before {
                    Some(before) => sidecar.pipeline.replaying(before),
                    None => sidecar.pipeline.clone(),
                };
                in_flight.bytes += bytes;
                in_flight.units.spawn(async move {
                    let name = Arc::clone(&unit.origin.name);
                    (name, bytes, pipeline.deliver(unit).await)
                });
            }
        }
        next = letters.recv().await;
    }
    while !in_flight.units.is_empty() {
        in_flight.join(done, stop).await;
    }
    result
}

/// Records being delivered.
#[derive(Default)]
struct InFlight {
    units: JoinSet<(Arc<str>, usize, Report)>,
    bytes: usize,
}

impl InFlight {
    fn is_full(&self, more: usize) -> bool {
        let beyond = self.bytes + more > MAX_BYTES_IN_FLIGHT;
        self.units.len() >= MAX_IN_FLIGHT || beyond && !self.units.is_empty()
    }

    async fn join(&mut self, done: &mut Totals, stop: &CancellationToken) {
        match self.units.join_next().await {
            Some(Ok((name, bytes, report))) => {
                self.bytes -= bytes;
                // All records are from one file of dead letters.
                let files = done.files;
                done.add(&name, &report, stop);
                done.files = files;
            }
            Some(Err(_)) => done.failed = true,
            None => {}
        }
    }
}

/// The unit in a dead letter, at its original position, and its bytes; `None` if only its hash was kept.
fn unit(letter: Letter) -> anyhow::Result<Option<(Unit, usize)>> {
    let origin = Origin {
        input: "replay",
        name: letter.source.as_str().into(),
        observed: letter.observed_time_unix_nano,
        on_damage: OnDamage::KeepWhole,
    };
    let base = letter.offset;
    let record = letter.into_bytes().context("record_base64 is not base64")?;
    Ok(record.map(|record| {
        let bytes = record.len();
        let unit = Unit {
            origin,
            content: Content::Bytes(record.into()),
            base,
            truncation: Truncation::Reject,
            inflated_bytes: None,
        };
        (unit, bytes)
    }))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn each_record_of_each_line_is_found_and_an_invalid_line_is_named() {
        let file = concat!(
            r#"{"stage":"parse","reason":"bad_time","message":"m","input":"directory","source":"a","index":1,"offset":5,"length":2,"observed_time_unix_nano":9,"record":"{}"}"#,
            "\n\n",
            r#"{"stage":"export","reason":"uncertain","message":"m","uncertain":true,"records":[{"input":"directory","source":"b","index":0,"offset":0,"length":2,"record":"{}"},{"input":"directory","source":"c","index":0,"offset":0,"length":1,"record_base64":"/w=="}]}"#,
            "\n{\"half\n{\"stage\":\"par"
        );
        let read: Vec<_> = letters::letters(file.as_bytes()).collect();
        let sources: Vec<_> = read[..3]
            .iter()
            .map(|l| l.as_ref().unwrap().1.source.clone())
            .collect();
        assert_eq!(sources, ["a", "b", "c"]);
        let (first, bytes) = unit(read[0].as_ref().unwrap().1.clone()).unwrap().unwrap();
        assert_eq!((first.base, first.origin.observed), (5, Some(9)));
        assert_eq!(bytes, 2);
        assert!(read[3].as_ref().unwrap_err().to_string().contains("line 4"));
        assert_eq!(read.len(), 4, "the last line is incomplete");
    }

    #[test]
    fn a_letter_without_its_record_is_no_unit() {
        let letter = Letter {
            record_sha256: Some("00".into()),
            ..Letter::default()
        };
        assert!(unit(letter).unwrap().is_none());
    }
}
