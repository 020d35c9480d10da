//! The arguments of `qtrail backfill`.

use std::path::PathBuf;

use clap::builder::{NonEmptyStringValueParser, PossibleValuesParser};
use clap::{Args, ValueHint};
use globset::{Glob, GlobBuilder};

use super::when::When;
use super::{ExportArgs, GiveUpArgs, ManifestArgs, SelectArgs, Summary, VerificationArgs, exit};
use crate::input::backfill::{Named, backend_limits};
use qtrail_core::convert::is_account;

/// Deliver existing files once, from a directory or an S3 bucket, between two times, oldest first.
///
/// Lists only folders that can hold matching files, by the layout of CloudTrail's keys, then delivers
/// file by file, at least once. Progress is saved: after a stop, a kill or an error, the same command
/// resumes, and a later one over the same source skips finished files.
///
/// Times refer to when CloudTrail delivered a file (the time in its name, else its modification
/// time), which is 3 to 15 minutes after its events. TIME is a day in UTC (2026-11-01; --from means
/// its start, --to its end), a moment (2026-11-01T06:00:00Z), or an age (7d, 36h).
#[derive(Debug, Clone, Args)]
#[command(after_help = exit::help("backfill", "\
Examples:
  qtrail backfill s3://my-trail --from 2026-11-01 --to 2026-11-07 --dry-run
  qtrail backfill s3://my-trail --from 2026-11-01 --to 2026-11-07 --endpoint http://localhost:4317
  qtrail backfill s3://my-trail/AWSLogs/o-a1b2c3d4e5 --from 7d --account 111122223333 --region us-east-1
  qtrail backfill /var/log/cloudtrail --from 36h --to 2h --signals logs --rate 500

SOURCE may be any level of the layout [prefix/]AWSLogs/[o-<org>/]<account>/CloudTrail/<region>/Y/M/D/,
a folder above it, or a single file. Paths only give time, account and region; whether a file has
events depends on its content. Skipped files are counted and listed.
An age such as --from 7d is counted from the first run until everything is delivered.

SIGTERM, SIGINT, SIGQUIT or SIGHUP stops reading, waits for the collector (shutdown.timeout, 15 s)
and exits with code 1. A second signal exits at once."))]
pub struct BackfillArgs {
    /// A directory, a file, s3://BUCKET, s3://BUCKET/PREFIX or s3://BUCKET/KEY. S3 needs the `aws`
    /// feature
    #[arg(value_name = "SOURCE", value_parser = Named::parse, value_hint = ValueHint::AnyPath)]
    pub source: Named,

    /// Only files delivered at or after this time
    #[arg(long, value_name = "TIME", value_parser = When::parse, help_heading = "File selection")]
    pub from: When,

    /// Only files delivered up to this time [default: no limit]
    #[arg(long, value_name = "TIME", value_parser = When::parse, help_heading = "File selection")]
    pub to: Option<When>,

    /// Only files of this account; repeatable
    #[arg(long = "account", value_name = "ID", value_parser = account, help_heading = "File selection")]
    pub accounts: Vec<String>,

    /// Only files of this region; repeatable
    #[arg(long = "region", value_name = "REGION", value_parser = NonEmptyStringValueParser::new(), help_heading = "File selection")]
    pub regions: Vec<String>,

    /// Skip folders and files that match this glob, such as '**/vpcflowlogs/**', over the key or the
    /// path below SOURCE; repeatable
    #[arg(long, value_name = "GLOB", value_parser = glob, help_heading = "File selection")]
    pub exclude: Vec<Glob>,

    /// Read finished files again. After a stop, omit this flag to resume
    #[arg(long, help_heading = "File selection")]
    pub again: bool,

    /// The selection of events.
    #[command(flatten)]
    pub select: SelectArgs,

    /// The output.
    #[command(flatten)]
    pub export: ExportArgs,

    /// When to give up.
    #[command(flatten)]
    pub give_up: GiveUpArgs,

    /// Manifest records.
    #[command(flatten)]
    pub manifest: ManifestArgs,

    /// Maximum number of events per second [default: no limit] [env: QTRAIL_EXPORT_RATE_LIMIT]
    #[arg(long, value_name = "N", help_heading = "Output")]
    pub rate: Option<String>,

    /// Maximum time between the oldest and the newest event of a request [default: 24h] [env:
    /// QTRAIL_EXPORT_BATCH_SPREAD]
    #[arg(long, value_name = "DURATION", help_heading = "Output")]
    pub max_spread: Option<String>,

    /// The back end behind the collector, to be warned of its limits on old data with their remedies; `none`: of no
    /// limits; repeatable [default: one line names all whose limits are exceeded]
    #[arg(long = "backend", value_name = "NAME", ignore_case = true, value_parser = PossibleValuesParser::new(backends()), help_heading = "Output")]
    pub backends: Vec<String>,

    /// Assemble conversations into trees, as `convert --assemble` does. Reads every file twice; the spans of the
    /// conversations are sent at the end
    #[arg(long, requires = "to", help_heading = "Output")]
    pub assemble: bool,

    /// The verification.
    #[command(flatten)]
    pub verification: VerificationArgs,

    /// Print what would be read and how much, by day, account and region. Needs no collector and
    /// changes nothing
    #[arg(long, conflicts_with = "again", help_heading = "Mode")]
    pub dry_run: bool,

    /// Number of files to read at once
    #[arg(long, value_name = "N", default_value_t = 8, value_parser = clap::value_parser!(u32).range(1..=256), help_heading = "Mode")]
    pub fetchers: u32,

    /// Where qtrail saves progress, in a subdirectory for each backfill [default: as for `run`] [env:
    /// QTRAIL_STATE]
    #[arg(long, value_name = "DIR", value_hint = ValueHint::DirPath, help_heading = "Files")]
    pub state: Option<PathBuf>,

    /// File for records that cannot be delivered [default: dead-letters.jsonl in that subdirectory]
    /// [env: QTRAIL_DEAD_LETTERS_PATH]
    #[arg(long, value_name = "FILE", value_hint = ValueHint::FilePath, help_heading = "Files")]
    pub dead_letters: Option<PathBuf>,

    /// The summary on standard error. With `json`, its last line is a JSON object: as for `convert`,
    /// and skipped_done, gone, unread, left, left_out (by reason)
    #[arg(long, value_enum, default_value_t, help_heading = "Mode")]
    pub summary: Summary,
}

/// Those whose limits are known, or none of them.
fn backends() -> Vec<&'static str> {
    [backend_limits::names(), vec!["none"]].concat()
}

/// A glob as in `s3.exclude`.
fn glob(text: &str) -> Result<Glob, String> {
    let glob = GlobBuilder::new(text).literal_separator(true).build();
    glob.map_err(|error| error.to_string())
}

/// An account's id.
pub(super) fn account(text: &str) -> Result<String, String> {
    match is_account(text) {
        true => Ok(text.to_owned()),
        false => Err("write 12 digits, such as 111122223333".to_owned()),
    }
}
