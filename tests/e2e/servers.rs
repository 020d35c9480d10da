//! The real collector as a process: the one under test, and the back end behind it.
//!
//! Each gets ports on loopback and a directory of its own, and is killed when it is dropped.

use std::collections::BTreeMap;
use std::fs::{self, File};
use std::io::{Read, Write};
use std::net::{SocketAddr, TcpStream};
use std::path::{Path, PathBuf};
use std::process::{Child, Command, ExitStatus, Stdio};
use std::time::{Duration, Instant};

use rustix::process::{Pid, Signal, kill_process};

use crate::support::{PATIENCE, free_address};

/// The collector's program, or a line that says why a test is skipped.
pub(crate) fn otelcol(test: &str) -> Option<PathBuf> {
    program("QTRAIL_E2E_COLLECTOR", test)
}

/// The program that a variable names, or a line that says why a test is skipped.
pub(crate) fn program(variable: &str, test: &str) -> Option<PathBuf> {
    let Some(path) = std::env::var_os(variable).map(PathBuf::from) else {
        // Not `eprintln!`, which the test harness would hide; in one write, so that nothing comes between.
        let line = format!("e2e::{test} skipped: set {variable}\n");
        let _ = std::io::stderr().write_all(line.as_bytes());
        return None;
    };
    assert!(
        path.is_file(),
        "{variable} names no file: {}",
        path.display()
    );
    Some(path)
}

/// Asks again and again until the answer is there. `what` says what was waited for.
pub(crate) fn wait_for<T>(what: &str, mut ask: impl FnMut() -> Option<T>) -> T {
    let start = Instant::now();
    loop {
        if let Some(answer) = ask() {
            return answer;
        }
        assert!(start.elapsed() < PATIENCE, "waited {PATIENCE:?} for {what}");
        // Another process writes what is waited for; nothing here announces it.
        std::thread::sleep(Duration::from_millis(20));
    }
}

/// A process that does not outlive its test.
pub(crate) struct Process {
    child: Child,
    name: &'static str,
    log: PathBuf,
    /// Where in the log it began.
    begin: usize,
}

impl Process {
    /// Starts `command`, its output appended to `log`.
    pub(crate) fn start(name: &'static str, command: &mut Command, log: PathBuf) -> Self {
        let output = File::options()
            .create(true)
            .append(true)
            .open(&log)
            .unwrap();
        let begin = output.metadata().unwrap().len() as usize;
        let child = command
            .stdin(Stdio::null())
            .stdout(output.try_clone().unwrap())
            .stderr(output)
            .spawn()
            .unwrap_or_else(|e| panic!("{name} does not start: {e}"));
        Self {
            child,
            name,
            log,
            begin,
        }
    }

    pub(crate) fn pid(&self) -> Pid {
        Pid::from_child(&self.child)
    }

    /// SIGKILL: nothing is flushed.
    pub(crate) fn kill(mut self) {
        self.child.kill().unwrap();
        self.child.wait().unwrap();
    }

    /// SIGTERM, and how it ended.
    pub(crate) fn terminate(mut self) -> ExitStatus {
        kill_process(self.pid(), Signal::TERM).unwrap();
        wait_for(&format!("the end of {}", self.name), || {
            self.child.try_wait().unwrap()
        })
    }

    /// Panics, with what it said, when it has ended by itself.
    pub(crate) fn expect_running(&mut self) {
        if let Some(status) = self.child.try_wait().unwrap() {
            let log = fs::read_to_string(&self.log).unwrap_or_default();
            panic!("{} ended with {status}:\n{log}", self.name);
        }
    }

    pub(crate) fn wait_until_listening(&mut self, address: SocketAddr) {
        wait_for(&format!("{} on {address}", self.name), || {
            self.expect_running();
            TcpStream::connect(address).ok()
        });
    }

    /// Waits until a collector takes signals: a while after it listens, and before that SIGTERM would kill it.
    pub(crate) fn wait_until_ready(&mut self) {
        wait_for(&format!("{} to be ready", self.name), || {
            self.expect_running();
            let log = fs::read_to_string(&self.log).unwrap_or_default();
            log[self.begin..]
                .contains("Everything is ready")
                .then_some(())
        });
    }
}

impl Drop for Process {
    fn drop(&mut self) {
        let _ = self.child.kill();
        let _ = self.child.wait();
        if std::thread::panicking() {
            let log = fs::read_to_string(&self.log).unwrap_or_default();
            let tail = log.len().saturating_sub(4_000);
            eprintln!(
                "--- {} said:\n{}",
                self.name,
                String::from_utf8_lossy(&log.as_bytes()[tail..])
            );
        }
    }
}

/// A back end: a collector that writes each signal to a file.
pub(crate) struct BackEnd {
    otelcol: PathBuf,
    directory: PathBuf,
    listen: SocketAddr,
    process: Option<Process>,
}

impl BackEnd {
    pub(crate) fn start(otelcol: &Path, directory: &Path) -> Self {
        let directory = directory.join("backend");
        fs::create_dir(&directory).unwrap();
        let mut back_end = Self {
            otelcol: otelcol.to_owned(),
            directory,
            listen: free_address(),
            process: None,
        };
        back_end.resume();
        back_end
    }

    /// Starts it again where it was.
    pub(crate) fn resume(&mut self) {
        let mut command = Command::new(&self.otelcol);
        command
            .args([
                "--config",
                concat!(env!("CARGO_MANIFEST_DIR"), "/tests/e2e/backend.yaml"),
            ])
            .env("BACKEND_LISTEN", self.listen.to_string())
            .env("BACKEND_DIRECTORY", &self.directory);
        let mut process = Process::start("the back end", &mut command, self.directory.join("log"));
        process.wait_until_listening(self.listen);
        process.wait_until_ready();
        self.process = Some(process);
    }

    /// Stops it in good order, so that what it accepted is in its files.
    pub(crate) fn stop(&mut self) {
        let status = self.process.take().expect("it runs").terminate();
        assert!(status.success(), "the back end ended with {status}");
    }

    /// What it has written so far: whole lines only, log records first.
    pub(crate) fn lines(&self) -> Vec<String> {
        let mut lines = Vec::new();
        for file in ["logs.jsonl", "traces.jsonl"] {
            let text = fs::read_to_string(self.directory.join(file)).unwrap_or_default();
            let whole = text.rfind('\n').map_or("", |end| &text[..end]);
            lines.extend(whole.lines().map(str::to_owned));
        }
        lines
    }
}

/// The collector that the top-level `otel-collector.yaml` describes.
pub(crate) struct Collector {
    otelcol: PathBuf,
    directory: PathBuf,
    backend: SocketAddr,
    grpc: SocketAddr,
    http: SocketAddr,
    metrics: SocketAddr,
    process: Option<Process>,
}

impl Collector {
    pub(crate) fn start(back_end: &BackEnd, directory: &Path) -> Self {
        Self::before(back_end.listen, &back_end.otelcol, directory)
    }

    /// In front of the back end that listens there.
    pub(crate) fn before(backend: SocketAddr, otelcol: &Path, directory: &Path) -> Self {
        let mut collector = Self {
            otelcol: otelcol.to_owned(),
            directory: directory.join("collector"),
            backend,
            grpc: free_address(),
            http: free_address(),
            metrics: free_address(),
            process: None,
        };
        fs::create_dir(&collector.directory).unwrap();
        collector.resume();
        collector
    }

    /// Starts it again where it was, with the queue that it left.
    pub(crate) fn resume(&mut self) {
        let mut command = Command::new(&self.otelcol);
        command
            .args([
                "--config",
                concat!(env!("CARGO_MANIFEST_DIR"), "/otel-collector.yaml"),
            ])
            .env("OTLP_GRPC_LISTEN", self.grpc.to_string())
            .env("OTLP_HTTP_LISTEN", self.http.to_string())
            .env("BACKEND_ENDPOINT", self.backend.to_string())
            .env("BACKEND_INSECURE", "true")
            .env("QUEUE_DIRECTORY", self.directory.join("queue"))
            .env("METRICS_PORT", self.metrics.port().to_string());
        let mut process = Process::start("the collector", &mut command, self.directory.join("log"));
        process.wait_until_listening(self.grpc);
        process.wait_until_listening(self.http);
        process.wait_until_ready();
        self.process = Some(process);
    }

    /// SIGKILL, whatever it is doing.
    pub(crate) fn kill(&mut self) {
        self.process.take().expect("it runs").kill();
    }

    /// Where `protocol` is spoken.
    pub(crate) fn endpoint(&self, protocol: &str) -> String {
        let address = if protocol == "grpc" {
            self.grpc
        } else {
            self.http
        };
        format!("http://{address}")
    }

    /// Sends one OTLP JSON line over HTTP, without qtrail; panics unless it is accepted.
    pub(crate) fn post(&self, line: &str) {
        let path = if line.starts_with("{\"resourceSpans\"") {
            "/v1/traces"
        } else {
            "/v1/logs"
        };
        let head = format!("POST {path} HTTP/1.1\r\nContent-Type: application/json\r\n");
        let answer = http(self.http, &head, line).expect("the collector answers");
        assert!(
            answer.starts_with("HTTP/1.1 200"),
            "refused:\n{answer}\n{line}"
        );
    }

    /// The sum of the collector's own counters whose name starts so, since it was started.
    pub(crate) fn counter(&self, prefix: &str) -> u64 {
        let metrics = http(self.metrics, "GET /metrics HTTP/1.1\r\n", "").unwrap_or_default();
        let samples = metrics.lines().filter(|line| line.starts_with(prefix));
        samples
            .filter_map(|line| line.rsplit_once(' ')?.1.parse::<f64>().ok())
            .sum::<f64>() as u64
    }
}

/// Sends a request, and returns the whole answer.
pub(crate) fn http(address: SocketAddr, head: &str, body: &str) -> std::io::Result<String> {
    let mut stream = TcpStream::connect(address)?;
    let length = body.len();
    write!(
        stream,
        "{head}Host: {address}\r\nConnection: close\r\nContent-Length: {length}\r\n\r\n{body}"
    )?;
    let mut answer = String::new();
    stream.read_to_string(&mut answer)?;
    Ok(answer)
}

/// `qtrail` with an environment of its own: no variable of the person who runs the tests has a say. Its health
/// is not served, since several run at once.
pub(crate) fn qtrail(arguments: &[&str]) -> Command {
    let kept: BTreeMap<_, _> = std::env::vars_os()
        .filter(|(name, _)| matches!(name.to_str(), Some("PATH" | "TMPDIR" | "LLVM_PROFILE_FILE")))
        .collect();
    let mut command = Command::new(env!("CARGO_BIN_EXE_qtrail"));
    command
        .args(arguments)
        .env_clear()
        .envs(kept)
        .env("QTRAIL_TELEMETRY_HTTP", "none");
    command
}
