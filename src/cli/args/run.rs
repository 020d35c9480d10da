//! The arguments of `qtrail run`.

use std::path::PathBuf;

use clap::{Args, ValueHint};

use super::{ExportArgs, GiveUpArgs, InputArgs, ManifestArgs, SelectArgs, VerificationArgs, exit};

/// Watch a directory, listen for senders, and deliver every Amazon Q event to a collector at least
/// once.
///
/// Reads existing files first, oldest first, then new ones. A file is done only when the collector
/// has accepted each of its events or they are in the dead letters, so qtrail can be killed at any
/// moment without losing an event.
///
/// SIGTERM, SIGINT, SIGQUIT or SIGHUP stops reading, waits for the collector (shutdown.timeout, 15 s)
/// and exits with code 0. A second signal exits at once.
#[derive(Debug, Clone, Default, Args)]
#[command(after_help = exit::help("run", "\
Examples:
  qtrail run /var/log/cloudtrail --endpoint http://localhost:4317
  qtrail run /var/log/cloudtrail --endpoint https://otlp.example.com --protocol http/protobuf \\
      --header 'authorization=${file:/run/secrets/token}'
  qtrail run --config /etc/qtrail/config.yaml --print-config
  qtrail run --grpc 127.0.0.1 --http unix:/run/qtrail/http.sock
  qtrail run trail/ --once          # deliver existing files, then exit, for cron

Without --endpoint, the OTEL_EXPORTER_OTLP_* variables apply, else http://localhost:4317.
Every configuration key has a variable: QTRAIL_EXPORT_ENDPOINT sets export.endpoint."))]
pub struct RunArgs {
    /// The inputs.
    #[command(flatten)]
    pub inputs: InputArgs,

    /// The output.
    #[command(flatten)]
    pub export: ExportArgs,

    /// When to give up.
    #[command(flatten)]
    pub give_up: GiveUpArgs,

    /// Manifest records.
    #[command(flatten)]
    pub manifest: ManifestArgs,

    /// Append OTLP JSON lines to this file instead of sending (`-`: standard output)
    #[arg(long, value_name = "FILE", conflicts_with = "endpoint", value_hint = ValueHint::FilePath, help_heading = "Output")]
    pub output: Option<PathBuf>,

    /// The selection of events.
    #[command(flatten)]
    pub select: SelectArgs,

    /// Where qtrail remembers what it has delivered [default: $STATE_DIRECTORY, else
    /// $XDG_STATE_HOME/qtrail, else ~/.local/state/qtrail] [env: QTRAIL_STATE]
    #[arg(long, value_name = "DIR", value_hint = ValueHint::DirPath, help_heading = "Files")]
    pub state: Option<PathBuf>,

    /// File for records that cannot be delivered [default: dead-letters.jsonl in the state
    /// directory] [env: QTRAIL_DEAD_LETTERS_PATH]
    #[arg(long, value_name = "FILE", value_hint = ValueHint::FilePath, help_heading = "Files")]
    pub dead_letters: Option<PathBuf>,

    /// Deliver what is there now, then exit
    #[arg(long, conflicts_with_all = ["grpc", "http"], help_heading = "Mode")]
    pub once: bool,

    /// Make each conversation one tree of spans; events wait 6 minutes for those that they belong to
    #[arg(long, conflicts_with_all = ["grpc", "http"], help_heading = "Output")]
    pub assemble: bool,

    /// The verification.
    #[command(flatten)]
    pub verification: VerificationArgs,

    /// Print the configuration, each value with its source and secrets masked, and exit
    #[arg(long, help_heading = "Mode")]
    pub print_config: bool,
}
