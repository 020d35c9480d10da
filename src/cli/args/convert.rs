//! The arguments of `qtrail convert` and `qtrail replay`.

use std::path::{Path, PathBuf};

use clap::{Args, ValueEnum, ValueHint};

use super::{ExportArgs, GiveUpArgs, ManifestArgs, SelectArgs, exit};

/// Convert files once to OTLP JSON lines or flat JSON events, or send them to a collector.
///
/// Reads any container of CloudTrail events (log files, NDJSON, LookupEvents, EventBridge,
/// CloudWatch Logs, …), compressed or not, recognized by content. Keeps no state. For a text to read,
/// see `qtrail report`.
///
/// Exits when a file or standard output cannot be written, or when the reader of standard output
/// exits (`| head`). SIGTERM, SIGINT (Ctrl-C), SIGQUIT or SIGHUP stops reading, delivers what has
/// been read (for at most shutdown.timeout, 15 s) and exits with code 1; progress is not saved. A
/// second signal exits at once.
#[derive(Debug, Clone, Args)]
#[command(after_help = exit::help("convert", "\
Examples:
  qtrail convert trail/ > events.jsonl
  aws cloudtrail lookup-events | qtrail convert - --format events | jq .
  qtrail convert trail/ --endpoint http://localhost:4317
  qtrail convert trail/ --output discard --summary json   # measure the speed"))]
pub struct ConvertArgs {
    /// Files, directories (including their subdirectories), or `-` for standard input
    #[arg(value_name = "PATH", required = true, value_hint = ValueHint::AnyPath)]
    pub paths: Vec<PathBuf>,

    /// `-` (standard output), a file (overwritten), or `discard` (convert without output, to measure
    /// the speed) [default: -]
    #[arg(long, short, value_name = "FILE", conflicts_with = "endpoint", value_hint = ValueHint::FilePath, help_heading = "Output")]
    pub output: Option<PathBuf>,

    /// The output.
    #[command(flatten)]
    pub export: ExportArgs,

    /// When to give up.
    #[command(flatten)]
    pub give_up: GiveUpArgs,

    /// Manifest records.
    #[command(flatten)]
    pub manifest: ManifestArgs,

    /// The format of the output; `events` is one flat JSON object per event [default: otlp]
    #[arg(long, value_enum, conflicts_with = "endpoint", help_heading = "Output")]
    pub format: Option<Format>,

    /// Assemble conversations into trees: a call becomes the child of the tool call or message that caused it,
    /// and each conversation has a span of its own. Reads the input twice
    #[arg(long, help_heading = "Output")]
    pub assemble: bool,

    /// The selection of events.
    #[command(flatten)]
    pub select: SelectArgs,

    /// File for records that cannot be converted or that the collector rejects. An existing file is
    /// overwritten; dead letters in it are kept as FILE.1. Without this flag, rejected records are
    /// only logged
    #[arg(long, value_name = "FILE", value_hint = ValueHint::FilePath, help_heading = "Files")]
    pub dead_letters: Option<PathBuf>,

    /// The summary on standard error. With `json`, its last line is a JSON object: files, read,
    /// exported, filtered, duplicate, dead_lettered, skipped, bytes, seconds, interrupted, dead_letters
    /// (their file, or null)
    #[arg(long, value_enum, default_value_t, help_heading = "Mode")]
    pub summary: Summary,
}

impl ConvertArgs {
    /// The file to write; `-` is standard output.
    pub fn output(&self) -> &Path {
        self.output.as_deref().unwrap_or(Path::new("-"))
    }
}

/// The format of `convert`'s output.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default, ValueEnum)]
pub enum Format {
    /// OTLP JSON lines, like the collector's file exporter
    #[default]
    Otlp,
    /// One flat JSON object per event, for jq, Vector or Kafka
    Events,
}

/// The format of a summary.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default, ValueEnum)]
pub enum Summary {
    /// For people
    #[default]
    Text,
    /// One JSON object
    Json,
    /// No summary
    None,
}

/// Send dead letters again after the cause is fixed.
///
/// Records that are rejected again are written to new dead letters with their first reason; the file
/// itself is not changed. A file without dead letters is an error before anything is created or sent.
///
/// SIGTERM, SIGINT (Ctrl-C), SIGQUIT or SIGHUP stops as for `convert`: progress is not saved, and the
/// same command sends all of them again.
#[derive(Debug, Clone, Args)]
#[command(after_help = exit::help("replay", "\
Examples:
  qtrail replay dead-letters.jsonl --endpoint http://localhost:4317
  qtrail replay dead-letters.jsonl --dead-letters still-dead.jsonl"))]
pub struct ReplayArgs {
    /// A file of dead letters, or `-` for standard input
    #[arg(value_name = "FILE", value_hint = ValueHint::FilePath)]
    pub file: PathBuf,

    /// The output.
    #[command(flatten)]
    pub export: ExportArgs,

    /// When to give up.
    #[command(flatten)]
    pub give_up: GiveUpArgs,

    /// The selection of events.
    #[command(flatten)]
    pub select: SelectArgs,

    /// File for records that are rejected again [default: FILE with `.replay` appended]. An existing
    /// file is overwritten; dead letters in it are kept as FILE.1
    #[arg(long, value_name = "FILE", value_hint = ValueHint::FilePath, help_heading = "Files")]
    pub dead_letters: Option<PathBuf>,

    /// The summary on standard error, as for `convert`
    #[arg(long, value_enum, default_value_t, help_heading = "Mode")]
    pub summary: Summary,
}
