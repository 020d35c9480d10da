//! Every row of the table of exit codes, by the real binary.

use std::fs::{self, File, Permissions};
use std::io::Write as _;
use std::os::unix::fs::{PermissionsExt, chown, symlink};
use std::os::unix::process::CommandExt;
use std::path::Path;
use std::process::{Command, Output, Stdio};
use std::time::Duration;

use rustix::process::{Pid, Signal, geteuid, kill_process};

use crate::support::collector::Collector;
use crate::support::nest_too_deep;
use crate::support::program::{event, gzip, log_file, qtrail};
use crate::support::sidecar::{Place, Sidecar};
use crate::support::terminal::top;
use crate::verify::Signed;

/// A user that owns nothing.
const NOBODY: u32 = 65534;

/// The commands of the documented table, each with the codes that it may end with.
fn documented() -> Vec<(String, Vec<i32>)> {
    let text = include_str!("../../docs/operations.md");
    let (_, table) = text.split_once("| command | 0 | 1 | 3 |").unwrap();
    let rows = table.lines().skip(2).take_while(|l| l.starts_with('|'));
    let cells = rows.map(|row| row.split('|').map(str::trim).collect::<Vec<_>>());
    cells
        .map(|cells| {
            let meant = |(code, cell): (i32, &str)| (cell != "-").then_some(code);
            let codes = [(0, cells[2]), (1, cells[3]), (3, cells[4])];
            let codes = codes.into_iter().filter_map(meant).collect();
            (cells[1].trim_matches('`').to_owned(), codes)
        })
        .collect()
}

#[tokio::test(flavor = "multi_thread")]
async fn each_command_ends_with_each_code_of_the_documented_table() {
    let documented = documented();
    assert_eq!(documented.len(), 19, "{documented:?}");
    for (command, codes) in documented {
        for code in codes {
            for (exit, said) in ends(&command, code).await {
                assert_eq!(exit, Some(code), "{command}: {said}");
            }
        }
    }
}

/// Ways in which a command ends with this code, tried.
async fn ends(command: &str, code: i32) -> Vec<(Option<i32>, String)> {
    match (command, code) {
        ("run", 0) => vec![stopped(Scene::new().await).await],
        ("run", 1) => vec![cannot_start().await],
        ("run --once", 0) => vec![once(&Scene::new().await.with_what_is_skipped()).await],
        ("run --once", 1) => once_with_something_left().await,
        ("run --once", 3) => vec![once(&Scene::new().await.with_a_dead_letter()).await],
        ("convert", 0) => vec![
            Scene::new().await.convert(&[]),
            unread(&["convert", "--format", "events"]),
            unread(&["convert"]),
        ],
        ("convert", 1) => convert_with_something_left().await,
        ("convert", 3) => ["otlp", "events"]
            .map(|format| in_trail("convert", &[b"{]"], &["--format", format]))
            .into(),
        ("backfill", 0) => vec![Scene::new().await.backfill(&[]).await],
        ("backfill", 1) => vec![Scene::new().await.with_a_secret().backfill(&[]).await],
        ("backfill", 3) => vec![Scene::new().await.with_a_dead_letter().backfill(&[]).await],
        ("backfill --dry-run", 0) => vec![Scene::new().await.backfill(&["--dry-run"]).await],
        ("backfill --dry-run", 1) => {
            let scene = Scene::new().await;
            nest_too_deep(&scene.place.path("trail"));
            vec![scene.backfill(&["--dry-run"]).await]
        }
        ("replay", 0) => vec![replay(LETTER).await],
        ("replay", 1) => vec![replay("no letter\n").await],
        ("replay", 3) => vec![replay(DEAD).await, replay(HASH).await],
        ("status", 0) | ("top", 0) => watched(command).await,
        ("status", 1) => vec![run(qtrail().args(["status", "127.0.0.1:1"]))],
        ("top", 1) => vec![run(qtrail().args(["top", "127.0.0.1:1"]))],
        ("report", 0) => vec![
            in_trail("report", &[&log_file(&[event("one")])], &[]),
            unread(&["report"]),
        ],
        ("report", 1) => vec![
            run(qtrail().args(["report", "/nowhere"])),
            in_trail(
                "report",
                &[&log_file(&[event("one")])],
                &["-o", "/dev/full"],
            ),
        ],
        ("report", 3) => vec![in_trail("report", &[b"{]"], &[])],
        ("verify", 0) => Vec::from_iter(verified()),
        ("verify", 1) => vec![verify_nothing()],
        ("lint-trail", 0) => vec![
            in_trail("lint-trail", &[&log_file(&[event("one")])], &[]),
            unread(&["lint-trail"]),
        ],
        ("lint-trail", 1) => vec![
            run(qtrail().args(["lint-trail", "/nowhere"])),
            in_trail("lint-trail", &[], &[]),
            lint_a_stopped_trail(),
        ],
        ("lint-trail", 3) => vec![in_trail(
            "lint-trail",
            &[&log_file(&[event("one")]), b"{]"],
            &[],
        )],
        ("explain", 0) => vec![in_file("explain", &log_file(&[event("one")]), &[])],
        ("explain", 1) => vec![
            in_file("explain", b"{}", &[]),
            run(qtrail().args(["explain", "/nowhere"])),
            in_file("explain", &log_file(&[event("one")]), &["--index", "7"]),
        ],
        ("check", 0) => vec![Scene::new().await.check("trail")],
        ("check", 1) => vec![Scene::new().await.check("nowhere")],
        ("demo", 0) => vec![run(qtrail().arg("demo"))],
        ("demo", 1) => vec![demo_in_a_full_folder(), demo_stopped().await],
        ("sample", 0) => vec![run(qtrail().args(["sample", "-o", "-", "--events", "3"]))],
        ("sample", 1) => vec![run(qtrail().args(["sample", "-o", "/dev/full"]))],
        ("pseudonym", 0) => vec![run(qtrail()
            .args(["pseudonym", "mary"])
            .env("QTRAIL_REDACT_KEY", "0123456789abcdef"))],
        ("pseudonym", 1) => vec![run(qtrail().args(["pseudonym", "mary"]))],
        ("completions", 0) => vec![run(qtrail().args(["completions", "bash"]))],
        ("completions", 1) => vec![full(qtrail().args(["completions", "bash"]))],
        ("version", 0) => vec![
            run(qtrail().arg("version")),
            run(qtrail().args(["version", "--format", "json"])),
        ],
        ("version", 1) => vec![full(qtrail().arg("version"))],
        ("man", 0) => vec![run(qtrail().arg("man"))],
        ("man", 1) => vec![
            run(qtrail().args(["man", "/dev/null/man1"])),
            full(qtrail().arg("man")),
        ],
        row => panic!("{row:?} is documented and not tried"),
    }
}

#[test]
fn wrong_usage_is_2_in_every_command() {
    let commands = documented();
    let words = commands
        .iter()
        .map(|(command, _)| command.split(' ').next().unwrap());
    for command in words {
        let (exit, said) = run(qtrail().args([command, "--no-such-flag"]));
        assert_eq!(exit, Some(2), "{command}: {said}");
    }
    let (exit, said) = run(qtrail().arg("check").env("QTRAIL_LIMITS_DEPTH", "deep"));
    assert_eq!(exit, Some(2), "{said}");
    let times = ["--from", "2026-01-02", "--to", "2026-01-01"];
    for dry_run in [&[][..], &["--dry-run"]] {
        let backfill = qtrail()
            .args(["backfill", "."])
            .args(times)
            .args(dry_run)
            .output();
        let (exit, said) = told(&backfill.unwrap());
        assert_eq!(exit, Some(2), "{said}");
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn a_signal_while_run_starts_is_0_too() {
    let place = Place::new();
    let config = place.path("config.yaml");
    let mode = rustix::fs::Mode::RUSR | rustix::fs::Mode::WUSR;
    rustix::fs::mknodat(
        rustix::fs::CWD,
        &config,
        rustix::fs::FileType::Fifo,
        mode,
        0,
    )
    .unwrap();
    let mut command = place.with(qtrail());
    command.arg("--config").arg(&config).stderr(Stdio::piped());
    let program = command.spawn().unwrap();
    // It has begun to read its configuration, and waits for the rest.
    let mut writer = File::options().write(true).open(&config).unwrap();
    let pid = Pid::from_raw(i32::try_from(program.id()).unwrap()).unwrap();
    kill_process(pid, Signal::TERM).unwrap();
    writeln!(writer, "log: {{level: info}}").unwrap();
    drop(writer);
    let (code, said) = told(&program.wait_with_output().unwrap());
    assert_eq!(code, Some(0), "{said}");
    assert!(said.contains("stopping"), "{said}");
}

#[tokio::test(flavor = "multi_thread")]
async fn a_second_signal_is_130_in_every_command_that_delivers() {
    let mut scene = Scene::new().await;
    scene.collector.close();
    let letters = scene.place.path("letters.jsonl");
    fs::write(&letters, LETTER).unwrap();
    let url = scene.collector.url();
    let trail = scene.place.path("trail");
    let endpoint = ["--endpoint", &url];
    let mut replay = qtrail();
    replay.arg("replay").arg(&letters).args(endpoint);
    let mut convert = qtrail();
    convert.arg("convert").arg(&trail).args(endpoint);
    let mut backfill = qtrail();
    backfill
        .args(["backfill", "--from", "2020-01-01", "--state"])
        .arg(scene.place.path("b"))
        .arg(&trail)
        .args(endpoint);
    let mut run = scene.place.run();
    run.args(endpoint);
    for mut command in [replay, convert, backfill, run] {
        let command = command.env("QTRAIL_LOG_LEVEL", "info");
        let sidecar = Sidecar::start(command);
        sidecar.until_said("events wait").await;
        for signal in [Signal::HUP, Signal::HUP, Signal::TERM] {
            sidecar.signal(signal);
            sidecar.until_said("stopping").await;
        }
        let (exit, said) = sidecar.exit().await;
        assert_eq!(exit, Some(130), "{said}");
    }
}

/// A trail with one good file, and a collector.
struct Scene {
    place: Place,
    collector: Collector,
    unprivileged: bool,
}

impl Scene {
    async fn new() -> Scene {
        let place = Place::new();
        place.add("a.json.gz", &gzip(log_file(&[event("one")])));
        Scene {
            place,
            collector: Collector::start().await,
            unprivileged: false,
        }
    }

    fn with_a_dead_letter(self) -> Scene {
        self.place.add("broken.json", b"{\"eventVersion\":}");
        self
    }

    /// A file that may not be read, by a process that is no root.
    fn with_a_secret(mut self) -> Scene {
        self.place.add("secret.json", &log_file(&[event("two")]));
        let path = self.place.path("trail/secret.json");
        fs::set_permissions(path, Permissions::from_mode(0o000)).unwrap();
        self.unprivileged = true;
        self
    }

    fn with_what_is_skipped(self) -> Scene {
        let path = |name: &str| self.place.path("trail").join(name);
        fs::write(self.place.path("outside.json"), "{").unwrap();
        symlink("../outside.json", path("link.json")).unwrap();
        symlink("nowhere", path("dangling.json")).unwrap();
        fs::write(path("left-out.tmp"), "{").unwrap();
        let mode = rustix::fs::Mode::from_raw_mode(0o600);
        let kind = rustix::fs::FileType::Fifo;
        rustix::fs::mknodat(rustix::fs::CWD, path("pipe.json"), kind, mode, 0).unwrap();
        self
    }

    /// The command, on what belongs to it.
    fn own(&self, command: &mut Command) {
        if !self.unprivileged || !geteuid().is_root() {
            return;
        }
        fs::set_permissions(self.place.path(""), Permissions::from_mode(0o755)).unwrap();
        fs::create_dir_all(self.place.path("state")).unwrap();
        chown(self.place.path("state"), Some(NOBODY), Some(NOBODY)).unwrap();
        command.uid(NOBODY).gid(NOBODY);
    }

    fn run(&self) -> Command {
        let mut command = self.place.run();
        command
            .args(["--endpoint", &self.collector.url()])
            .env("QTRAIL_DIRECTORY_SETTLE", "50ms")
            .env("QTRAIL_DIRECTORY_EXCLUDE", "*.tmp");
        self.own(&mut command);
        command
    }

    fn convert(&self, arguments: &[&str]) -> (Option<i32>, String) {
        let mut command = qtrail();
        command.arg("convert").arg(self.place.path("trail"));
        self.own(&mut command);
        run(command.args(arguments))
    }

    async fn backfill(&self, arguments: &[&str]) -> (Option<i32>, String) {
        let mut command = qtrail();
        command
            .args(["backfill", "--from", "2020-01-01", "--state"])
            .args([self.place.path("state"), self.place.path("trail")])
            .args(["--endpoint", &self.collector.url()])
            .args(arguments);
        self.own(&mut command);
        Sidecar::start(&mut command).exit().await
    }

    fn check(&self, trail: &str) -> (Option<i32>, String) {
        let mut command = qtrail();
        command
            .arg("check")
            .arg(self.place.path(trail))
            .arg("--state")
            .arg(self.place.path("state"))
            .args(["--endpoint", &self.collector.url()]);
        run(&mut command)
    }
}

async fn stopped(scene: Scene) -> (Option<i32>, String) {
    let sidecar = Sidecar::start(&mut scene.run());
    sidecar.settled(1).await;
    sidecar.stop().await
}

/// What shows a running qtrail.
async fn watched(command: &str) -> Vec<(Option<i32>, String)> {
    let scene = Scene::new().await;
    let sidecar = Sidecar::start(&mut scene.run());
    let address = sidecar.address().await;
    sidecar.settled(1).await;
    vec![match command {
        "top" => top(address, "Last events").await,
        _ => {
            let ask = move || run(qtrail().args(["status", &address.to_string()]));
            tokio::task::spawn_blocking(ask).await.unwrap()
        }
    }]
}

async fn cannot_start() -> (Option<i32>, String) {
    let scene = Scene::new().await;
    let held = Sidecar::start(&mut scene.run());
    held.address().await;
    Sidecar::start(&mut scene.run()).exit().await
}

async fn once(scene: &Scene) -> (Option<i32>, String) {
    Sidecar::start(scene.run().arg("--once")).exit().await
}

async fn once_with_something_left() -> Vec<(Option<i32>, String)> {
    let mut ends = Vec::new();
    let unreadable = Scene::new().await.with_a_secret();
    ends.extend([once(&unreadable).await, once(&unreadable).await]);
    let and_dead = unreadable.with_a_dead_letter();
    ends.push(once(&and_dead).await);

    let unlisted = Scene::new().await;
    nest_too_deep(&unlisted.place.path("trail"));
    ends.push(once(&unlisted).await);

    let unfinished = Scene::new().await;
    let line = event("cut");
    unfinished.place.add("a.jsonl", &line.as_bytes()[..99]);
    ends.extend([once(&unfinished).await, once(&unfinished).await]);

    let mut stopped = Scene::new().await;
    stopped.collector.close();
    let mut command = stopped.run();
    let command = command
        .arg("--once")
        .env("QTRAIL_SHUTDOWN_TIMEOUT", "100ms");
    let sidecar = Sidecar::start(command);
    sidecar.until_said("events wait").await;
    ends.push(sidecar.stop().await);
    ends
}

async fn convert_with_something_left() -> Vec<(Option<i32>, String)> {
    let mut ends = vec![run(qtrail().args(["convert", "/nowhere"]))];
    for format in ["otlp", "events"] {
        let scene = Scene::new().await.with_a_secret();
        ends.push(scene.convert(&["--format", format]));
        ends.push(stopped_at_its_input(format).await);
    }
    ends
}

/// `convert` of a standard input that never ends, stopped by a signal.
async fn stopped_at_its_input(format: &str) -> (Option<i32>, String) {
    let (reader, _writer) = std::io::pipe().unwrap();
    let mut child = qtrail()
        .args(["convert", "-", "--format", format, "--log-level", "info"])
        .env("QTRAIL_SHUTDOWN_TIMEOUT", "100ms")
        .stdin(Stdio::from(reader))
        .stdout(Stdio::null())
        .stderr(Stdio::null())
        .spawn()
        .unwrap();
    until_it_catches(child.id(), Signal::TERM).await;
    kill_process(Pid::from_child(&child), Signal::TERM).unwrap();
    let status = tokio::task::spawn_blocking(move || child.wait().unwrap());
    (status.await.unwrap().code(), format!("{format}, stopped"))
}

/// Waits until a process has a handler for a signal.
pub async fn until_it_catches(process: u32, signal: Signal) {
    let caught = || {
        let status = fs::read_to_string(format!("/proc/{process}/status")).unwrap();
        let mask = status.lines().find_map(|line| line.strip_prefix("SigCgt:"));
        let mask = u64::from_str_radix(mask.unwrap().trim(), 16).unwrap();
        mask >> (signal.as_raw() - 1) & 1 == 1
    };
    while !caught() {
        // Another process announces nothing.
        tokio::time::sleep(Duration::from_millis(5)).await;
    }
}

const LETTER: &str = concat!(
    r#"{"stage":"export","reason":"refused","message":"m","input":"directory","source":"a","index":0,"offset":0,"length":2,"record":"{\"eventVersion\":\"1.08\",\"eventTime\":\"2024-04-10T14:07:55Z\",\"eventSource\":\"q.amazonaws.com\",\"eventName\":\"SendMessage\",\"eventID\":\"one\"}"}"#,
    "\n"
);
const DEAD: &str = concat!(
    r#"{"stage":"parse","reason":"not_json","message":"m","input":"directory","source":"a","index":0,"offset":0,"length":2,"record":"{]"}"#,
    "\n"
);
const HASH: &str = concat!(
    r#"{"stage":"parse","reason":"not_json","message":"m","input":"directory","source":"a","index":0,"offset":0,"length":2,"record_sha256":"00"}"#,
    "\n"
);

async fn replay(letters: &str) -> (Option<i32>, String) {
    let scene = Scene::new().await;
    let file = scene.place.path("letters.jsonl");
    fs::write(&file, letters).unwrap();
    let mut command = qtrail();
    command
        .arg("replay")
        .arg(file)
        .args(["--endpoint", &scene.collector.url()]);
    Sidecar::start(&mut command).exit().await
}

/// A command on a folder of files with these contents.
fn in_trail(command: &str, contents: &[&[u8]], arguments: &[&str]) -> (Option<i32>, String) {
    let folder = tempfile::tempdir().unwrap();
    for (n, content) in contents.iter().enumerate() {
        fs::write(folder.path().join(format!("{n}.json")), content).unwrap();
    }
    run(qtrail().arg(command).arg(folder.path()).args(arguments))
}

/// A trail that a script signed, if there can be one here.
fn verified() -> Option<(Option<i32>, String)> {
    let signed = Signed::get("exits")?;
    let mut command = qtrail();
    command.arg("verify").arg(signed.bucket());
    Some(run(command.arg("--public-keys").arg(signed.keys())))
}

fn lint_a_stopped_trail() -> (Option<i32>, String) {
    let folder = tempfile::tempdir().unwrap();
    let answers = folder.path().join("answers.json");
    let said = r#"{"TrailARN": "t", "AdvancedEventSelectors": []} {"IsLogging": false}"#;
    fs::write(&answers, said).unwrap();
    run(qtrail().args(["lint-trail", "--from-aws"]).arg(answers))
}

fn verify_nothing() -> (Option<i32>, String) {
    let folder = tempfile::tempdir().unwrap();
    let keys = folder.path().join("keys.json");
    let known = r#"{"PublicKeyList":[{"Value":"AAAA","Fingerprint":"a"}]}"#;
    fs::write(&keys, known).unwrap();
    let mut command = qtrail();
    run(command
        .arg("verify")
        .arg(folder.path())
        .arg("--public-keys")
        .arg(keys))
}

fn in_file(command: &str, content: &[u8], arguments: &[&str]) -> (Option<i32>, String) {
    let file = tempfile::NamedTempFile::new().unwrap();
    fs::write(file.path(), content).unwrap();
    run(qtrail().arg(command).arg(file.path()).args(arguments))
}

/// `convert` of a large folder, whose output nobody reads.
fn unread(arguments: &[&str]) -> (Option<i32>, String) {
    let folder = tempfile::tempdir().unwrap();
    for n in 0..3 {
        let events: Vec<_> = (0..300).map(|i| event(&format!("{n}-{i}"))).collect();
        fs::write(folder.path().join(format!("{n}.json")), log_file(&events)).unwrap();
    }
    let (reader, writer) = std::io::pipe().unwrap();
    drop(reader);
    let mut command = qtrail();
    let command = command.args(arguments).arg(folder.path());
    let output = command
        .stdout(Stdio::from(writer))
        .stderr(Stdio::piped())
        .spawn()
        .unwrap()
        .wait_with_output();
    told(&output.unwrap())
}

fn demo_in_a_full_folder() -> (Option<i32>, String) {
    let folder = tempfile::tempdir().unwrap();
    fs::write(folder.path().join("mine"), "").unwrap();
    run(qtrail().arg("demo").arg("--dir").arg(folder.path()))
}

async fn demo_stopped() -> (Option<i32>, String) {
    let folder = tempfile::tempdir().unwrap();
    let mut command = qtrail();
    command.arg("demo").env("TMPDIR", folder.path());
    let sidecar = Sidecar::start(&mut command);
    until_it_catches(sidecar.pid().as_raw_nonzero().get() as u32, Signal::HUP).await;
    sidecar.signal(Signal::HUP);
    let ended = sidecar.exit().await;
    let left = fs::read_dir(folder.path()).unwrap().count();
    assert_eq!(left, 0, "the trail is left behind");
    ended
}

fn run(command: &mut Command) -> (Option<i32>, String) {
    told(&command.output().unwrap())
}

/// The same, on a standard output that is full.
fn full(command: &mut Command) -> (Option<i32>, String) {
    let full = File::options().write(true).open(Path::new("/dev/full"));
    let child = command.stdout(full.unwrap()).stderr(Stdio::piped()).spawn();
    told(&child.unwrap().wait_with_output().unwrap())
}

fn told(output: &Output) -> (Option<i32>, String) {
    let said = String::from_utf8_lossy(&output.stderr).into_owned();
    (output.status.code(), said)
}
