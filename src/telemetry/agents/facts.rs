//! What is counted of the events of a chunk, until it is known which of them were delivered.
//!
//! Enters: the [`Summary`] of each event, in order. Leaves: [`Fact`]s. What must hold: an event takes a few bytes, since
//! the labels that events have in common are kept once.

use std::borrow::Cow;
use std::collections::{BTreeSet, HashMap};

use qtrail_core::convert::{Outcome, Summary};
use qtrail_core::event::amazon_q::Class;

use crate::telemetry::labelled::cut;

/// A conversation: its trace id.
pub type Conversation = [u8; 16];

/// What is counted of the events of a chunk.
#[derive(Debug, Default)]
pub struct Facts {
    events: Vec<Fact>,
    labels: Vec<Labels<'static>>,
    by_labels: HashMap<Labels<'static>, u32>,
    /// Memory that the labels take.
    labels_bytes: usize,
}

/// What is counted of one event.
#[derive(Debug)]
pub(super) struct Fact {
    /// The index of its labels.
    pub(super) labels: u32,
    /// In nanoseconds since 1970.
    pub(super) time: i64,
    pub(super) person: Option<u64>,
    pub(super) conversation: Option<Conversation>,
}

/// What many events have in common.
#[derive(Debug, Clone, PartialEq, Eq, Hash)]
pub(super) struct Labels<'a> {
    pub(super) class: Class,
    pub(super) outcome: Outcome,
    pub(super) is_message: bool,
    pub(super) service: Cow<'a, str>,
    pub(super) error_code: Cow<'a, str>,
    pub(super) account_id: Cow<'a, str>,
    pub(super) region: Cow<'a, str>,
}

impl Facts {
    /// Adds the next event.
    pub fn push(&mut self, summary: &Summary<'_>) {
        let labels = self.index(Labels::of(summary));
        self.events.push(Fact {
            labels,
            time: summary.time,
            person: summary.person,
            conversation: summary.conversation,
        });
    }

    /// The conversations of all events but `undelivered` (in order).
    pub fn conversations(&self, undelivered: &[u32]) -> BTreeSet<Conversation> {
        let delivered = self.delivered(undelivered);
        delivered.filter_map(|fact| fact.conversation).collect()
    }

    /// Memory that they take.
    pub fn memory_bytes(&self) -> usize {
        self.events.len() * size_of::<Fact>() + self.labels_bytes
    }

    /// All events but `undelivered` (in order).
    pub(super) fn delivered(&self, undelivered: &[u32]) -> impl Iterator<Item = &Fact> {
        let events = (0..).zip(&self.events);
        events
            .filter(|(event, _)| undelivered.binary_search(event).is_err())
            .map(|(_, fact)| fact)
    }

    /// The labels, by their index.
    pub(super) fn labels(&self) -> &[Labels<'static>] {
        &self.labels
    }

    fn index(&mut self, labels: Labels<'_>) -> u32 {
        let last = self.events.last().map(|fact| fact.labels);
        if let Some(last) = last.filter(|last| self.labels[*last as usize] == labels) {
            return last;
        }
        // Shortens the keys' lifetime, so that `get` takes a borrowed key.
        let by_labels: &HashMap<Labels<'_>, u32> = &self.by_labels;
        if let Some(&index) = by_labels.get(&labels) {
            return index;
        }
        let (labels, index) = (labels.into_owned(), self.labels.len() as u32);
        self.labels_bytes += 2 * labels.memory_bytes();
        self.by_labels.insert(labels.clone(), index);
        self.labels.push(labels);
        index
    }
}

impl<'a> Labels<'a> {
    /// Only what is counted of such an event.
    fn of(summary: &'a Summary<'_>) -> Self {
        let of_agent = summary.class != Class::Other;
        let is_denied = of_agent && summary.outcome == Outcome::Denied;
        let has_service = is_denied || summary.class.is_call();
        let text = |text: Option<&'a str>, wanted: bool| match wanted {
            true => Cow::Borrowed(cut(text.unwrap_or(UNKNOWN))),
            false => Cow::Borrowed(""),
        };
        Labels {
            class: summary.class,
            outcome: summary.outcome,
            is_message: summary.is_message,
            service: text(summary.service.as_deref(), has_service),
            error_code: text(summary.error_code.as_deref(), is_denied),
            account_id: text(summary.account_id, true),
            region: text(summary.region, true),
        }
    }

    fn memory_bytes(&self) -> usize {
        let texts = [
            &self.service,
            &self.error_code,
            &self.account_id,
            &self.region,
        ];
        size_of::<Self>() + texts.map(|text| text.len()).iter().sum::<usize>()
    }

    fn into_owned(self) -> Labels<'static> {
        let own = |text: Cow<'_, str>| Cow::Owned(text.into_owned());
        Labels {
            class: self.class,
            outcome: self.outcome,
            is_message: self.is_message,
            service: own(self.service),
            error_code: own(self.error_code),
            account_id: own(self.account_id),
            region: own(self.region),
        }
    }
}

/// The value of a label that an event does not have, or that is redacted.
const UNKNOWN: &str = "unknown";
