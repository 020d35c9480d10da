//! Names are learnt from a store that misbehaves on demand, with a clock that jumps; and from a server.

mod server;

use std::collections::VecDeque;
use std::path::{Path, PathBuf};
use std::sync::{Arc, Mutex};
use std::time::Duration;

use qtrail_core::convert::Names;
use tokio::sync::watch;
use tokio::task::JoinHandle;
use tokio::time::Instant;

use super::lookup::{Failure, PACE, SETUP, Store, run};
use super::{Queue, Settings};

/// A store that fails so often first.
#[derive(Clone, Default)]
struct Fake(Arc<Mutex<Model>>);

#[derive(Default)]
struct Model {
    failures: VecDeque<Failure>,
    /// When it was asked for whom.
    calls: Vec<(Instant, String)>,
}

impl Fake {
    fn failing(failures: impl IntoIterator<Item = Failure>) -> Self {
        let failures = failures.into_iter().collect();
        Fake(Arc::new(Mutex::new(Model {
            failures,
            calls: Vec::new(),
        })))
    }

    fn calls(&self) -> Vec<(Instant, String)> {
        self.0.lock().unwrap().calls.clone()
    }

    fn users(&self) -> Vec<String> {
        self.calls().into_iter().map(|(_, user)| user).collect()
    }
}

impl Store for Fake {
    async fn name(&self, store: &str, user: &str) -> Result<Option<String>, Failure> {
        let mut state = self.0.lock().unwrap();
        state
            .calls
            .push((Instant::now(), format!("{store}/{user}")));
        match state.failures.pop_front() {
            Some(failure) => Err(failure),
            None if user == "nobody" => Ok(None),
            None if user == "hostile" => {
                Ok(Some(format!(" \u{1b}[2J\n<b>{}", "\u{202e}é".repeat(300))))
            }
            None => Ok(Some(format!("The {user}"))),
        }
    }
}

struct Learning {
    queue: Queue,
    store: Fake,
    names: watch::Receiver<Names>,
    task: JoinHandle<()>,
}

impl Drop for Learning {
    fn drop(&mut self) {
        self.task.abort();
    }
}

impl Learning {
    fn start(path: &Path, store: Fake) -> Self {
        let settings = Settings {
            region: None,
            expire: Duration::from_secs(1000),
            path: path.to_owned(),
        };
        let (names_in, names) = watch::channel(super::known(&settings));
        let queue = Queue::open(&settings);
        let publish = move |names| drop(names_in.send(names));
        let task = tokio::spawn(run(queue.clone(), store.clone(), settings.path, publish));
        Learning {
            queue,
            store,
            names,
            task,
        }
    }

    async fn until_known(&mut self, user: &str) -> String {
        let known = |names: &Names| names.find(user).is_some();
        let names = self.names.wait_for(known).await.unwrap();
        names.find(user).unwrap().to_owned()
    }
}

fn file() -> (tempfile::TempDir, PathBuf) {
    let folder = tempfile::tempdir().unwrap();
    let path = folder.path().join("names.json");
    (folder, path)
}

#[tokio::test(start_paused = true)]
async fn each_user_is_asked_for_once_at_most_five_times_a_second_and_not_again_after_a_restart() {
    let (_folder, path) = file();
    let mut learning = Learning::start(&path, Fake::default());
    for _ in 0..3 {
        for user in ["d-1/a", "d-1/nobody", "d-1/b", "d-2/a"] {
            learning.queue.saw(user);
        }
    }
    assert_eq!(learning.until_known("d-2/a").await, "The a");
    assert_eq!(
        learning.store.users(),
        ["d-1/a", "d-1/nobody", "d-1/b", "d-2/a"]
    );
    let calls = learning.store.calls();
    assert!(calls.windows(2).all(|two| two[1].0 - two[0].0 >= PACE));
    let names = learning.names.borrow().clone();
    assert_eq!(
        (names.find("d-1/b"), names.find("d-1/nobody")),
        (Some("The b"), None)
    );
    // The file is written after the names are published.
    learning.queue.saw("d-1/c");
    learning.until_known("d-1/c").await;
    learning.queue.saw("d-1/d");
    learning.until_known("d-1/d").await;
    drop(learning);
    let mut learning = Learning::start(&path, Fake::default());
    assert_eq!(learning.names.borrow().find("d-2/a"), Some("The a"));
    for user in ["d-1/a", "d-1/nobody", "d-1/new"] {
        learning.queue.saw(user);
    }
    learning.until_known("d-1/new").await;
    assert_eq!(learning.store.users(), ["d-1/new"]);
}

#[tokio::test(start_paused = true)]
async fn what_is_throttled_is_asked_for_again_later_and_later() {
    let (_folder, path) = file();
    let failures = (0..5).map(|_| Failure::Passes("ThrottlingException".to_owned()));
    let mut learning = Learning::start(&path, Fake::failing(failures));
    learning.queue.saw("d-1/a");
    learning.until_known("d-1/a").await;
    let calls = learning.store.calls();
    assert_eq!(calls.len(), 6);
    for (number, two) in calls.windows(2).enumerate() {
        let least = Duration::from_millis(500 << number);
        assert!(two[1].0 - two[0].0 >= least, "{number}");
    }
}

#[tokio::test(start_paused = true)]
async fn where_access_is_denied_nothing_is_asked_for_until_it_may_be_mended() {
    let (_folder, path) = file();
    let denied = Failure::Setup("AccessDeniedException".to_owned());
    let mut learning = Learning::start(&path, Fake::failing([denied]));
    let begun = Instant::now();
    for number in 0..2000 {
        learning.queue.saw(&format!("d-1/{number}"));
    }
    while begun.elapsed() < SETUP - PACE {
        learning.queue.saw("d-1/a");
        tokio::time::sleep(PACE).await;
        assert_eq!(learning.store.users(), ["d-1/0"]);
    }
    tokio::time::sleep(2 * PACE).await;
    learning.queue.saw("d-1/a");
    learning.until_known("d-1/a").await;
    assert_eq!(learning.store.users(), ["d-1/0", "d-1/a"]);
}

#[tokio::test(start_paused = true)]
async fn a_hostile_name_is_one_bounded_line() {
    let (_folder, path) = file();
    let mut learning = Learning::start(&path, Fake::default());
    learning.queue.saw("d-1/hostile");
    let name = learning.until_known("d-1/hostile").await;
    assert!(name.starts_with("\\u{1b}[2J\\n<b>\\u{202e}é"), "{name}");
    assert!(
        name.len() <= 256 && !name.contains(['\n', '\u{1b}', '\u{202e}']),
        "{name}"
    );
}
