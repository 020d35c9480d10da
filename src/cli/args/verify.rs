//! The arguments of `qtrail verify`.

use std::path::PathBuf;

use clap::builder::NonEmptyStringValueParser;
use clap::{Args, ValueEnum, ValueHint};

use super::backfill::account;
use super::when::When;
use super::{ExportArgs, exit};
use crate::input::backfill::Named;

/// Verify that a trail is complete and unchanged, by CloudTrail's signed digest files.
///
/// Checks each digest's signature, place and link to the digest before it, that there is one for every
/// hour, the hash of each log file that they name, and that they name every log file. Exits with 0
/// only if all of that holds. The log file validation of the trail must be turned on.
///
/// A copy of a bucket is verified offline. It needs the public keys, and the signature of the last
/// digest of each region: docs/proof.md shows how to copy both. In a bucket, the signatures are
/// beside the digests, and the keys are looked up in the trail's region.
///
/// With --endpoint, the findings also go to a collector, as log records and a tree of spans.
///
/// Times refer to when CloudTrail delivered a file (the time in its name). TIME is a day in UTC
/// (2026-11-01; --from means its start, --to its end), a moment (2026-11-01T06:00:00Z), or an age
/// (7d, 36h).
#[derive(Debug, Clone, Args)]
#[command(after_help = exit::help("verify", "\
Examples:
  qtrail verify copy/ --public-keys keys.json --from 2026-11-01 --to 2026-11-07
  qtrail verify s3://my-trail --from 7d --to 2h
  qtrail verify s3://my-trail/AWSLogs/111122223333/ --from 7d --format json | jq '.findings[].object'

A copy is made with `aws s3 sync s3://my-trail copy/`, and the keys are the answer of
`aws cloudtrail list-public-keys --start-time 2026-11-01 --end-time 2026-11-08`."))]
pub struct VerifyArgs {
    /// A copy of the trail's bucket, s3://BUCKET or s3://BUCKET/PREFIX. S3 needs the `aws` feature
    #[arg(value_name = "SOURCE", value_parser = Named::parse, value_hint = ValueHint::AnyPath)]
    pub source: Named,

    /// Only files delivered at or after this time [default: from the first digest on]
    #[arg(long, value_name = "TIME", value_parser = When::parse, help_heading = "File selection")]
    pub from: Option<When>,

    /// Only files delivered before this time, up to which there must be digests [default: to the last
    /// digest]
    #[arg(long, value_name = "TIME", value_parser = When::parse, help_heading = "File selection")]
    pub to: Option<When>,

    /// Only files of this account; repeatable
    #[arg(long = "account", value_name = "ID", value_parser = account, help_heading = "File selection")]
    pub accounts: Vec<String>,

    /// Only files of this region; repeatable
    #[arg(long = "region", value_name = "REGION", value_parser = NonEmptyStringValueParser::new(), help_heading = "File selection")]
    pub regions: Vec<String>,

    /// The answer of `aws cloudtrail list-public-keys`; repeatable. Without it, keys are looked up (S3
    /// only)
    #[arg(long, value_name = "FILE", value_hint = ValueHint::FilePath)]
    pub public_keys: Vec<PathBuf>,

    /// Where findings are sent, too.
    #[command(flatten)]
    pub export: ExportArgs,

    /// List each verified file, too
    #[arg(long, help_heading = "Output")]
    pub all: bool,

    /// The format of the result
    #[arg(long, value_enum, default_value_t, help_heading = "Output")]
    pub format: VerifyFormat,
}

/// The format of a verification's result.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default, ValueEnum)]
pub enum VerifyFormat {
    /// For a terminal, within 80 columns; of many findings of one kind it lists the first
    #[default]
    Table,
    /// One object with all findings, for jq and scripts
    Json,
}
