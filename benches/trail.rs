//! What converting a whole trail costs, against what nothing can be faster than: inflating its files, and
//! against `serde_json`, which only parses the records.
//!
//! `cargo bench --bench trail`; `taskset -c 0` in front keeps it on one core. It prints MB of JSON a second,
//! and the two ratios, for trails with different shares of Amazon Q's events and sizes of files. All
//! measures of a trail alternate in the same run, so only ratios compare between machines.

use std::error::Error;
use std::fs;
use std::hint::black_box;
use std::path::Path;
use std::time::{Duration, Instant};

use libdeflater::Decompressor;
use qtrail_core::Converter;
use qtrail_sample::{Amount, Spec};
use serde_json::Value;

/// Bytes of JSON of each trail.
const TRAIL_BYTES: u64 = 64 << 20;
/// Each measure is taken so many times; the fastest counts.
const ROUNDS: usize = 5;

fn main() -> Result<(), Box<dyn Error>> {
    println!("share   file     JSON   inflate  convert  of inflate   serde_json  of serde_json");
    for file_kib in [64, 3072] {
        for share in [0.0, 1.0, 10.0, 100.0] {
            let trail = Trail::new(share, file_kib << 10)?;
            let [inflate, convert, parse] = trail.measure();
            let rate = |time: Duration| trail.json_bytes as f64 / 1e6 / time.as_secs_f64();
            println!(
                "{share:>3} % {:>5} KiB {:>4} MB {:>8.0} {:>8.0} {:>11.2} {:>12.0} {:>13.2}",
                file_kib,
                trail.json_bytes / 1_000_000,
                rate(inflate),
                rate(convert),
                inflate.as_secs_f64() / convert.as_secs_f64(),
                rate(parse),
                parse.as_secs_f64() / convert.as_secs_f64(),
            );
        }
    }
    Ok(())
}

struct Trail {
    /// Names and compressed bytes.
    files: Vec<(String, Vec<u8>)>,
    json_bytes: u64,
}

impl Trail {
    fn new(share: f64, file_bytes: u64) -> Result<Self, Box<dyn Error>> {
        let folder = tempfile::tempdir()?;
        let spec = Spec {
            amount: Amount::Bytes(TRAIL_BYTES),
            share,
            files: Some(TRAIL_BYTES / file_bytes),
            ..Spec::default()
        };
        let summary = qtrail_sample::write(&spec, folder.path(), |_| {})?;
        let mut files = Vec::new();
        read(folder.path(), &mut files)?;
        Ok(Trail {
            files,
            json_bytes: summary.json_bytes,
        })
    }

    /// Inflating, converting, and inflating and parsing.
    fn measure(&self) -> [Duration; 3] {
        let mut inflater = Inflater::default();
        let converter = Converter::default();
        let mut best = [Duration::MAX; 3];
        for _ in 0..ROUNDS {
            let times = [
                self.time(|_, bytes| {
                    black_box(inflater.inflate(bytes));
                }),
                self.time(|name, bytes| drop(black_box(converter.convert_file(bytes, name)))),
                self.parse(),
            ];
            for (best, time) in best.iter_mut().zip(times) {
                *best = time.min(*best);
            }
        }
        best
    }

    fn time(&self, mut work: impl FnMut(&str, &[u8])) -> Duration {
        let started = Instant::now();
        for (name, bytes) in &self.files {
            work(name, bytes);
        }
        started.elapsed()
    }

    /// Parses inflated files.
    fn parse(&self) -> Duration {
        let mut inflater = Inflater::default();
        let mut took = Duration::ZERO;
        for (_, bytes) in &self.files {
            let json = inflater.inflate(bytes);
            let started = Instant::now();
            drop(black_box(serde_json::from_slice::<Value>(json)));
            took += started.elapsed();
        }
        took
    }
}

#[derive(Default)]
struct Inflater {
    buffer: Vec<u8>,
}

impl Inflater {
    fn inflate(&mut self, file: &[u8]) -> &[u8] {
        let length = file
            .last_chunk()
            .map_or(0, |size| u32::from_le_bytes(*size)) as usize;
        self.buffer.resize(self.buffer.len().max(length), 0);
        let inflated = Decompressor::new().gzip_decompress(file, &mut self.buffer[..length]);
        &self.buffer[..inflated.expect("a log file")]
    }
}

fn read(folder: &Path, files: &mut Vec<(String, Vec<u8>)>) -> Result<(), Box<dyn Error>> {
    for entry in fs::read_dir(folder)? {
        let path = entry?.path();
        if path.is_dir() {
            read(&path, files)?;
        } else {
            files.push((path.to_string_lossy().into_owned(), fs::read(&path)?));
        }
    }
    Ok(())
}
