//! `qtrail check`: it fails where a run could not start or would stand still, says what to mend, and leaves all as
//! it was.

use std::collections::BTreeSet;
use std::fs::{self, File, Permissions};
use std::net::TcpListener;
use std::os::unix::fs::{PermissionsExt, chown, symlink};
use std::os::unix::process::CommandExt;
use std::path::{Path, PathBuf};
use std::process::Command;

use qtrail_core::otlp::Signal;
use rustix::process::geteuid;

use crate::export::certificates::{authority, server};
use crate::support::collector::{Collector, Reply};
use crate::support::odd_server::{Given, answering, saying};
use crate::support::program::{event, log_file, qtrail};
use crate::support::sidecar::{Place, Sidecar};

/// Somebody who is not root: permissions count for them.
const NOBODY: u32 = 65534;
const PROTOCOLS: [&str; 3] = ["grpc", "http/protobuf", "http/json"];

/// A place, and what is tried in it.
struct Scene {
    place: Place,
    collector: Collector,
    set: Vec<(&'static str, String)>,
    dir: PathBuf,
}

impl Scene {
    async fn new() -> Self {
        let place = Place::new();
        place.add("a.json", &log_file(&[event("one")]));
        let dir = place.path("trail");
        Scene {
            place,
            collector: Collector::start().await,
            set: Vec::new(),
            dir,
        }
    }

    fn set(mut self, variable: &'static str, value: impl ToString) -> Self {
        self.set.push((variable, value.to_string()));
        self
    }

    fn path(&self, name: &str) -> PathBuf {
        self.place.path(name)
    }

    fn settings(&self, command: &mut Command) {
        command
            .arg(&self.dir)
            .env("QTRAIL_STATE", self.path("state"))
            .env("QTRAIL_EXPORT_ENDPOINT", self.collector.url())
            .env("QTRAIL_TELEMETRY_HTTP", "127.0.0.1:0")
            .envs(self.set.iter().map(|(name, value)| (name, value)));
        if geteuid().is_root() {
            fs::set_permissions(self.path(""), Permissions::from_mode(0o755)).unwrap();
            let folder = self.path("");
            chown(folder, Some(NOBODY), Some(NOBODY)).unwrap();
            command.uid(NOBODY).gid(NOBODY);
        }
    }

    /// The exit code, and what is told.
    async fn check(&self, arguments: &[&str]) -> (Option<i32>, String) {
        let before = names(&self.path(""));
        let mut command = qtrail();
        command.arg("check").args(arguments);
        self.settings(&mut command);
        let output = tokio::task::spawn_blocking(move || command.output().unwrap());
        let output = output.await.unwrap();
        let told = [output.stdout, output.stderr].concat();
        let told = String::from_utf8(told).unwrap();
        assert_eq!(
            names(&self.path("")),
            before,
            "a check changes nothing: {told}"
        );
        (output.status.code(), told)
    }

    async fn is_well(&self) -> String {
        let (code, told) = self.check(&[]).await;
        assert_eq!(code, Some(0), "{told}");
        assert!(!told.contains("FAIL"), "{told}");
        told
    }

    /// One line of it says FAIL and all of this.
    async fn fails(&self, parts: &[&str]) -> String {
        let (code, told) = self.check(&[]).await;
        assert_eq!(code, Some(1), "{told}");
        let is_it = |line: &str| line.starts_with("FAIL") && parts.iter().all(|p| line.contains(p));
        assert!(told.lines().any(is_it), "{parts:?} in one line of\n{told}");
        told
    }

    /// What `run` says that cannot start.
    async fn run_fails(&self) -> String {
        let mut command = qtrail();
        command.arg("run");
        self.settings(&mut command);
        let (code, said) = Sidecar::start(&mut command).exit().await;
        assert!(code.is_some_and(|code| code != 0), "{said}");
        said
    }
}

/// All below a folder.
fn names(folder: &Path) -> BTreeSet<PathBuf> {
    let mut found = BTreeSet::new();
    for entry in fs::read_dir(folder).into_iter().flatten() {
        let path = entry.unwrap().path();
        if path.symlink_metadata().unwrap().is_dir() {
            found.extend(names(&path));
        }
        found.insert(path);
    }
    found
}

fn mode(path: &Path, mode: u32) {
    fs::set_permissions(path, Permissions::from_mode(mode)).unwrap();
}

#[tokio::test]
async fn all_that_a_run_needs_is_told_and_no_event_is_sent() {
    let scene = Scene::new().await;
    let told = scene.is_well().await;
    for part in [
        "configuration: valid",
        "trail: readable, 1 file\n",
        "state: will be created",
        "duplicate ids",
        "dead-letters.jsonl: will be created",
        "telemetry.http 127.0.0.1:0: available",
        "collector for logs",
        "collector for traces",
    ] {
        assert!(told.contains(part), "{part}: {told}");
    }
    let ids = [Signal::Logs, Signal::Traces].map(|signal| scene.collector.accepted(signal).len());
    assert_eq!(ids, [0, 0]);
    let (code, told) = scene.check(&["--canary"]).await;
    assert_eq!(code, Some(0), "{told}");
    assert_eq!(scene.collector.accepted(Signal::Logs).len(), 1);

    // What a run has made is as good.
    let mut command = qtrail();
    command.args(["run", "--once"]);
    scene.settings(&mut command);
    assert_eq!(Sidecar::start(&mut command).exit().await.0, Some(0));
    let told = scene.is_well().await;
    assert!(told.contains("dead-letters.jsonl: writable"), "{told}");
}

#[tokio::test]
async fn nothing_to_read_is_told_as_run_tells_it() {
    let scene = Scene::new().await;
    let mut command = qtrail();
    command
        .args(["check", "--endpoint", &scene.collector.url()])
        .env("QTRAIL_STATE", scene.path("state"))
        // Misspelt, as it may be anywhere.
        .env("QTRAIL_DIRECTORY_PAHT", scene.path("trail"))
        .env("QTRAIL_GRPC", "127.0.0.1")
        .env("QTRAIL_EVENT_HISTORY", "true")
        // Kubernetes gives it to each pod, where a service is called `qtrail`.
        .env("QTRAIL_SERVICE_PORT", "9465")
        .env("QTRAIL_TELEMETRY_HTTP", "none");
    let output = tokio::task::spawn_blocking(move || command.output().unwrap());
    let output = output.await.unwrap();
    assert_eq!(output.status.code(), Some(1));
    let told = String::from_utf8(output.stdout).unwrap();
    assert!(
        told.contains("FAIL  configuration: no input is configured"),
        "{told}"
    );
    let warned = String::from_utf8(output.stderr).unwrap();
    for name in [
        "DIRECTORY_PATH",
        "INGEST_GRPC_LISTEN",
        "EVENT_HISTORY_ENABLED",
    ] {
        let meant = format!("did you mean QTRAIL_{name}?");
        assert!(warned.contains(&meant), "{meant}: {warned}");
    }
    assert!(!warned.contains("QTRAIL_SERVICE_PORT"), "{warned}");
}

#[tokio::test]
async fn what_cannot_be_read_is_told() {
    let mut scene = Scene::new().await;
    scene.dir = scene.path("absent");
    scene.fails(&["absent", "cannot be read"]).await;
    scene.dir = scene.path("trail/a.json");
    scene.fails(&["a.json", "cannot be read"]).await;
    scene.dir = scene.path("trail");
    for name in ["b.json", "c.json"] {
        fs::write(scene.path("trail").join(name), "{}").unwrap();
        mode(&scene.path("trail").join(name), 0o000);
    }
    fs::create_dir(scene.path("trail/below")).unwrap();
    mode(&scene.path("trail/below"), 0o000);
    scene
        .fails(&["2 files cannot be read", ".json: Permission denied"])
        .await;
    scene
        .fails(&["1 folder cannot be listed", "below: Permission denied"])
        .await;
    // What is left out need not be read.
    let scene = scene.set("QTRAIL_DIRECTORY_EXCLUDE", "b.json,c.json,below");
    scene.is_well().await;
    let scene = scene.set("QTRAIL_DIRECTORY_INCLUDE", "*.gz");
    let told = scene.is_well().await;
    assert!(
        told.contains("warn") && told.contains("files are ignored"),
        "{told}"
    );
    let scene = scene.set("QTRAIL_DIRECTORY_INCLUDE", "");
    let scene = scene.set("QTRAIL_DIRECTORY_AFTER", "delete");
    scene
        .fails(&["files cannot be moved or deleted in 1 folder", "keep"])
        .await;
    mode(&scene.path("trail"), 0o777);
    scene.is_well().await;
    mode(&scene.path("trail"), 0o000);
    scene
        .fails(&["trail: cannot be read: Permission denied"])
        .await;
    mode(&scene.path("trail"), 0o755);
}

#[tokio::test]
async fn places_that_cannot_be_written_are_told() {
    let place = |scene: &Scene| {
        let locked = scene.path("locked");
        fs::create_dir(&locked).unwrap();
        File::create(locked.join("file")).unwrap();
        mode(&locked, 0o555);
        File::create(scene.path("file")).unwrap();
        symlink(scene.path("nowhere/at/all"), scene.path("dangling")).unwrap();
        locked
    };
    for (state, parts) in [
        (
            "locked/state",
            &["cannot be created", "Permission denied"][..],
        ),
        ("locked", &["cannot write to"]),
        ("file", &["is not a directory"]),
        ("file/state", &["cannot be created"]),
        ("dangling", &["cannot be created"]),
        ("/proc/qtrail", &["cannot be created"]),
    ] {
        let scene = Scene::new().await;
        place(&scene);
        let state = scene.path(state);
        let scene = scene.set("QTRAIL_STATE", state.display());
        scene
            .fails(&[&["state", &*state.display().to_string()][..], parts].concat())
            .await;
        scene.run_fails().await;
    }
    for (variable, what) in [
        ("QTRAIL_DEAD_LETTERS_PATH", "dead letters"),
        ("QTRAIL_EXPORT_FILE", "export.file"),
    ] {
        for (path, part) in [
            ("locked/new", "Permission denied"),
            ("locked/file", "Permission denied"),
            ("locked", "directory"),
            ("file/new", "directory"),
            ("foreign", "is none of ours"),
            ("dangling", "No such file"),
        ] {
            let mut scene = Scene::new().await;
            place(&scene);
            fs::write(scene.path("foreign"), "half a line of somebody").unwrap();
            mode(&scene.path("foreign"), 0o666);
            scene
                .set
                .push((variable, scene.path(path).display().to_string()));
            if variable == "QTRAIL_EXPORT_FILE" {
                scene = scene.set("QTRAIL_EXPORT_ENDPOINT", "");
            }
            let (code, told) = scene.check(&[]).await;
            assert_eq!(code, Some(1), "{what} {path}: {told}");
            let is_it = |line: &str| line.starts_with(&format!("FAIL  {what}"));
            let told = told.lines().find(|line| is_it(line)).unwrap_or_default();
            let is_told = told.to_lowercase().contains(&part.to_lowercase());
            assert!(
                is_told || told.contains("cannot be created"),
                "{what} {path}: {told}"
            );
            scene.run_fails().await;
        }
    }
}

#[tokio::test]
async fn what_another_process_holds_is_told_with_its_number() {
    let scene = Scene::new().await;
    let mut command = qtrail();
    command.arg("run").env("QTRAIL_LOG_LEVEL", "info");
    scene.settings(&mut command);
    let held = Sidecar::start(&mut command);
    held.settled(1).await;
    let pid = format!("pid {}", held.pid().as_raw_nonzero());
    for what in ["state", "duplicate ids", "dead letters"] {
        scene.fails(&[what, "held by another process", &pid]).await;
    }
    assert_eq!(held.stop().await.0, Some(0));
    scene.is_well().await;
}

#[tokio::test]
async fn addresses_that_cannot_be_listened_on_are_told_by_their_keys() {
    let taken = TcpListener::bind("127.0.0.1:0").unwrap();
    let address = taken.local_addr().unwrap().to_string();
    for (variable, key) in [
        ("QTRAIL_TELEMETRY_HTTP", "telemetry.http"),
        ("QTRAIL_INGEST_GRPC_LISTEN", "ingest.grpc.listen"),
        ("QTRAIL_INGEST_HTTP_LISTEN", "ingest.http.listen"),
    ] {
        let scene = Scene::new().await.set(variable, &address);
        scene.fails(&[key, &address, "in use"]).await;
        assert!(scene.run_fails().await.contains(key));
    }
    let both = Scene::new()
        .await
        .set("QTRAIL_INGEST_HTTP_LISTEN", "127.0.0.1:14999");
    let both = both.set("QTRAIL_TELEMETRY_HTTP", "127.0.0.1:14999");
    both.fails(&["telemetry.http", "is ingest.http.listen's"])
        .await;
    drop(taken);
    Scene::new()
        .await
        .set("QTRAIL_TELEMETRY_HTTP", &address)
        .is_well()
        .await;
}

#[tokio::test]
async fn only_a_collector_that_takes_otlp_in_this_way_is_reached() {
    let asks = |protocol: &'static str, url: String| async move {
        let scene = Scene::new().await.set("QTRAIL_EXPORT_ENDPOINT", url);
        let scene = scene.set("QTRAIL_EXPORT_PROTOCOL", protocol);
        let (code, told) = scene.set("QTRAIL_EXPORT_TIMEOUT", "2s").check(&[]).await;
        let lines = told.lines().filter(|line| line.contains("collector for"));
        (code, lines.collect::<Vec<_>>().join("\n"))
    };
    let html = Given::ok("text/html", "<html>");
    let plain = "Client sent an HTTP request to an HTTPS server.";
    for (given, is_reached) in [
        (html.clone(), false),
        (html.clone().status(401), false),
        (html.clone().status(403), false),
        (html.clone().status(404), false),
        (Given::ok("text/plain", plain).status(400), false),
        (html.clone().status(500), false),
        (html.clone().status(503), false),
        (
            Given::ok("application/json", r#"{"error":"empty"}"#).status(422),
            true,
        ),
        (html.status(429), true),
    ] {
        let url = format!("http://{}", answering(given.clone()).await);
        for protocol in ["http/protobuf", "http/json"] {
            let (code, told) = asks(protocol, url.clone()).await;
            assert_eq!(code, Some(i32::from(!is_reached)), "{given:?}: {told}");
            let mark = if is_reached { "ok" } else { "FAIL" };
            assert_eq!(told.matches(mark).count(), 2, "{given:?}: {told}");
        }
        if given.status != 422 {
            let (code, told) = asks("grpc", url).await;
            assert!(code == Some(1) || given.status == 429, "{given:?}: {told}");
        }
    }
    let collector = Collector::start().await;
    collector.reply_with(|_| Reply::Grpc(tonic::Status::unauthenticated("no such token")));
    let (code, told) = asks("grpc", collector.url()).await;
    assert!(code == Some(1) && told.contains("export.headers"), "{told}");
    collector.reply_with(|_| Reply::Grpc(tonic::Status::invalid_argument("it is empty")));
    assert_eq!(asks("grpc", collector.url()).await.0, Some(0));

    // TLS on one side alone, and nobody at all.
    let authority = authority();
    let tls = Collector::start_with(Some(server(&authority, "localhost", None))).await;
    let nobody = TcpListener::bind("127.0.0.1:0")
        .unwrap()
        .local_addr()
        .unwrap();
    let silent = saying(b"").await;
    let port = |collector: &Collector| collector.address.port();
    for url in [
        format!("http://127.0.0.1:{}", port(&tls)),
        format!("https://127.0.0.1:{}", port(&collector)),
        format!("https://localhost:{}", port(&tls)),
        format!("http://{nobody}"),
        format!("http://{silent}"),
    ] {
        for protocol in PROTOCOLS {
            let (code, told) = asks(protocol, url.clone()).await;
            assert_eq!(code, Some(1), "{protocol} {url}: {told}");
            assert_eq!(told.matches("FAIL").count(), 2, "{told}");
        }
    }
}
