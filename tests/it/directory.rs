//! The directory input on real files, with real notifications, and a stand-in for the pipeline.

use std::fs;
use std::io::Write;
use std::os::unix::ffi::OsStrExt;
use std::os::unix::fs::symlink;
use std::path::{Path, PathBuf};
use std::sync::Arc;
use std::time::Duration;

use globset::GlobSet;
use qtrail::export::Outcome;
use qtrail::input::directory::{self, After, Error, Settings, Start};
use qtrail::pipeline::Truncation;
use qtrail::runtime::database::Kind;
use qtrail::telemetry::metrics::Metrics;
use tokio::task::JoinHandle;
use tokio_util::sync::CancellationToken;

use crate::support::delivery::{Collector, Deliveries, Delivery};
use crate::support::nest_too_deep;
use crate::support::program::gzip;

/// A directory to watch, and a state.
struct Room {
    _folder: tempfile::TempDir,
    root: PathBuf,
    settings: Settings,
}

/// A run that goes on.
struct Run {
    deliveries: Deliveries,
    metrics: Arc<Metrics>,
    stop: CancellationToken,
    task: JoinHandle<Result<(), Error>>,
}

impl Room {
    fn new() -> Room {
        let folder = tempfile::tempdir().unwrap();
        let root = folder.path().join("root");
        fs::create_dir(&root).unwrap();
        Room {
            settings: Settings {
                root: root.clone(),
                include: GlobSet::empty(),
                exclude: GlobSet::empty(),
                settle: Duration::from_millis(60),
                rescan: Duration::from_secs(3600),
                poll: false,
                start: Start::Beginning,
                after: After::Keep,
                state: folder.path().join("state"),
                workers: 2,
                idle_files_warning: 1000,
                once: false,
            },
            root,
            _folder: folder,
        }
    }

    fn path(&self, name: &str) -> PathBuf {
        self.root.join(name)
    }

    fn write(&self, name: &str, content: impl AsRef<[u8]>) {
        let path = self.path(name);
        fs::create_dir_all(path.parent().unwrap()).unwrap();
        fs::write(path, content).unwrap();
    }

    fn append(&self, name: &str, content: &str) {
        let mut file = fs::OpenOptions::new()
            .append(true)
            .create(true)
            .open(self.path(name))
            .unwrap();
        file.write_all(content.as_bytes()).unwrap();
    }

    /// Writes beside the root, then renames in: what is there is complete at once.
    fn rename_in(&self, name: &str, content: impl AsRef<[u8]>) {
        let beside = self.root.with_file_name("beside");
        fs::write(&beside, content).unwrap();
        fs::rename(beside, self.path(name)).unwrap();
    }

    fn start(&self) -> Run {
        self.start_with(Collector::new())
    }

    fn start_with(&self, (collector, deliveries): (Collector, Deliveries)) -> Run {
        let metrics = Arc::new(Metrics::default());
        let stop = CancellationToken::new();
        let run = directory::run(
            self.settings.clone(),
            collector,
            Arc::clone(&metrics),
            stop.clone(),
        );
        Run {
            deliveries,
            metrics,
            stop,
            task: tokio::spawn(run),
        }
    }

    /// Reads all that is there, to the end. What was delivered, sorted by name.
    async fn once(&self) -> Vec<Delivery> {
        self.once_with(Collector::new()).await
    }

    async fn once_with(
        &self,
        (collector, mut deliveries): (Collector, Deliveries),
    ) -> Vec<Delivery> {
        let settings = Settings {
            once: true,
            ..self.settings.clone()
        };
        let metrics = Arc::new(Metrics::default());
        let run = directory::run(settings, collector, metrics, CancellationToken::new());
        let ended = tokio::time::timeout(Duration::from_secs(60), run).await;
        ended.expect("the run did not end").unwrap();
        let mut all = deliveries.rest();
        all.sort_by(|a, b| (&a.name, a.base).cmp(&(&b.name, b.base)));
        all
    }

    /// The ids of the events that are delivered when all is read once.
    async fn ids(&self) -> Vec<String> {
        self.once().await.iter().flat_map(ids).collect()
    }
}

impl Run {
    /// The next unit that settled.
    async fn settled(&mut self) -> Delivery {
        loop {
            let delivery = self.deliveries.next().await;
            if delivery.report_settled {
                return delivery;
            }
        }
    }

    /// Ends the run as SIGTERM does. What was delivered and not asked for.
    async fn stop(mut self) -> Vec<Delivery> {
        self.stop.cancel();
        let ended = tokio::time::timeout(Duration::from_secs(60), self.task).await;
        ended.expect("the run did not end").unwrap().unwrap();
        self.deliveries.rest()
    }

    /// Ends the run as SIGKILL does: nothing is awaited.
    async fn kill(self) {
        self.task.abort();
        assert!(self.task.await.unwrap_err().is_cancelled());
    }
}

fn event(id: &str) -> String {
    format!(
        r#"{{"eventVersion":"1.11","eventID":"{id}","eventName":"SendMessage","eventSource":"q.amazonaws.com","eventTime":"2026-01-01T00:00:00Z"}}"#
    )
}

fn file(events: &[&str]) -> String {
    let events: Vec<_> = events.iter().map(|id| event(id)).collect();
    format!(r#"{{"Records":[{}]}}"#, events.join(","))
}

fn lines(events: &[&str]) -> String {
    events.iter().map(|id| event(id) + "\n").collect()
}

fn ids(delivery: &Delivery) -> Vec<String> {
    let id = |record: &String| {
        let (_, rest) = record.split_once(r#""eventID":""#).unwrap();
        rest.split_once('"').unwrap().0.to_owned()
    };
    delivery.records.iter().map(id).collect()
}

fn make_older(path: &Path) {
    let hour_ago = std::time::SystemTime::now() - Duration::from_secs(3600);
    let file = fs::File::options().write(true).open(path).unwrap();
    file.set_modified(hour_ago).unwrap();
}

// What is read, and when

#[tokio::test]
async fn what_is_there_is_read_once_and_what_comes_is_read_at_once() {
    let room = Room::new();
    room.write("a/b/old.json.gz", gzip(file(&["1", "2"])));
    let mut run = room.start();
    assert_eq!(ids(&run.settled().await), ["1", "2"]);

    room.write("written.json", file(&["3"]));
    assert_eq!(ids(&run.settled().await), ["3"]);
    room.rename_in("renamed.json", file(&["4"]));
    assert_eq!(ids(&run.settled().await), ["4"]);
    assert_eq!(run.stop().await, []);
    assert_eq!(room.ids().await, [""; 0]);
}

#[tokio::test]
async fn files_of_a_new_folder_are_read() {
    let room = Room::new();
    room.write("first.json", file(&["0"]));
    let mut run = room.start();
    run.settled().await;
    for n in ["1", "2", "3"] {
        room.write(&format!("{n}/deep/er/{n}.json"), file(&[n]));
        assert_eq!(ids(&run.settled().await), [n]);
    }
    let beside = room.root.with_file_name("moved");
    fs::create_dir(&beside).unwrap();
    fs::write(beside.join("4.json"), file(&["4"])).unwrap();
    fs::rename(beside, room.path("moved")).unwrap();
    assert_eq!(ids(&run.settled().await), ["4"]);
    assert_eq!(run.stop().await, []);
}

#[tokio::test]
async fn a_file_that_is_written_slowly_settles_when_it_is_complete() {
    let room = Room::new();
    room.write("first.json", file(&["0"]));
    let mut run = room.start();
    run.settled().await;
    let whole = gzip(file(&["1", "2"]));
    // Its writer closes it in the middle.
    room.write("slow.json.gz", &whole[..whole.len() / 2]);
    let early = run.deliveries.next().await;
    let deferred = early.truncation == Truncation::DeferAll && !early.report_settled;
    // On a slow machine it may count as quiet before it is looked at first.
    assert!(
        deferred || early.truncation == Truncation::Reject,
        "{early:?}"
    );
    room.write("slow.json.gz", &whole);
    loop {
        let delivery = run.settled().await;
        if delivery.records.len() == 2 {
            break;
        }
    }
    run.stop().await;
}

#[tokio::test]
async fn a_truncated_file_is_given_up_only_when_it_is_quiet() {
    let room = Room::new();
    let whole = gzip(file(&["1", "2"]));
    room.write("cut.json.gz", &whole[..whole.len() - 9]);
    let all = room.once().await;
    let last = all.last().unwrap();
    assert_eq!(last.truncation, Truncation::Reject);
    assert_eq!(room.once().await, []);
}

#[tokio::test]
async fn the_oldest_file_is_read_first() {
    let mut room = Room::new();
    room.settings.workers = 1;
    // All are complete as soon as they are seen.
    room.settings.settle = Duration::from_nanos(1);
    let name = |time| format!("1_CloudTrail_us-east-1_{time}_x.json");
    room.write(&name("20260101T0010Z"), file(&["3"]));
    room.write(&name("20260101T0000Z"), file(&["1"]));
    room.write(&name("20260101T0005Z"), file(&["2"]));
    room.write("now.json", file(&["4"]));
    let (collector, mut deliveries) = Collector::new();
    room.settings.once = true;
    let metrics = Arc::new(Metrics::default());
    let stop = CancellationToken::new();
    directory::run(room.settings.clone(), collector, metrics, stop)
        .await
        .unwrap();
    let order: Vec<_> = deliveries.rest().iter().flat_map(ids).collect();
    assert_eq!(order, ["1", "2", "3", "4"]);
}

#[tokio::test]
async fn polling_sees_what_notifications_would() {
    let mut room = Room::new();
    room.settings.poll = true;
    let mut run = room.start();
    room.write("a.json", file(&["1"]));
    assert_eq!(ids(&run.settled().await), ["1"]);
    room.write("b/c.json", file(&["2"]));
    assert_eq!(ids(&run.settled().await), ["2"]);
    room.append("d.jsonl", &lines(&["3"]));
    assert_eq!(ids(&run.settled().await), ["3"]);
    room.append("d.jsonl", &lines(&["4"]));
    assert_eq!(ids(&run.settled().await), ["4"]);
    assert_eq!(run.stop().await, []);
}

// What a file is

#[tokio::test]
async fn content_decides_what_a_file_is() {
    let room = Room::new();
    room.write("a.json", file(&["1"]));
    assert_eq!(room.ids().await, ["1"]);

    fs::rename(room.path("a.json"), room.path("renamed.json")).unwrap();
    assert_eq!(room.ids().await, [""; 0], "renamed");
    fs::copy(room.path("renamed.json"), room.path("copy.json")).unwrap();
    fs::hard_link(room.path("copy.json"), room.path("link.json")).unwrap();
    assert_eq!(room.ids().await, [""; 0], "copied, linked");
    make_older(&room.path("copy.json"));
    assert_eq!(room.ids().await, [""; 0], "touched");
    fs::remove_file(room.path("renamed.json")).unwrap();
    room.write("renamed.json", file(&["1"]));
    assert_eq!(room.ids().await, [""; 0], "written again");
    room.write("renamed.json", file(&["2"]));
    assert_eq!(room.ids().await, ["2"], "other content under the same name");
    room.write("renamed.json", file(&["1"]));
    assert_eq!(room.ids().await, [""; 0], "the first content again");
}

#[tokio::test]
async fn two_files_of_one_content_are_read_once() {
    let room = Room::new();
    for n in 0..8 {
        room.write(&format!("{n}.json"), file(&["1", "2"]));
    }
    assert_eq!(room.ids().await, ["1", "2"]);
}

#[tokio::test]
async fn a_large_file_is_read_once_too() {
    let room = Room::new();
    let mut text = file(&["1"]);
    text.push_str(&" ".repeat(9 << 20));
    room.write("large.json", &text);
    assert_eq!(room.ids().await, ["1"]);
    fs::rename(room.path("large.json"), room.path("other.json")).unwrap();
    assert_eq!(room.ids().await, [""; 0]);
}

#[tokio::test]
async fn a_directory_that_disappears_and_comes_back_is_not_read_again() {
    let room = Room::new();
    room.write("sub/a.json", file(&["1"]));
    room.write("b.jsonl", lines(&["2"]));
    let mut run = room.start();
    run.settled().await;
    run.settled().await;
    // With new inodes, under the running input.
    let away = room.root.with_file_name("away");
    fs::rename(&room.root, &away).unwrap();
    fs::create_dir(&room.root).unwrap();
    room.write("sub/a.json", file(&["1"]));
    room.write("b.jsonl", lines(&["2", "3"]));
    let back = run.settled().await;
    assert_eq!(ids(&back), ["3"]);
    assert_eq!(run.stop().await, []);
    fs::remove_dir_all(&room.root).unwrap();
    fs::rename(&away, &room.root).unwrap();
    assert_eq!(room.ids().await, [""; 0]);
}

#[tokio::test]
async fn a_root_that_is_missing_is_waited_for() {
    let room = Room::new();
    fs::remove_dir(&room.root).unwrap();
    let mut run = room.start();
    fs::create_dir(&room.root).unwrap();
    room.write("a.json", file(&["1"]));
    assert_eq!(ids(&run.settled().await), ["1"]);
    assert_eq!(run.stop().await, []);
}

#[tokio::test]
async fn a_root_that_is_a_symbolic_link_is_watched() {
    let mut room = Room::new();
    let link = room.root.with_file_name("link");
    symlink(&room.root, &link).unwrap();
    room.settings.root = link;
    room.write("a.json", file(&["1"]));
    let mut run = room.start();
    assert_eq!(ids(&run.settled().await), ["1"]);
    room.write("b.json", file(&["2"]));
    assert_eq!(ids(&run.settled().await), ["2"]);
    assert_eq!(run.stop().await, []);
}

// Lines

#[tokio::test]
async fn appended_lines_are_followed_across_restarts() {
    let room = Room::new();
    room.write("a.jsonl", lines(&["1", "2"]));
    assert_eq!(room.ids().await, ["1", "2"]);
    room.append("a.jsonl", &lines(&["3"]));
    let next = room.once().await;
    assert_eq!(next.iter().flat_map(ids).collect::<Vec<_>>(), ["3"]);
    assert_eq!(next[0].base, lines(&["1", "2"]).len() as u64);

    let mut run = room.start();
    room.append("a.jsonl", &lines(&["4"]));
    assert_eq!(ids(&run.settled().await), ["4"]);
    room.append("a.jsonl", &lines(&["5", "6"]));
    assert_eq!(ids(&run.settled().await), ["5", "6"]);
    assert_eq!(run.stop().await, []);
    assert_eq!(room.ids().await, [""; 0]);
}

#[tokio::test]
async fn lines_are_told_by_content_too() {
    let room = Room::new();
    room.write("one.log", lines(&["1"]));
    room.write("two.json", lines(&["a", "b"]));
    let mut first = room.ids().await;
    first.sort();
    assert_eq!(first, ["1", "a", "b"]);
    room.append("one.log", &lines(&["2"]));
    room.append("two.json", &lines(&["c"]));
    let mut next = room.ids().await;
    next.sort();
    assert_eq!(next, ["2", "c"]);
}

#[tokio::test]
async fn an_unfinished_line_waits_for_its_rest() {
    let room = Room::new();
    let line = lines(&["2"]);
    let (begin, rest) = line.split_at(20);
    room.write("a.jsonl", lines(&["1"]) + begin);
    assert_eq!(room.ids().await, ["1"]);
    room.append("a.jsonl", rest);
    assert_eq!(room.ids().await, ["2"]);
    room.append("a.jsonl", &event("3"));
    assert_eq!(room.ids().await, ["3"], "a whole object needs no newline");
    room.append("a.jsonl", &("\n".to_owned() + &lines(&["4"])));
    assert_eq!(room.ids().await, ["4"]);
}

#[tokio::test]
async fn truncation_rotation_and_replacement_of_lines_are_told_apart() {
    let room = Room::new();
    room.write("a.jsonl", lines(&["1", "2"]));
    assert_eq!(room.ids().await, ["1", "2"]);

    // Rotated by renaming, with a last line written after it.
    fs::rename(room.path("a.jsonl"), room.path("a.jsonl.1")).unwrap();
    room.append("a.jsonl.1", &lines(&["3"]));
    room.write("a.jsonl", lines(&["4"]));
    assert_eq!(room.ids().await, ["4", "3"]);

    // Rotated by copying and truncating.
    fs::copy(room.path("a.jsonl"), room.path("a.jsonl.2")).unwrap();
    room.write("a.jsonl", "");
    assert_eq!(room.ids().await, [""; 0]);
    room.append("a.jsonl", &lines(&["5", "6"]));
    assert_eq!(room.ids().await, ["5", "6"]);

    // Replaced by something longer.
    fs::remove_file(room.path("a.jsonl")).unwrap();
    room.write("a.jsonl", lines(&["7", "8", "9"]));
    assert_eq!(room.ids().await, ["7", "8", "9"]);

    // The same first line, but other lines after it.
    room.write("a.jsonl", lines(&["7", "x", "y", "z"]));
    assert_eq!(room.ids().await, ["7", "x", "y", "z"]);
}

/// Rewrites a file in place, as a program does that keeps it open.
fn rewrite(path: &Path, content: &str) {
    let mut file = fs::File::options()
        .write(true)
        .truncate(true)
        .open(path)
        .unwrap();
    file.write_all(content.as_bytes()).unwrap();
}

/// Lines, and what may stand in their place a moment later. What differs is named by its ids.
fn rewritings() -> Vec<(&'static str, String, Vec<String>)> {
    let text = |ids: &[String]| lines(&ids.iter().map(String::as_str).collect::<Vec<_>>());
    let named = |from: char, n: usize| -> Vec<String> {
        (10..10 + n).map(|n| format!("{from}{n}")).collect()
    };
    // More than is looked at before the offset.
    let old = named('a', 80);
    assert!(text(&old).len() > 8192);
    let all_but_first: Vec<_> = old[1..].to_vec();
    let with = |before: &[String], after: &[String]| {
        [before.to_vec(), all_but_first.clone(), after.to_vec()].concat()
    };
    let (one, more) = (named('b', 1), named('c', 20));
    vec![
        ("as before", text(&old), Vec::new()),
        ("shorter", text(&named('d', 20)), named('d', 20)),
        ("of the same size", text(&named('e', 80)), named('e', 80)),
        ("longer", text(&named('f', 90)), named('f', 90)),
        ("but for the end", text(&with(&one, &[])), one.clone()),
        (
            "but for what was the end",
            text(&with(&one, &more)),
            [one, more.clone()].concat(),
        ),
        ("appended", text(&[old, more.clone()].concat()), more),
    ]
}

#[tokio::test]
async fn lines_rewritten_in_place_are_read_whatever_was_delivered_at_that_moment() {
    let old = rewritings().remove(0).1;
    for (how, new, wanted) in rewritings() {
        for moment in ["before it is read", "before it is answered", "after it"] {
            let room = Room::new();
            let path = room.path("a.jsonl");
            room.write("a.jsonl", &old);
            let (collector, deliveries) = Collector::new();
            let (collector, mut hold) = collector.holding();
            let mut run = room.start_with((collector, deliveries));
            hold.arrived().await;
            if moment == "before it is read" {
                rewrite(&path, &new);
            }
            hold.read();
            let mut read = ids(&run.deliveries.next().await);
            if moment == "before it is answered" {
                rewrite(&path, &new);
            }
            hold.let_go();
            if moment == "after it" {
                rewrite(&path, &new);
            }
            while !wanted.iter().all(|id| read.contains(id)) {
                read.extend(ids(&run.deliveries.next().await));
            }
            // What was in flight may come once more.
            run.stop().await;
            room.ids().await;
            assert_eq!(room.ids().await, [""; 0], "{how}, {moment}");
        }
    }
}

#[tokio::test]
async fn lines_rewritten_in_place_between_two_runs_are_read() {
    let old = rewritings().remove(0).1;
    for (how, new, wanted) in rewritings() {
        let room = Room::new();
        room.write("a.jsonl", &old);
        assert_eq!(room.ids().await.len(), 80);
        rewrite(&room.path("a.jsonl"), &new);
        let read = room.ids().await;
        assert!(wanted.iter().all(|id| read.contains(id)), "{how}: {read:?}");
        assert_eq!(room.ids().await, [""; 0], "{how}");
    }
}

#[tokio::test]
async fn lines_that_were_left_out_hide_no_others_in_their_place() {
    let old = rewritings().remove(0).1;
    for name in ["a.jsonl", "a.log"] {
        for (how, new, wanted) in rewritings() {
            let mut room = Room::new();
            room.settings.start = Start::End;
            room.write(name, &old);
            assert_eq!(room.ids().await, [""; 0]);
            rewrite(&room.path(name), &new);
            let read = room.ids().await;
            assert!(wanted.iter().all(|id| read.contains(id)), "{how}: {read:?}");
            let appended = how == "appended" || how == "as before";
            assert!(!appended || read == wanted, "{how}: {read:?}");
        }
    }
    // A document, and a single line, make way for lines.
    for before in [
        file(&["1"]),
        lines(&["1"]),
        file(&["1"]) + "\n",
        "{\n}\n".to_owned(),
    ] {
        let mut room = Room::new();
        room.settings.start = Start::End;
        room.write("a.log", &before);
        assert_eq!(room.ids().await, [""; 0]);
        rewrite(&room.path("a.log"), &lines(&["2", "3"]));
        assert_eq!(room.ids().await, ["2", "3"], "after {before}");
    }
}

#[tokio::test]
async fn a_large_file_rewritten_before_it_is_read_counts_as_what_was_read() {
    let room = Room::new();
    let large = |id| file(&[id]) + &" ".repeat(9 << 20);
    room.write("large.json", large("1"));
    let path = room.path("large.json");
    make_older(&path);
    let modified = fs::metadata(&path).unwrap().modified().unwrap();
    let (collector, deliveries) = Collector::new();
    let (collector, mut hold) = collector.holding();
    let mut run = room.start_with((collector, deliveries));
    hold.arrived().await;
    rewrite(&path, &large("2"));
    let file = fs::File::options().write(true).open(&path).unwrap();
    file.set_modified(modified).unwrap();
    hold.let_go();
    while ids(&run.settled().await) != ["2"] {}
    run.stop().await;
    room.write("kept.json", large("1"));
    let read = room.ids().await;
    assert!(read.contains(&"1".to_owned()), "it was never delivered");
}

// Failure

#[tokio::test]
async fn a_file_that_was_not_delivered_is_tried_again() {
    let room = Room::new();
    room.write("a.json", file(&["1"]));
    let (collector, deliveries) = Collector::new();
    let refusing = collector.answering([Outcome::Retry(None), Outcome::Abandoned]);
    let mut run = room.start_with((refusing, deliveries));
    assert!(!run.deliveries.next().await.report_settled);
    room.write("b.json", file(&["2"]));
    let others = run.deliveries.next().await;
    assert!(
        !others.report_settled && ids(&others) == ["2"],
        "{others:?}"
    );
    let mut then = [run.settled().await, run.settled().await].map(|d| ids(&d).concat());
    then.sort();
    assert_eq!(then, ["1", "2"]);
    assert_eq!(run.stop().await, []);
}

#[tokio::test]
async fn a_killed_run_repeats_what_was_in_flight_and_no_more() {
    let mut room = Room::new();
    room.settings.workers = 1;
    for n in 0..6 {
        room.write(&format!("{n}.json"), file(&[&n.to_string()]));
        make_older(&room.path(&format!("{n}.json")));
    }
    let (collector, deliveries) = Collector::new();
    let mut run = room.start_with((collector.answering_only(3), deliveries));
    let mut delivered = Vec::new();
    for _ in 0..4 {
        delivered.extend(ids(&run.deliveries.next().await));
    }
    run.kill().await;
    let again = loop {
        // What still blocks in the abandoned run holds the state for a moment.
        match directory::check(&room.settings) {
            Ok(()) => break room.ids().await,
            Err(Error::State(error)) if matches!(error.kind, Kind::Locked { .. }) => {
                tokio::task::yield_now().await
            }
            Err(other) => panic!("{other}"),
        }
    };
    let in_flight = &delivered[3];
    assert!(again.contains(in_flight), "{again:?}");
    let mut all: Vec<_> = delivered.iter().chain(&again).cloned().collect();
    all.sort();
    all.dedup();
    assert_eq!(all.len(), 6, "every event arrived");
    assert_eq!(room.ids().await, [""; 0]);
}

#[tokio::test]
async fn a_stopped_run_waits_for_what_is_in_flight_and_begins_nothing() {
    let mut room = Room::new();
    room.settings.workers = 1;
    for n in 0..3 {
        room.write(&format!("{n}.json"), file(&[&n.to_string()]));
    }
    let mut run = room.start();
    let first = ids(&run.settled().await);
    let mut delivered = first;
    delivered.extend(run.stop().await.iter().flat_map(ids));
    delivered.extend(room.ids().await);
    delivered.sort();
    assert_eq!(delivered, ["0", "1", "2"], "each exactly once");
}

#[tokio::test]
async fn a_file_deleted_while_it_is_read_is_delivered_whole() {
    let room = Room::new();
    let mut text = file(&["1"]);
    text.push_str(&" ".repeat(9 << 20));
    room.write("large.json", &text);
    let (collector, deliveries) = Collector::new();
    let collector = collector.answering([Outcome::Delivered]);
    let mut run = room.start_with((collector, deliveries));
    let delivery = run.deliveries.next().await;
    fs::remove_file(room.path("large.json")).unwrap();
    assert_eq!(ids(&delivery), ["1"]);
    room.rename_in("next.json", file(&["2"]));
    assert_eq!(ids(&run.settled().await), ["2"]);
    run.stop().await;
}

#[tokio::test]
async fn a_state_is_held_by_one_run_at_a_time() {
    let room = Room::new();
    room.write("a.json", file(&["1"]));
    let mut run = room.start();
    run.settled().await;
    let error = directory::check(&room.settings).unwrap_err();
    assert!(
        matches!(&error, Error::State(state) if matches!(state.kind, Kind::Locked { .. })),
        "{error}"
    );
    run.stop().await;
    directory::check(&room.settings).unwrap();
}

#[tokio::test]
async fn reading_a_missing_directory_once_is_an_error() {
    let mut room = Room::new();
    room.settings.once = true;
    fs::remove_dir(&room.root).unwrap();
    let (collector, _deliveries) = Collector::new();
    let metrics = Arc::new(Metrics::default());
    let stop = CancellationToken::new();
    let error = directory::run(room.settings.clone(), collector, metrics, stop)
        .await
        .unwrap_err();
    assert!(matches!(error, Error::Root { .. }), "{error}");
    assert!(matches!(
        directory::check(&room.settings),
        Err(Error::Root { .. })
    ));
}

// Names and kinds

#[tokio::test]
async fn odd_names_are_names() {
    let room = Room::new();
    let names: [&[u8]; 4] = [
        b"new\nline.json",
        b"\xff\xfe.json",
        "🦀.json".as_bytes(),
        b" .json",
    ];
    for (n, name) in names.iter().enumerate() {
        let path = room.root.join(std::ffi::OsStr::from_bytes(name));
        fs::write(path, file(&[&n.to_string()])).unwrap();
    }
    let all = room.once().await;
    let mut found: Vec<_> = all.iter().flat_map(ids).collect();
    found.sort();
    assert_eq!(found, ["0", "1", "2", "3"]);
    assert!(all.iter().all(|d| !d.name.contains('\n')), "{all:?}");
    assert_eq!(room.once().await, []);
}

#[tokio::test]
async fn links_out_of_the_root_and_special_files_are_skipped() {
    let room = Room::new();
    let outside = room.root.with_file_name("outside");
    fs::create_dir(&outside).unwrap();
    fs::write(outside.join("secret.json"), file(&["secret"])).unwrap();
    symlink(outside.join("secret.json"), room.path("out.json")).unwrap();
    symlink(&outside, room.path("out")).unwrap();
    symlink("nowhere", room.path("dangling.json")).unwrap();
    room.write("a.json", file(&["1"]));
    symlink("a.json", room.path("inside.json")).unwrap();
    let mode = rustix::fs::Mode::from_raw_mode(0o600);
    rustix::fs::mknodat(
        rustix::fs::CWD,
        room.path("pipe.json"),
        rustix::fs::FileType::Fifo,
        mode,
        0,
    )
    .unwrap();
    let _socket = std::os::unix::net::UnixListener::bind(room.path("socket.json")).unwrap();
    assert_eq!(room.ids().await, ["1"]);
}

#[tokio::test]
async fn a_folder_that_cannot_be_listed_keeps_no_other_from_being_read() {
    let room = Room::new();
    nest_too_deep(&room.root);
    room.write("a/b.json", file(&["1"]));
    room.write("z.json", file(&["2"]));
    let mut found = room.ids().await;
    found.sort();
    assert_eq!(found, ["1", "2"]);
    assert_eq!(room.once().await, []);
}

// The first run, and what becomes of files

#[tokio::test]
async fn a_first_run_may_begin_at_the_end() {
    let mut room = Room::new();
    room.settings.start = Start::End;
    room.write("old.json", file(&["1"]));
    room.write("old.jsonl", lines(&["2"]));
    room.write("old.log", lines(&["3", "4"]));
    assert_eq!(room.ids().await, [""; 0]);
    room.append("old.jsonl", &lines(&["5"]));
    room.append("old.log", &lines(&["6"]));
    room.write("new.json", file(&["7"]));
    let mut new = room.ids().await;
    new.sort();
    assert_eq!(new, ["5", "6", "7"]);
    // The choice was the first run's.
    room.settings.start = Start::Beginning;
    assert_eq!(room.ids().await, [""; 0]);
}

#[tokio::test]
async fn a_first_run_may_begin_at_a_time() {
    let mut room = Room::new();
    let name = |time| format!("1_CloudTrail_us-east-1_{time}_x.json");
    room.write(&name("20260101T0000Z"), file(&["1"]));
    room.write(&name("20260101T0005Z"), file(&["2"]));
    let start = "2026-01-01T00:05:00Z".parse::<jiff::Timestamp>().unwrap();
    room.settings.start = Start::Since(i64::try_from(start.as_nanosecond()).unwrap());
    assert_eq!(room.ids().await, ["2"]);
    assert_eq!(room.ids().await, [""; 0]);
}

#[tokio::test]
async fn delivered_files_may_be_deleted_but_not_with_dead_letters() {
    let mut room = Room::new();
    room.settings.after = After::Delete;
    room.write("good.json", file(&["1"]));
    room.write("copy.json", file(&["1"]));
    room.write("broken.json", r#"{"Records":[{"eventVersion":"#);
    room.write("lines.jsonl", lines(&["2"]));
    let mut delivered = room.ids().await;
    delivered.sort();
    assert_eq!(delivered, ["1", "2"]);
    assert!(!room.path("good.json").exists());
    assert!(!room.path("copy.json").exists());
    assert!(room.path("broken.json").exists(), "it has dead letters");
    assert!(room.path("lines.jsonl").exists(), "it is followed");
    assert_eq!(room.once().await, []);
}

#[tokio::test]
async fn delivered_files_may_be_moved_even_below_the_root() {
    let mut room = Room::new();
    room.settings.after = After::Move(room.path("done"));
    room.write("a/b.json", file(&["1"]));
    assert_eq!(room.ids().await, ["1"]);
    assert!(!room.path("a/b.json").exists());
    assert!(room.path("done/a/b.json").exists());
    room.write("a/b.json", file(&["2"]));
    assert_eq!(room.ids().await, ["2"]);
    assert!(room.path("done/a/b.json.1").exists());
    assert_eq!(room.once().await, []);
}

/// Waits until a file is no longer there.
async fn until_gone(path: &Path) {
    let gone = async {
        while path.exists() {
            // Nobody announces it.
            tokio::time::sleep(Duration::from_millis(5)).await;
        }
    };
    let gone = tokio::time::timeout(Duration::from_secs(60), gone).await;
    assert!(gone.is_ok(), "{} is still there", path.display());
}

/// A program that has a file open, appends what it is told, and closes it when it is dropped.
struct Appender {
    child: std::process::Child,
    out: std::io::BufReader<std::process::ChildStdout>,
}

impl Appender {
    fn open(path: &Path) -> Appender {
        let mut child = std::process::Command::new("/bin/sh")
            .args([
                "-c",
                "exec 3>>\"$0\"; while read -r f; do cat \"$f\" >&3; echo; done",
            ])
            .arg(path)
            .stdin(std::process::Stdio::piped())
            .stdout(std::process::Stdio::piped())
            .spawn()
            .unwrap();
        let out = std::io::BufReader::new(child.stdout.take().unwrap());
        Appender { child, out }
    }

    fn append(&mut self, content: &[u8]) {
        let file = tempfile::NamedTempFile::new().unwrap();
        fs::write(file.path(), content).unwrap();
        let stdin = self.child.stdin.as_mut().unwrap();
        writeln!(stdin, "{}", file.path().display()).unwrap();
        std::io::BufRead::read_line(&mut self.out, &mut String::new()).unwrap();
    }
}

impl Drop for Appender {
    fn drop(&mut self) {
        drop(self.child.stdin.take());
        self.child.wait().unwrap();
    }
}

#[tokio::test]
async fn no_file_is_taken_from_its_writer() {
    let line = |id: &str| lines(&[id]).into_bytes();
    let before = |id: &str| format!("\n{}", event(id)).into_bytes();
    let member = |id: &str| gzip(lines(&[id]));
    let document = |id: &str| file(&[id]).into_bytes();
    let object = |id: &str| gzip(file(&[id]));
    type Make<'a> = &'a dyn Fn(&str) -> Vec<u8>;
    for (name, make, grows) in [
        ("app.log", &line as Make<'_>, true),
        ("before.log", &before, true),
        ("app.log.gz", &member, true),
        ("document.json", &document, false),
        ("object.json.gz", &object, false),
    ] {
        for after in ["delete", "move"] {
            let mut room = Room::new();
            room.settings.after = match after {
                "delete" => After::Delete,
                _ => After::Move(room.path("done")),
            };
            let mut run = room.start();
            // The watching has begun.
            room.rename_in("first.json", file(&["first"]));
            until_gone(&room.path("first.json")).await;
            let mut appender = Appender::open(&room.path(name));
            let mut read = Vec::new();
            // A second document would make the file one that grows.
            for id in ["1", "2", "3"].into_iter().take(if grows { 3 } else { 1 }) {
                appender.append(&make(id));
                while !read.contains(&id.to_owned()) {
                    read.extend(ids(&run.deliveries.next().await));
                }
                still_there_after_others_went(&room, name, id).await;
            }
            drop(appender);
            if grows {
                // Another may open it by its name.
                still_there_after_others_went(&room, name, "closed").await;
                let rotated = room.path(&format!("{name}.1"));
                fs::rename(room.path(name), &rotated).unwrap();
                until_gone(&rotated).await;
            } else {
                until_gone(&room.path(name)).await;
            }
            run.stop().await;
        }
    }
}

/// What was complete after a file is put away before it.
async fn still_there_after_others_went(room: &Room, name: &str, id: &str) {
    let later = format!("later-{id}.json");
    room.rename_in(&later, file(&[&later]));
    until_gone(&room.path(&later)).await;
    assert!(room.path(name).exists(), "{name} was taken");
}

/// A log's name is that of another file after each rotation, and what is renamed in or made empty may be a
/// log that a program is about to write to.
#[tokio::test]
async fn a_log_is_not_taken_for_the_one_that_had_its_name_before() {
    for first in ["rotated", "renamed in", "empty"] {
        let mut room = Room::new();
        room.settings.after = After::Delete;
        let mut run = room.start();
        room.rename_in("first.json", file(&["first"]));
        until_gone(&room.path("first.json")).await;
        let content = lines(&["1", "2"]);
        room.rename_in("app.log", if first == "empty" { "" } else { &content });
        if first == "rotated" {
            fs::rename(room.path("app.log"), room.path("app.log.1")).unwrap();
        }
        let mut appender = Appender::open(&room.path("app.log"));
        appender.append(b"");
        still_there_after_others_went(&room, "app.log", first).await;
        appender.append(lines(&["3"]).as_bytes());
        let mut read = Vec::new();
        while !read.contains(&"3".to_owned()) {
            read.extend(ids(&run.deliveries.next().await));
        }
        still_there_after_others_went(&room, "app.log", "written").await;
        drop(appender);
        run.stop().await;
    }
}

#[tokio::test]
async fn rotated_lines_go_once_their_writer_has_closed_them() {
    let mut room = Room::new();
    room.settings.after = After::Move(room.path("done"));
    let mut run = room.start();
    room.rename_in("first.json", file(&["first"]));
    until_gone(&room.path("first.json")).await;
    let mut appender = Appender::open(&room.path("a.jsonl"));
    appender.append(lines(&["1", "2"]).as_bytes());
    fs::rename(room.path("a.jsonl"), room.path("a.jsonl.1")).unwrap();
    still_there_after_others_went(&room, "a.jsonl.1", "rotated").await;
    appender.append(lines(&["3"]).as_bytes());
    let mut read = Vec::new();
    while !read.contains(&"3".to_owned()) {
        read.extend(ids(&run.deliveries.next().await));
    }
    still_there_after_others_went(&room, "a.jsonl.1", "appended").await;
    drop(appender);
    until_gone(&room.path("a.jsonl.1")).await;
    let moved = fs::read_to_string(room.path("done/a.jsonl.1")).unwrap();
    assert_eq!(moved, lines(&["1", "2", "3"]));
    run.stop().await;
}

#[tokio::test]
async fn lines_with_dead_letters_or_without_an_end_stay() {
    let mut room = Room::new();
    room.settings.after = After::Delete;
    room.write("broken.log", lines(&["1"]) + "{]\n" + &lines(&["2"]));
    room.write("cut.log", lines(&["3", "4"]) + r#"{"eventVersion""#);
    let mut read = room.ids().await;
    read.sort();
    assert_eq!(read, ["1", "2", "3", "4"]);
    for _ in 0..2 {
        assert!(room.path("broken.log").exists() && room.path("cut.log").exists());
        assert_eq!(room.ids().await, [""; 0]);
    }
    // The dead letter is remembered when more comes.
    room.append("broken.log", &lines(&["5"]));
    assert_eq!(room.ids().await, ["5"]);
    assert!(room.path("broken.log").exists());
}

#[tokio::test]
async fn what_a_killed_process_was_putting_away_is_read_and_finished() {
    for (after, name_is_taken) in [
        (After::Keep, false),
        (After::Delete, false),
        (After::Keep, true),
        (After::Delete, true),
    ] {
        let mut room = Room::new();
        room.settings.after = after.clone();
        room.write("a/.qtrail~0~f.json", file(&["1"]));
        if name_is_taken {
            room.write("a/f.json", file(&["2"]));
        }
        let mut read = room.ids().await;
        read.sort();
        let expected: &[&str] = if name_is_taken { &["1", "2"] } else { &["1"] };
        assert_eq!(read, expected);
        let left = fs::read_dir(room.path("a")).unwrap();
        let left: Vec<_> = left.map(|e| e.unwrap().file_name()).collect();
        match after {
            After::Keep if !name_is_taken => assert_eq!(left, ["f.json"]),
            After::Keep => assert_eq!(left.len(), 2),
            _ => assert_eq!(left.len(), 0, "{left:?}"),
        }
        assert_eq!(room.ids().await, [""; 0]);
    }
}

#[tokio::test]
async fn files_that_were_not_delivered_are_neither_deleted_nor_forgotten() {
    let mut room = Room::new();
    room.settings.after = After::Delete;
    room.write("a.json", file(&["1"]));
    let (collector, deliveries) = Collector::new();
    let collector = collector.answering([Outcome::Blocked("token".to_owned())]);
    assert_eq!(room.once_with((collector, deliveries)).await.len(), 1);
    assert!(room.path("a.json").exists());
    assert_eq!(room.ids().await, ["1"]);
    assert!(!room.path("a.json").exists());
}

#[tokio::test]
async fn files_without_a_wanted_event_are_counted() {
    let room = Room::new();
    room.write("a.json", file(&["other-1"]));
    room.write("b.json", file(&["2", "other-2"]));
    let (collector, deliveries) = Collector::new();
    let mut run = room.start_with((collector.without("other"), deliveries));
    run.settled().await;
    run.settled().await;
    let metrics = Arc::clone(&run.metrics);
    run.stop().await;
    assert_eq!(metrics.files_without_events.get(), 1);
}
