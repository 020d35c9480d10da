//! `qtrail replay`: dead letters once more.

use std::fs::File;
use std::io::{self, BufRead, BufReader, Read};
use std::path::Path;
use std::sync::Arc;
use std::time::Instant;

use anyhow::Context;
use tokio::sync::mpsc;
use tokio::task::JoinSet;
use tokio_util::sync::CancellationToken;

use super::args::ReplayArgs;
use super::files::{self, Outputs};
use super::progress::Progress;
use super::totals::Totals;
use super::{Exit, OutputClosed, stop_on, summary};
use crate::config::Config;
use crate::dead_letter::{Begin, Letter, Line, begins_as_a_letter};
use crate::dead_letter::{OnDamage, Origin};
use crate::export::{Destination, unread};
use crate::pipeline::{Content, Report, Truncation, Unit};
use crate::runtime::shutdown::First;
use crate::sidecar::Sidecar;

/// Records on their way to the collector at a time, and their bytes, unless one alone has more.
const UNDER_WAY: usize = 256;
const BYTES_UNDER_WAY: usize = 16 << 20;

/// Letters that are read ahead.
const AHEAD: usize = 8;

/// Sends dead letters again. `quiet`: no progress bars.
pub async fn run(
    args: ReplayArgs,
    mut config: Config,
    quiet: bool,
    signal: First,
) -> anyhow::Result<Exit> {
    let begun = Instant::now();
    config.dead_letters.begin = match args.dead_letters {
        Some(_) => Begin::Anew,
        None => Begin::AnewWithFirst,
    };
    if args.dead_letters.is_none() {
        config.dead_letters.path = refused_again(&args.file);
    }
    let stop = CancellationToken::new();
    stop_on(signal, &stop, &config);
    let (content, total) = open(&args.file, &written(&config), &stop)?;
    let progress = Progress::new(total, quiet);
    let mut letters = read(BufReader::new(progress.wrap(content)));
    let file = || format!("in {}", args.file.display());
    let mut done = Totals {
        files: 1,
        ..Totals::default()
    };
    // Nothing is made, and nothing sent, before it is known to be a file of dead letters.
    let unread = async {
        match config.export.destination {
            Destination::Stdout => unread(io::stdout()).await,
            _ => std::future::pending().await,
        }
    };
    let first = tokio::select! {
        first = letters.recv() => first,
        () = unread => return Err(OutputClosed.into()),
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
    summary::print(args.summary, &done, begun.elapsed());
    Ok(done.exit())
}

/// What is written, and so must not be read too: what is refused again, the output.
fn written(config: &Config) -> Outputs {
    let mut written = Outputs::default();
    written.letters(&config.dead_letters);
    match &config.export.destination {
        Destination::File(path) => written.paths.push(path.clone()),
        Destination::Stdout => written.stdout(),
        Destination::Otlp { .. } | Destination::Discard => {}
    }
    written
}

/// The bytes of a file until `stop`, and how many it has.
fn open(
    file: &Path,
    written: &Outputs,
    stop: &CancellationToken,
) -> anyhow::Result<(Box<dyn Read + Send>, Option<u64>)> {
    if file.as_os_str() == "-" {
        written.refuse(file, &files::stdin_metadata()?)?;
        return Ok((files::stdin(false, stop)?.0, None));
    }
    let cannot = || format!("cannot read {}", file.display());
    let content = File::open(file).with_context(cannot)?;
    let there = content.metadata().with_context(cannot)?;
    written.refuse(file, &there)?;
    let total = there.is_file().then_some(there.len());
    let (content, _) = files::read(content, false, stop).with_context(cannot)?;
    Ok((content, total))
}

fn refused_again(file: &Path) -> std::path::PathBuf {
    let mut path = match file.as_os_str() == "-" {
        true => "dead-letters.jsonl".into(),
        false => file.as_os_str().to_owned(),
    };
    path.push(".replay");
    path.into()
}

/// A letter with the number of its line, from 1.
type Numbered = anyhow::Result<(usize, Letter)>;

/// Reads letters on a thread of its own, since a pipe may be silent.
fn read(lines: impl BufRead + Send + 'static) -> mpsc::Receiver<Numbered> {
    let (sender, receiver) = mpsc::channel(AHEAD);
    tokio::task::spawn_blocking(move || {
        for letter in letters(lines) {
            if sender.blocking_send(letter).is_err() {
                break;
            }
        }
    });
    receiver
}

/// The letters of a dead-letter file.
fn letters(mut lines: impl BufRead) -> impl Iterator<Item = Numbered> {
    let lines = std::iter::from_fn(move || match line(&mut lines) {
        Ok(line) if line.is_empty() => None,
        line => Some(line),
    });
    lines.zip(1..).flat_map(|(line, number)| {
        let letters = line
            .with_context(|| format!("cannot read line {number}"))
            .and_then(|line| parse(&line).with_context(|| format!("line {number} is no dead letter (a file of dead letters has one JSON object a line; `qtrail convert` reads CloudTrail's own files)")));
        match letters {
            Ok(letters) => letters.into_iter().map(|l| Ok((number, l))).collect(),
            Err(e) => vec![Err(e)],
        }
    })
}

/// The next line; nothing at the end. Of what begins otherwise than a letter it is the first byte: there
/// may be no line's end at all.
fn line(lines: &mut impl BufRead) -> io::Result<Vec<u8>> {
    let mut line = Vec::new();
    match lines.fill_buf()?.first() {
        Some(&first) if first != b'{' && !first.is_ascii_whitespace() => {
            lines.consume(1);
            line.push(first);
        }
        _ => drop(lines.read_until(b'\n', &mut line)?),
    };
    Ok(line)
}

fn parse(line: &[u8]) -> anyhow::Result<Vec<Letter>> {
    match serde_json::from_slice::<Line>(line) {
        _ if line.trim_ascii().is_empty() => Ok(Vec::new()),
        Ok(line) => match line.into_letters() {
            letters if letters.is_empty() => anyhow::bail!("it names no record"),
            letters => Ok(letters),
        },
        Err(error) if error.is_eof() && !line.ends_with(b"\n") && begins_as_a_letter(line) => {
            tracing::warn!(
                "the last line is not finished, and left out: it is being written, or a crash left it before its record was acknowledged"
            );
            Ok(Vec::new())
        }
        Err(error) => Err(error.into()),
    }
}

async fn each(
    first: (usize, Letter),
    mut letters: mpsc::Receiver<Numbered>,
    sidecar: &Sidecar,
    stop: &CancellationToken,
    done: &mut Totals,
) -> anyhow::Result<()> {
    let mut under_way = UnderWay::default();
    let mut next = Some(Ok(first));
    let mut spoilt = Ok(());
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
                spoilt = Err(error);
                break;
            }
            Ok((number, source, sha256, None)) => {
                tracing::error!(
                    line = number,
                    source,
                    sha256,
                    "this line does not hold the record: mend its source, then `qtrail convert` that"
                );
                done.counts.read += 1;
                done.counts.dead_lettered += 1;
            }
            Ok((_, _, _, Some((unit, bytes)))) => {
                while under_way.is_full(bytes) {
                    under_way.join(done, stop).await;
                }
                let pipeline = match before {
                    Some(before) => sidecar.pipeline.replaying(before),
                    None => sidecar.pipeline.clone(),
                };
                under_way.bytes += bytes;
                under_way.units.spawn(async move {
                    let name = Arc::clone(&unit.origin.name);
                    (name, bytes, pipeline.deliver(unit).await)
                });
            }
        }
        next = letters.recv().await;
    }
    while !under_way.units.is_empty() {
        under_way.join(done, stop).await;
    }
    spoilt
}

/// What is on its way.
#[derive(Default)]
struct UnderWay {
    units: JoinSet<(Arc<str>, usize, Report)>,
    bytes: usize,
}

impl UnderWay {
    fn is_full(&self, more: usize) -> bool {
        let beyond = self.bytes + more > BYTES_UNDER_WAY;
        self.units.len() >= UNDER_WAY || beyond && !self.units.is_empty()
    }

    async fn join(&mut self, done: &mut Totals, stop: &CancellationToken) {
        match self.units.join_next().await {
            Some(Ok((name, bytes, report))) => {
                self.bytes -= bytes;
                // The file is the letters', not their records'.
                let files = done.files;
                done.take(&name, &report, stop);
                done.files = files;
            }
            Some(Err(_)) => done.failed = true,
            None => {}
        }
    }
}

/// The unit that a letter holds, at its old place, and its bytes; `None` where only its hash was
/// kept.
fn unit(letter: Letter) -> anyhow::Result<Option<(Unit, usize)>> {
    let origin = Origin {
        input: "replay",
        name: letter.source.as_str().into(),
        observed: letter.observed_time_unix_nano,
        on_damage: OnDamage::KeepWhole,
    };
    let base = letter.offset;
    let record = letter.into_bytes().context("record_base64 is no base64")?;
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
    fn each_record_of_each_line_is_found_and_a_spoilt_line_is_named() {
        let file = concat!(
            r#"{"stage":"parse","reason":"bad_time","message":"m","input":"directory","source":"a","index":1,"offset":5,"length":2,"observed_time_unix_nano":9,"record":"{}"}"#,
            "\n\n",
            r#"{"stage":"export","reason":"uncertain","message":"m","uncertain":true,"records":[{"input":"directory","source":"b","index":0,"offset":0,"length":2,"record":"{}"},{"input":"directory","source":"c","index":0,"offset":0,"length":1,"record_base64":"/w=="}]}"#,
            "\n{\"half\n{\"stage\":\"par"
        );
        let read: Vec<_> = letters(file.as_bytes()).collect();
        let sources: Vec<_> = read[..3]
            .iter()
            .map(|l| l.as_ref().unwrap().1.source.clone())
            .collect();
        assert_eq!(sources, ["a", "b", "c"]);
        let (first, bytes) = unit(read[0].as_ref().unwrap().1.clone()).unwrap().unwrap();
        assert_eq!((first.base, first.origin.observed), (5, Some(9)));
        assert_eq!(bytes, 2);
        assert!(read[3].as_ref().unwrap_err().to_string().contains("line 4"));
        assert_eq!(read.len(), 4, "the last line is not finished");
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
