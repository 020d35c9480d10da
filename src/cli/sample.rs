//! `qtrail sample`.
//!
//! Enters: arguments. Leaves: files, or one file on standard output, and a summary on standard error.

use std::fs::File;
use std::io;
use std::path::Path;

use anyhow::Context;

use super::args::{SampleArgs, SampleFormat};
use super::progress::{Measure, Progress};
use super::{Exit, OutputClosed, count};
use crate::view::numbers::bytes;
use qtrail_sample::{self, Amount, Format, Spec, Summary};

/// Writes a sample trail. `quiet`: no progress bar.
pub fn run(args: SampleArgs, quiet: bool) -> anyhow::Result<Exit> {
    let spec = spec(&args);
    let (summary, destination) = match (&args.dir, &args.output) {
        (Some(dir), _) => (
            into_directory(&spec, dir, quiet)?,
            dir.display().to_string(),
        ),
        (None, Some(file)) if file.as_os_str() != "-" => {
            let written = File::create(file).and_then(|out| qtrail_sample::write_one(&spec, out));
            let summary = written.with_context(|| format!("cannot write {}", file.display()))?;
            (summary, file.display().to_string())
        }
        _ => match qtrail_sample::write_one(&spec, io::stdout().lock()) {
            Err(error) if error.kind() == io::ErrorKind::BrokenPipe => {
                return Err(OutputClosed.into());
            }
            written => (
                written.context("cannot write to standard output")?,
                "standard output".to_owned(),
            ),
        },
    };
    super::eprint(&describe(&summary, &destination));
    Ok(Exit::Done)
}

fn spec(args: &SampleArgs) -> Spec {
    Spec {
        amount: args.size.map_or(Amount::Events(args.events), Amount::Bytes),
        share: args.share,
        seed: args.seed,
        files: args.files,
        format: match args.format {
            SampleFormat::Gz => Format::Gzip,
            SampleFormat::Json => Format::Json,
            SampleFormat::Ndjson => Format::Ndjson,
        },
        end: args.end,
    }
}

fn into_directory(
    spec: &Spec,
    directory: &Path,
    quiet: bool,
) -> Result<Summary, qtrail_sample::Error> {
    let (total, unit) = match spec.amount {
        Amount::Events(n) => (n, Measure::Events),
        Amount::Bytes(n) => (n, Measure::Bytes),
    };
    let progress = Progress::of(Some(total), unit, quiet);
    let summary = qtrail_sample::write(spec, directory, |so_far| {
        let done = match spec.amount {
            Amount::Events(_) => so_far.events,
            Amount::Bytes(_) => so_far.json_bytes,
        };
        progress.at(done, count(so_far.files, "file"));
    });
    progress.finish();
    summary
}

fn describe(summary: &Summary, destination: &str) -> String {
    let amazon_q: u64 = summary.amazon_q.values().sum();
    let mut text = format!(
        "{destination}: {}, {}, {} of them Amazon Q's; {} of JSON, {} on disk\n",
        count(summary.files, "file"),
        count(summary.events, "event"),
        amazon_q,
        bytes(summary.json_bytes),
        bytes(summary.file_bytes),
    );
    for (class, count) in &summary.amazon_q {
        text.push_str(&format!("{count:>12} {}\n", class.as_str()));
    }
    text
}

#[cfg(test)]
mod tests {
    use std::collections::BTreeMap;

    use clap::Parser;

    use super::super::args::{Cli, Command};
    use super::*;
    use qtrail_core::event::amazon_q::Class;

    fn args(line: &[&str]) -> Result<SampleArgs, clap::Error> {
        match Cli::try_parse_from([&["qtrail", "sample"], line].concat())?.command {
            Command::Sample(args) => Ok(args),
            other => panic!("{other:?}"),
        }
    }

    #[test]
    fn arguments_become_the_specification() {
        let typed = [
            "t", "--size", "1MiB", "--share", "2.5", "--seed", "7", "--files", "3",
        ];
        let spec = spec(&args(&[&typed[..], &["--format", "ndjson"]].concat()).unwrap());
        let expected = Spec {
            amount: Amount::Bytes(1 << 20),
            share: 2.5,
            seed: 7,
            files: Some(3),
            format: Format::Ndjson,
            end: qtrail_sample::DEFAULT_END,
        };
        assert_eq!(spec, expected);
    }

    #[test]
    fn invalid_arguments_are_rejected() {
        for line in [
            &["t", "--share", "101"][..],
            &["t", "--end", "tomorrow"],
            &["t", "--files", "0"],
            &["t", "--events", "1", "--size", "1"],
            &[],
        ] {
            assert!(args(line).is_err(), "{line:?}");
        }
    }

    #[test]
    fn the_summary_counts_by_class() {
        let summary = Summary {
            files: 2,
            events: 30,
            json_bytes: 45_678,
            file_bytes: 5_678,
            amazon_q: BTreeMap::from([(Class::Conversation, 4), (Class::OnBehalfOf, 1)]),
        };
        assert_eq!(
            describe(&summary, "trail"),
            "trail: 2 files, 30 events, 5 of them Amazon Q's; 45.7 kB of JSON, 5.7 kB on disk\n\
             \x20          4 conversation\n           1 on_behalf_of\n"
        );
    }
}
