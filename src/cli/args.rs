//! The command line: every command, flag and default.
//!
//! Enters: nothing. Leaves: the definitions that parsing, `--help`, the man pages and the shell completions
//! are generated from. What must hold: a flag for a configuration key only carries text; `config` checks it,
//! as it checks all sources of that key.

mod backfill;
mod check;
mod convert;
mod lint_trail;
mod report;
mod run;
mod sample;
mod shared;
mod status;
mod verify;
pub(crate) mod when;

use std::path::PathBuf;

use clap::builder::PossibleValuesParser;
use clap::{Args, Parser, Subcommand, ValueEnum, ValueHint};

use super::exit;
use crate::config::keys;

pub use backfill::BackfillArgs;
pub use check::CheckArgs;
pub use convert::{ConvertArgs, Format, ReplayArgs, Summary};
pub use lint_trail::{LintFormat, LintTrailArgs};
pub use report::{ReportArgs, ReportFormat};
pub use run::RunArgs;
pub use sample::{DemoArgs, SampleArgs, SampleFormat};
pub use shared::{ExportArgs, GiveUpArgs, InputArgs, ManifestArgs, SelectArgs, VerificationArgs};
pub use status::{StatusArgs, StatusFormat, TelemetryArgs, TopArgs};
pub use verify::{VerifyArgs, VerifyFormat};

const EXAMPLES: &str = "\
Try it without a server or an account:
  qtrail demo

All settings: https://github.com/qtrail/qtrail/blob/main/docs/configuration.md";

/// Converts AWS CloudTrail records of Amazon Q Developer into OpenTelemetry log records and spans.
#[derive(Debug, Parser)]
#[command(name = "qtrail", version, long_version = super::version::text(), arg_required_else_help = true)]
#[command(after_help = format!("{}\n\n{EXAMPLES}", exit::SUMMARY))]
#[command(propagate_version = true, max_term_width = 100)]
pub struct Cli {
    /// Options of every command.
    #[command(flatten)]
    pub globals: Globals,
    /// The command.
    #[command(subcommand)]
    pub command: Command,
}

/// Options of every command.
#[derive(Debug, Clone, Default, Args)]
#[command(next_help_heading = "Global options")]
pub struct Globals {
    /// Configuration file (YAML); flags and QTRAIL_* variables override it
    #[arg(long, global = true, value_name = "FILE", env = "QTRAIL_CONFIG", value_hint = ValueHint::FilePath)]
    pub config: Option<PathBuf>,

    /// What to log to standard error: error, warn, info, debug, trace, or a filter such as
    /// `info,qtrail::export=debug` [default: info] [env: QTRAIL_LOG_LEVEL]
    #[arg(long, global = true, value_name = "LEVEL")]
    pub log_level: Option<String>,

    /// Format of log lines [default: text] [env: QTRAIL_LOG_FORMAT]
    #[arg(long, global = true, value_name = "FORMAT", value_parser = PossibleValuesParser::new(keys::LOG_FORMATS))]
    pub log_format: Option<String>,

    /// Log more: the same as --log-level debug
    #[arg(short, long, global = true, conflicts_with_all = ["log_level", "quiet"])]
    pub verbose: bool,

    /// Log only errors and rejected records, and show no progress bars
    #[arg(short, long, global = true, conflicts_with = "log_level")]
    pub quiet: bool,
}

/// The commands.
#[derive(Debug, Subcommand)]
#[allow(missing_docs, reason = "the help texts are on the arguments' structs")]
pub enum Command {
    Run(RunArgs),
    Status(StatusArgs),
    Top(TopArgs),
    Report(ReportArgs),
    Convert(ConvertArgs),
    Backfill(BackfillArgs),
    Verify(VerifyArgs),
    LintTrail(LintTrailArgs),
    Explain(ExplainArgs),
    Check(CheckArgs),
    Replay(ReplayArgs),
    Demo(DemoArgs),
    Sample(SampleArgs),
    Pseudonym(PseudonymArgs),
    Completions(CompletionsArgs),
    Man(ManArgs),
    Version(VersionArgs),
}

/// Show how a record is converted: its class, identity, ids, and each attribute with its source.
#[derive(Debug, Clone, Args)]
#[command(after_help = exit::help("explain", "\
Examples:
  qtrail explain trail.json.gz                 # the first Amazon Q event
  qtrail explain trail.json.gz --index 17      # the 18th record, selected or not
  qtrail explain trail/ --all --format json | jq .class
  qtrail explain - --all < trail.json"))]
pub struct ExplainArgs {
    /// Files in any container of CloudTrail events, directories (including their subdirectories), or `-` for
    /// standard input
    #[arg(value_name = "PATH", required = true, value_hint = ValueHint::AnyPath)]
    pub paths: Vec<PathBuf>,

    /// Explain the record with this number in the file, counted from 0. Needs a single file
    #[arg(long, value_name = "N", conflicts_with = "all")]
    pub index: Option<u64>,

    /// Explain every selected record, not only the first
    #[arg(long)]
    pub all: bool,

    /// `json` is one object per record: file, index, offset, length, class, rule, ids, attributes with value,
    /// source and rule; or dead_letter
    #[arg(long, value_enum, default_value_t)]
    pub format: TextFormat,

    /// Print each value whole, on one line, instead of wrapping and cutting it to 80 columns
    #[arg(long)]
    pub wide: bool,

    /// The selection of events.
    #[command(flatten)]
    pub select: SelectArgs,
}

/// Print the pseudonym of a person, an address or an access key (redact.users: hash).
#[derive(Debug, Clone, Args)]
#[command(after_help = exit::help("pseudonym", "\
Examples:
  qtrail pseudonym --config qtrail.yaml mary_major      # with redact.key from the file
  QTRAIL_REDACT_KEY=$(cat key) qtrail pseudonym AROAEXAMPLE:mary_major 203.0.113.7"))]
pub struct PseudonymArgs {
    /// Names, ids, ARNs, IP addresses or access keys; of an alias in the `identities` file, that of its person
    #[arg(value_name = "TEXT", required = true)]
    pub texts: Vec<String>,
}

/// Print shell completions.
#[derive(Debug, Clone, Args)]
#[command(after_help = exit::help("completions", "\
Examples:
  qtrail completions bash > /etc/bash_completion.d/qtrail
  qtrail completions zsh > \"${fpath[1]}/_qtrail\"
  qtrail completions fish > ~/.config/fish/completions/qtrail.fish"))]
pub struct CompletionsArgs {
    /// The shell
    #[arg(value_name = "SHELL", value_enum)]
    pub shell: clap_complete::Shell,
}

/// Print the man page, or write all man pages to a directory.
#[derive(Debug, Clone, Default, Args)]
#[command(after_help = exit::help("man", "\
Examples:
  qtrail man | man -l -
  qtrail man /usr/local/share/man/man1"))]
pub struct ManArgs {
    /// Write a page for each command to this directory
    #[arg(value_name = "DIR", value_hint = ValueHint::DirPath)]
    pub dir: Option<PathBuf>,
}

/// Print the version, and what this program was built from: its commit, target and features.
#[derive(Debug, Clone, Default, Args)]
#[command(after_help = exit::help("version", "\
Examples:
  qtrail version
  qtrail version --format json | jq -r .commit"))]
pub struct VersionArgs {
    /// The format; `json` is one object: version, commit (null where the build could not tell), target,
    /// features
    #[arg(long, value_enum, default_value_t)]
    pub format: TextFormat,
}

/// Text for people, or JSON.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default, ValueEnum)]
pub enum TextFormat {
    /// For people
    #[default]
    Text,
    /// For programs
    Json,
}
