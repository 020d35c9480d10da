//! The command line as a person or a script meets it: the real binary, its output, its exit code.

mod ends;
mod interrupts;
mod told;

use std::path::Path;
use std::process::{Command, Output, Stdio};

use opentelemetry_proto::tonic::collector::logs::v1::logs_service_server::{
    LogsService, LogsServiceServer,
};
use opentelemetry_proto::tonic::collector::logs::v1::{
    ExportLogsServiceRequest, ExportLogsServiceResponse,
};

/// The binary, in an environment without settings of its own.
fn qtrail(args: &[&str]) -> Command {
    let mut command = Command::new(env!("CARGO_BIN_EXE_qtrail"));
    command.args(args).env_clear().stdin(Stdio::null());
    command
}

fn run(command: &mut Command) -> (Option<i32>, String, String) {
    let Output {
        status,
        stdout,
        stderr,
    } = command.output().unwrap();
    let text = |bytes| String::from_utf8(bytes).unwrap();
    (status.code(), text(stdout), text(stderr))
}

fn config(dir: &Path, yaml: &str) -> String {
    let path = dir.join("config.yaml");
    std::fs::write(&path, yaml).unwrap();
    path.display().to_string()
}

#[test]
fn help_documents_the_exit_codes_and_every_command() {
    let (code, out, _) = run(&mut qtrail(&["--help"]));
    assert_eq!(code, Some(0));
    for part in [
        "Exit codes:",
        "dead letters",
        "qtrail demo",
        "convert",
        "replay",
    ] {
        assert!(out.contains(part), "{part} is not in\n{out}");
    }
}

#[test]
fn wrong_usage_and_wrong_configuration_exit_with_2() {
    let dir = tempfile::tempdir().unwrap();
    let (code, _, err) = run(&mut qtrail(&["run", "--no-such-flag"]));
    assert_eq!(code, Some(2), "{err}");
    let file = config(dir.path(), "directory:\n  setle: 1s\n");
    let (code, out, err) = run(&mut qtrail(&["run", "--config", &file]));
    assert_eq!((code, out.as_str()), (Some(2), ""));
    let expected =
        format!("{file}:2: directory.setle: unknown key: did you mean `directory.settle`?");
    assert!(err.contains(&expected), "{err}");
    let (code, _, err) = run(&mut qtrail(&["run"]));
    assert_eq!(code, Some(2));
    assert!(err.contains("qtrail run DIR"), "{err}");
}

#[test]
fn the_printed_configuration_shows_sources_and_no_secrets() {
    let dir = tempfile::tempdir().unwrap();
    let yaml = "select: all\nexport:\n  headers:\n    authorization: Bearer ${env:TOKEN}\n";
    let file = config(dir.path(), yaml);
    let mut command = qtrail(&[
        "run",
        "/d",
        "--print-config",
        "--endpoint",
        "http://u:s3cret@x:1",
    ]);
    command
        .env("QTRAIL_CONFIG", &file)
        .env("QTRAIL_LIMITS_DEPTH", "32")
        .env("OTEL_EXPORTER_OTLP_TIMEOUT", "1500")
        .env("TOKEN", "s3cret");
    let (code, out, err) = run(&mut command);
    assert_eq!(code, Some(0), "{err}");
    assert!(
        !out.contains("s3cret") && !err.contains("s3cret"),
        "{out}{err}"
    );
    for line in [
        "  path: /d  # DIR".to_owned(),
        format!("select: all  # {file}:1"),
        "  depth: 32  # QTRAIL_LIMITS_DEPTH".to_owned(),
        "  timeout: 1500ms  # OTEL_EXPORTER_OTLP_TIMEOUT".to_owned(),
        "  endpoint: \"http://[secret]@x:1\"  # --endpoint".to_owned(),
        "  settle: 5s  # default".to_owned(),
    ] {
        assert!(out.lines().any(|l| l == line), "{line} is not in\n{out}");
    }
}

#[test]
fn log_lines_are_text_or_json_and_never_on_standard_output() {
    let check = |flags: &[&str]| {
        let args = [&["check", "--endpoint", "http://127.0.0.1:1"], flags].concat();
        // A misspelt variable is worth a warning.
        run(qtrail(&args).env("QTRAIL_ENDPOINT", "http://x:1"))
    };
    let (_, out, err) = check(&[]);
    assert!(
        err.contains("WARN") && err.contains("QTRAIL_EXPORT_ENDPOINT"),
        "{err}"
    );
    assert!(
        !err.contains('\u{1b}'),
        "colours outside of a terminal: {err}"
    );
    assert!(!out.contains("WARN"));
    let (_, _, err) = check(&["--log-format", "json"]);
    let line: serde_json::Value = serde_json::from_str(err.lines().next().unwrap()).unwrap();
    assert_eq!(line["level"], "WARN");
    let (_, _, err) = check(&["--quiet"]);
    assert_eq!(err, "");
}

#[test]
fn completions_and_man_pages_are_written() {
    for shell in ["bash", "zsh", "fish"] {
        let (code, out, err) = run(&mut qtrail(&["completions", shell]));
        assert_eq!((code, err.as_str()), (Some(0), ""), "{shell}");
        assert!(
            out.contains("qtrail") && out.lines().count() > 50,
            "{shell}"
        );
    }
    let (code, out, _) = run(&mut qtrail(&["man"]));
    assert_eq!(code, Some(0));
    assert!(out.contains(".TH qtrail 1"), "{out}");
    let dir = tempfile::tempdir().unwrap();
    let (code, _, err) = run(&mut qtrail(&["man", &dir.path().display().to_string()]));
    assert_eq!(code, Some(0), "{err}");
    assert!(dir.path().join("qtrail-run.1").is_file());
}

#[test]
fn a_reader_that_leaves_early_is_no_error() {
    let mut child = qtrail(&["completions", "bash"])
        .stdout(Stdio::piped())
        .stderr(Stdio::piped())
        .spawn()
        .unwrap();
    drop(child.stdout.take());
    let output = child.wait_with_output().unwrap();
    assert!(output.status.success());
    assert_eq!(String::from_utf8_lossy(&output.stderr), "");
}

/// Log requests that arrived, with their headers.
#[derive(Clone)]
struct OwnLogs(tokio::sync::mpsc::UnboundedSender<tonic::Request<ExportLogsServiceRequest>>);

#[tonic::async_trait]
impl LogsService for OwnLogs {
    async fn export(
        &self,
        request: tonic::Request<ExportLogsServiceRequest>,
    ) -> Result<tonic::Response<ExportLogsServiceResponse>, tonic::Status> {
        let _ = self.0.send(request);
        Ok(tonic::Response::new(ExportLogsServiceResponse::default()))
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn own_telemetry_inherits_nothing_that_is_meant_for_the_events() {
    let listener = tokio::net::TcpListener::bind("127.0.0.1:0").await.unwrap();
    let own = format!("http://{}", listener.local_addr().unwrap());
    let (sender, mut received) = tokio::sync::mpsc::unbounded_channel();
    tokio::spawn(
        tonic::transport::Server::builder()
            .add_service(
                LogsServiceServer::new(OwnLogs(sender))
                    .accept_compressed(tonic::codec::CompressionEncoding::Gzip),
            )
            .serve_with_incoming(tonic::transport::server::TcpIncoming::from(listener)),
    );
    let mut command = qtrail(&["check"]);
    command
        .env("QTRAIL_TELEMETRY_ENDPOINT", &own)
        .env("QTRAIL_TELEMETRY_HEADERS", "x-own=yes")
        .env("OTEL_EXPORTER_OTLP_ENDPOINT", "http://127.0.0.1:1")
        .env("OTEL_EXPORTER_OTLP_HEADERS", "authorization=s3cret")
        .env("OTEL_EXPORTER_OTLP_LOGS_HEADERS", "authorization=s3cret")
        .env("OTEL_EXPORTER_OTLP_COMPRESSION", "gzip")
        .env("OTEL_SERVICE_NAME", "q-sidecar")
        // Worth a warning, which is what is exported here.
        .env("QTRAIL_ENDPOINT", "http://x:1");
    tokio::task::spawn_blocking(move || run(&mut command))
        .await
        .unwrap();
    let request = received.recv().await.unwrap();
    assert!(
        request.metadata().get("authorization").is_none(),
        "{request:?}"
    );
    assert_eq!(request.metadata().get("x-own").unwrap(), "yes");
    let text = format!("{:?}", request.get_ref());
    assert!(
        text.contains("q-sidecar") && text.contains("QTRAIL_EXPORT_ENDPOINT"),
        "{text}"
    );
}
