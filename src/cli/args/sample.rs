//! The arguments of `qtrail demo` and `qtrail sample`.

use std::path::PathBuf;

use clap::builder::PossibleValuesParser;
use clap::{Args, ValueEnum, ValueHint};

use super::exit;
use crate::config::{keys, value};

/// See qtrail work on a small sample trail, without a server or an account.
///
/// Writes the trail to a temporary directory, runs the real pipeline on it with a collector inside
/// this process, and prints what arrived: conversations, calls that Amazon Q made, a dead letter with
/// its reason, a duplicate, and the balance. The ids of events, conversations and sessions are new at each
/// run.
#[derive(Debug, Clone, Default, Args)]
#[command(after_help = exit::help("demo", "\
Examples:
  qtrail demo
  qtrail demo --endpoint http://localhost:4317   # also send to a real collector
  qtrail demo --endpoint http://localhost:4317 --signals traces
  qtrail demo --dir /tmp/trail                   # keep the files"))]
pub struct DemoArgs {
    /// Also send the events to this collector (gRPC)
    #[arg(long, value_name = "URL", value_hint = ValueHint::Url)]
    pub endpoint: Option<String>,

    /// Signals to send to it, separated by commas [default: logs,traces]
    #[arg(long, value_name = "SIGNALS", requires = "endpoint", value_delimiter = ',', value_parser = PossibleValuesParser::new(keys::SIGNALS))]
    pub signals: Vec<String>,

    /// Write the trail to this new directory and keep it
    #[arg(long, value_name = "DIR", value_hint = ValueHint::DirPath)]
    pub dir: Option<PathBuf>,
}

/// Write a sample trail of any size, for trials and load tests.
///
/// The same arguments give the same bytes on every machine.
#[derive(Debug, Clone, Args)]
#[command(after_help = exit::help("sample", "\
Examples:
  qtrail sample trail/ --events 10000 --end now
  qtrail sample -o - --events 20 --share 100 --format json | qtrail convert -
  qtrail sample trail/ --size 1GiB --share 2 --seed 7"))]
#[command(group = clap::ArgGroup::new("where").required(true))]
pub struct SampleArgs {
    /// The directory for the log files, which are named as CloudTrail names them
    #[arg(value_name = "DIR", group = "where", value_hint = ValueHint::DirPath)]
    pub dir: Option<PathBuf>,

    /// Write a single file instead (`-`: standard output)
    #[arg(long, short, value_name = "FILE", group = "where", conflicts_with = "files", value_hint = ValueHint::FilePath)]
    pub output: Option<PathBuf>,

    /// Number of events
    #[arg(
        long,
        value_name = "N",
        default_value_t = 1_000,
        conflicts_with = "size"
    )]
    pub events: u64,

    /// Bytes of JSON instead of a number of events, such as 100MiB
    #[arg(long, value_name = "BYTES", value_parser = value::size)]
    pub size: Option<u64>,

    /// Percentage of Amazon Q events; with --events, above 0 is at least one
    #[arg(long, value_name = "PERCENT", default_value_t = 10.0, value_parser = percent)]
    pub share: f64,

    /// Seed of the generated values
    #[arg(long, value_name = "N", default_value_t = 1)]
    pub seed: u64,

    /// Number of files [default: the square root of the number of events]
    #[arg(long, value_name = "N", value_parser = clap::value_parser!(u64).range(1..))]
    pub files: Option<u64>,

    /// Format of the files
    #[arg(long, value_enum, default_value_t)]
    pub format: SampleFormat,

    /// Delivery time of the last file: an RFC 3339 time, or `now`
    #[arg(long, value_name = "TIME", default_value = "2026-01-15T12:00:00Z", value_parser = time_or_now)]
    pub end: i64,
}

/// The format of `sample`'s files.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default, ValueEnum)]
pub enum SampleFormat {
    /// `{"Records":[…]}`, compressed, as CloudTrail writes it
    #[default]
    Gz,
    /// `{"Records":[…]}`
    Json,
    /// One event per line
    Ndjson,
}

fn percent(text: &str) -> Result<f64, String> {
    match text.parse() {
        Ok(percent) if (0.0..=100.0).contains(&percent) => Ok(percent),
        _ => Err("write a number from 0 to 100".to_owned()),
    }
}

/// Seconds since 1970.
fn time_or_now(text: &str) -> Result<i64, String> {
    if text == "now" {
        return Ok(jiff::Timestamp::now().as_second());
    }
    let time: jiff::Timestamp = text
        .parse()
        .map_err(|_| "write it like 2026-01-31T00:00:00Z, or `now`".to_owned())?;
    Ok(time.as_second())
}
