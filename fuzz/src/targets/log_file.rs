//! The fast path finds the records of an ordinary log file that the reader of everything finds, and exports
//! the same.

use std::collections::HashSet;

use qtrail_core::Converter;
use qtrail_core::envelope::log_file::{LogFile, LogRecord};
use qtrail_core::envelope::{Item, open};
use qtrail_core::event::amazon_q::{Lists, Select, Selector};
use qtrail_core::reject::{Position, Reason};

use super::{gzip, is_json};

/// White space behind a file, so that its records are as long as CloudTrail's on the average.
const PADDING: usize = 8 << 10;

/// Reads the bytes as what stands between the brackets of a log file.
pub fn check(data: &[u8]) -> usize {
    let padding = [b' '; PADDING];
    let text = [b"{\"Records\":[", data, b"]}", &padding].concat();
    let compressed = gzip(&text);
    let converter = Converter::default();
    let mut file = LogFile::default();
    if !file.read(&compressed, &converter.limits) {
        return 0;
    }
    let every = Selector::new(Select::All, &Lists::default());
    let plain = file.records().all(|record| {
        let selected = every.select_candidate(&record, converter.limits.depth);
        !matches!(selected, Err(Reason::NotCloudTrail { .. }))
    });
    let owned = |record: LogRecord<'_>| (record.position, record.bytes.to_vec());
    let records: Vec<_> = file.records().map(owned).collect();
    let candidates = converter.selector.candidates(&file);
    let candidates: HashSet<_> = candidates.map(|record| record.position.index).collect();
    for (position, bytes) in &records {
        let selected = converter.selector.select(bytes, converter.limits.depth);
        assert!(
            candidates.contains(&position.index) || matches!(selected, Ok(None)),
            "{position:?} was passed over"
        );
    }
    let well_formed = |bytes: &[u8]| std::str::from_utf8(bytes).is_ok_and(is_json);
    if plain && records.iter().all(|(_, bytes)| well_formed(bytes)) {
        assert_eq!(all(&text, &converter), records);
        let both = [&compressed, &text].map(|bytes| converter.convert_file(bytes, ""));
        let [fast, slow] = both.map(|converted| format!("{converted:?}"));
        assert_eq!(fast, slow);
    }
    records.len()
}

/// What the reader of everything finds.
fn all(text: &[u8], converter: &Converter) -> Vec<(Position, Vec<u8>)> {
    let mut items = open(text, &converter.limits);
    let mut records = Vec::new();
    while let Some(item) = items.next().expect("bytes in memory") {
        match item {
            Item::Record { position, bytes } => records.push((position, bytes.to_vec())),
            other => panic!("{other:?} in a well-formed file"),
        }
    }
    records
}
