//! The arguments of `qtrail status` and `qtrail top`.

use std::path::PathBuf;

use clap::{Args, ValueEnum, ValueHint};

use super::exit;

/// Which qtrail is asked.
#[derive(Debug, Clone, Default, Args)]
pub struct TelemetryArgs {
    /// The telemetry address of a running qtrail: HOST:PORT or http://HOST:PORT [default:
    /// telemetry.http of the configuration, else 127.0.0.1:9465]
    #[arg(value_name = "ADDRESS", value_hint = ValueHint::Url)]
    pub address: Option<String>,

    /// A file whose first line is the token to show [default, without ADDRESS: the first of
    /// telemetry.token_files]
    #[arg(long, value_name = "FILE", value_hint = ValueHint::FilePath)]
    pub token_file: Option<PathBuf>,
}

/// Print what a running qtrail does: inputs, rates, what became of the records, what is blocked and
/// what mends it, the last events, the dead letters.
#[derive(Debug, Clone, Default, Args)]
#[command(after_help = exit::help("status", "\
Examples:
  qtrail status
  qtrail status http://localhost:9465 --format json | jq .blocked
  qtrail status --config /etc/qtrail/config.yaml || systemctl status qtrail"))]
pub struct StatusArgs {
    /// Which qtrail is asked.
    #[command(flatten)]
    pub telemetry: TelemetryArgs,

    /// The format
    #[arg(long, value_enum, default_value_t)]
    pub format: StatusFormat,
}

/// Show the same live in the terminal, until q or Ctrl-C.
#[derive(Debug, Clone, Default, Args)]
#[command(after_help = exit::help("top", "\
Examples:
  qtrail top
  qtrail top localhost:9465"))]
pub struct TopArgs {
    /// Which qtrail is asked.
    #[command(flatten)]
    pub telemetry: TelemetryArgs,
}

/// The format of `qtrail status`.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default, ValueEnum)]
pub enum StatusFormat {
    /// For people
    #[default]
    Text,
    /// One JSON object, that of /status.json
    Json,
}
