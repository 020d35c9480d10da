//! The arguments of `qtrail report`.

use std::path::{Path, PathBuf};

use clap::builder::NonEmptyStringValueParser;
use clap::{Args, ValueEnum, ValueHint};

use super::when::When;
use super::{SelectArgs, exit};

/// Show what agents did: for whom, in which conversation, through which service, what was denied.
///
/// Reads any container of CloudTrail events, compressed or not, in any order. Sends nothing, keeps no
/// state. An event that was delivered twice is shown once.
///
/// A call belongs to a conversation if its record says so, or if the record of a tool call lists its
/// request id: these are exact. A call that Amazon Q made has no such id; the nearest message of the same
/// person and account within 5 minutes is shown as `inferred`, with the seconds between them. If two
/// conversations are equally near, none is shown.
///
/// WRITE: a call that changes something if it succeeds (readOnly: false).
#[derive(Debug, Clone, Args)]
#[command(after_help = exit::help("report", "\
Examples:
  qtrail report trail/                             # everything, by person
  qtrail report trail/ --denied                    # what was denied, and why
  qtrail report trail/ --writes --from 7d          # what changed in a week
  qtrail report trail/ --conversation a298ec0d
  qtrail report trail/ --person mary_major --format html -o mary_major.html
  qtrail report s3://my-trail/AWSLogs/111122223333/CloudTrail/us-east-1/2026/11/
  qtrail report trail/ --format csv -o events.csv  # a row for each event
  qtrail report trail/ --format json | jq '.events[] | .action'

A bucket needs a qtrail that was built with the feature `aws`. All objects below the prefix are read.
Columns of CSV and fields of JSON: docs/report.md"))]
pub struct ReportArgs {
    /// Files, directories (including their subdirectories), `s3://BUCKET/PREFIX`, or `-` for standard input
    #[arg(value_name = "PATH", required = true, value_hint = ValueHint::AnyPath)]
    pub paths: Vec<PathBuf>,

    /// Only this person: a name, an id (with --identities, any of theirs) or an ARN; repeatable
    #[arg(long = "person", value_name = "WHO", value_parser = NonEmptyStringValueParser::new(), help_heading = "Filters")]
    pub people: Vec<String>,

    /// Only this conversation: its id or the first characters of it; repeatable
    #[arg(long = "conversation", value_name = "ID", value_parser = NonEmptyStringValueParser::new(), help_heading = "Filters")]
    pub conversations: Vec<String>,

    /// Only agents with this text in their names, such as `kiro`; repeatable
    #[arg(long = "agent", value_name = "NAME", value_parser = NonEmptyStringValueParser::new(), help_heading = "Filters")]
    pub agents: Vec<String>,

    /// Only what was denied
    #[arg(long, help_heading = "Filters")]
    pub denied: bool,

    /// Only calls that change something if they succeed, denied ones included
    #[arg(long, help_heading = "Filters")]
    pub writes: bool,

    /// Only events from this time on: a day in UTC (2026-11-01), a time (2026-11-01T06:00:00Z) or an age
    /// (7d, 36h)
    #[arg(long, value_name = "TIME", value_parser = When::parse, help_heading = "Filters")]
    pub from: Option<When>,

    /// Only events before this time; a day is meant to its end
    #[arg(long, value_name = "TIME", value_parser = When::parse, help_heading = "Filters")]
    pub to: Option<When>,

    /// The selection of events.
    #[command(flatten)]
    pub select: SelectArgs,

    /// A CSV file that says who is who, with lines of `id,name[,alias…]`: people are shown by their names, and as one
    /// person with all of their ids [env: QTRAIL_IDENTITIES]
    #[arg(long, value_name = "FILE", value_hint = ValueHint::FilePath, help_heading = "Event selection")]
    pub identities: Option<PathBuf>,

    /// The format of the report
    #[arg(long, value_enum, default_value_t, help_heading = "Output")]
    pub format: ReportFormat,

    /// `-` (standard output) or a file (overwritten) [default: -]
    #[arg(long, short, value_name = "FILE", value_hint = ValueHint::FilePath, help_heading = "Output")]
    pub output: Option<PathBuf>,
}

impl ReportArgs {
    /// The file to write; `None` for standard output.
    pub fn file(&self) -> Option<&Path> {
        let file = self.output.as_deref();
        file.filter(|file| file.as_os_str() != "-")
    }
}

/// The format of a report.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default, ValueEnum)]
pub enum ReportFormat {
    /// For a terminal, within 80 columns
    #[default]
    Table,
    /// One row for each event, for a spreadsheet
    Csv,
    /// One object, for jq and scripts
    Json,
    /// One file to mail and to print
    Html,
}
