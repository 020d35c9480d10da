//! qtrail as a process that is killed, stopped, started again, and whose disk and clock fail.
//!
//! Enters: the ways in, and where events go. Leaves: lives, one after the other, and how much memory each
//! took. What must hold: a life ends only because it was ended.

use std::fs::{self, File};
use std::io::{Read, Seek, SeekFrom, Write};
use std::net::{SocketAddr, TcpStream};
use std::os::unix::fs::FileExt;
use std::path::PathBuf;
use std::process::Command;
use std::time::{Duration, Instant};

use fastrand::Rng;
use rustix::process::{Resource, Rlimit, Signal, kill_process, prlimit};

use crate::e2e::servers::{Process, wait_for};
use crate::support::free_address;
use crate::support::program::QTRAIL;
use crate::support::sidecar::Place;

/// How long `/metrics` may take.
const PATIENCE: Duration = Duration::from_secs(20);
/// Lines of its log in a finding.
const LAST_LINES: usize = 20;
/// The memory that records and payloads may take.
pub(super) const MEMORY: &str = "32MiB";

/// How one process is set up, and its present life.
pub(super) struct Program {
    place: Place,
    path: String,
    pub(super) grpc: SocketAddr,
    pub(super) http: SocketAddr,
    telemetry: SocketAddr,
    /// More of the environment: of S3's input.
    env: Vec<(String, String)>,
    arguments: Vec<String>,
    endpoint: String,
    clock: Option<Clock>,
    life: Option<Process>,
    /// Bytes of the dead letters that were looked at.
    letters: u64,
    began: Instant,
}

impl Program {
    /// One that exports to `endpoint`.
    pub(super) fn new(place: Place, endpoint: String, more: &Command) -> Self {
        let text = |text: &std::ffi::OsStr| text.to_str().unwrap().to_owned();
        let env = more.get_envs();
        Program {
            path: std::env::var("QTRAIL_SOAK_PROGRAM").unwrap_or_else(|_| QTRAIL.to_owned()),
            clock: Clock::new(&place),
            grpc: free_address(),
            http: free_address(),
            telemetry: free_address(),
            env: env
                .filter_map(|(name, value)| Some((text(name), text(value?))))
                .collect(),
            arguments: more.get_args().map(text).collect(),
            endpoint,
            place,
            life: None,
            letters: 0,
            began: Instant::now(),
        }
    }

    pub(super) fn trail(&self) -> PathBuf {
        self.place.path("trail")
    }

    /// Starts it, with a protocol and a compression by chance.
    pub(super) fn start(&mut self, after: &str, rng: &mut Rng) {
        let protocol = ["grpc", "http/protobuf", "http/json"][rng.usize(..3)];
        let compression = ["none", "gzip"][rng.usize(..2)];
        // A full disk is a limit on the size of files, which must end no process.
        let mut command = Command::new("/bin/sh");
        command
            .env_clear()
            .args(["-c", "trap '' XFSZ; exec \"$0\" \"$@\"", &self.path]);
        command.envs(self.env.iter().cloned());
        let mut command = self.place.with(command);
        command.args(&self.arguments);
        command.args(["--endpoint", &self.endpoint]);
        for (name, value) in [
            ("INGEST_GRPC_LISTEN", self.grpc.to_string().as_str()),
            ("INGEST_HTTP_LISTEN", &self.http.to_string()),
            ("TELEMETRY_HTTP", &self.telemetry.to_string()),
            ("EXPORT_PROTOCOL", protocol),
            ("EXPORT_COMPRESSION", compression),
            ("EXPORT_TIMEOUT", "3s"),
            ("DIRECTORY_AFTER", after),
            ("DIRECTORY_RESCAN", "5s"),
            ("LIMITS_MEMORY", MEMORY),
            ("DUPLICATES_MAX_IDS", "20000"),
            ("S3_VISIBILITY", "10s"),
            ("SHUTDOWN_TIMEOUT", "5s"),
            ("DEAD_LETTERS_MAX_BYTES", "1GiB"),
            ("MANIFEST", "true"),
            ("LOG_LEVEL", "warn"),
        ] {
            command.env(format!("QTRAIL_{name}"), value);
        }
        if let Some(clock) = &self.clock {
            command
                .env("LD_PRELOAD", &clock.library)
                .env("SOAK_CLOCK", &clock.file);
        }
        self.life = Some(Process::start(
            "qtrail",
            &mut command,
            self.place.path("log"),
        ));
        self.began = Instant::now();
    }

    /// Panics, with what it said last, if it has ended by itself.
    pub(super) fn expect_running(&mut self) {
        if let Some(life) = &mut self.life {
            life.expect_running();
        }
    }

    /// SIGKILL.
    pub(super) fn kill(&mut self) {
        self.expect_running();
        if let Some(life) = self.life.take() {
            life.kill();
        }
    }

    /// SIGTERM.
    ///
    /// # Errors
    /// It did not end with 0: how it ended, how old it was, and what it said last.
    pub(super) fn terminate(&mut self) -> Result<(), String> {
        self.expect_running();
        self.wait_until_it_listens();
        let age = self.began.elapsed();
        let Some(status) = self.life.take().map(Process::terminate) else {
            return Ok(());
        };
        if status.success() {
            return Ok(());
        }
        let log = fs::read_to_string(self.place.path("log")).unwrap_or_default();
        let last: Vec<_> = log.lines().rev().take(LAST_LINES).collect();
        Err(format!(
            "SIGTERM {age:?} after its start: {status}; its log, newest first: {last:#?}"
        ))
    }

    /// Before it listens to signals, they end any process: while a shell becomes the program, too.
    fn wait_until_it_listens(&self) {
        let Some(life) = &self.life else { return };
        let path = format!("/proc/{}/status", life.pid().as_raw_nonzero());
        wait_for("a listener to SIGTERM", || {
            let status = fs::read_to_string(&path).unwrap();
            let mask = status
                .lines()
                .find_map(|line| line.strip_prefix("SigCgt:"))?;
            let mask = u64::from_str_radix(mask.trim(), 16).unwrap();
            (mask >> (Signal::TERM.as_raw() - 1) & 1 == 1).then_some(())
        });
    }

    pub(super) fn signal(&self, signal: Signal) {
        if let Some(life) = &self.life {
            kill_process(life.pid(), signal).unwrap();
        }
    }

    /// Files can grow to so many bytes from now on; `None`: as large as they like.
    pub(super) fn room(&self, bytes: Option<u64>) {
        let limit = Rlimit {
            current: bytes,
            maximum: None,
        };
        if let Some(life) = &self.life {
            prlimit(Some(life.pid()), Resource::Fsize, limit).unwrap();
        }
    }

    /// Waits until its files are open: where they cannot be written, it does not start.
    pub(super) fn wait_until_it_serves(&self) {
        wait_for("/metrics", || self.metrics());
    }

    /// Its clock jumps; whether it can.
    pub(super) fn jump(&self, seconds: i64) -> bool {
        let jumped = self.clock.as_ref().map(|clock| clock.set(seconds));
        jumped.is_some()
    }

    /// The memory that it takes, in bytes, and its age.
    pub(super) fn memory(&self) -> Option<(Duration, u64)> {
        let pid = self.life.as_ref()?.pid().as_raw_nonzero();
        let status = fs::read_to_string(format!("/proc/{pid}/status")).ok()?;
        let line = status.lines().find(|line| line.starts_with("VmRSS:"))?;
        let kilobytes: u64 = line.split_whitespace().nth(1)?.parse().ok()?;
        Some((self.began.elapsed(), kilobytes << 10))
    }

    /// What `/metrics` says.
    pub(super) fn metrics(&self) -> Option<String> {
        let mut stream = TcpStream::connect(self.telemetry).ok()?;
        stream.set_read_timeout(Some(PATIENCE)).ok()?;
        stream
            .write_all(b"GET /metrics HTTP/1.1\r\nhost: x\r\nconnection: close\r\n\r\n")
            .ok()?;
        let mut answer = String::new();
        stream.read_to_string(&mut answer).ok()?;
        Some(answer.split_once("\r\n\r\n")?.1.to_owned())
    }

    /// The dead letters that came since the last time.
    pub(super) fn dead_letters(&mut self) -> Vec<String> {
        let Ok(mut file) = File::open(self.place.dead_letters()) else {
            return Vec::new();
        };
        let mut bytes = Vec::new();
        file.seek(SeekFrom::Start(self.letters)).unwrap();
        file.read_to_end(&mut bytes).unwrap();
        // A kill may leave half a line, which is written again.
        let whole = bytes
            .iter()
            .rposition(|byte| *byte == b'\n')
            .map_or(0, |end| end + 1);
        self.letters += whole as u64;
        let text = String::from_utf8(bytes[..whole].to_vec()).unwrap();
        text.lines().map(str::to_owned).collect()
    }
}

/// What is preloaded, so that the program's clock can jump.
struct Clock {
    library: PathBuf,
    file: PathBuf,
}

impl Clock {
    /// `None` where there is no C compiler.
    fn new(place: &Place) -> Option<Self> {
        let clock = Clock {
            library: place.path("clock.so"),
            file: place.path("clock"),
        };
        let source = concat!(env!("CARGO_MANIFEST_DIR"), "/tests/soak/clock.c");
        let mut compiler = Command::new("cc");
        compiler
            .args(["-shared", "-fPIC", "-O2", source, "-ldl", "-o"])
            .arg(&clock.library);
        compiler.status().ok().filter(|status| status.success())?;
        File::create(&clock.file).unwrap();
        clock.set(0);
        Some(clock)
    }

    fn set(&self, seconds: i64) {
        let file = File::options().write(true).open(&self.file).unwrap();
        file.write_all_at(&seconds.to_ne_bytes(), 0).unwrap();
    }
}
