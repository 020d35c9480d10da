//! The line at the start of `qtrail run`.

use crate::config::Config;
use crate::input::directory;
use crate::runtime::build_info;
use crate::telemetry::printable::printable;
use qtrail_core::event::amazon_q::Select;

/// Logs what runs: version, inputs, destination, state, limits. No value in it is secret.
pub(super) fn log(config: &Config) {
    let export = &config.export;
    tracing::info!(
        version = build_info::VERSION,
        commit = build_info::commit().unwrap_or("unknown"),
        inputs = inputs(config),
        verify = config.verification.is_some(),
        select = match config.select {
            Select::AmazonQ => "amazon-q",
            Select::Agents => "agents",
            Select::All => "all",
        },
        destination = printable(&export.destination.to_string()),
        signals = match (config.convert.logs, config.convert.traces) {
            (true, false) => "logs",
            (false, true) => "traces",
            _ => "logs,traces",
        },
        state = printable(&config.state.to_string_lossy()),
        dead_letters = printable(&config.dead_letters.path.to_string_lossy()),
        memory_bytes = config.memory_bytes,
        batch_events = export.batch_events,
        batch_bytes = export.batch_bytes,
        concurrency = export.concurrency,
        "started"
    );
}

/// Each input with what it reads.
fn inputs(config: &Config) -> String {
    let directory = config
        .directory
        .as_ref()
        .map(|directory::Settings { root, .. }| {
            let assembled = if config.assembly.is_some() {
                ", assembled"
            } else {
                ""
            };
            format!("directory {}{assembled}", root.display())
        });
    let queues = config.s3.iter().flat_map(|s3| &s3.queues);
    let queues = queues.map(|queue| format!("sqs {queue}"));
    let history = config
        .event_history
        .as_ref()
        .map(|_| "event history".to_owned());
    let listeners = [("grpc", &config.ingest.grpc), ("http", &config.ingest.http)];
    let listeners = listeners
        .into_iter()
        .filter_map(|(name, listen)| Some(format!("{name} {}", listen.as_ref()?)));
    let all = directory.into_iter().chain(queues).chain(history);
    let all: Vec<_> = all.chain(listeners).collect();
    printable(&all.join("; "))
}
