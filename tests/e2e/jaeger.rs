//! Assembled conversations in the real Jaeger, as its query API shows them.

use std::collections::{BTreeMap, BTreeSet};
use std::net::SocketAddr;
use std::path::Path;
use std::process::Command;

use serde_json::Value;
use tempfile::TempDir;

use super::servers::{Collector, Process, http, otelcol, program, qtrail, wait_for};
use crate::ground_truth;
use crate::support::free_address;
use crate::support::program::{json_lines, records};

/// What Jaeger keeps of a span: trace, parent, start and end, by the span's id.
type Spans = BTreeMap<String, [String; 4]>;

#[test]
fn an_assembled_conversation_is_one_tree_and_a_repeat_adds_no_span() {
    let name = "an_assembled_conversation_is_one_tree_and_a_repeat_adds_no_span";
    let (Some(otelcol), Some(jaeger)) = (otelcol(name), program("QTRAIL_E2E_JAEGER", name)) else {
        return;
    };
    let directory = TempDir::new().unwrap();
    let trail = directory.path().join("trail");
    ground_truth::write(&qtrail_sample::conversation_trail(1, 40), &trail);
    let arguments = ["--assemble", "--select", "agents"];
    let (expected, sent) = converted(&trail, &arguments);
    let roots: Vec<_> = expected
        .values()
        .filter(|[_, parent, ..]| parent.is_empty())
        .collect();
    assert!(roots.len() < expected.len() / 4, "little has a parent");

    let jaeger = Jaeger::start(&jaeger, directory.path());
    let collector = Collector::before(jaeger.listen, &otelcol, directory.path());
    for round in 1..=2 {
        let endpoint = collector.endpoint("grpc");
        let status = qtrail(&["convert", trail.to_str().unwrap(), "--endpoint", &endpoint])
            .args(arguments)
            .status();
        // Jaeger takes no log records, and the collector drops them.
        assert!(status.unwrap().success());
        wait_for("all spans to be at Jaeger", || {
            (collector.counter("otelcol_exporter_sent_spans") >= round * sent).then_some(())
        });
        let traces: BTreeSet<_> = expected.values().map(|[trace, ..]| trace).collect();
        let mut found = Spans::new();
        for trace in traces {
            jaeger.expect_no_warning(trace);
            found.extend(jaeger.trace(trace));
        }
        assert!(found == expected, "in round {round}");
    }
}

/// The distinct spans that `convert` makes of a trail, and the number of all.
fn converted(trail: &Path, arguments: &[&str]) -> (Spans, u64) {
    let output = qtrail(&["convert", trail.to_str().unwrap(), "--output", "-"])
        .args(arguments)
        .output()
        .unwrap();
    assert!(output.status.success());
    let lines = json_lines(&output.stdout);
    let all = lines
        .iter()
        .flat_map(|line| records(line, "resourceSpans", "scopeSpans", "spans"));
    let all: Vec<_> = all.map(|span| kept(&span)).collect();
    let sent = all.len() as u64;
    (all.into_iter().collect(), sent)
}

fn kept(span: &Value) -> (String, [String; 4]) {
    let text = |key: &str| span[key].as_str().unwrap_or_default().to_owned();
    let rest = [
        "traceId",
        "parentSpanId",
        "startTimeUnixNano",
        "endTimeUnixNano",
    ];
    (text("spanId"), rest.map(text))
}

struct Jaeger {
    listen: SocketAddr,
    query: SocketAddr,
    _process: Process,
}

impl Jaeger {
    fn start(program: &Path, directory: &Path) -> Self {
        let (listen, query) = (free_address(), free_address());
        let mut command = Command::new(program);
        command
            .args([
                "--config",
                concat!(env!("CARGO_MANIFEST_DIR"), "/tests/e2e/jaeger.yaml"),
            ])
            .env("JAEGER_LISTEN", listen.to_string())
            .env("JAEGER_QUERY", query.to_string());
        let mut process = Process::start("Jaeger", &mut command, directory.join("jaeger.log"));
        process.wait_until_listening(listen);
        process.wait_until_listening(query);
        Jaeger {
            listen,
            query,
            _process: process,
        }
    }

    /// The spans of a trace, with their times in nanoseconds. Each is there once.
    fn trace(&self, id: &str) -> Vec<(String, [String; 4])> {
        let answer = self.ask(&format!("/api/v3/traces/{id}"));
        let spans = records(&answer["result"], "resourceSpans", "scopeSpans", "spans");
        let spans: Vec<_> = spans.iter().map(kept).collect();
        let distinct: BTreeSet<_> = spans.iter().map(|(id, _)| id).collect();
        assert_eq!(distinct.len(), spans.len(), "a repeat in {id}");
        spans
    }

    /// As Jaeger's page asks: it warns of what it does not like, such as a child outside its parent's time.
    fn expect_no_warning(&self, trace: &str) {
        let answer = self.ask(&format!("/api/traces/{trace}"));
        let spans = answer["data"][0]["spans"].as_array().expect("a trace");
        for span in spans {
            assert!(span["warnings"].is_null(), "{span}");
        }
    }

    fn ask(&self, path: &str) -> Value {
        // HTTP/1.0: the answer comes in one piece.
        let answer = http(self.query, &format!("GET {path} HTTP/1.0\r\n"), "").unwrap();
        let (head, body) = answer.split_once("\r\n\r\n").unwrap();
        assert!(head.starts_with("HTTP/1.0 200"), "{path}: {answer}");
        serde_json::from_str(body).unwrap()
    }
}
