//! A unit's bytes, inflated where they are gzip, within a limit.
//!
//! Enters: a reader. Leaves: inflated bytes, then at most one [`StreamError`] that says why they end
//! early. What must hold: gzip is known by its magic bytes alone; several members in a row are one
//! stream, and zeros and white space behind a member are padding; what inflates to gzip is inflated
//! again, to a bounded depth, and each time within the limit; an error of the stream loses no byte that was
//! inflated before it; errors of the reader are kept apart from those of the bytes.

use std::io::{self, Read};

use flate2::{Decompress, FlushDecompress, Status};

/// Compressed bytes read at once.
const INPUT_BYTES: usize = 32 << 10;
/// Inflated bytes in which gzip inside gzip is looked for.
const PEEK_BYTES: usize = 64;
/// How many times the bytes may be compressed, each time over the one before: by CloudWatch Logs, by
/// Firehose, and by an archive of the object.
const DEEPEST_GZIP: usize = 4;
pub(super) const MAGIC: [u8; 2] = [0x1f, 0x8b];
const WINDOW_BITS: u8 = 15;

/// Why a unit's bytes end before the unit does.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) enum StreamError {
    /// The compressed stream stops in the middle.
    Truncated,
    /// The compressed stream is no gzip from some point on.
    Damaged(String),
    /// The limit on inflated bytes is reached, and there is more.
    TooLarge,
}

/// What a read delivered.
#[derive(Debug, PartialEq, Eq)]
pub(super) enum Inflated {
    /// So many bytes, at least one.
    Bytes(usize),
    /// Nothing more, and why if it ends early.
    End(Option<StreamError>),
}

/// A reader with gzip taken off.
#[derive(Debug)]
pub(super) struct Inflate<R> {
    reader: R,
    read_ahead: usize,
    limit: u64,
    /// The outermost first. Each reads from the one before it; the last one delivers.
    layers: Vec<Layer>,
}

/// Bytes that are gzip or not.
#[derive(Debug)]
struct Layer {
    input: Vec<u8>,
    start: usize,
    end: usize,
    /// Bytes taken before `input[start]`.
    taken: u64,
    /// Bytes delivered.
    delivered: u64,
    /// They are inside another layer.
    inside: bool,
    /// Why its source ended early.
    cut: Option<StreamError>,
    stage: Stage,
}

#[derive(Debug)]
enum Stage {
    /// The first bytes decide.
    Unknown,
    /// No gzip: what is in `input` first, then straight from the source.
    Plain,
    /// Inside a gzip member.
    Member(Box<Decompress>),
    /// After a gzip member.
    Between,
    /// The last byte was delivered.
    Failed(StreamError),
}

/// Where a layer's bytes come from.
type Source<'s> = &'s mut dyn FnMut(&mut [u8]) -> io::Result<Inflated>;

impl<R: Read> Inflate<R> {
    /// Inflates at most `limit` bytes; `input` bytes are read ahead, or fewer.
    pub(super) fn new(reader: R, input: usize, limit: u64) -> Self {
        Inflate {
            reader,
            read_ahead: input.min(INPUT_BYTES),
            limit,
            layers: vec![Layer::new(false)],
        }
    }

    /// The reader.
    pub(super) fn reader(&self) -> &R {
        &self.reader
    }

    /// Bytes that were inflated on the way, beside those delivered.
    pub(super) fn on_the_way(&self) -> u64 {
        let inflated = self.layers.len().saturating_sub(2);
        self.layers[..inflated].iter().map(|l| l.delivered).sum()
    }

    /// Delivers the next bytes into `buffer`, which must not be empty.
    ///
    /// # Errors
    /// The reader's own.
    pub(super) fn read(&mut self, buffer: &mut [u8]) -> io::Result<Inflated> {
        while let Some((layer, below)) = self.layers.split_last_mut()
            && matches!(layer.stage, Stage::Unknown)
        {
            let (reader, limit, ahead) = (&mut self.reader, self.limit, self.read_ahead);
            let deepest = below.len() == DEEPEST_GZIP;
            let is_gzip = layer.is_gzip(ahead, &mut |buffer| {
                deliver(below, reader, limit, ahead, buffer)
            })?;
            match is_gzip {
                false => layer.stage = Stage::Plain,
                true if deepest => {
                    let detail = format!("it is compressed more than {DEEPEST_GZIP} times");
                    layer.stage = Stage::Failed(StreamError::Damaged(detail));
                }
                true => {
                    layer.begin_member();
                    self.layers.push(Layer::new(true));
                }
            }
        }
        deliver(
            &mut self.layers,
            &mut self.reader,
            self.limit,
            self.read_ahead,
            buffer,
        )
    }
}

/// What the last of these layers delivers; the reader itself, if there is none.
fn deliver<R: Read>(
    layers: &mut [Layer],
    reader: &mut R,
    limit: u64,
    ahead: usize,
    buffer: &mut [u8],
) -> io::Result<Inflated> {
    match layers.split_last_mut() {
        Some((layer, below)) => layer.read(buffer, limit, ahead, &mut |buffer| {
            deliver(below, reader, limit, ahead, buffer)
        }),
        None => Ok(match retry(|| reader.read(buffer))? {
            0 => Inflated::End(None),
            count => Inflated::Bytes(count),
        }),
    }
}

impl Layer {
    fn new(inside: bool) -> Self {
        Layer {
            input: Vec::new(),
            start: 0,
            end: 0,
            taken: 0,
            delivered: 0,
            inside,
            cut: None,
            stage: Stage::Unknown,
        }
    }

    /// Whether it begins as gzip does. `ahead`: how much is read at once where it does.
    fn is_gzip(&mut self, ahead: usize, source: Source<'_>) -> io::Result<bool> {
        let first = if self.inside { PEEK_BYTES } else { ahead };
        while self.available().len() < MAGIC.len() && self.more(first, source)? {}
        Ok(self.available().starts_with(&MAGIC))
    }

    fn read(
        &mut self,
        buffer: &mut [u8],
        limit: u64,
        ahead: usize,
        source: Source<'_>,
    ) -> io::Result<Inflated> {
        let left = limit - self.delivered;
        if left == 0 {
            // One byte more decides between an end at the limit and one beyond it.
            let end = self.inflate(&mut [0], ahead, source)?;
            if let Inflated::Bytes(_) = end {
                self.stage = Stage::Failed(StreamError::TooLarge);
                return Ok(Inflated::End(Some(StreamError::TooLarge)));
            }
            return Ok(end);
        }
        let room = buffer
            .len()
            .min(usize::try_from(left).unwrap_or(usize::MAX));
        let delivered = self.inflate(&mut buffer[..room], ahead, source)?;
        if let Inflated::Bytes(count) = delivered {
            self.delivered += count as u64;
        }
        Ok(delivered)
    }

    fn inflate(
        &mut self,
        buffer: &mut [u8],
        ahead: usize,
        source: Source<'_>,
    ) -> io::Result<Inflated> {
        loop {
            match &mut self.stage {
                Stage::Failed(error) => return Ok(Inflated::End(Some(error.clone()))),
                Stage::Unknown | Stage::Plain => return self.plain(buffer, source),
                Stage::Between => {
                    if let Some(end) = self.between(ahead, source)? {
                        return Ok(end);
                    }
                    self.begin_member();
                }
                Stage::Member(member) => {
                    let (before_in, before_out) = (member.total_in(), member.total_out());
                    let input = &self.input[self.start..self.end];
                    let status = member.decompress(input, buffer, FlushDecompress::None);
                    let used = (member.total_in() - before_in) as usize;
                    let made = (member.total_out() - before_out) as usize;
                    self.start += used;
                    self.taken += used as u64;
                    match status {
                        Err(error) => {
                            let error = self.damaged(|at| format!("{error} at {at}"));
                            self.stage = Stage::Failed(error);
                        }
                        Ok(Status::StreamEnd) => self.stage = Stage::Between,
                        Ok(Status::Ok | Status::BufError) => {
                            if made == 0 && self.start == self.end && !self.more(ahead, source)? {
                                return Ok(self.end(true));
                            }
                        }
                    }
                    if made > 0 {
                        return Ok(Inflated::Bytes(made));
                    }
                }
            }
        }
    }

    fn begin_member(&mut self) {
        self.stage = Stage::Member(Box::new(Decompress::new_gzip(WINDOW_BITS)));
    }

    fn plain(&mut self, buffer: &mut [u8], source: Source<'_>) -> io::Result<Inflated> {
        let first = self.available();
        if !first.is_empty() {
            let count = first.len().min(buffer.len());
            buffer[..count].copy_from_slice(&first[..count]);
            self.start += count;
            return Ok(Inflated::Bytes(count));
        }
        match self.cut {
            Some(_) => Ok(self.end(false)),
            None => source(buffer),
        }
    }

    /// What follows a member: another one (`None`), or the end.
    fn between(&mut self, ahead: usize, source: Source<'_>) -> io::Result<Option<Inflated>> {
        loop {
            // Firehose can end each record with a line's end.
            let is_padding = |byte: &&u8| matches!(byte, 0 | b'\n' | b'\r' | b' ' | b'\t');
            let padding = self.available().iter().take_while(is_padding).count();
            self.start += padding;
            self.taken += padding as u64;
            let next = self.available();
            if next.starts_with(&MAGIC) {
                return Ok(None);
            }
            if !next.is_empty() && !MAGIC.starts_with(next) {
                let what = |at| format!("what follows the last gzip member at {at} is none");
                let error = self.damaged(what);
                return Ok(Some(Inflated::End(Some(error))));
            }
            if !self.more(ahead, source)? {
                let cut = !self.available().is_empty();
                return Ok(Some(self.end(cut)));
            }
        }
    }

    /// The end, in the middle of a member or not.
    fn end(&self, cut: bool) -> Inflated {
        let early = || cut.then_some(StreamError::Truncated);
        Inflated::End(self.cut.clone().or_else(early))
    }

    fn damaged(&self, what: impl Fn(String) -> String) -> StreamError {
        let inside = if self.inside {
            " of the gzip inside"
        } else {
            ""
        };
        StreamError::Damaged(what(format!("compressed byte {}{inside}", self.taken)))
    }

    fn available(&self) -> &[u8] {
        &self.input[self.start..self.end]
    }

    /// Reads more input behind what is there, up to so many bytes; `false` at the end.
    fn more(&mut self, ahead: usize, source: Source<'_>) -> io::Result<bool> {
        if self.cut.is_some() {
            return Ok(false);
        }
        if self.start > 0 {
            self.input.copy_within(self.start..self.end, 0);
            self.end -= self.start;
            self.start = 0;
        }
        if self.input.len() < ahead {
            self.input.resize(ahead, 0);
        }
        match source(&mut self.input[self.end..])? {
            Inflated::Bytes(count) => {
                self.end += count;
                Ok(true)
            }
            Inflated::End(error) => {
                self.cut = error;
                Ok(false)
            }
        }
    }
}

fn retry(mut read: impl FnMut() -> io::Result<usize>) -> io::Result<usize> {
    loop {
        match read() {
            Err(error) if error.kind() == io::ErrorKind::Interrupted => {}
            result => return result,
        }
    }
}

#[cfg(test)]
mod tests;
