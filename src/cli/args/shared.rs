//! Arguments that several commands have.

use std::path::PathBuf;

use clap::builder::{NonEmptyStringValueParser, PossibleValuesParser};
use clap::{Args, ValueHint};

use crate::config::keys;

/// Where events are sent: shared by all commands that export.
#[derive(Debug, Clone, Default, Args)]
#[command(next_help_heading = "Where events go")]
pub struct ExportArgs {
    /// The collector, such as http://localhost:4317 (gRPC) or https://host:4318 (HTTP).
    #[arg(long, value_name = "URL", value_hint = ValueHint::Url)]
    pub endpoint: Option<String>,

    /// How events are carried to the collector [default: grpc]
    #[arg(long, value_name = "PROTOCOL", value_parser = PossibleValuesParser::new(keys::PROTOCOLS))]
    pub protocol: Option<String>,

    /// A header for every request; may be given several times. The value may be ${env:NAME} or
    /// ${file:PATH}, which keeps a token out of the list of processes.
    #[arg(long = "header", value_name = "NAME=VALUE", value_parser = NonEmptyStringValueParser::new())]
    pub headers: Vec<String>,

    /// What is sent, separated by commas [default: logs,traces]
    #[arg(long, value_name = "SIGNALS", value_delimiter = ',', value_parser = PossibleValuesParser::new(keys::SIGNALS))]
    pub signals: Vec<String>,
}

/// When a command gives up: shared by all commands that deliver.
#[derive(Debug, Clone, Default, Args)]
#[command(next_help_heading = "Where events go")]
pub struct GiveUpArgs {
    /// End with exit code 1 once nothing was accepted for this long although events wait; 0s: never
    /// [default: 5m; `run` without --once: never] [env: QTRAIL_EXPORT_GIVE_UP_AFTER]
    #[arg(long, value_name = "DURATION")]
    pub give_up_after: Option<String>,
}

/// What is read: shared by `run` and `check`.
#[derive(Debug, Clone, Default, Args)]
pub struct InputArgs {
    /// The directory to watch [env: QTRAIL_DIRECTORY_PATH]
    #[arg(value_name = "DIR", value_hint = ValueHint::DirPath)]
    pub dir: Option<PathBuf>,

    /// Read the S3 objects that this SQS queue announces; may be given several times. Takes the
    /// `aws` feature [env: QTRAIL_S3_QUEUES]
    #[arg(long = "sqs", value_name = "URL", value_hint = ValueHint::Url, help_heading = "Where events come from")]
    pub queues: Vec<String>,

    /// Read CloudTrail's Event history, for an account without a trail. Takes the `aws` feature
    /// [env: QTRAIL_EVENT_HISTORY_ENABLED]
    #[arg(long, help_heading = "Where events come from")]
    pub event_history: bool,

    /// Take events over gRPC (the ingest service and OTLP): HOST, HOST:PORT or unix:PATH [default
    /// port: 4319] [env: QTRAIL_INGEST_GRPC_LISTEN]
    #[arg(long, value_name = "ADDR", help_heading = "Where events come from")]
    pub grpc: Option<String>,

    /// Take events over HTTP (/v1/events, /v1/firehose, OTLP's /v1/logs), likewise [default port:
    /// 4320] [env: QTRAIL_INGEST_HTTP_LISTEN]
    #[arg(long, value_name = "ADDR", help_heading = "Where events come from")]
    pub http: Option<String>,
}

/// Which events are kept: shared by all commands that read records.
#[derive(Debug, Clone, Default, Args)]
#[command(next_help_heading = "Which events")]
pub struct SelectArgs {
    /// What Amazon Q did, or every record [default: amazon-q]
    #[arg(long, value_name = "WHICH", value_parser = PossibleValuesParser::new(keys::SELECTS))]
    pub select: Option<String>,
}
