//! `qtrail check`: what a run needs, tried one after the other.
//!
//! Enters: a valid [`Config`]. Leaves: a line for each thing, and what to mend. What must hold:
//! nothing is changed, and nothing is sent unless `--canary` asks for it.

#[cfg(feature = "aws")]
mod amazon;

use std::fmt::Write;
use std::path::Path;
use std::time::Duration;

use rustix::fs::{Access, access};
use tokio::net::TcpStream;

use super::args::CheckArgs;
use super::{Exit, canary};
use crate::config::Config;
use crate::export::{Destination, Endpoint};
use crate::input::{directory, listen};
use crate::otlp::Signal;
use crate::pipeline::window;

/// How long a connection may take.
const CONNECT: Duration = Duration::from_secs(5);

/// What was tried, and how it went: what was seen, or what to mend.
struct Finding {
    what: String,
    result: Result<String, String>,
}

/// What works, and yet should be mended.
struct Warning {
    what: String,
    text: String,
}

/// Checks what a run needs.
pub async fn run(args: CheckArgs, config: Config) -> anyhow::Result<Exit> {
    let mut findings = vec![Finding {
        what: "configuration".to_owned(),
        result: Ok("valid".to_owned()),
    }];
    findings.extend(files(&config));
    findings.extend(senders(&config));
    let (of_amazon, warnings) = amazon(&config).await;
    findings.extend(of_amazon);
    findings.extend(collector(&config).await);
    if args.canary && findings.iter().all(|finding| finding.result.is_ok()) {
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

#[cfg(feature = "aws")]
async fn amazon(config: &Config) -> (Vec<Finding>, Vec<Warning>) {
    amazon::findings(config).await
}

#[cfg(not(feature = "aws"))]
async fn amazon(config: &Config) -> (Vec<Finding>, Vec<Warning>) {
    let asked = config.s3.is_some() || config.event_history.is_some();
    let refused = crate::config::takes_aws(crate::config::AWS_INPUTS).err();
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

fn files(config: &Config) -> Vec<Finding> {
    let mut findings = Vec::new();
    if let Some(directory) = &config.directory {
        findings.push(Finding {
            what: format!("directory {}", directory.root.display()),
            result: readable(&directory.root),
        });
        findings.push(Finding {
            what: format!("state {}", directory.state.display()),
            result: writable(&directory.state).and_then(|text| usable(directory).map(|()| text)),
        });
    }
    if let Some(duplicates) = &config.duplicates {
        let usable = |text| match window::check(duplicates) {
            Ok(()) => Ok(text),
            Err(error) => Err(error.to_string()),
        };
        findings.push(Finding {
            what: format!("window of duplicates in {}", duplicates.folder.display()),
            result: writable(&duplicates.folder).and_then(usable),
        });
    }
    let folder = match config.dead_letters.path.parent() {
        Some(folder) if !folder.as_os_str().is_empty() => folder,
        _ => Path::new("."),
    };
    findings.push(Finding {
        what: format!("dead letters {}", config.dead_letters.path.display()),
        result: writable(folder),
    });
    findings
}

/// Whether listeners could let senders in.
fn senders(config: &Config) -> Option<Finding> {
    let ingest = &config.ingest;
    (ingest.grpc.is_some() || ingest.http.is_some()).then(|| Finding {
        what: "tokens and certificates for senders".to_owned(),
        result: match listen::check(ingest) {
            Ok(guards) => Ok(format!("usable: {guards}")),
            Err(error) => Err(format!("{error:#}")),
        },
    })
}

fn readable(directory: &Path) -> Result<String, String> {
    // Enough to tell an empty directory from a full one.
    const SOME: usize = 1_000;
    let entries = std::fs::read_dir(directory)
        .map_err(|error| {
            format!("cannot be read: {error} (let qtrail's user read it, or name another)")
        })?
        .take(SOME)
        .count();
    Ok(match entries {
        0 => "readable, empty".to_owned(),
        SOME => format!("readable, {SOME} found or more"),
        _ => format!("readable, {entries} found"),
    })
}

/// Whether the state can be opened. A directory that cannot be listed has a line of its own.
fn usable(directory: &directory::Settings) -> Result<(), String> {
    match directory::check(directory) {
        Ok(()) | Err(directory::Error::Root { .. }) => Ok(()),
        Err(error) => Err(error.to_string()),
    }
}

/// Whether a directory can be written to, or be made.
fn writable(directory: &Path) -> Result<String, String> {
    let nearest = directory
        .ancestors()
        .map(|path| match path.as_os_str().is_empty() {
            true => Path::new("."),
            false => path,
        })
        .find(|path| path.exists())
        .unwrap_or(Path::new("."));
    if !nearest.is_dir() {
        return Err(format!("{} is no directory", nearest.display()));
    }
    access(nearest, Access::WRITE_OK | Access::EXEC_OK).map_err(|error| {
        format!(
            "cannot write to {}: {error} (let qtrail's user write there)",
            nearest.display()
        )
    })?;
    Ok(match nearest == directory {
        true => "writable".to_owned(),
        false => "will be made".to_owned(),
    })
}

async fn collector(config: &Config) -> Vec<Finding> {
    let Destination::Otlp { logs, traces } = &config.export.destination else {
        return Vec::new();
    };
    let mut findings = vec![];
    let signals = [
        (Signal::Logs, logs, config.convert.logs),
        (Signal::Traces, traces, config.convert.traces),
    ];
    for (signal, endpoint, _) in signals.into_iter().filter(|(_, _, enabled)| *enabled) {
        findings.push(Finding {
            what: format!("collector for {} {}", signal.as_str(), shown(endpoint)),
            result: reach(endpoint).await,
        });
    }
    findings
}

/// An endpoint's URL without its query, which may hold a token.
fn shown(endpoint: &Endpoint) -> String {
    let url = endpoint.url.to_string();
    url.split('?').next().unwrap_or_default().to_owned()
}

/// Opens a connection, and closes it.
async fn reach(endpoint: &Endpoint) -> Result<String, String> {
    let host = endpoint.url.host().unwrap_or_default();
    // An IPv6 address stands in brackets in a URL, and without them elsewhere.
    let host = host.trim_matches(['[', ']']);
    let port = endpoint
        .url
        .port_u16()
        .unwrap_or(match endpoint.url.scheme_str() {
            Some("https") => 443,
            _ => 80,
        });
    let hint = "is the collector running, and export.endpoint right?";
    match tokio::time::timeout(CONNECT, TcpStream::connect((host, port))).await {
        Ok(Ok(stream)) => Ok(match stream.peer_addr() {
            Ok(address) => format!("reached at {address}"),
            Err(_) => "reached".to_owned(),
        }),
        Ok(Err(error)) => Err(format!("cannot connect: {error} ({hint})")),
        Err(_) => Err(format!("no answer within {} s ({hint})", CONNECT.as_secs())),
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::config::{Environment, Flags, load};

    fn config(set: &[(&'static str, &str)]) -> Config {
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
    fn directories_are_told_by_what_can_be_done_with_them() {
        let dir = tempfile::tempdir().unwrap();
        assert_eq!(readable(dir.path()).as_deref(), Ok("readable, empty"));
        let file = dir.path().join("file");
        std::fs::write(&file, "").unwrap();
        assert_eq!(readable(dir.path()).as_deref(), Ok("readable, 1 found"));
        assert!(
            readable(&dir.path().join("absent"))
                .unwrap_err()
                .contains("cannot be read")
        );
        assert_eq!(writable(dir.path()).as_deref(), Ok("writable"));
        assert_eq!(
            writable(&dir.path().join("a/b")).as_deref(),
            Ok("will be made")
        );
        assert!(!dir.path().join("a").exists(), "a check changes nothing");
        assert!(
            writable(&file.join("a"))
                .unwrap_err()
                .contains("is no directory")
        );
    }

    #[tokio::test]
    async fn a_collector_is_reached_or_what_to_mend_is_told() {
        let listener = tokio::net::TcpListener::bind("127.0.0.1:0").await.unwrap();
        let url = format!("http://{}", listener.local_addr().unwrap());
        let there = config(&[("export.endpoint", &url)]);
        let findings = collector(&there).await;
        assert_eq!(findings.len(), 2);
        assert!(
            findings.iter().all(|f| f.result.is_ok()),
            "{}",
            table(&findings)
        );
        drop(listener);
        let findings = collector(&there).await;
        assert!(
            table(&findings).contains("FAIL  collector for logs"),
            "{}",
            table(&findings)
        );
        assert!(table(&findings).contains("export.endpoint"));
    }

    #[cfg(not(feature = "aws"))]
    #[tokio::test]
    async fn without_the_feature_amazons_services_are_told_to_be_missing() {
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
    async fn a_queue_that_does_not_answer_is_told() {
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

    #[tokio::test]
    async fn a_signal_that_is_off_and_a_file_need_no_collector() {
        assert_eq!(collector(&config(&[("export.file", "-")])).await.len(), 0);
        let logs_only = config(&[
            ("signals", "logs"),
            ("export.endpoint", "http://127.0.0.1:1"),
        ]);
        assert_eq!(collector(&logs_only).await.len(), 1);
    }
}
