//! `qtrail run` as a process beside the test: its log is listened to, its metrics are read.

use std::io::{BufRead, BufReader};
use std::net::SocketAddr;
use std::os::unix::process::ExitStatusExt;
use std::path::{Path, PathBuf};
use std::process::{Child, Command, ExitStatus, Stdio};
use std::time::Duration;

use qtrail::telemetry::metrics::Balance;
use rustix::process::{Pid, Resource, Rlimit, Signal, kill_process, prlimit};
use tempfile::TempDir;
use tokio::io::{AsyncReadExt, AsyncWriteExt};
use tokio::net::TcpStream;
use tokio::sync::watch;

use super::PATIENCE;
use super::program::qtrail;

/// The folders of a sidecar.
pub struct Place {
    folder: TempDir,
    env: Vec<(String, String)>,
}

impl Place {
    /// New ones, empty.
    pub fn new() -> Self {
        let folder = tempfile::tempdir().unwrap();
        std::fs::create_dir(folder.path().join("trail")).unwrap();
        Place {
            folder,
            env: Vec::new(),
        }
    }

    /// A variable for each process in these folders.
    pub fn with_env(mut self, name: &str, value: &str) -> Self {
        self.env.push((name.to_owned(), value.to_owned()));
        self
    }

    /// A path beside the watched folder.
    pub fn path(&self, name: &str) -> PathBuf {
        self.folder.path().join(name)
    }

    /// The dead letters, unless the test puts them elsewhere.
    pub fn dead_letters(&self) -> PathBuf {
        self.path("state/dead-letters.jsonl")
    }

    /// Adds a whole file to the watched folder, at once.
    pub fn add(&self, name: impl AsRef<Path>, bytes: &[u8]) {
        let aside = self.path("aside");
        std::fs::write(&aside, bytes).unwrap();
        std::fs::rename(aside, self.path("trail").join(name)).unwrap();
    }

    /// `qtrail run` in these folders, with short waits, its port chosen by the system.
    pub fn run(&self) -> Command {
        self.with(qtrail())
    }

    /// The same, to which a limit on the size of files is what a full disk is: a write answers an error, and
    /// no signal ends the process.
    pub fn run_on_a_small_disk(&self) -> Command {
        let mut shell = Command::new("/bin/sh");
        shell
            .env_clear()
            .args(["-c", "trap '' XFSZ; exec \"$0\" \"$@\""])
            .arg(qtrail().get_program());
        self.with(shell)
    }

    /// The same, started by another program.
    pub fn with(&self, mut command: Command) -> Command {
        command
            .arg("run")
            .arg(self.path("trail"))
            .arg("--state")
            .arg(self.path("state"))
            .env("QTRAIL_TELEMETRY_HTTP", "127.0.0.1:0")
            .env("QTRAIL_DIRECTORY_SETTLE", "1s")
            // A test that holds an answer back decides for how long, on a busy machine too.
            .env("QTRAIL_EXPORT_TIMEOUT", "10m")
            .env("QTRAIL_EXPORT_RETRY_INITIAL", "20ms")
            .env("QTRAIL_EXPORT_RETRY_MAX", "200ms")
            .envs(self.env.iter().cloned());
        command
    }
}

/// The running program. It is killed when it is dropped.
pub struct Sidecar {
    child: Child,
    /// What it has said so far; closed when it has ended.
    log: watch::Receiver<String>,
}

impl Sidecar {
    /// Starts the command.
    pub fn start(command: &mut Command) -> Self {
        let mut child = command
            .stdin(Stdio::null())
            .stdout(Stdio::null())
            .stderr(Stdio::piped())
            .spawn()
            .unwrap();
        let (said, log) = watch::channel(String::new());
        let stderr = BufReader::new(child.stderr.take().unwrap());
        std::thread::spawn(move || {
            for line in stderr.split(b'\n').map_while(Result::ok) {
                let line = String::from_utf8_lossy(&line);
                said.send_modify(|text| {
                    text.push_str(&line);
                    text.push('\n');
                });
            }
        });
        Sidecar { child, log }
    }

    /// All that it has said.
    pub fn said(&self) -> String {
        self.log.borrow().clone()
    }

    /// Waits until it says this; the line that says it.
    pub async fn until_said(&self, text: &str) -> String {
        let mut log = self.log.clone();
        let find = |log: &String| log.lines().find(|l| l.contains(text)).map(str::to_owned);
        let heard = log.wait_for(|log| find(log).is_some());
        match tokio::time::timeout(PATIENCE, heard).await {
            Ok(Ok(log)) => find(&log).unwrap(),
            _ => panic!("{text:?} was not said:\n{}", self.said()),
        }
    }

    /// Where `/metrics` and the others are served.
    pub async fn address(&self) -> SocketAddr {
        let line = self.until_said("/metrics").await;
        let (_, rest) = line.split_once("http://").unwrap();
        rest.split_once("/metrics").unwrap().0.parse().unwrap()
    }

    /// Where senders by `protocol`, `grpc` or `http`, are listened to.
    pub async fn listens(&self, protocol: &str) -> SocketAddr {
        let line = self.until_said(&format!("{protocol} is served at ")).await;
        let (_, address) = line.rsplit_once(' ').unwrap();
        address.parse().unwrap()
    }

    /// The status and the body of an answer.
    pub async fn get(&self, path: &str) -> (u16, String) {
        let mut stream = TcpStream::connect(self.address().await).await.unwrap();
        let request =
            format!("GET {path} HTTP/1.1\r\nhost: localhost\r\nconnection: close\r\n\r\n");
        stream.write_all(request.as_bytes()).await.unwrap();
        let mut answer = String::new();
        stream.read_to_string(&mut answer).await.unwrap();
        let (head, body) = answer.split_once("\r\n\r\n").unwrap();
        (head[9..12].parse().unwrap(), body.to_owned())
    }

    /// Asks again and again until the answer is as it should be.
    pub async fn until(&self, path: &str, holds: impl Fn(u16, &str) -> bool) -> String {
        match self.eventually(path, holds).await {
            Some(body) => body,
            None => panic!(
                "waited in vain for {path}; now it is\n{}\nand the log\n{}",
                self.get(path).await.1,
                self.said()
            ),
        }
    }

    /// The same, where the test says what is wrong if it never is.
    pub async fn eventually(
        &self,
        path: &str,
        holds: impl Fn(u16, &str) -> bool,
    ) -> Option<String> {
        let asking = async {
            loop {
                let (status, body) = self.get(path).await;
                if holds(status, &body) {
                    return body;
                }
                // Another process changes what is asked for, and announces nothing.
                tokio::time::sleep(Duration::from_millis(10)).await;
            }
        };
        tokio::time::timeout(PATIENCE, asking).await.ok()
    }

    /// Waits until at least so many records were read and all of them have settled; the balance,
    /// which holds.
    pub async fn settled(&self, read: u64) -> Balance {
        let metrics = self
            .until("/metrics", |_, text| {
                let now = balance(text);
                now.read >= read && now.in_flight == 0 && now.holds()
            })
            .await;
        let balance = balance(&metrics);
        let reasons = sum(&metrics, "qtrail_dead_letters_total");
        assert_eq!(reasons, balance.dead_lettered, "{metrics}");
        let answers = value(&metrics, "qtrail_export_duration_seconds_count");
        let requests = value(&metrics, "qtrail_export_requests_total");
        assert_eq!(answers, requests, "{metrics}");
        let has_lag = metrics.contains("\nqtrail_lag_seconds ");
        assert_eq!(has_lag, balance.exported > 0, "{metrics}");
        balance
    }

    /// Sends a signal.
    pub fn signal(&self, signal: Signal) {
        kill_process(Pid::from_child(&self.child), signal).unwrap();
    }

    /// Its files can be so large from now on; `None`: as large as they like.
    pub fn room(&self, bytes: Option<u64>) {
        let limit = Rlimit {
            current: bytes,
            maximum: None,
        };
        prlimit(Some(self.pid()), Resource::Fsize, limit).unwrap();
    }

    /// SIGKILL: nothing is flushed.
    pub fn kill(mut self) {
        self.child.kill().unwrap();
        let status = self.child.wait().unwrap();
        assert_eq!(status.signal(), Some(9), "it had ended: {}", self.said());
    }

    /// Asks it to stop, and waits until it has: the exit code, and what it said.
    pub async fn stop(self) -> (Option<i32>, String) {
        self.signal(Signal::TERM);
        self.exit().await
    }

    /// Waits for its end: the exit code, and what it said.
    pub async fn exit(mut self) -> (Option<i32>, String) {
        let status = self.ended().await;
        (status.code(), self.said())
    }

    async fn ended(&mut self) -> ExitStatus {
        let mut log = self.log.clone();
        let closed = async { while log.changed().await.is_ok() {} };
        if tokio::time::timeout(PATIENCE, closed).await.is_err() {
            panic!("it does not end:\n{}", self.said());
        }
        self.child.wait().unwrap()
    }

    /// The most memory that it ever took, in bytes.
    pub fn peak_memory(&self) -> u64 {
        let status = std::fs::read_to_string(format!("/proc/{}/status", self.child.id())).unwrap();
        let line = status.lines().find(|line| line.starts_with("VmHWM:"));
        let kilobytes = line.unwrap().split_whitespace().nth(1).unwrap();
        kilobytes.parse::<u64>().unwrap() * 1024
    }

    /// Its process.
    pub fn pid(&self) -> Pid {
        Pid::from_child(&self.child)
    }
}

impl Drop for Sidecar {
    fn drop(&mut self) {
        let _ = self.child.kill();
        let _ = self.child.wait();
    }
}

/// The balance in Prometheus' text.
pub fn balance(metrics: &str) -> Balance {
    let counter = |name: &str| value(metrics, &format!("qtrail_events_{name}_total"));
    Balance {
        read: counter("read"),
        exported: counter("exported"),
        filtered: counter("filtered"),
        duplicate: counter("duplicate"),
        dead_lettered: counter("dead_lettered"),
        in_flight: value(metrics, "qtrail_events_in_flight"),
    }
}

/// The balance in the last line of the log.
pub fn last_balance(log: &str) -> Balance {
    let line = log.lines().rfind(|line| line.contains("in_flight="));
    let line = line.unwrap_or_else(|| panic!("no balance in\n{log}"));
    let count = |name: &str| {
        let (_, rest) = line.split_once(&format!(" {name}=")).unwrap();
        rest.split(' ').next().unwrap().parse().unwrap()
    };
    Balance {
        read: count("read"),
        exported: count("exported"),
        filtered: count("filtered"),
        duplicate: count("duplicate"),
        dead_lettered: count("dead_lettered"),
        in_flight: count("in_flight"),
    }
}

/// The value of a series without labels.
pub fn value(metrics: &str, name: &str) -> u64 {
    let line = metrics.lines().find_map(|line| {
        let (series, value) = line.split_once(' ')?;
        (series == name).then_some(value)
    });
    let value = line.unwrap_or_else(|| panic!("no {name} in\n{metrics}"));
    value.parse().unwrap()
}

/// The sum of a family's series.
fn sum(metrics: &str, name: &str) -> u64 {
    let series = metrics
        .lines()
        .filter_map(|line| line.strip_prefix(name)?.strip_prefix('{'));
    series
        .filter_map(|rest| rest.split_once("} ")?.1.parse::<u64>().ok())
        .sum()
}
