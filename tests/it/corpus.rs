//! The fuzz targets, on the bytes that are kept in `fuzz/corpus`.

#[path = "../../fuzz/src/targets/mod.rs"]
mod targets;

use std::fs;
use std::panic::{AssertUnwindSafe, catch_unwind};
use std::path::Path;

/// Replays what is kept for a target; panics with the names of the files of which it does not hold.
fn replay(target: &str, check: fn(&[u8]) -> usize) {
    let folder = Path::new(env!("CARGO_MANIFEST_DIR")).join("fuzz/corpus");
    let (mut looked_at, mut failed) = (0, Vec::new());
    for file in fs::read_dir(folder.join(target)).unwrap() {
        let path = file.unwrap().path();
        let data = fs::read(&path).unwrap();
        match catch_unwind(AssertUnwindSafe(|| check(&data))) {
            Ok(count) => looked_at += count,
            Err(_) => failed.push(path),
        }
    }
    assert!(failed.is_empty(), "{target}: {failed:?}");
    assert!(looked_at > 0, "{target}: an empty test");
}

#[test]
fn envelopes_hold_of_the_corpus() {
    replay("envelope", targets::envelope::check);
}

#[test]
fn log_files_hold_of_the_corpus() {
    replay("log_file", targets::log_file::check);
}

#[test]
fn records_hold_of_the_corpus() {
    replay("record", targets::record::check);
}

#[test]
fn conversions_hold_of_the_corpus() {
    replay("conversion", targets::conversion::check);
}

#[test]
fn redactions_hold_of_the_corpus() {
    replay("redaction", targets::redaction::check);
}

#[cfg(feature = "aws")]
#[test]
fn notices_hold_of_the_corpus() {
    replay("notices", targets::notices::check);
}

#[test]
fn requests_hold_of_the_corpus() {
    replay("ingest", targets::ingest::check);
}
