//! The arguments of `qtrail lint-trail`.

use std::path::PathBuf;

use clap::builder::NonEmptyStringValueParser;
use clap::{Args, ValueEnum, ValueHint};

use super::{SelectArgs, exit};
use crate::lint::finding::Kind;

/// Find what a trail cannot show, with the commands that mend it.
///
/// A trail records the events that it selects, in the regions that it is of, while it is on and can
/// deliver. All others are lost without a word. Findings and hints say which, and print the command
/// of the AWS command line that mends it, which keeps what the trail selects already.
///
/// Trails are known by AWS's answers, in files (--from-aws) or asked for (--online). Without them,
/// what was read of a trail (PATH) can only suspect: that no event of a kind came may mean that
/// nobody made one. Then most of what is found are hints. All three can be combined.
///
/// Several trails of an account are seen as one; --trail is for the one that qtrail reads. What other
/// agents need beside Amazon Q is looked for with --select agents.
#[derive(Debug, Clone, Args)]
#[command(after_help = exit::help("lint-trail", "\
Examples:
  qtrail lint-trail copy/                                    # what was read of a trail
  qtrail lint-trail --online --trail my-trail                # what AWS says now (feature `aws`)
  qtrail lint-trail --from-aws trails.json --from-aws my-trail.json s3://my-trail
  qtrail lint-trail --from-aws my-trail.json --format json | jq -r '.findings[].commands[]'

The answers for --from-aws:
  aws cloudtrail describe-trails --output json > trails.json
  (aws cloudtrail get-event-selectors --trail-name my-trail --output json
   aws cloudtrail get-trail-status --name my-trail --output json) > my-trail.json

--online needs cloudtrail:DescribeTrails, cloudtrail:GetEventSelectors and cloudtrail:GetTrailStatus.
Each finding is explained in docs/trail.md"))]
pub struct LintTrailArgs {
    /// Files, directories (including their subdirectories), `s3://BUCKET/PREFIX`, or `-` for standard input
    #[arg(value_name = "PATH", value_hint = ValueHint::AnyPath)]
    pub paths: Vec<PathBuf>,

    /// Answers of `aws cloudtrail describe-trails`, `get-trail`, `get-event-selectors` and
    /// `get-trail-status`, as JSON, one or more in a file; `-` for standard input; repeatable
    #[arg(long, value_name = "FILE", value_hint = ValueHint::FilePath, help_heading = "Trails")]
    pub from_aws: Vec<PathBuf>,

    /// Ask AWS. Needs the `aws` feature
    #[arg(long, help_heading = "Trails")]
    pub online: bool,

    /// Look for trails from this region; repeatable. Trails of all regions are seen from each one
    /// [default: aws.region]
    #[arg(long = "region", value_name = "REGION", requires = "online", value_parser = NonEmptyStringValueParser::new(), help_heading = "Trails")]
    pub regions: Vec<String>,

    /// Only this trail, by its name or ARN; repeatable
    #[arg(long = "trail", value_name = "NAME", value_parser = NonEmptyStringValueParser::new(), help_heading = "Trails")]
    pub trails: Vec<String>,

    /// Leave out findings of this kind; repeatable
    #[arg(
        long = "ignore",
        value_enum,
        value_name = "KIND",
        hide_possible_values = true,
        help_heading = "Output"
    )]
    pub ignored: Vec<Kind>,

    /// The selection of events.
    #[command(flatten)]
    pub select: SelectArgs,

    /// The format of the result
    #[arg(long, value_enum, default_value_t, help_heading = "Output")]
    pub format: LintFormat,
}

/// The format of what was found.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default, ValueEnum)]
pub enum LintFormat {
    /// For a terminal; commands are not wrapped
    #[default]
    Table,
    /// One object, for jq and scripts
    Json,
}
