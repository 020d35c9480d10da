//! What can be typed: every command, flag and default, once.
//!
//! Enters: nothing. Leaves: the definitions from which parsing, `--help`, the man pages and the
//! shell completions are made. What must hold: a flag that sets a configuration key only carries
//! text here; its value is checked where all sources of that key are (see `config`).

mod backfill;
mod check;
mod shared;
pub(crate) mod when;

use std::path::PathBuf;

use clap::builder::PossibleValuesParser;
use clap::{Args, Parser, Subcommand, ValueEnum, ValueHint};

use super::exit;
use crate::config::{keys, value};

pub use backfill::BackfillArgs;
pub use check::CheckArgs;
pub use shared::{ExportArgs, GiveUpArgs, InputArgs, SelectArgs};

const EXAMPLES: &str = "\
Try it without a server or an account:
  qtrail demo

Every setting: https://github.com/qtrail/qtrail/blob/main/docs/configuration.md";

/// Turns what Amazon Q Developer did, as AWS CloudTrail recorded it, into OpenTelemetry log
/// records and spans.
#[derive(Debug, Parser)]
#[command(name = "qtrail", version, arg_required_else_help = true)]
#[command(after_help = format!("{}\n\n{EXAMPLES}", exit::SUMMARY))]
#[command(propagate_version = true, max_term_width = 100)]
pub struct Cli {
    /// What holds for every command.
    #[command(flatten)]
    pub globals: Globals,
    /// The command.
    #[command(subcommand)]
    pub command: Command,
}

/// What holds for every command.
#[derive(Debug, Clone, Default, Args)]
#[command(next_help_heading = "Global options")]
pub struct Globals {
    /// A configuration file (YAML). Flags and QTRAIL_* variables win over it.
    #[arg(long, global = true, value_name = "FILE", env = "QTRAIL_CONFIG", value_hint = ValueHint::FilePath)]
    pub config: Option<PathBuf>,

    /// What is logged to standard error: error, warn, info, debug, trace, or a filter such as
    /// `info,qtrail::export=debug` [default: info] [env: QTRAIL_LOG_LEVEL]
    #[arg(long, global = true, value_name = "LEVEL")]
    pub log_level: Option<String>,

    /// How log lines look [default: text] [env: QTRAIL_LOG_FORMAT]
    #[arg(long, global = true, value_name = "FORMAT", value_parser = PossibleValuesParser::new(keys::LOG_FORMATS))]
    pub log_format: Option<String>,

    /// Log more: the same as --log-level debug.
    #[arg(short, long, global = true, conflicts_with_all = ["log_level", "quiet"])]
    pub verbose: bool,

    /// Log errors and refused records only, and draw no progress bars.
    #[arg(short, long, global = true, conflicts_with = "log_level")]
    pub quiet: bool,
}

/// The commands.
#[derive(Debug, Subcommand)]
#[allow(missing_docs, reason = "the help texts are on the arguments' structs")]
pub enum Command {
    Run(RunArgs),
    Convert(ConvertArgs),
    Backfill(BackfillArgs),
    Explain(ExplainArgs),
    Check(CheckArgs),
    Replay(ReplayArgs),
    Demo(DemoArgs),
    Sample(SampleArgs),
    Completions(CompletionsArgs),
    Man(ManArgs),
}

/// Watch a directory, listen to senders, and deliver every Amazon Q event to a collector, at least once.
///
/// Reads what is there (oldest first), then what comes. A file counts as done only once the
/// collector has accepted each of its events, or the dead letters hold it; qtrail can be killed at
/// any moment without losing one.
///
/// SIGTERM, SIGINT, SIGQUIT or SIGHUP stops reading, waits for the collector (shutdown.timeout, 15 s)
/// and exits 0; a second one exits at once.
#[derive(Debug, Clone, Default, Args)]
#[command(after_help = exit::help("run", "\
Examples:
  qtrail run /var/log/cloudtrail --endpoint http://localhost:4317
  qtrail run /var/log/cloudtrail --endpoint https://otlp.example.com --protocol http/protobuf \\
      --header 'authorization=${file:/run/secrets/token}'
  qtrail run --config /etc/qtrail/config.yaml --print-config
  qtrail run --grpc 127.0.0.1 --http unix:/run/qtrail/http.sock
  qtrail run trail/ --once          # deliver what is there, then exit: for cron

Without --endpoint, the OTEL_EXPORTER_OTLP_* variables decide, else http://localhost:4317.
Every configuration key can be set by a variable: export.endpoint by QTRAIL_EXPORT_ENDPOINT."))]
pub struct RunArgs {
    /// What is read.
    #[command(flatten)]
    pub inputs: InputArgs,

    /// Where events go.
    #[command(flatten)]
    pub export: ExportArgs,

    /// When it gives up.
    #[command(flatten)]
    pub give_up: GiveUpArgs,

    /// Append OTLP JSON lines to this file instead of sending (`-`: standard output)
    #[arg(long, value_name = "FILE", conflicts_with = "endpoint", value_hint = ValueHint::FilePath, help_heading = "Where events go")]
    pub output: Option<PathBuf>,

    /// Which events are kept.
    #[command(flatten)]
    pub select: SelectArgs,

    /// Where qtrail remembers what was delivered [default: $STATE_DIRECTORY, else
    /// $XDG_STATE_HOME/qtrail, else ~/.local/state/qtrail] [env: QTRAIL_STATE]
    #[arg(long, value_name = "DIR", value_hint = ValueHint::DirPath, help_heading = "Files")]
    pub state: Option<PathBuf>,

    /// Where records go that cannot be delivered [default: dead-letters.jsonl in the state
    /// directory] [env: QTRAIL_DEAD_LETTERS_PATH]
    #[arg(long, value_name = "FILE", value_hint = ValueHint::FilePath, help_heading = "Files")]
    pub dead_letters: Option<PathBuf>,

    /// Deliver what is there, then exit.
    #[arg(long, conflicts_with_all = ["grpc", "http"], help_heading = "What is done")]
    pub once: bool,

    /// Print the resulting configuration, each value with its source and secrets masked, and exit.
    #[arg(long, help_heading = "What is done")]
    pub print_config: bool,
}

/// Convert files once: to OTLP JSON lines, flat JSON events, or a collector.
///
/// Reads CloudTrail in any of its containers (log files, NDJSON, LookupEvents, EventBridge,
/// CloudWatch Logs, …), gzip or not, recognized by content. Keeps no state.
///
/// A file or standard output that cannot be written ends it, and so does a reader that goes (`| head`). SIGTERM,
/// SIGINT (Ctrl-C), SIGQUIT or SIGHUP stops reading, delivers what was read (for at most shutdown.timeout, 15 s) and
/// exits 1: nothing is kept of how far it came. A second one exits at once.
#[derive(Debug, Clone, Args)]
#[command(after_help = exit::help("convert", "\
Examples:
  qtrail convert trail/ > events.jsonl
  aws cloudtrail lookup-events | qtrail convert - --format events | jq .
  qtrail convert trail/ --endpoint http://localhost:4317
  qtrail convert trail/ --output discard --summary json   # how fast is it here?"))]
pub struct ConvertArgs {
    /// Files, directories (with all below them), or `-` for standard input.
    #[arg(value_name = "PATH", required = true, value_hint = ValueHint::AnyPath)]
    pub paths: Vec<PathBuf>,

    /// `-` (standard output), a file (it begins anew), or `discard` (all the work, no output: for
    /// timing)
    #[arg(long, short, value_name = "FILE", default_value = "-", conflicts_with = "endpoint", value_hint = ValueHint::FilePath, help_heading = "Where events go")]
    pub output: PathBuf,

    /// Where events go.
    #[command(flatten)]
    pub export: ExportArgs,

    /// When it gives up.
    #[command(flatten)]
    pub give_up: GiveUpArgs,

    /// How the output looks. With `events`, one flat JSON object an event.
    #[arg(
        long,
        value_enum,
        default_value_t,
        conflicts_with = "endpoint",
        help_heading = "Where events go"
    )]
    pub format: Format,

    /// Which events are kept.
    #[command(flatten)]
    pub select: SelectArgs,

    /// Where records go that cannot be converted or that the collector refuses. The file begins
    /// anew; letters that it holds are put aside as FILE.1. Without it, refused records are told on
    /// standard error.
    #[arg(long, value_name = "FILE", value_hint = ValueHint::FilePath, help_heading = "Files")]
    pub dead_letters: Option<PathBuf>,

    /// The summary on standard error. With `json`, its last line is one JSON object: files, read,
    /// exported, filtered, duplicate, dead_lettered, skipped, bytes, seconds, interrupted.
    #[arg(long, value_enum, default_value_t, help_heading = "What is told")]
    pub summary: Summary,
}

/// What `convert` writes.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default, ValueEnum)]
pub enum Format {
    /// OTLP JSON lines, as the collector's file exporter writes them.
    #[default]
    Otlp,
    /// One flat JSON object an event, for jq, Vector or Kafka.
    Events,
}

/// How a command ends its talk.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default, ValueEnum)]
pub enum Summary {
    /// For people.
    #[default]
    Text,
    /// One JSON object.
    Json,
    /// Nothing.
    None,
}

/// Show what a record becomes, and why: its class, identity, ids, each attribute and its source.
#[derive(Debug, Clone, Args)]
#[command(after_help = exit::help("explain", "\
Examples:
  qtrail explain trail.json.gz                 # the first Amazon Q event
  qtrail explain trail.json.gz --index 17      # the 18th record, whatever it is
  qtrail explain - --all < trail.json"))]
pub struct ExplainArgs {
    /// A file in any of CloudTrail's containers, or `-` for standard input.
    #[arg(value_name = "FILE", value_hint = ValueHint::FilePath)]
    pub file: PathBuf,

    /// The record with this number in the file, counted from 0.
    #[arg(long, value_name = "N", conflicts_with = "all")]
    pub index: Option<u64>,

    /// Every selected record, not only the first.
    #[arg(long)]
    pub all: bool,

    /// Which events are kept.
    #[command(flatten)]
    pub select: SelectArgs,
}

/// Send dead letters again, after what was wrong has been mended.
///
/// Records that are refused again go to new dead letters, with the reason that they had first. The file itself is
/// left as it is. What is no file of dead letters is refused before anything is made or sent.
///
/// SIGTERM, SIGINT (Ctrl-C), SIGQUIT or SIGHUP stops as for `convert`: nothing is kept of how far it came, and the
/// same command sends all of them again.
#[derive(Debug, Clone, Args)]
#[command(after_help = exit::help("replay", "\
Examples:
  qtrail replay dead-letters.jsonl --endpoint http://localhost:4317
  qtrail replay dead-letters.jsonl --dead-letters still-dead.jsonl"))]
pub struct ReplayArgs {
    /// A file of dead letters, or `-` for standard input.
    #[arg(value_name = "FILE", value_hint = ValueHint::FilePath)]
    pub file: PathBuf,

    /// Where events go.
    #[command(flatten)]
    pub export: ExportArgs,

    /// When it gives up.
    #[command(flatten)]
    pub give_up: GiveUpArgs,

    /// Which events are kept.
    #[command(flatten)]
    pub select: SelectArgs,

    /// Where records go that are refused again [default: FILE with `.replay` appended]. The file
    /// begins anew, as for `convert`.
    #[arg(long, value_name = "FILE", value_hint = ValueHint::FilePath, help_heading = "Files")]
    pub dead_letters: Option<PathBuf>,

    /// The summary on standard error, as for `convert`.
    #[arg(long, value_enum, default_value_t, help_heading = "What is told")]
    pub summary: Summary,
}

/// See the whole thing work, on a small made-up trail: no server, no account.
///
/// Writes the trail to a temporary directory, runs the real pipeline on it against a collector
/// inside this process, and prints what arrived: conversations, calls that Amazon Q made, the dead
/// letter with its reason, the repeat, and the balance.
#[derive(Debug, Clone, Default, Args)]
#[command(after_help = exit::help("demo", "\
Examples:
  qtrail demo
  qtrail demo --endpoint http://localhost:4317   # into a real collector
  qtrail demo --dir /tmp/trail                   # keep the files"))]
pub struct DemoArgs {
    /// Send to this collector (gRPC) instead of the one inside.
    #[arg(long, value_name = "URL", value_hint = ValueHint::Url)]
    pub endpoint: Option<String>,

    /// Write the trail here, and keep it.
    #[arg(long, value_name = "DIR", value_hint = ValueHint::DirPath)]
    pub dir: Option<PathBuf>,
}

/// Write a made-up trail of any size, for trying and for load.
///
/// The same arguments give the same bytes, on any machine.
#[derive(Debug, Clone, Args)]
#[command(after_help = exit::help("sample", "\
Examples:
  qtrail sample trail/ --events 10000 --end now
  qtrail sample -o - --events 20 --share 100 --format json | qtrail convert -
  qtrail sample trail/ --size 1GiB --share 2 --seed 7"))]
#[command(group = clap::ArgGroup::new("where").required(true))]
pub struct SampleArgs {
    /// The directory to write log files to, named as CloudTrail names them.
    #[arg(value_name = "DIR", group = "where", value_hint = ValueHint::DirPath)]
    pub dir: Option<PathBuf>,

    /// Write one file instead (`-`: standard output)
    #[arg(long, short, value_name = "FILE", group = "where", conflicts_with = "files", value_hint = ValueHint::FilePath)]
    pub output: Option<PathBuf>,

    /// How many events.
    #[arg(
        long,
        value_name = "N",
        default_value_t = 1_000,
        conflicts_with = "size"
    )]
    pub events: u64,

    /// How many bytes of JSON instead, such as 100MiB.
    #[arg(long, value_name = "BYTES", value_parser = value::size)]
    pub size: Option<u64>,

    /// How many of a hundred events are Amazon Q's.
    #[arg(long, value_name = "PERCENT", default_value_t = 10.0, value_parser = percent)]
    pub share: f64,

    /// Where the made-up values start from.
    #[arg(long, value_name = "N", default_value_t = 1)]
    pub seed: u64,

    /// Over how many files the events are spread [default: the square root of their number]
    #[arg(long, value_name = "N", value_parser = clap::value_parser!(u64).range(1..))]
    pub files: Option<u64>,

    /// How the files look.
    #[arg(long, value_enum, default_value_t)]
    pub format: SampleFormat,

    /// When the last file was delivered: an RFC 3339 time, or `now`
    #[arg(long, value_name = "TIME", default_value = "2026-01-15T12:00:00Z", value_parser = time_or_now)]
    pub end: i64,
}

/// What `sample` writes.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default, ValueEnum)]
pub enum SampleFormat {
    /// `{"Records":[…]}`, compressed: CloudTrail's own.
    #[default]
    Gz,
    /// `{"Records":[…]}`.
    Json,
    /// An event a line.
    Ndjson,
}

/// A share of a hundred.
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
        .map_err(|_| "write it as 2026-01-31T00:00:00Z, or `now`".to_owned())?;
    Ok(time.as_second())
}

/// Print the completions for a shell.
#[derive(Debug, Clone, Args)]
#[command(after_help = exit::help("completions", "\
Examples:
  qtrail completions bash > /etc/bash_completion.d/qtrail
  qtrail completions zsh > \"${fpath[1]}/_qtrail\"
  qtrail completions fish > ~/.config/fish/completions/qtrail.fish"))]
pub struct CompletionsArgs {
    /// The shell.
    #[arg(value_name = "SHELL", value_enum)]
    pub shell: clap_complete::Shell,
}

/// Write the man pages: one to standard output, or all into a directory.
#[derive(Debug, Clone, Default, Args)]
#[command(after_help = exit::help("man", "\
Examples:
  qtrail man | man -l -
  qtrail man /usr/local/share/man/man1"))]
pub struct ManArgs {
    /// Write one page for each command here.
    #[arg(value_name = "DIR", value_hint = ValueHint::DirPath)]
    pub dir: Option<PathBuf>,
}
