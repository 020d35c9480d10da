//! `qtrail replay`: dead letters once more.

use std::fs::File;
use std::io::{BufRead, BufReader, Cursor, Read};
use std::path::Path;
use std::sync::Arc;
use std::time::Instant;

use anyhow::Context;
use bytes::Bytes;
use tokio::task::JoinSet;
use tokio_util::sync::CancellationToken;

use super::args::ReplayArgs;
use super::convert::Done;
use super::progress::Progress;
use super::{Exit, summary};
use crate::ack::Origin;
use crate::ack::dead_letter::{Letter, Line};
use crate::config::Config;
use crate::pipeline::{Content, Counts, Report, Truncation, Unit};
use crate::shutdown;
use crate::sidecar::Sidecar;

/// Records on their way to the collector at a time.
const UNDER_WAY: usize = 256;

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
fn letters(lines: impl BufRead) -> impl Iterator<Item = anyhow::Result<(usize, Letter)>> {
    lines.split(b'\n').enumerate().flat_map(|(i, line)| {
        let number = i + 1;
        let parsed = line
            .map_err(anyhow::Error::from)
            .and_then(|line| match line.trim_ascii() {
                [] => Ok(Vec::new()),
                line => Ok(serde_json::from_slice::<Line>(line)?.into_letters()),
            });
        match parsed.with_context(|| format!("line {number} is no dead letter")) {
            Ok(letters) => letters.into_iter().map(|l| Ok((number, l))).collect(),
            Err(e) => vec![Err(e)],
        }
    })
}

async fn each(
    letters: impl Iterator<Item = anyhow::Result<(usize, Letter)>>,
    sidecar: &Sidecar,
    stop: &CancellationToken,
) -> anyhow::Result<Done> {
    let mut done = Done::default();
    let mut under_way = JoinSet::new();
    for letter in letters {
        if stop.is_cancelled() {
            break;
        }
        let (number, letter) = letter?;
        let Some(unit) = unit(&letter).with_context(|| format!("line {number}"))? else {
            tracing::error!(
                line = number,
                source = letter.source,
                sha256 = letter.record_sha256,
                "this line does not hold the record: mend its source, then `qtrail convert` that"
            );
            done.counts.add(&Counts {
                read: 1,
                dead_lettered: 1,
                ..Counts::default()
            });
            continue;
        };
        if under_way.len() == UNDER_WAY {
            join(&mut under_way, &mut done).await;
        }
        let pipeline = sidecar.pipeline.clone();
        under_way.spawn(async move { (unit.origin.name.clone(), pipeline.deliver(unit).await) });
    }
    while !under_way.is_empty() {
        join(&mut under_way, &mut done).await;
    }
    Ok(done)
}

async fn join(under_way: &mut JoinSet<(Arc<str>, Report)>, done: &mut Done) {
    match under_way.join_next().await {
        Some(Ok((name, report))) => done.take(&name, &report),
        Some(Err(_)) => done.failed = true,
        None => {}
    }
}

/// The unit that a letter holds, at its old place; `None` where only its hash was kept.
fn unit(letter: &Letter) -> anyhow::Result<Option<Unit>> {
    let Some(bytes) = letter.bytes().context("record_base64 is no base64")? else {
        return Ok(None);
    };
    Ok(Some(Unit {
        origin: Origin {
            input: "replay",
            name: letter.source.as_str().into(),
            observed: letter.observed_time_unix_nano,
        },
        content: Content::twice(Cursor::new(Bytes::from(bytes))),
        base: letter.offset,
        truncation: Truncation::Reject,
        inflated_bytes: None,
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
            "\n{\"half\n"
        );
        let read: Vec<_> = letters(file.as_bytes()).collect();
        let sources: Vec<_> = read[..3]
            .iter()
            .map(|l| l.as_ref().unwrap().1.source.clone())
            .collect();
        assert_eq!(sources, ["a", "b", "c"]);
        let first = unit(&read[0].as_ref().unwrap().1).unwrap().unwrap();
        assert_eq!((first.base, first.origin.observed), (5, Some(9)));
        assert!(read[3].as_ref().unwrap_err().to_string().contains("line 4"));
    }

    #[test]
    fn a_letter_without_its_record_is_no_unit() {
        let letter = Letter {
            record_sha256: Some("00".into()),
            ..Letter::default()
        };
        assert!(unit(&letter).unwrap().is_none());
    }
}
