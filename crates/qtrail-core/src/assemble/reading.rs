//! A file is read for the facts of its events alone.
//!
//! What must hold: the facts are those of the events that a conversion finds in the same bytes.

use std::io::{self, Cursor, Read};

use super::Facts;
use crate::Converter;
use crate::envelope::log_file::{LARGEST, LARGEST_COMPRESSED, LogFile};
use crate::envelope::{Again, Item, Records, is_quiet, open};

/// Reads one file after the other, in buffers that are used again.
#[derive(Default)]
pub struct FactsReader {
    compressed: Vec<u8>,
    file: LogFile,
}

impl FactsReader {
    /// Memory of a reader, at most.
    pub const BYTES: usize = LARGEST + LARGEST_COMPRESSED;

    /// Passes the facts of each selected event to `each`, as long as that is `true`. A record that cannot be read has
    /// none. `again`: how to have the bytes again.
    ///
    /// # Errors
    /// The content cannot be read to its end.
    pub fn read(
        &mut self,
        converter: &Converter,
        mut content: impl Read,
        again: Option<Again>,
        mut each: impl FnMut(Facts) -> bool,
    ) -> io::Result<()> {
        self.compressed.clear();
        let most = LARGEST_COMPRESSED as u64;
        let read = content
            .by_ref()
            .take(most)
            .read_to_end(&mut self.compressed);
        let is_whole = matches!(read, Ok(bytes) if bytes < LARGEST_COMPRESSED);
        let mut rest = Some(0);
        if is_whole && self.file.read(&self.compressed, &converter.limits) {
            rest = candidates(&self.file, converter, &mut each);
        }
        if let Some(from) = rest {
            // What is behind an error is not read.
            let behind = read.is_ok().then_some(content);
            let content = Cursor::new(&self.compressed).chain(Behind(behind));
            let mut records = open(content, &converter.limits);
            if let Some(again) = again {
                records = records.again(again);
            }
            any(records, from, converter, each)?;
        }
        read.map(drop)
    }
}

/// The rest of the content, if there is any.
struct Behind<R>(Option<R>);

impl<R: Read> Read for Behind<R> {
    fn read(&mut self, into: &mut [u8]) -> io::Result<usize> {
        self.0.as_mut().map_or(Ok(0), |content| content.read(into))
    }
}

/// The facts of a log file's candidates, up to the first that cannot be read in this way: its offset.
fn candidates(
    file: &LogFile,
    converter: &Converter,
    mut each: impl FnMut(Facts) -> bool,
) -> Option<u64> {
    let (selector, depth) = (&converter.selector, converter.limits.depth);
    for record in selector.candidates(file) {
        let Ok(event) = selector.select_candidate(&record, depth) else {
            return Some(record.position.offset);
        };
        let facts = event.and_then(|event| Facts::of(event, &converter.options));
        if facts.is_some_and(|facts| !each(facts)) {
            break;
        }
    }
    None
}

/// The facts of records in any container, from an offset on.
fn any(
    mut records: Records<impl Read>,
    from: u64,
    converter: &Converter,
    mut each: impl FnMut(Facts) -> bool,
) -> io::Result<()> {
    let (selector, depth) = (&converter.selector, converter.limits.depth);
    let mut canonical = Vec::new();
    loop {
        let bytes = match records.next() {
            Ok(None) => return Ok(()),
            Ok(Some(Item::Record { bytes, position })) if position.offset >= from => bytes,
            Ok(Some(_)) => continue,
            Err(error) if is_quiet(&error) => continue,
            Err(error) => return Err(error),
        };
        if let Ok(Some(event)) = selector.select_any(bytes, &mut canonical, depth)
            && let Some(facts) = Facts::of(event, &converter.options)
            && !each(facts)
        {
            return Ok(());
        }
    }
}
