//! The arguments of `qtrail backfill`.

use std::path::PathBuf;

use clap::builder::NonEmptyStringValueParser;
use clap::{Args, ValueHint};
use globset::{Glob, GlobBuilder};

use super::when::When;
use super::{ExportArgs, GiveUpArgs, SelectArgs, Summary, exit};
use crate::input::backfill::Named;

/// Deliver what is there already, once: a directory or an S3 bucket, between two times, oldest first.
///
/// Lists only the folders that can hold wanted files, by the layout of CloudTrail's keys, then
/// delivers file by file, at least once. What is done is remembered: after a stop, a kill or an
/// error, the same command goes on, and a later one over the same source skips what was done.
///
/// Times mean when CloudTrail delivered a file (the time in its name, else when it was last
/// modified), which is 3 to 15 minutes after its events. TIME is a day of UTC (2026-11-01; meant
/// from its first moment by --from, to its last by --to), a moment (2026-11-01T06:00:00Z), or how
/// long ago (7d, 36h).
#[derive(Debug, Clone, Args)]
#[command(after_help = exit::help("backfill", "\
Examples:
  qtrail backfill s3://my-trail --from 2026-11-01 --to 2026-11-07 --dry-run
  qtrail backfill s3://my-trail --from 2026-11-01 --to 2026-11-07 --endpoint http://localhost:4317
  qtrail backfill s3://my-trail/AWSLogs/o-a1b2c3d4e5 --from 7d --account 111122223333 --region us-east-1
  qtrail backfill /var/log/cloudtrail --from 36h --to 2h --signals logs --rate 500

SOURCE may be anywhere in the layout [prefix/]AWSLogs/[o-<org>/]<account>/CloudTrail/<region>/Y/M/D/,
above it, or a single file. Paths tell time, account and region alone: whether a file holds events, its
content decides. What is left out is counted and named.
--from 7d is counted from the first start until all is done.

SIGTERM, SIGINT, SIGQUIT or SIGHUP stops reading, waits for the collector (shutdown.timeout, 15 s)
and exits 1; a second one exits at once."))]
pub struct BackfillArgs {
    /// A directory, a file, s3://BUCKET, s3://BUCKET/PREFIX or s3://BUCKET/KEY. S3 takes the `aws`
    /// feature.
    #[arg(value_name = "SOURCE", value_parser = Named::parse, value_hint = ValueHint::AnyPath)]
    pub source: Named,

    /// Files delivered from then on.
    #[arg(long, value_name = "TIME", value_parser = When::parse, help_heading = "Which files")]
    pub from: When,

    /// Files delivered until then [default: no end]
    #[arg(long, value_name = "TIME", value_parser = When::parse, help_heading = "Which files")]
    pub to: Option<When>,

    /// Files of this account alone; may be given several times.
    #[arg(long = "account", value_name = "ID", value_parser = account, help_heading = "Which files")]
    pub accounts: Vec<String>,

    /// Files of this region alone; may be given several times.
    #[arg(long = "region", value_name = "REGION", value_parser = NonEmptyStringValueParser::new(), help_heading = "Which files")]
    pub regions: Vec<String>,

    /// Leave out the folders and files that this glob matches, such as '**/vpcflowlogs/**': over the
    /// key, or the path below SOURCE; may be given several times.
    #[arg(long, value_name = "GLOB", value_parser = glob, help_heading = "Which files")]
    pub exclude: Vec<Glob>,

    /// Read what was done before once more. After a stop, leave it away: the rest goes on.
    #[arg(long, help_heading = "Which files")]
    pub again: bool,

    /// Which events are kept.
    #[command(flatten)]
    pub select: SelectArgs,

    /// Where events go.
    #[command(flatten)]
    pub export: ExportArgs,

    /// When it gives up.
    #[command(flatten)]
    pub give_up: GiveUpArgs,

    /// Events a second at most [default: no limit] [env: QTRAIL_EXPORT_RATE_LIMIT]
    #[arg(long, value_name = "N", help_heading = "Where events go")]
    pub rate: Option<String>,

    /// Time between the oldest and the newest event of one request at most [default: 24h] [env:
    /// QTRAIL_EXPORT_BATCH_SPREAD]
    #[arg(long, value_name = "DURATION", help_heading = "Where events go")]
    pub max_spread: Option<String>,

    /// Say what would be read, and how much that is, by day, account and region. Needs no collector
    /// and changes nothing.
    #[arg(long, conflicts_with = "again", help_heading = "What is done")]
    pub dry_run: bool,

    /// Files that are read at once.
    #[arg(long, value_name = "N", default_value_t = 8, value_parser = clap::value_parser!(u32).range(1..=256), help_heading = "What is done")]
    pub fetchers: u32,

    /// Where qtrail remembers what was done, in a folder of its own below [default: as for `run`]
    /// [env: QTRAIL_STATE]
    #[arg(long, value_name = "DIR", value_hint = ValueHint::DirPath, help_heading = "Files")]
    pub state: Option<PathBuf>,

    /// Where records go that cannot be delivered [default: dead-letters.jsonl in that folder] [env:
    /// QTRAIL_DEAD_LETTERS_PATH]
    #[arg(long, value_name = "FILE", value_hint = ValueHint::FilePath, help_heading = "Files")]
    pub dead_letters: Option<PathBuf>,

    /// The summary on standard error. With `json`, its last line is one JSON object: as for
    /// `convert`, and skipped_done, gone, unread, left, left_out (by reason).
    #[arg(long, value_enum, default_value_t, help_heading = "What is told")]
    pub summary: Summary,
}

/// As those of `s3.exclude`.
fn glob(text: &str) -> Result<Glob, String> {
    let glob = GlobBuilder::new(text).literal_separator(true).build();
    glob.map_err(|error| error.to_string())
}

/// An account's id.
fn account(text: &str) -> Result<String, String> {
    match text.len() == 12 && text.bytes().all(|b| b.is_ascii_digit()) {
        true => Ok(text.to_owned()),
        false => Err("write its twelve digits, such as 111122223333".to_owned()),
    }
}
