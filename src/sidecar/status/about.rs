//! What runs: the inputs and the destination in words, and the command that replays dead letters.
//!
//! What must hold: no secret is shown: neither the query of a URL nor a header.

use std::path::{Path, PathBuf};

use jiff::Timestamp;

use crate::config::Config;
use crate::export::{Destination, Endpoint, Protocol};
use crate::telemetry::printable::quoted;

/// What runs.
#[derive(Debug, Clone, Default)]
pub struct About {
    pub(super) started: Timestamp,
    pub(super) inputs: Vec<String>,
    pub(super) destination: String,
    pub(super) state: String,
    /// The arguments of `qtrail replay` after the file, with a space before each.
    replay: String,
}

impl About {
    /// What runs with this configuration, since now.
    pub fn new(config: &Config) -> Self {
        About {
            started: Timestamp::now(),
            inputs: inputs(config),
            destination: destination(config),
            state: shown(&config.state),
            replay: replay_arguments(config),
        }
    }

    /// The command that sends the dead letters of this file again.
    pub(super) fn replay_command(&self, file: &Path) -> String {
        format!("qtrail replay {}{}", quoted(&absolute(file)), self.replay)
    }
}

/// A path that is the same from every directory.
pub(super) fn shown(path: &Path) -> String {
    absolute(path).display().to_string()
}

fn absolute(path: &Path) -> PathBuf {
    std::path::absolute(path).unwrap_or_else(|_| path.to_owned())
}

fn inputs(config: &Config) -> Vec<String> {
    let mut inputs = Vec::new();
    if let Some(directory) = &config.directory {
        let trees = match config.assembly {
            Some(_) => ", with conversations as trees",
            None => "",
        };
        inputs.push(format!("files in {}{trees}", shown(&directory.root)));
    }
    for queue in config.s3.iter().flat_map(|s3| &s3.queues) {
        inputs.push(format!("S3 objects that {queue} announces"));
    }
    if let Some(history) = &config.event_history {
        let regions = match history.regions.is_empty() {
            true => String::new(),
            false => format!(" of {}", history.regions.join(", ")),
        };
        inputs.push(format!("CloudTrail's Event history{regions}"));
    }
    let ingest = &config.ingest;
    for (protocol, listen) in [("gRPC", &ingest.grpc), ("HTTP", &ingest.http)] {
        if let Some(listen) = listen {
            inputs.push(format!("events sent over {protocol} to {listen}"));
        }
    }
    inputs
}

fn destination(config: &Config) -> String {
    let (logs, traces) = match &config.export.destination {
        Destination::Otlp { logs, traces } => (logs, traces),
        Destination::File(path) => return format!("the file {}", shown(path)),
        Destination::Stdout => return "standard output".to_owned(),
        Destination::Discard => return "nowhere".to_owned(),
    };
    match (config.convert.logs, config.convert.traces) {
        (true, true) => match common(logs, traces) {
            Some(url) => format!("{url} by {}, as log records and spans", protocol(logs)),
            None => format!(
                "{}, as log records; {}, as spans",
                named(logs),
                named(traces)
            ),
        },
        (_, false) => format!("{}, as log records", named(logs)),
        (false, true) => format!("{}, as spans", named(traces)),
    }
}

fn named(endpoint: &Endpoint) -> String {
    format!("{} by {}", endpoint.shown(), protocol(endpoint))
}

fn protocol(endpoint: &Endpoint) -> &'static str {
    match endpoint.protocol {
        Protocol::Grpc => "gRPC",
        Protocol::HttpProtobuf => "HTTP",
        Protocol::HttpJson => "HTTP (JSON)",
    }
}

/// The same configuration file, and the same collector, which flags and variables may have named.
fn replay_arguments(config: &Config) -> String {
    let mut arguments = String::new();
    if let Some(file) = &config.file {
        arguments += &format!(" --config {}", quoted(file));
    }
    if let Destination::Otlp { logs, traces } = &config.export.destination
        && let Some(url) = common(logs, traces)
    {
        arguments += &format!(" --endpoint {}", quoted(Path::new(&url)));
        match logs.protocol {
            Protocol::Grpc => {}
            Protocol::HttpProtobuf => arguments += " --protocol http/protobuf",
            Protocol::HttpJson => arguments += " --protocol http/json",
        }
    }
    arguments
}

/// The endpoint that both signals have in common.
fn common(logs: &Endpoint, traces: &Endpoint) -> Option<String> {
    if logs.protocol != traces.protocol {
        return None;
    }
    let (logs_url, traces_url) = (logs.shown(), traces.shown());
    let (logs_url, traces_url) = match logs.protocol {
        Protocol::Grpc => (logs_url.as_str(), traces_url.as_str()),
        _ => (
            logs_url.strip_suffix("/v1/logs")?,
            traces_url.strip_suffix("/v1/traces")?,
        ),
    };
    (logs_url == traces_url).then(|| logs_url.trim_end_matches('/').to_owned())
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::config::{Environment, Flags, load};

    fn about(settings: &[(&'static str, &str)]) -> About {
        let mut flags = Flags::default();
        for (key, value) in settings {
            flags.set(key, "--flag", *value);
        }
        About::new(&load(None, &Environment::default(), flags).unwrap().config)
    }

    #[test]
    fn inputs_and_the_destination_are_named_without_secrets() {
        let about = about(&[
            ("directory.path", "/var/log/trail"),
            ("ingest.grpc.listen", "127.0.0.1:4319"),
            ("export.endpoint", "http://me:secret@otel:4318/x?key=secret"),
            ("export.protocol", "http/protobuf"),
            ("export.headers", "authorization=secret"),
        ]);
        assert_eq!(
            about.inputs,
            [
                "files in /var/log/trail",
                "events sent over gRPC to 127.0.0.1:4319"
            ]
        );
        let all = format!("{about:?}");
        assert!(
            about.destination.starts_with("http://otel:4318/x by HTTP"),
            "{all}"
        );
        assert!(!all.contains("secret"), "{all}");
    }

    #[test]
    fn the_command_sends_to_the_same_collector() {
        let command = |settings: &[_]| about(settings).replay_command(Path::new("/s/it's.jsonl"));
        assert_eq!(
            command(&[("export.endpoint", "http://otel:4317")]),
            r"qtrail replay '/s/it'\''s.jsonl' --endpoint http://otel:4317"
        );
        assert_eq!(
            command(&[
                ("export.endpoint", "http://otel:4318/a"),
                ("export.protocol", "http/json")
            ]),
            r"qtrail replay '/s/it'\''s.jsonl' --endpoint http://otel:4318/a --protocol http/json"
        );
        assert_eq!(
            command(&[("export.file", "/x")]),
            r"qtrail replay '/s/it'\''s.jsonl'"
        );
    }
}
