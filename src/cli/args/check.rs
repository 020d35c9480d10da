//! The arguments of `qtrail check`.

use std::path::PathBuf;

use clap::{Args, ValueHint};

use super::{ExportArgs, InputArgs};
use crate::cli::exit;

/// Check everything that `run` needs with the same arguments, and report what to fix.
///
/// Changes nothing. Sends the collector an empty request for each signal.
#[derive(Debug, Clone, Args)]
#[command(after_help = exit::help("check", "\
Examples:
  qtrail check --config /etc/qtrail/config.yaml
  qtrail check /var/log/cloudtrail --endpoint http://localhost:4317 --canary
  qtrail check --grpc 127.0.0.1 --http unix:/run/qtrail/http.sock"))]
pub struct CheckArgs {
    /// The inputs.
    #[command(flatten)]
    pub inputs: InputArgs,

    /// The output.
    #[command(flatten)]
    pub export: ExportArgs,

    /// Append OTLP JSON lines to this file instead of sending (`-`: standard output)
    #[arg(long, value_name = "FILE", conflicts_with = "endpoint", value_hint = ValueHint::FilePath, help_heading = "Output")]
    pub output: Option<PathBuf>,

    /// Where qtrail remembers what it has delivered [env: QTRAIL_STATE]
    #[arg(long, value_name = "DIR", value_hint = ValueHint::DirPath, help_heading = "Files")]
    pub state: Option<PathBuf>,

    /// File for records that cannot be delivered [default: dead-letters.jsonl in the state
    /// directory] [env: QTRAIL_DEAD_LETTERS_PATH]
    #[arg(long, value_name = "FILE", value_hint = ValueHint::FilePath, help_heading = "Files")]
    pub dead_letters: Option<PathBuf>,

    /// Send a log record and a span, marked `qtrail.canary` = true, and wait for the answer
    #[arg(long, help_heading = "Mode")]
    pub canary: bool,
}
