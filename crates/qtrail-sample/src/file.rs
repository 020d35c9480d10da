//! One file: its events, in the disorder of real trails, written as they are made.

use std::io::{self, BufWriter, Write};

use fastrand::Rng;
use flate2::Compression;
use flate2::write::GzEncoder;

use super::amazon_q::Scenes;
use super::identity::Who;
use super::plan::File;
use super::record::{self, Setting};
use super::{Amount, Format, Spec, Summary, noise};

/// A little better than real trails compress, at a speed that suits load tests.
const LEVEL: Compression = Compression::new(3);

/// Text gathered before it is written.
const BUFFER: usize = 64 << 10;

/// Writes a file's content, and returns its summary.
pub(super) fn write(spec: &Spec, plan: &File, out: impl Write) -> io::Result<Summary> {
    let mut out = Counted {
        inner: BufWriter::with_capacity(BUFFER, out),
        bytes: 0,
    };
    let mut summary = match spec.format {
        Format::Gzip => {
            let mut gzip = GzEncoder::new(&mut out, LEVEL);
            let summary = records(spec, plan, &mut gzip)?;
            gzip.finish()?;
            summary
        }
        Format::Json | Format::Ndjson => records(spec, plan, &mut out)?,
    };
    out.flush()?;
    summary.file_bytes = out.bytes;
    Ok(summary)
}

fn records(spec: &Spec, plan: &File, out: &mut impl Write) -> io::Result<Summary> {
    let (open, between, close) = match spec.format {
        Format::Gzip | Format::Json => (r#"{"Records":["#, ",", "]}"),
        Format::Ndjson => ("", "\n", "\n"),
    };
    let mut summary = Summary {
        files: 1,
        ..Summary::default()
    };
    let mut events = Events::new(spec, plan);
    let mut text = String::with_capacity(BUFFER + 4096);
    text.push_str(open);
    while events.more(&summary, text.len()) {
        if summary.events > 0 {
            text.push_str(between);
        }
        events.next(&mut summary, &mut text);
        if text.len() >= BUFFER {
            summary.json_bytes += text.len() as u64;
            out.write_all(text.as_bytes())?;
            text.clear();
        }
    }
    text.push_str(close);
    summary.json_bytes += text.len() as u64;
    out.write_all(text.as_bytes())?;
    Ok(summary)
}

/// The events of one file.
struct Events<'a> {
    plan: &'a File,
    share: f64,
    rng: Rng,
    scenes: Scenes,
    clock: Clock,
    /// Amazon Q's events so far.
    amazon_q: u64,
}

impl<'a> Events<'a> {
    fn new(spec: &Spec, plan: &'a File) -> Self {
        let expected = match plan.amount {
            Amount::Events(n) => n,
            Amount::Bytes(n) => n / 1_200,
        };
        Events {
            plan,
            share: spec.share.clamp(0.0, 100.0) / 100.0,
            // The name took the seed itself.
            rng: Rng::with_seed(plan.seed ^ 1),
            scenes: Scenes::new(plan.scene_seed),
            clock: Clock::new(plan.delivered, expected),
            amazon_q: 0,
        }
    }

    fn more(&self, so_far: &Summary, buffered: usize) -> bool {
        match self.plan.amount {
            Amount::Events(n) => so_far.events < n,
            Amount::Bytes(n) => so_far.events == 0 || so_far.json_bytes + (buffered as u64) < n,
        }
    }

    fn next(&mut self, summary: &mut Summary, text: &mut String) {
        let mut at = Setting {
            time: self.clock.next(&mut self.rng),
            signed_in: None,
            account: self.plan.account,
            region: self.plan.region,
            identity: Who::Untyped,
            agent: "",
            address: "",
            conversation: 0,
            event_id: self.rng.u128(..),
        };
        let call = if self.is_amazon_q(summary.events) {
            self.amazon_q += 1;
            let (call, class) = self.scenes.next(&mut at, &mut self.rng);
            *summary.amazon_q.entry(class).or_default() += 1;
            call
        } else {
            noise::next(&mut at, &mut self.rng)
        };
        record::write(text, call, &at, &mut self.rng);
        summary.events += 1;
    }

    /// Chance, but the number comes out as asked where it is known beforehand: each of the events
    /// that are left has the chance that is left.
    fn is_amazon_q(&mut self, before: u64) -> bool {
        match (self.plan.amount, self.plan.amazon_q) {
            (Amount::Events(n), Some(wanted)) => {
                self.rng.u64(..n - before) < wanted - self.amazon_q
            }
            _ => self.rng.f64() < self.share,
        }
    }
}

/// Times as in real trails: most events share their second with another, more than a fifth are
/// older than the one before, and delivery is one to ten minutes later.
struct Clock {
    now: i64,
    end: i64,
    step: i64,
}

impl Clock {
    fn new(delivered: i64, events: u64) -> Self {
        let (start, end) = (delivered - 354, delivered - 54);
        // The clock moves at three of ten events.
        let moves = (events * 3 / 10).max(1);
        Clock {
            now: start,
            end,
            step: ((end - start) as u64).div_ceil(moves) as i64,
        }
    }

    fn next(&mut self, rng: &mut Rng) -> i64 {
        match rng.u32(..100) {
            0..22 => self.now - self.step * rng.i64(1..=4).min(240 / self.step),
            22..52 => {
                self.now = (self.now + rng.i64(0..=2 * self.step)).min(self.end);
                self.now
            }
            _ => self.now,
        }
    }
}

/// Counts what is written.
struct Counted<W> {
    inner: W,
    bytes: u64,
}

impl<W: Write> Write for Counted<W> {
    fn write(&mut self, bytes: &[u8]) -> io::Result<usize> {
        let n = self.inner.write(bytes)?;
        self.bytes += n as u64;
        Ok(n)
    }

    fn flush(&mut self) -> io::Result<()> {
        self.inner.flush()
    }
}
