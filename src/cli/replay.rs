//! `qtrail replay`: dead letters once more.

use std::fs::File;
use std::io::{BufRead, BufReader, Read};
use std::path::Path;
use std::sync::Arc;
use std::time::Instant;

use anyhow::Context;
use tokio::task::JoinSet;
use tokio_util::sync::CancellationToken;

use super::args::ReplayArgs;
use super::convert::Done;
use super::progress::Progress;
use super::{Exit, summary};
use crate::ack::dead_letter::{Letter, Line};
use crate::ack::{OnDamage, Origin};
use crate::config::Config;
use crate::pipeline::{Content, Counts, Report, Truncation, Unit};
use crate::shutdown;
use crate::sidecar::Sidecar;

/// Records on their way to the collector at a time, and their bytes, unless one alone has more.
const UNDER_WAY: usize = 256;
const BYTES_UNDER_WAY: usize = 16 << 20;

/// Sends dead letters again. `quiet`: no progress bars.
pub async fn run(args: ReplayArgs, mut config: Config, quiet: bool) -> anyhow::Result<Exit> {
    let begun = Instant::now();
    if args.dead_letters.is_none() {
        config.dead_letters.path = refused_again(&args.file);
    }
    let from_stdin = args.file.as_os_str() == "-";
    let (content, total): (Box<dyn Read + Send>, _) = if from_stdin {
        (Box::new(std::io::stdin()), None)
    } else {
        let file = File::open(&args.file)
            .with_context(|| format!("cannot read {}", args.file.display()))?;
        let total = file.metadata()?.len();
        (Box::new(file), Some(total))
    };
    let progress = Progress::new(total, quiet);
    let stop = CancellationToken::new();
    shutdown::on_signals(stop.clone())?;
    let sidecar = Sidecar::start(&config, Arc::default(), true)?;
    let letters = letters(BufReader::new(progress.wrap(content)));
    let work = each(letters, &sidecar, &stop);
    let done = shutdown::drain(work, &stop, &sidecar.abort, config.shutdown).await;
    progress.finish();
    let mut done = done
        .unwrap_or_else(|| {
            Ok(Done {
                failed: true,
                ..Done::default()
            })
        })
        .with_context(|| format!("in {}", args.file.display()))?;
    done.failed |= stop.is_cancelled();
    summary::tell(args.summary, 1, &done.counts, begun.elapsed());
    Ok(done.exit())
}

fn refused_again(file: &Path) -> std::path::PathBuf {
    let mut path = match file.as_os_str() == "-" {
        true => "dead-letters.jsonl".into(),
        false => file.as_os_str().to_owned(),
    };
    path.push(".replay");
    path.into()
}

/// The letters of a dead-letter file, each with the number of its line, from 1.
fn letters(mut lines: impl BufRead) -> impl Iterator<Item = anyhow::Result<(usize, Letter)>> {
    let lines = std::iter::from_fn(move || {
        let mut line = Vec::new();
        match lines.read_until(b'\n', &mut line) {
            Ok(0) => None,
            Ok(_) => Some(Ok(line)),
            Err(error) => Some(Err(error)),
        }
    });
    lines.zip(1..).flat_map(|(line, number)| {
        let parsed = line
            .map_err(anyhow::Error::from)
            .and_then(|line| parse(&line));
        match parsed.with_context(|| format!("line {number} is no dead letter")) {
            Ok(letters) => letters.into_iter().map(|l| Ok((number, l))).collect(),
            Err(e) => vec![Err(e)],
        }
    })
}

fn parse(line: &[u8]) -> anyhow::Result<Vec<Letter>> {
    match serde_json::from_slice::<Line>(line) {
        _ if line.trim_ascii().is_empty() => Ok(Vec::new()),
        Ok(line) => Ok(line.into_letters()),
        Err(error) if error.is_eof() && !line.ends_with(b"\n") => {
            tracing::warn!(
                "the last line is not finished, and left out: it is being written, or a crash left it before its record was acknowledged"
            );
            Ok(Vec::new())
        }
        Err(error) => Err(error.into()),
    }
}

async fn each(
    letters: impl Iterator<Item = anyhow::Result<(usize, Letter)>>,
    sidecar: &Sidecar,
    stop: &CancellationToken,
) -> anyhow::Result<Done> {
    let mut done = Done::default();
    let mut under_way = UnderWay::default();
    let mut spoilt = None;
    for letter in letters {
        if stop.is_cancelled() {
            break;
        }
        let read = letter.and_then(|(number, letter)| {
            let (source, sha256) = (letter.source.clone(), letter.record_sha256.clone());
            let unit = unit(letter).with_context(|| format!("line {number}"))?;
            Ok((number, source, sha256, unit))
        });
        let (number, source, sha256, unit) = match read {
            Ok(read) => read,
            Err(error) => {
                spoilt = Some(error);
                break;
            }
        };
        let Some((unit, bytes)) = unit else {
            tracing::error!(
                line = number,
                source,
                sha256,
                "this line does not hold the record: mend its source, then `qtrail convert` that"
            );
            done.counts.add(&Counts {
                read: 1,
                dead_lettered: 1,
                ..Counts::default()
            });
            continue;
        };
        while under_way.is_full(bytes) {
            under_way.join(&mut done).await;
        }
        let pipeline = sidecar.pipeline.clone();
        under_way.bytes += bytes;
        under_way.units.spawn(async move {
            let name = Arc::clone(&unit.origin.name);
            (name, bytes, pipeline.deliver(unit).await)
        });
    }
    while !under_way.units.is_empty() {
        under_way.join(&mut done).await;
    }
    match spoilt {
        Some(error) => Err(error),
        None => Ok(done),
    }
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

    async fn join(&mut self, done: &mut Done) {
        match self.units.join_next().await {
            Some(Ok((name, bytes, report))) => {
                self.bytes -= bytes;
                done.take(&name, &report);
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
