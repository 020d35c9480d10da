//! What needs a small schedule, another clock, or a state that cannot be written.

use std::fs::{self, File};
use std::io::Write;
use std::path::Path;
use std::sync::Mutex;

use super::*;
use crate::export::Outcome;
use crate::pipeline::Content;

const DAY: i64 = 24 * 3600 * 1_000_000_000;

/// Takes every unit, and keeps the names.
#[derive(Clone, Default)]
struct Names(Arc<Mutex<Vec<String>>>);

impl Deliver for Names {
    async fn deliver(&self, unit: Unit, _: &mut Slot) -> Report {
        let mut text = String::new();
        let Content::Twice(mut content, _) = unit.content else {
            panic!("the directory has no texts");
        };
        content.read_to_string(&mut text).unwrap();
        let name = unit.origin.name.rsplit('/').next().unwrap().to_owned();
        self.0.lock().unwrap().push(name);
        Report::empty(Outcome::Delivered, unit.base + text.len() as u64)
    }
}

fn now() -> i64 {
    i64::try_from(jiff::Timestamp::now().as_nanosecond()).unwrap()
}

fn settings(folder: &Path) -> Settings {
    Settings {
        root: folder.join("root"),
        include: GlobSet::empty(),
        exclude: GlobSet::empty(),
        settle: Duration::from_nanos(1),
        rescan: Duration::from_secs(3600),
        poll: false,
        start: Start::Beginning,
        after: After::Keep,
        state: folder.join("state"),
        workers: 1,
        idle_files_warning: 1000,
        once: true,
    }
}

/// Reads all there is. The names of what was delivered, in that order.
async fn once(settings: &Settings, capacity: usize, now: fn() -> i64) -> Vec<String> {
    let names = Names::default();
    let tuning = Tuning {
        capacity,
        now,
        observed: |name, modified| name.strip_suffix(".json")?.parse().ok().or(modified),
    };
    run_with(
        settings.clone(),
        names.clone(),
        Arc::default(),
        CancellationToken::new(),
        tuning,
    )
    .await
    .unwrap();
    names.0.lock().unwrap().clone()
}

#[tokio::test]
async fn more_files_than_are_remembered_are_all_read_oldest_first() {
    let folder = tempfile::tempdir().unwrap();
    let settings = settings(folder.path());
    let mut expected = Vec::new();
    for n in 0..50 {
        // Spread over folders, so that listing gives another order.
        let folder = settings.root.join((n % 7).to_string());
        fs::create_dir_all(&folder).unwrap();
        let name = format!("{n}.json");
        fs::write(folder.join(&name), format!("content {n}")).unwrap();
        expected.push(name);
    }
    assert_eq!(once(&settings, 4, now).await, expected);
    assert_eq!(once(&settings, 4, now).await, [""; 0]);
}

#[tokio::test]
async fn content_is_forgotten_after_its_file_was_absent_for_seven_days() {
    for (later, forgotten) in [
        ((|| now() + 6 * DAY) as fn() -> i64, false),
        (|| now() + 8 * DAY, true),
    ] {
        let folder = tempfile::tempdir().unwrap();
        let settings = settings(folder.path());
        let file = settings.root.join("1.json");
        fs::create_dir(&settings.root).unwrap();
        fs::write(&file, "content").unwrap();
        assert_eq!(once(&settings, 10, now).await.len(), 1);
        fs::remove_file(&file).unwrap();
        assert_eq!(once(&settings, 10, now).await.len(), 0, "marked");
        assert_eq!(once(&settings, 10, later).await.len(), 0);
        fs::write(&file, "content").unwrap();
        let again = once(&settings, 10, later).await.len();
        assert_eq!(again, usize::from(forgotten));
    }
}

#[tokio::test]
async fn nothing_is_forgotten_while_the_directory_is_missing() {
    let folder = tempfile::tempdir().unwrap();
    let settings = settings(folder.path());
    fs::create_dir(&settings.root).unwrap();
    fs::write(settings.root.join("1.json"), "content").unwrap();
    assert_eq!(once(&settings, 10, now).await.len(), 1);
    let away = folder.path().join("away");
    fs::rename(&settings.root, &away).unwrap();
    for _ in 0..2 {
        let missing = run(
            settings.clone(),
            Names::default(),
            Arc::default(),
            CancellationToken::new(),
        );
        assert!(matches!(missing.await, Err(Error::Root { .. })));
    }
    fs::rename(&away, &settings.root).unwrap();
    assert_eq!(once(&settings, 10, || now() + 30 * DAY).await.len(), 0);
}

const LINE: &str = "{\"eventVersion\":\"1.11\"}\n";
/// Takes every unit, and keeps what it held.
#[derive(Clone, Default)]
struct Ids(Arc<Mutex<Vec<u8>>>);

impl Deliver for Ids {
    async fn deliver(&self, unit: Unit, _: &mut Slot) -> Report {
        let Content::Twice(mut content, _) = unit.content else {
            panic!("the directory has files, which can be read again");
        };
        let mut bytes = Vec::new();
        content.read_to_end(&mut bytes).unwrap();
        let report = Report::empty(Outcome::Delivered, unit.base + bytes.len() as u64);
        self.0.lock().unwrap().extend(bytes);
        report
    }
}

async fn read_once(settings: &Settings) {
    let (metrics, stop) = (Arc::default(), CancellationToken::new());
    run(settings.clone(), Ids::default(), metrics, stop)
        .await
        .unwrap();
}

#[tokio::test]
async fn what_can_grow_is_kept_and_what_cannot_goes() {
    let folder = tempfile::tempdir().unwrap();
    let mut settings = settings(folder.path());
    settings.after = After::Delete;
    fs::create_dir(&settings.root).unwrap();
    let long_line = format!("{{\"a\":\"{}\"}}\n", "x".repeat(100_000));
    let gzip = |text: &str| {
        let mut encoder = flate2::write::GzEncoder::new(Vec::new(), flate2::Compression::fast());
        encoder.write_all(text.as_bytes()).unwrap();
        encoder.finish().unwrap()
    };
    let (members, object) = (gzip(LINE), gzip(r#"{"Records":[]}"#));
    let grow: [(&str, &[u8]); 4] = [
        ("one.log", LINE.as_bytes()),
        ("long.log", long_line.as_bytes()),
        ("two.log", &[LINE.as_bytes(), LINE.as_bytes()].concat()),
        ("members.json.gz", &members),
    ];
    let complete: [(&str, &[u8]); 2] = [
        ("document.json", b"{\"Records\":[]}"),
        ("object.json.gz", &object),
    ];
    for (name, bytes) in grow.iter().chain(&complete) {
        fs::write(settings.root.join(name), bytes).unwrap();
    }
    for _ in 0..2 {
        read_once(&settings).await;
        for (name, _) in &grow {
            assert!(settings.root.join(name).exists(), "{name} is gone");
        }
        for (name, _) in &complete {
            assert!(!settings.root.join(name).exists(), "{name} was kept");
        }
    }
}

#[tokio::test]
async fn lines_go_once_they_are_rotated() {
    let folder = tempfile::tempdir().unwrap();
    let mut settings = settings(folder.path());
    settings.after = After::Delete;
    settings.once = false;
    fs::create_dir(&settings.root).unwrap();
    for name in ["app.log", "app.jsonl"] {
        let (before, after) = (
            settings.root.join(name),
            settings.root.join(format!("{name}.1")),
        );
        fs::write(&before, LINE.repeat(2) + name + "\n").unwrap();
        let (stop, ids) = (CancellationToken::new(), Ids::default());
        let reading = run(settings.clone(), ids.clone(), Arc::default(), stop.clone());
        let reading = tokio::spawn(reading);
        until(|| {
            ids.0
                .lock()
                .unwrap()
                .ends_with(format!("{name}\n").as_bytes())
        })
        .await;
        fs::rename(&before, &after).unwrap();
        // Nobody wrote to it since the start; now its writer closes it.
        drop(File::options().append(true).open(&after).unwrap());
        until(|| !after.exists()).await;
        stop.cancel();
        reading.await.unwrap().unwrap();
    }
}

/// Waits for what nobody announces.
async fn until(holds: impl Fn() -> bool) {
    let wait = async {
        while !holds() {
            tokio::time::sleep(Duration::from_millis(5)).await;
        }
    };
    tokio::time::timeout(Duration::from_secs(60), wait)
        .await
        .expect("it never held");
}

#[test]
fn state_and_target_cannot_be_the_directory_itself() {
    let folder = tempfile::tempdir().unwrap();
    let settings = settings(folder.path());
    fs::create_dir(&settings.root).unwrap();
    check(&settings).unwrap();
    assert!(!Store::is_there(&settings.state), "a check makes nothing");
    let state = Settings {
        state: settings.root.clone(),
        ..settings.clone()
    };
    assert!(matches!(check(&state), Err(Error::InTheWay { .. })));
    let target = Settings {
        after: After::Move(settings.root.join(".")),
        ..settings
    };
    assert!(matches!(check(&target), Err(Error::InTheWay { .. })));
}
