//! Bad input in a directory that `qtrail run` watches.

use std::ffi::OsStr;
use std::fs;
use std::os::unix::ffi::OsStrExt;
use std::path::{Path, PathBuf};
use std::process::{Child, Stdio};
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};
use std::time::Duration;

use qtrail::otlp::Signal;
use serde_json::Value;

use crate::support::collector::{Collector, Reply};
use crate::support::program::{event, gzip, log_file, qtrail};

/// What is awaited comes within this time, or the test fails: longer than an unoptimized program
/// takes for 300 MB on a busy machine.
const PATIENCE: Duration = Duration::from_secs(240);

/// The sidecar on a directory, and the collector that it sends to.
struct Running {
    folder: tempfile::TempDir,
    collector: Collector,
    program: Child,
}

impl Running {
    /// Starts it, with settings by environment variables.
    async fn start(settings: &[(&str, &str)]) -> Self {
        Self::start_with(Collector::start().await, settings)
    }

    fn start_with(collector: Collector, settings: &[(&str, &str)]) -> Self {
        let folder = tempfile::tempdir().unwrap();
        fs::create_dir(folder.path().join("watched")).unwrap();
        let program = spawn(folder.path(), &collector, settings);
        Running {
            folder,
            collector,
            program,
        }
    }

    fn watched(&self) -> PathBuf {
        self.folder.path().join("watched")
    }

    /// Moves a complete file into the directory.
    fn drop_in(&self, name: impl AsRef<OsStr>, content: &[u8]) {
        let whole = self.folder.path().join("whole");
        fs::write(&whole, content).unwrap();
        fs::rename(whole, self.watched().join(Path::new(&name))).unwrap();
    }

    /// The dead letters so far.
    fn dead_letters(&self) -> Vec<Value> {
        let path = self.folder.path().join("state/dead-letters.jsonl");
        let lines = fs::read_to_string(path).unwrap_or_default();
        lines
            .split_inclusive('\n')
            .filter(|line| line.ends_with('\n'))
            .map(|line| serde_json::from_str(line).unwrap())
            .collect()
    }

    /// The ids of the log records that the collector took.
    fn delivered(&self) -> Vec<String> {
        let mut ids = self.collector.accepted(Signal::Logs);
        ids.sort();
        ids
    }

    /// Waits until it holds, looking now and then: files and processes tell nobody.
    async fn until(&self, what: &str, holds: impl Fn(&Self) -> bool) {
        let waiting = async {
            while !holds(self) {
                tokio::time::sleep(Duration::from_millis(20)).await;
            }
        };
        if tokio::time::timeout(PATIENCE, waiting).await.is_err() {
            panic!(
                "waited in vain until {what}: {:?}, {:?}",
                self.delivered(),
                self.dead_letters()
            );
        }
    }

    async fn until_delivered(&self, ids: &[&str]) {
        let all = |run: &Self| ids.iter().all(|id| run.delivered().iter().any(|d| d == id));
        self.until(&format!("{ids:?} are delivered"), all).await;
    }

    async fn until_dead_letters(&self, count: usize) {
        self.until("the dead letters are written", |run| {
            run.dead_letters().len() >= count
        })
        .await;
    }

    /// The most memory that the program ever took, in bytes.
    fn peak_memory(&self) -> u64 {
        let status = fs::read_to_string(format!("/proc/{}/status", self.program.id())).unwrap();
        let line = status.lines().find(|line| line.starts_with("VmHWM:"));
        let kilobytes = line.unwrap().split_whitespace().nth(1).unwrap();
        kilobytes.parse::<u64>().unwrap() * 1024
    }

    /// Asks the program to stop, and waits until it did, having delivered what it had begun.
    async fn stop(&mut self) {
        let id = rustix::process::Pid::from_child(&self.program);
        rustix::process::kill_process(id, rustix::process::Signal::TERM).unwrap();
        let ended = async {
            loop {
                if let Some(status) = self.program.try_wait().unwrap() {
                    return status;
                }
                tokio::time::sleep(Duration::from_millis(20)).await;
            }
        };
        let status = tokio::time::timeout(PATIENCE, ended).await.unwrap();
        assert!(status.success(), "{status}");
    }
}

fn spawn(folder: &Path, collector: &Collector, settings: &[(&str, &str)]) -> Child {
    qtrail()
        .arg("run")
        .arg(folder.join("watched"))
        .arg("--state")
        .arg(folder.join("state"))
        .arg("--endpoint")
        .arg(format!("http://{}", collector.address))
        .env("QTRAIL_TELEMETRY_HTTP", "none")
        .envs(settings.iter().copied())
        .stderr(Stdio::null())
        .spawn()
        .unwrap()
}

impl Drop for Running {
    fn drop(&mut self) {
        let _ = self.program.kill();
        let _ = self.program.wait();
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn an_event_of_300_megabytes_costs_itself_alone_and_bounded_memory() {
    let mut run = Running::start(&[]).await;
    let huge = event("huge").replace("\"test\"", "\"@\"");
    let file = log_file(&[event("before"), huge.clone(), event("after")]);
    let text = String::from_utf8(file).unwrap();
    let (head, tail) = text.split_once('@').unwrap();
    // Members in a row are legal gzip, and quick to make.
    let megabyte = gzip(vec![b'x'; 1 << 20]);
    let content = [
        gzip(head.as_bytes()),
        megabyte.repeat(300),
        gzip(tail.as_bytes()),
    ]
    .concat();
    assert!(content.len() < 4 << 20, "{}", content.len());
    run.drop_in("huge.json.gz", &content);
    run.drop_in("neighbour.json", &log_file(&[event("neighbour")]));
    run.until_delivered(&["before", "after", "neighbour"]).await;
    run.until_dead_letters(1).await;
    let peak = run.peak_memory();
    assert!(peak < 200 << 20, "{peak} bytes");
    run.stop().await;
    let [letter] = &run.dead_letters()[..] else {
        panic!("{:?}", run.dead_letters());
    };
    assert_eq!(letter["reason"], "event_too_large");
    let length = huge.len() - 1 + (300 << 20);
    assert_eq!(letter["length"].as_u64(), Some(length as u64));
    assert_eq!(run.delivered(), ["after", "before", "neighbour"]);
}

#[tokio::test(flavor = "multi_thread")]
async fn files_of_any_name_are_read_once() {
    let mut run = Running::start(&[]).await;
    let names = [
        b"new\nline.json".as_slice(),
        b"not-\xff-utf8.json",
        "\u{1f980}.json".as_bytes(),
        b"-.json",
        b" ",
    ];
    for (n, name) in names.iter().enumerate() {
        let records = [event(&format!("good {n}")), "{]".to_owned()];
        run.drop_in(OsStr::from_bytes(name), &log_file(&records));
    }
    run.until_dead_letters(names.len()).await;
    let good = ["good 0", "good 1", "good 2", "good 3", "good 4"];
    run.until_delivered(&good).await;
    run.stop().await;
    assert_eq!(run.delivered(), good);
    let letters = run.dead_letters();
    let mut sources: Vec<_> = letters.iter().map(|l| l["source"].to_string()).collect();
    sources.sort();
    sources.dedup();
    assert_eq!(sources.len(), names.len(), "told apart: {letters:?}");
}

#[tokio::test(flavor = "multi_thread")]
async fn a_gzip_that_is_completed_before_it_settles_is_read_whole() {
    // Longer than this test can take.
    let mut run = Running::start(&[("QTRAIL_DIRECTORY_SETTLE", "10m")]).await;
    // Lines are read as they come, so this tells that the watching has begun.
    run.drop_in(
        "sign-of-life.jsonl",
        format!("{}\n", event("alive")).as_bytes(),
    );
    run.until_delivered(&["alive"]).await;
    let ids: Vec<String> = (0..400).map(|i| format!("{i:03}")).collect();
    let records: Vec<_> = ids.iter().map(|id| event(id)).collect();
    let whole = gzip(log_file(&records));
    let path = run.watched().join("slow.json.gz");
    let (first, rest) = whole.split_at(whole.len() / 2);
    // Closed in the middle, as by a copy in two steps.
    fs::write(&path, first).unwrap();
    run.drop_in("neighbour.json", &log_file(&[event("neighbour")]));
    run.until_delivered(&["neighbour"]).await;
    let mut file = fs::OpenOptions::new().append(true).open(&path).unwrap();
    std::io::Write::write_all(&mut file, rest).unwrap();
    drop(file);
    run.until_delivered(&ids.iter().map(String::as_str).collect::<Vec<_>>())
        .await;
    run.stop().await;
    assert_eq!(run.dead_letters(), [Value::Null; 0]);
}

#[tokio::test(flavor = "multi_thread")]
async fn a_truncated_gzip_is_one_dead_letter_once_it_settled() {
    let mut run = Running::start(&[("QTRAIL_DIRECTORY_SETTLE", "300ms")]).await;
    let records: Vec<_> = (0..400).map(|i| event(&format!("{i:03}"))).collect();
    let whole = gzip(log_file(&records));
    run.drop_in("cut.json.gz", &whole[..whole.len() / 2]);
    run.drop_in("neighbour.json", &log_file(&[event("neighbour")]));
    run.until_dead_letters(1).await;
    run.until_delivered(&["000", "neighbour"]).await;
    run.stop().await;
    let [letter] = &run.dead_letters()[..] else {
        panic!("{:?}", run.dead_letters());
    };
    assert_eq!(letter["reason"], "truncated");
}

#[tokio::test(flavor = "multi_thread")]
async fn a_file_deleted_while_read_ships_and_its_neighbours_too() {
    let collector = Collector::start().await;
    let down = Arc::new(AtomicBool::new(true));
    let is_down = Arc::clone(&down);
    collector.reply_with(move |_| match is_down.load(Ordering::Relaxed) {
        true => Reply::Grpc(tonic::Status::unavailable("down")),
        false => Reply::Accept,
    });
    // So little memory that the collector's being down stops the reading.
    let mut run = Running::start_with(
        collector,
        &[
            ("QTRAIL_LIMITS_MEMORY", "1MiB"),
            ("QTRAIL_LIMITS_EVENT_BYTES", "64KiB"),
            ("QTRAIL_EXPORT_RETRY_INITIAL", "10ms"),
            ("QTRAIL_EXPORT_RETRY_MAX", "100ms"),
        ],
    );
    let ids: Vec<String> = (0..8000).map(|i| format!("{i:04}")).collect();
    let records: Vec<_> = ids.iter().map(|id| event(id)).collect();
    run.drop_in("deleted.json", &log_file(&records));
    run.until("the file is being read", |run| {
        !run.collector.seen(Signal::Logs).is_empty()
    })
    .await;
    fs::remove_file(run.watched().join("deleted.json")).unwrap();
    run.drop_in("neighbour.json", &log_file(&[event("neighbour")]));
    down.store(false, Ordering::Relaxed);
    run.until_delivered(&["neighbour", "7999"]).await;
    run.stop().await;
    let mut delivered = run.delivered();
    delivered.dedup();
    assert_eq!(delivered.len(), ids.len() + 1);
    assert_eq!(run.dead_letters(), [Value::Null; 0]);
}

#[tokio::test(flavor = "multi_thread")]
async fn a_directory_that_disappears_and_comes_back_is_not_read_again() {
    let settings = [("QTRAIL_DIRECTORY_RESCAN", "200ms")];
    let mut run = Running::start(&settings).await;
    let old = [("a.json", "1"), ("sub/b.json", "2")];
    let write = |root: &Path| {
        fs::create_dir_all(root.join("sub")).unwrap();
        for (name, id) in old {
            fs::write(root.join(name), log_file(&[event(id)])).unwrap();
        }
    };
    let root = run.watched();
    write(&root);
    run.until_delivered(&["1", "2"]).await;
    // What was delivered is on record once the program has stopped.
    run.stop().await;
    run.program = spawn(run.folder.path(), &run.collector, &settings);
    run.drop_in("sign-of-life.json", &log_file(&[event("alive")]));
    run.until_delivered(&["alive"]).await;
    // It comes back with new files under the old names, as a volume that is mounted again.
    fs::rename(&root, root.with_file_name("away")).unwrap();
    fs::create_dir(&root).unwrap();
    write(&root);
    run.drop_in("new.json", &log_file(&[event("3")]));
    run.until_delivered(&["3"]).await;
    run.stop().await;
    assert_eq!(run.delivered(), ["1", "2", "3", "alive"]);
    assert_eq!(run.dead_letters(), [Value::Null; 0]);
}
