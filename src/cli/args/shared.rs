//! Arguments of several commands.

use std::path::PathBuf;

use clap::builder::{NonEmptyStringValueParser, PossibleValuesParser};
use clap::{Args, ValueHint};

use crate::config::keys;

/// Where events are sent, for all commands that export.
#[derive(Debug, Clone, Default, Args)]
#[command(next_help_heading = "Output")]
pub struct ExportArgs {
    /// The collector, such as http://localhost:4317 (gRPC) or https://host:4318 (HTTP)
    #[arg(long, value_name = "URL", value_hint = ValueHint::Url)]
    pub endpoint: Option<String>,

    /// OTLP protocol [default: grpc]
    #[arg(long, value_name = "PROTOCOL", value_parser = PossibleValuesParser::new(keys::PROTOCOLS))]
    pub protocol: Option<String>,

    /// Header to send with every request; repeatable. ${env:NAME} and ${file:PATH} in the value keep
    /// a token out of the list of processes
    #[arg(long = "header", value_name = "NAME=VALUE", value_parser = NonEmptyStringValueParser::new())]
    pub headers: Vec<String>,

    /// Signals to send, separated by commas [default: logs,traces]
    #[arg(long, value_name = "SIGNALS", value_delimiter = ',', value_parser = PossibleValuesParser::new(keys::SIGNALS))]
    pub signals: Vec<String>,
}

/// When to give up, for all commands that deliver.
#[derive(Debug, Clone, Default, Args)]
#[command(next_help_heading = "Output")]
pub struct GiveUpArgs {
    /// Exit with code 1 if events are waiting and none is accepted for this long; 0s: never
    /// [default: 5m; `run` without --once: never] [env: QTRAIL_EXPORT_GIVE_UP_AFTER]
    #[arg(long, value_name = "DURATION")]
    pub give_up_after: Option<String>,
}

/// What shows that all was read, for all commands that deliver files.
#[derive(Debug, Clone, Default, Args)]
#[command(next_help_heading = "Output")]
pub struct ManifestArgs {
    /// Also deliver a log record about each file and object, before it counts as done: its SHA-256, and what became of
    /// its records [env: QTRAIL_MANIFEST]
    #[arg(long)]
    pub manifest: bool,
}

/// The inputs of `run` and `check`.
#[derive(Debug, Clone, Default, Args)]
pub struct InputArgs {
    /// The directory to watch [env: QTRAIL_DIRECTORY_PATH]
    #[arg(value_name = "DIR", value_hint = ValueHint::DirPath)]
    pub dir: Option<PathBuf>,

    /// Read the S3 objects that this SQS queue announces; repeatable. Needs the `aws` feature [env:
    /// QTRAIL_S3_QUEUES]
    #[arg(long = "sqs", value_name = "URL", value_hint = ValueHint::Url, help_heading = "Input")]
    pub queues: Vec<String>,

    /// Read CloudTrail's Event history, for an account without a trail. Needs the `aws` feature
    /// [env: QTRAIL_EVENT_HISTORY_ENABLED]
    #[arg(long, help_heading = "Input")]
    pub event_history: bool,

    /// Accept events over gRPC (the ingest service and OTLP): HOST, HOST:PORT or unix:PATH [default
    /// port: 4319] [env: QTRAIL_INGEST_GRPC_LISTEN]
    #[arg(long, value_name = "ADDR", help_heading = "Input")]
    pub grpc: Option<String>,

    /// Accept events over HTTP (/v1/events, /v1/firehose, OTLP's /v1/logs), likewise [default port:
    /// 4320] [env: QTRAIL_INGEST_HTTP_LISTEN]
    #[arg(long, value_name = "ADDR", help_heading = "Input")]
    pub http: Option<String>,
}

/// Which events are selected, for all commands that read records.
#[derive(Debug, Clone, Default, Args)]
#[command(next_help_heading = "Event selection")]
pub struct SelectArgs {
    /// The events of Amazon Q and Kiro, also those of other agents, or all [default: amazon-q]
    #[arg(long, value_name = "WHICH", value_parser = PossibleValuesParser::new(keys::SELECTS))]
    pub select: Option<String>,
}

/// The verification of what is read.
#[derive(Debug, Clone, Default, Args)]
#[command(next_help_heading = "Verification")]
pub struct VerificationArgs {
    /// Verify what is read by CloudTrail's digest files, and send the findings to the collector; see docs/proof.md
    #[arg(long)]
    pub verify: bool,

    /// The answer of `aws cloudtrail list-public-keys`; repeatable [default: the keys are looked up, which files on disk
    /// do not allow] [env: QTRAIL_VERIFICATION_PUBLIC_KEYS]
    #[arg(long, value_name = "FILE", value_hint = ValueHint::FilePath)]
    pub public_keys: Vec<PathBuf>,
}
