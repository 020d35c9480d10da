//! Checks of the collector: protocol, TLS, path and credentials, by an empty request.

use super::Finding;
use crate::config::Config;
use crate::export::{self, Destination};
use qtrail_core::otlp::Signal;

pub(super) async fn findings(config: &Config) -> Vec<Finding> {
    let Destination::Otlp { logs, traces } = &config.export.destination else {
        return Vec::new();
    };
    let enabled = [
        (Signal::Logs, config.convert.logs),
        (Signal::Traces, config.convert.traces),
    ];
    let signals: Vec<_> = enabled
        .into_iter()
        .filter_map(|(signal, enabled)| enabled.then_some(signal))
        .collect();
    let what = |signal| {
        let endpoint = match signal {
            Signal::Logs => logs,
            Signal::Traces => traces,
        };
        format!("collector for {} {}", signal.as_str(), endpoint.shown())
    };
    match export::probe(&config.export, &signals).await {
        Ok(answers) => answers
            .into_iter()
            .map(|(signal, result)| Finding::new(what(signal), result))
            .collect(),
        Err(error) => vec![Finding::new(
            "collector".to_owned(),
            Err::<String, _>(error),
        )],
    }
}

#[cfg(test)]
mod tests {
    use super::super::tests::config;
    use super::*;

    #[tokio::test]
    async fn a_disabled_signal_and_a_file_need_no_collector() {
        assert_eq!(findings(&config(&[("export.file", "-")])).await.len(), 0);
        let logs_only = config(&[
            ("signals", "logs"),
            ("export.endpoint", "http://127.0.0.1:1"),
        ]);
        assert_eq!(findings(&logs_only).await.len(), 1);
    }
}
