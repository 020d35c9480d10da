//! A trail that keeps arriving: files renamed in, files written in place slowly, appended lines, a
//! broken record here and there.

use std::fs::{self, File};
use std::io::Write;
use std::path::{Path, PathBuf};
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};
use std::thread::JoinHandle;
use std::time::Duration;

use fastrand::Rng;

use crate::support::made::{Made, Maker};
use crate::support::program::{gzip, log_file};
use crate::support::sidecar::Place;

/// Adds to a trail until it is stopped, as CloudTrail's tools and slow copies do.
pub(super) struct Writer {
    stop: Arc<AtomicBool>,
    thread: JoinHandle<Made>,
}

impl Writer {
    pub(super) fn start(place: &Place, mut rng: Rng) -> Self {
        let stop = Arc::new(AtomicBool::new(false));
        let stopped = Arc::clone(&stop);
        let mut pen = Pen {
            trail: place.path("trail"),
            aside: place.path("aside"),
            maker: Maker::new("event", rng.fork()),
            rng,
            number: 0,
            slow: Vec::new(),
        };
        let thread = std::thread::spawn(move || {
            while !stopped.load(Ordering::Relaxed) {
                pen.step();
            }
            while !pen.slow.is_empty() {
                pen.push();
            }
            pen.maker.made
        });
        Writer { stop, thread }
    }

    /// What was written in all, once everything is complete.
    pub(super) fn stop(self) -> Made {
        self.stop.store(true, Ordering::Relaxed);
        self.thread.join().unwrap()
    }
}

struct Pen {
    trail: PathBuf,
    aside: PathBuf,
    maker: Maker,
    rng: Rng,
    number: u32,
    slow: Vec<Slow>,
}

/// A file that is being written in place.
struct Slow {
    path: PathBuf,
    file: File,
    /// What is to come, the last piece first.
    pieces: Vec<Vec<u8>>,
}

impl Pen {
    fn step(&mut self) {
        self.number += 1;
        let folder = self.trail.join(format!("{}", self.rng.u8(0..4)));
        fs::create_dir_all(&folder).unwrap();
        match self.rng.u8(0..5) {
            0 => {
                // Renamed in, under a name that says nothing.
                let records = self.maker.records();
                fs::write(&self.aside, gzip(log_file(&records))).unwrap();
                let name = format!("{}.json.gz", self.number);
                fs::rename(&self.aside, folder.join(name)).unwrap();
            }
            1 => {
                let records = self.maker.records();
                self.begin(&folder.join(self.name("json")), &log_file(&records));
            }
            2 => {
                let records = self.maker.records();
                self.begin(
                    &folder.join(self.name("json.gz")),
                    &gzip(log_file(&records)),
                );
            }
            _ => {
                // One append after the other, so that lines don't mix.
                let name = format!("app-{}.ndjson", self.rng.u8(0..3));
                let path = self.trail.join(name);
                if self.slow.iter().all(|slow| slow.path != path) {
                    let lines = self.maker.records().join("\n") + "\n";
                    self.begin(&path, lines.as_bytes());
                }
            }
        }
        self.push();
    }

    /// A name as CloudTrail gives them, whose time counts.
    fn name(&self, extension: &str) -> String {
        let number = self.number;
        format!("111122223333_CloudTrail_us-east-1_20240410T1410Z_{number:016}.{extension}")
    }

    /// Opens a file to be written in a few pieces.
    fn begin(&mut self, path: &Path, bytes: &[u8]) {
        let size = bytes.len().div_ceil(self.rng.usize(1..5));
        self.slow.push(Slow {
            path: path.to_owned(),
            file: File::options()
                .create(true)
                .append(true)
                .open(path)
                .unwrap(),
            pieces: bytes.chunks(size).rev().map(<[u8]>::to_vec).collect(),
        });
    }

    /// Writes the next piece of each file.
    fn push(&mut self) {
        for slow in &mut self.slow {
            if let Some(piece) = slow.pieces.pop() {
                slow.file.write_all(&piece).unwrap();
            }
        }
        self.slow.retain(|slow| !slow.pieces.is_empty());
        // A slow writer, well within the time after which a file counts as complete.
        std::thread::sleep(Duration::from_millis(self.rng.u64(5..25)));
    }
}
