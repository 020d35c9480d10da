//! Reads files once, record by record, for commands that deliver nothing: `convert --format events`, `report`.
//!
//! Enters: sources. Leaves: each selected event in the [`Target`]'s sink, in the order of the input; the counts;
//! dead letters. What must hold: each record is exported, filtered or a dead letter.

use std::io::{self, Cursor, Read};
use std::sync::Arc;

use tokio::runtime::Handle;
use tokio_util::sync::CancellationToken;

use super::files::Source;
use super::progress::Progress;
use super::totals::Totals;
use crate::dead_letter::{DeadLetters, Entry, Origin, UnitLetters};
use crate::pipeline::{Content, Unit};
use qtrail_core::assemble::Tree;
use qtrail_core::convert::{self, Attribute, Sink};
use qtrail_core::envelope::{self, Again, Item, Skipped};
use qtrail_core::event::Event;
use qtrail_core::reject::Reject;
use qtrail_core::{Converter, RecordOutcome};

/// Receives what is read.
pub(super) trait Target {
    /// Receives the events.
    type Sink: Sink;

    /// The sink of the next event.
    fn sink(&mut self) -> &mut Self::Sink;

    /// Called after each record. `idle`: the input waits.
    ///
    /// # Errors
    /// Reading cannot go on.
    fn after_record(&mut self, _done: &Totals, _idle: bool) -> anyhow::Result<()> {
        Ok(())
    }

    /// Called for each unit, before its first record.
    fn opened(&mut self, _origin: &Origin) {}

    /// Called for what is known and has no event.
    fn skipped(&mut self, _skipped: Skipped) {}

    /// Called for each converted event that EventBridge delivered.
    fn by_event_bridge(&mut self) {}

    /// Called for each record that cannot be read.
    fn rejected(&mut self, _origin: &Origin, _reject: &Reject) {}
}

/// Reads on a blocking thread.
pub(super) struct Reading {
    conversion: Converter,
    /// The places of events in assembled conversations.
    tree: Option<Arc<Tree>>,
    dead_letters: DeadLetters,
    handle: Handle,
    stop: CancellationToken,
    /// The counts so far.
    pub(super) done: Totals,
}

impl Reading {
    /// Reads until `stop`. Call it in the runtime.
    pub(super) fn new(
        conversion: Converter,
        dead_letters: DeadLetters,
        stop: CancellationToken,
    ) -> Self {
        Reading {
            conversion,
            tree: None,
            dead_letters,
            handle: Handle::current(),
            stop,
            done: Totals::default(),
        }
    }

    /// Places events in assembled conversations.
    pub(super) fn with_tree(self, tree: Option<Arc<Tree>>) -> Self {
        Reading { tree, ..self }
    }

    /// Reads all sources. A source that cannot be read is logged.
    ///
    /// # Errors
    /// Those of the target; the dead letters cannot be written.
    pub(super) fn all<T: Target>(
        &mut self,
        listed: impl Iterator<Item = anyhow::Result<Source>>,
        progress: &Progress,
        target: &mut T,
    ) -> anyhow::Result<()> {
        for source in listed {
            if self.stop.is_cancelled() {
                break;
            }
            let stop = self.stop.clone();
            match source.and_then(|s: Source| s.open(&stop, |content| progress.wrap(content))) {
                Ok((origin, content, again)) => self.unit(&origin, content, again, target)?,
                Err(e) => {
                    tracing::error!("{e:#}");
                    self.done.failed = true;
                }
            }
        }
        Ok(())
    }

    /// Reads the content of a unit.
    ///
    /// # Errors
    /// Those of [`Reading::all`]; the content is none that a source of files has.
    pub(super) fn one<T: Target>(
        &mut self,
        unit: Unit,
        progress: &Progress,
        target: &mut T,
    ) -> anyhow::Result<()> {
        let (content, again): (Box<dyn Read + Send>, _) = match unit.content {
            Content::Twice(content, again) => (content, again),
            Content::Bytes(bytes) => {
                let content = Cursor::new(bytes);
                (Box::new(content.clone()), Again::clones(content))
            }
            Content::Whole(_) | Content::Texts(_) => {
                anyhow::bail!("{} can be read only once", unit.origin.name)
            }
        };
        self.unit(&unit.origin, progress.wrap(content), again, target)
    }

    fn unit<T: Target>(
        &mut self,
        origin: &Origin,
        content: Box<dyn Read + Send>,
        again: Again,
        target: &mut T,
    ) -> anyhow::Result<()> {
        let letters = UnitLetters::new(&self.dead_letters, None, None);
        let limits = self.conversion.limits.clone();
        let mut records = envelope::open(content, &limits).again(again);
        let organization = convert::organization(&origin.name);
        target.opened(origin);
        let bytes = self.done.counts.bytes;
        self.done.files += 1;
        while !self.stop.is_cancelled() {
            let mut idle = false;
            let exported = self.done.counts.exported;
            let reject = match records.next() {
                Ok(None) => break,
                Ok(Some(item)) => self.item(item, origin, organization.as_ref(), target)?,
                Err(_) if self.stop.is_cancelled() => break,
                Err(e) if envelope::is_quiet(&e) => {
                    idle = true;
                    None
                }
                Err(e) => {
                    tracing::error!(source = %origin.name, "reading failed: {e}");
                    self.done.failed = true;
                    break;
                }
            };
            if self.done.counts.exported > exported && records.by_event_bridge() {
                target.by_event_bridge();
            }
            if let Some(reject) = reject {
                self.done.counts.dead_lettered += 1;
                target.rejected(origin, &reject);
                self.refuse(reject, origin, &letters)?;
            }
            self.done.counts.bytes = bytes + records.inflated_bytes();
            target.after_record(&self.done, idle)?;
        }
        letters.tell_rest(origin);
        if let Some(summary) = letters.summary(origin) {
            summary.log();
            self.keep(summary)?;
        }
        self.done.counts.bytes = bytes + records.inflated_bytes();
        Ok(())
    }

    /// Converts and counts an item; the record that cannot be read, if it is one.
    ///
    /// # Errors
    /// The event's place cannot be read.
    fn item<T: Target>(
        &mut self,
        item: Item<'_>,
        origin: &Origin,
        organization: Option<&Attribute<'static>>,
        target: &mut T,
    ) -> io::Result<Option<Reject>> {
        let counts = &mut self.done.counts;
        let (position, bytes) = match item {
            Item::Record { position, bytes } => (position, bytes),
            Item::Reject(reject) => {
                counts.read += 1;
                return Ok(Some(reject));
            }
            Item::Skipped(skipped) => {
                counts.skipped += 1;
                target.skipped(skipped);
                return Ok(None);
            }
        };
        counts.read += 1;
        let place = |event: &Event<'_>| {
            let placement = Tree::place(self.tree.as_deref(), event)?;
            Ok(placement.within(organization))
        };
        let conversion = &self.conversion;
        match conversion.convert_record_with(bytes, position, origin.observed, place, target.sink())
        {
            RecordOutcome::Converted { .. } => counts.exported += 1,
            RecordOutcome::Filtered => counts.filtered += 1,
            RecordOutcome::Rejected(reject) => return Ok(Some(reject)),
            RecordOutcome::Unplaced(error) => return Err(error),
        }
        Ok(None)
    }

    fn refuse(&self, reject: Reject, origin: &Origin, letters: &UnitLetters) -> anyhow::Result<()> {
        let entry = Entry::new(origin.clone(), reject);
        match letters.admit(entry) {
            Some(entry) => self.keep(entry),
            None => Ok(()),
        }
    }

    fn keep(&self, entry: Entry) -> anyhow::Result<()> {
        let _reserved = self.dead_letters.reserve_for(&entry)?;
        let written = self.handle.block_on(self.dead_letters.write(vec![entry]));
        written.map_err(
            |stopped| match self.dead_letters.watch_failure().borrow().clone() {
                Some(trouble) => anyhow::Error::msg(trouble),
                None => stopped.into(),
            },
        )
    }
}
