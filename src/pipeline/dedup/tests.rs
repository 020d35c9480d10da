use std::fs;
use std::path::Path;
use std::sync::atomic::{AtomicU32, Ordering};

use fastrand::Rng;
use tempfile::TempDir;

use super::*;
use crate::runtime::database::{self, Kind};

const ONE: &str = "7a1d0cbe-0000-4000-8000-000000000001";

fn settings(folder: &Path) -> Settings {
    Settings {
        folder: folder.to_owned(),
        max_ids: 1000,
        max_age: Duration::from_secs(3600),
    }
}

struct Room {
    folder: TempDir,
    metrics: Arc<Metrics>,
}

impl Room {
    fn new() -> Self {
        Room {
            folder: tempfile::tempdir().unwrap(),
            metrics: Arc::default(),
        }
    }

    fn settings(&self) -> Settings {
        settings(self.folder.path())
    }

    fn file(&self) -> PathBuf {
        self.folder.path().join("duplicates.redb")
    }

    fn open(&self) -> (Dedup, Writer) {
        self.open_with(self.settings()).unwrap()
    }

    fn open_with(&self, settings: Settings) -> Result<(Dedup, Writer), Error> {
        Dedup::open(settings, Arc::clone(&self.metrics))
    }
}

fn claims(window: &Dedup) -> Claims {
    Claims::new(Some(window.clone()))
}

/// One event, delivered.
fn deliver(window: &Dedup, id: &str) {
    let mut claims = claims(window);
    assert_eq!(claims.claim(0, Some(id)), Ok(()));
    claims.delivered(&[]);
}

/// What a further event of this id would be told.
fn claim(window: &Dedup, id: &str) -> Result<(), Twin> {
    claims(window).claim(0, Some(id))
}

fn in_flight(id: &str) -> Result<(), Twin> {
    Err(Twin::InFlight(qtrail_core::convert::ids::of_event(id)))
}

#[tokio::test]
async fn an_event_is_new_then_in_flight_then_a_duplicate() {
    let room = Room::new();
    let (window, _writer) = room.open();
    let mut first = claims(&window);
    assert_eq!(first.claim(0, Some("a")), Ok(()));
    assert_eq!(
        first.claim(1, Some("a")),
        in_flight("a"),
        "in the same chunk"
    );
    assert_eq!(claim(&window, "a"), in_flight("a"), "in another");
    first.delivered(&[]);
    assert_eq!(claim(&window, "a"), Err(Twin::Delivered));
    assert_eq!(claim(&window, "b"), Ok(()));
    assert_eq!(room.metrics.duplicates_ids.get(), 1);
}

#[tokio::test]
async fn claims_that_are_dropped_have_failed_and_so_have_the_undelivered() {
    let room = Room::new();
    let (window, _writer) = room.open();
    let mut lost = claims(&window);
    assert_eq!(lost.claim(0, Some("a")), Ok(()));
    drop(lost);
    let mut partly = claims(&window);
    for (event, id) in ["a", "b", "c"].into_iter().enumerate() {
        assert_eq!(partly.claim(event as u32, Some(id)), Ok(()));
    }
    partly.delivered(&[0, 2]);
    assert_eq!(claim(&window, "a"), Ok(()));
    assert_eq!(claim(&window, "b"), Err(Twin::Delivered));
    assert_eq!(claim(&window, "c"), Ok(()));
}

#[tokio::test]
async fn the_claims_of_a_chunk_leave_with_it() {
    let room = Room::new();
    let (window, _writer) = room.open();
    let mut reader = claims(&window);
    assert_eq!(reader.claim(0, Some("a")), Ok(()));
    let chunk = reader.take();
    assert_eq!(reader.claim(0, Some("b")), Ok(()));
    chunk.delivered(&[]);
    assert_eq!(claim(&window, "a"), Err(Twin::Delivered));
    assert_eq!(claim(&window, "b"), in_flight("b"));
}

#[tokio::test]
async fn an_event_without_an_id_is_always_new() {
    let room = Room::new();
    let (window, _writer) = room.open();
    for _ in 0..2 {
        let mut claims = claims(&window);
        assert_eq!(claims.claim(0, None), Ok(()));
        assert_eq!(claims.claim(1, None), Ok(()));
        claims.delivered(&[]);
    }
    let mut off = Claims::new(None);
    assert_eq!(off.claim(0, Some("a")), Ok(()));
    assert_eq!(off.claim(1, Some("a")), Ok(()), "without a window");
}

#[tokio::test]
async fn who_waits_is_woken_by_success_and_by_failure() {
    let room = Room::new();
    let (window, _writer) = room.open();
    for succeeds in [true, false] {
        let mut first = claims(&window);
        assert_eq!(first.claim(0, Some(ONE)), Ok(()));
        let mut changes = window.settled();
        let id = qtrail_core::convert::ids::of_event(ONE);
        assert!(window.not_in_flight([id].into_iter()).is_empty());
        match succeeds {
            false => first.delivered(&[0]),
            true => drop(first),
        }
        changes.changed().await.unwrap();
        assert!(window.not_in_flight([id].into_iter()).contains(&id));
    }
}

#[tokio::test]
async fn a_restart_remembers_what_was_delivered_and_nothing_else() {
    let room = Room::new();
    let (window, writer) = room.open();
    deliver(&window, ONE);
    deliver(&window, "no uuid");
    let mut failed = claims(&window);
    assert_eq!(failed.claim(0, Some("failed")), Ok(()));
    failed.delivered(&[0]);
    let mut in_flight = claims(&window);
    assert_eq!(in_flight.claim(0, Some("in flight")), Ok(()));
    writer.close().await;
    drop(in_flight);

    let (window, writer) = room.open();
    assert_eq!(room.metrics.duplicates_ids.get(), 2);
    for id in [ONE, "no uuid"] {
        assert_eq!(claim(&window, id), Err(Twin::Delivered), "{id}");
    }
    for id in ["failed", "in flight"] {
        assert_eq!(claim(&window, id), Ok(()), "{id}");
    }
    deliver(&window, "later");
    writer.close().await;
    let (window, _writer) = room.open();
    for id in [ONE, "later"] {
        assert_eq!(claim(&window, id), Err(Twin::Delivered), "{id}");
    }
}

#[tokio::test]
async fn more_ids_than_it_may_hold_push_out_the_oldest_on_disk_too() {
    let room = Room::new();
    let settings = Settings {
        max_ids: 2,
        ..room.settings()
    };
    let (window, writer) = room.open_with(settings.clone()).unwrap();
    for id in ["a", "b", "c"] {
        deliver(&window, id);
    }
    assert_eq!(claim(&window, "a"), Ok(()));
    assert_eq!(room.metrics.duplicates_crowded_out.get(), 1);
    writer.close().await;
    let (window, _writer) = room.open_with(settings).unwrap();
    assert_eq!(claim(&window, "a"), Ok(()));
    for id in ["b", "c"] {
        assert_eq!(claim(&window, id), Err(Twin::Delivered), "{id}");
    }
}

#[tokio::test]
async fn an_id_is_forgotten_at_its_age() {
    let room = Room::new();
    let (window, writer) = room.open();
    deliver(&window, ONE);
    let age = |seconds| second() + seconds;
    let shared = &window.0;
    shared.forget(&mut shared.lock(), age(3590));
    assert_eq!(claim(&window, ONE), Err(Twin::Delivered));
    shared.forget(&mut shared.lock(), age(3600));
    assert_eq!(claim(&window, ONE), Ok(()));
    assert_eq!(room.metrics.duplicates_crowded_out.get(), 0);

    deliver(&window, ONE);
    writer.close().await;
    let short = Settings {
        max_age: Duration::ZERO,
        ..room.settings()
    };
    let (window, _writer) = room.open_with(short).unwrap();
    assert_eq!(claim(&window, ONE), Ok(()), "too old at the start");
}

#[tokio::test]
async fn another_process_and_another_version_are_told() {
    let room = Room::new();
    let (_window, writer) = room.open();
    let error = room.open_with(room.settings()).unwrap_err();
    let text = error.to_string();
    assert!(matches!(error.kind, Kind::Locked { .. }), "{text}");
    assert!(text.contains(&std::process::id().to_string()), "{text}");
    assert!(check(&room.settings()).is_err());
    writer.close().await;
    check(&room.settings()).unwrap();

    let database = redb::Database::create(room.file()).unwrap();
    let write = database.begin_write().unwrap();
    write
        .open_table(database::META)
        .unwrap()
        .insert("schema", 2)
        .unwrap();
    write.commit().unwrap();
    drop(database);
    let error = room.open_with(room.settings()).unwrap_err();
    assert_eq!(error.kind, Kind::Schema { found: 2, ours: 1 }, "{error}");
}

#[tokio::test]
async fn a_damaged_file_is_an_error_that_names_it_and_the_remedy() {
    let room = Room::new();
    assert!(check(&room.settings()).is_ok(), "none is there yet");
    assert!(!room.file().exists());
    let (window, writer) = room.open();
    deliver(&window, ONE);
    writer.close().await;
    let whole = fs::read(room.file()).unwrap();
    let mut hollow = whole.clone();
    hollow[4096..].fill(0);
    for damaged in [b"no database", &whole[..whole.len() / 2], &hollow] {
        fs::write(room.file(), damaged).unwrap();
        let error = room.open_with(room.settings()).unwrap_err().to_string();
        assert!(
            error.contains(&room.file().display().to_string()),
            "{error}"
        );
        assert!(
            error.contains("delete it (which costs nothing but repeats"),
            "{error}"
        );
    }
    fs::remove_file(room.file()).unwrap();
    let (window, _writer) = room.open();
    assert_eq!(claim(&window, ONE), Ok(()));
}

/// Does what readers do: claims events, keeps those in flight for later, sends chunks that may fail, and
/// waits for others only once it has sent all that it claimed.
#[test]
fn many_threads_deliver_each_event_once_and_lose_none() {
    const EVENTS: u32 = 400;
    const THREADS: u64 = 8;
    let room = Room::new();
    let (window, _writer) = room.open();
    let delivered: Vec<AtomicU32> = (0..EVENTS).map(|_| AtomicU32::new(0)).collect();
    std::thread::scope(|scope| {
        for seed in 0..THREADS {
            let (window, delivered) = (&window, &delivered);
            scope.spawn(move || deliver_all(window, delivered, Rng::with_seed(seed)));
        }
    });
    let times: Vec<_> = delivered
        .iter()
        .map(|n| n.load(Ordering::Relaxed))
        .collect();
    assert_eq!(times, [1; EVENTS as usize]);
    let state = window.0.lock();
    assert_eq!(state.known.len(), EVENTS as usize);
    assert!(state.in_flight.is_empty());
}

/// Goes through all events in an order of its own until each is delivered, here or elsewhere.
fn deliver_all(window: &Dedup, delivered: &[AtomicU32], mut rng: Rng) {
    let runtime = tokio::runtime::Builder::new_current_thread()
        .build()
        .unwrap();
    let mut to_do: Vec<usize> = (0..delivered.len()).collect();
    rng.shuffle(&mut to_do);
    let (mut claims, mut chunk) = (claims(window), Vec::new());
    let mut pending_duplicates = Vec::new();
    while !to_do.is_empty() || !chunk.is_empty() || !pending_duplicates.is_empty() {
        match to_do.pop() {
            Some(event) => {
                match claims.claim(chunk.len() as u32, Some(&format!("event {event}"))) {
                    Ok(()) => chunk.push(event),
                    Err(Twin::Delivered) => {}
                    Err(Twin::InFlight(id)) => pending_duplicates.push((event, id)),
                }
            }
            None if chunk.is_empty() => {
                let mut changes = window.settled();
                loop {
                    changes.mark_unchanged();
                    let settled =
                        window.not_in_flight(pending_duplicates.iter().map(|(_, id)| *id));
                    if !settled.is_empty() {
                        break;
                    }
                    runtime.block_on(changes.changed()).unwrap();
                }
                to_do.extend(pending_duplicates.drain(..).map(|(event, _)| event));
            }
            None => {}
        }
        if chunk.len() == 16 || to_do.is_empty() && !chunk.is_empty() {
            let claims = claims.take();
            let chunk = std::mem::take(&mut chunk);
            match rng.u8(0..3) {
                0 => to_do.extend(chunk),
                1 => {
                    delivered[chunk[0]].fetch_add(1, Ordering::Relaxed);
                    let but: Vec<u32> = (1..chunk.len() as u32).collect();
                    claims.delivered(&but);
                    to_do.extend(&chunk[1..]);
                }
                _ => {
                    for event in &chunk {
                        delivered[*event].fetch_add(1, Ordering::Relaxed);
                    }
                    claims.delivered(&[]);
                }
            }
        }
    }
}
