//! `qtrail check`: tests everything that a run needs.
//!
//! Enters: a valid [`Config`]. Leaves: a line for each check, with its remedy. What must hold: whatever would
//! keep a run from starting or stall it has a FAIL line; nothing that a check creates is left behind, and no
//! event is sent without `--canary`.

#[cfg(feature = "aws")]
mod amazon;
mod collector;
mod files;
mod folder;
mod senders;

use std::fmt::Write;

use super::args::CheckArgs;
use super::{Exit, canary};
use crate::config::{Config, NO_INPUT};

/// A check and its result: what was found, or what to fix.
struct Finding {
    what: String,
    result: Result<String, String>,
}

/// Something that works, but should be fixed.
struct Warning {
    what: String,
    text: String,
}

impl Finding {
    fn new<T: Into<String>, E: std::fmt::Display>(what: String, result: Result<T, E>) -> Self {
        let result = result.map(Into::into).map_err(|error| format!("{error:#}"));
        Finding { what, result }
    }
}

/// Runs all checks and prints their results.
pub async fn run(args: CheckArgs, config: Config) -> anyhow::Result<Exit> {
    let mut findings = vec![Finding::new("configuration".to_owned(), inputs(&config))];
    let (of_files, mut warnings) = files::findings(&config);
    findings.extend(of_files);
    findings.extend(senders::findings(&config).await);
    let (of_amazon, of_amazon_too) = amazon(&config).await;
    findings.extend(of_amazon);
    warnings.extend(of_amazon_too);
    let of_collector = collector::findings(&config).await;
    let is_reached = of_collector.iter().all(|finding| finding.result.is_ok());
    findings.extend(of_collector);
    if args.canary && is_reached {
        findings.push(Finding {
            what: "canary".to_owned(),
            result: canary::send(&config).await,
        });
    }
    super::print(&(table(&findings) + &warned(&warnings)))?;
    Ok(
        match findings.iter().all(|finding| finding.result.is_ok()) {
            true => Exit::Done,
            false => Exit::Failed,
        },
    )
}

fn inputs(config: &Config) -> Result<&'static str, &'static str> {
    match config.has_input() {
        true => Ok("valid"),
        false => Err(NO_INPUT),
    }
}

#[cfg(feature = "aws")]
async fn amazon(config: &Config) -> (Vec<Finding>, Vec<Warning>) {
    amazon::findings(config).await
}

#[cfg(not(feature = "aws"))]
async fn amazon(config: &Config) -> (Vec<Finding>, Vec<Warning>) {
    let asked = config.s3.is_some() || config.event_history.is_some();
    let refused = crate::config::require_aws(crate::config::AWS_INPUTS).err();
    let finding = refused.filter(|_| asked).map(|error| Finding {
        what: "AWS".to_owned(),
        result: Err(error.to_string()),
    });
    (finding.into_iter().collect(), Vec::new())
}

fn table(findings: &[Finding]) -> String {
    let mut out = String::new();
    for Finding { what, result } in findings {
        let (mark, text) = match result {
            Ok(text) => ("ok  ", text),
            Err(text) => ("FAIL", text),
        };
        // Writing to a String cannot fail.
        let _ = writeln!(out, "{mark}  {what}: {text}");
    }
    out
}

fn warned(warnings: &[Warning]) -> String {
    let line = |Warning { what, text }: &Warning| format!("warn  {what}: {text}\n");
    warnings.iter().map(line).collect()
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::config::{Environment, Flags, load};

    pub(super) fn config(set: &[(&'static str, &str)]) -> Config {
        let mut flags = Flags::default();
        for (key, text) in set {
            flags.set(key, "test", *text);
        }
        load(None, &Environment::default(), flags)
            .ok()
            .unwrap()
            .config
    }

    #[test]
    fn a_run_without_an_input_fails() {
        let text = inputs(&config(&[])).unwrap_err();
        assert!(text.contains("no input is configured"), "{text}");
        for (key, value) in [
            ("directory.path", "/d"),
            ("ingest.grpc.listen", "127.0.0.1:0"),
            ("ingest.http.listen", "127.0.0.1:0"),
        ] {
            assert!(inputs(&config(&[(key, value)])).is_ok(), "{key}");
        }
    }

    #[cfg(not(feature = "aws"))]
    #[tokio::test]
    async fn without_the_feature_inputs_from_aws_fail() {
        assert!(amazon(&config(&[])).await.0.is_empty());
        let queue = ("s3.queues", "https://sqs.eu-central-1.amazonaws.com/1/q");
        let (findings, _) = amazon(&config(&[queue])).await;
        assert!(
            table(&findings).contains("FAIL  AWS: s3.queues"),
            "{}",
            table(&findings)
        );
    }

    #[cfg(feature = "aws")]
    #[tokio::test]
    async fn a_queue_that_does_not_answer_fails() {
        let (findings, warnings) = amazon(&config(&[
            ("s3.queues", "http://127.0.0.1:1/1/q"),
            ("aws.endpoint_url", "http://127.0.0.1:1"),
            ("aws.region", "eu-central-1"),
        ]))
        .await;
        assert!(
            table(&findings).contains("FAIL  queue http://127.0.0.1:1/1/q: "),
            "{}",
            table(&findings)
        );
        assert_eq!(warned(&warnings), "");
    }
}
