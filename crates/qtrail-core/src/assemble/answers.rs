//! Answers what events ask for from what others offer, both sorted.
//!
//! What must hold: the answers are those of [`Relations`](super::relations::Relations); of the offers of one key, only the
//! last ones and the next ones are in memory.

use std::io;
use std::iter::Peekable;

use serde::{Deserialize, Serialize};

use super::asks::{Ask, Entry, Kind};
use super::facts::{Facts, Id};
use super::place::{Above, Place};
use super::{REACH, Relation, SpanId};
use crate::sorted::{Merge, Record, Sorted};

/// An event that others can find, as one thing.
#[derive(Debug, Clone, Serialize, Deserialize)]
pub(super) struct Offer {
    kind: Kind,
    key: Id,
    entry: Entry,
    above: Above,
    /// The agent that it declares.
    agent: Option<Box<str>>,
}

/// What an event asks for. Of its asks, the one with the lowest number that has an answer counts.
#[derive(Debug, Serialize, Deserialize)]
pub(super) struct Asked {
    child: SpanId,
    number: u8,
    ask: Ask,
}

/// What is known about an ask.
#[derive(Debug, Serialize, Deserialize)]
pub(super) struct Answer {
    pub(super) child: SpanId,
    number: u8,
    /// `None`: it is not clear.
    pub(super) found: Option<Found>,
}

/// What an event asked for.
#[derive(Debug, Serialize, Deserialize)]
pub(super) struct Found {
    pub(super) parent: SpanId,
    pub(super) relation: Relation,
    pub(super) above: Above,
    pub(super) agent: Option<Box<str>>,
}

impl Offer {
    /// Passes all that an event offers to `each`.
    pub(super) fn of(
        facts: &Facts,
        place: &Place,
        mut each: impl FnMut(Offer) -> io::Result<()>,
    ) -> io::Result<()> {
        let offer = |(kind, key, entry)| Offer {
            kind,
            key,
            entry,
            above: Above::from(place),
            agent: facts.declares().map(Box::from),
        };
        // Two tools' calls that list a request are two things.
        let mut own = Id::default();
        own[..facts.span_id.len()].copy_from_slice(&facts.span_id);
        for request in facts.requests().into_iter().flatten() {
            each(offer((Kind::Request, *request, facts.entry(Some(own)))))?;
        }
        facts.offer().map(offer).map_or(Ok(()), each)
    }

    /// Whether it tells of an agent; else it can be a parent.
    pub(super) fn is_of_agent(&self) -> bool {
        self.kind == Kind::CommandLine
    }
}

impl Asked {
    /// What an event asks for its parent.
    pub(super) fn for_parent(facts: &Facts) -> impl Iterator<Item = Asked> {
        let child = facts.span_id;
        let asks = (0..).zip(facts.asks());
        asks.filter_map(move |(number, ask)| {
            let mut ask = ask?;
            if ask.kind == Kind::Request {
                // Whenever the tool's call was recorded.
                ask.time = i64::MAX;
            }
            Some(Asked { child, number, ask })
        })
    }

    /// What an event asks for its agent.
    pub(super) fn for_agent(facts: &Facts) -> Option<Asked> {
        let ask = Ask {
            kind: Kind::CommandLine,
            key: facts.asks_for_agent()?,
            time: i64::MAX,
        };
        Some(Asked {
            child: facts.span_id,
            number: 0,
            ask,
        })
    }
}

impl Record for Offer {
    type Key = (Kind, Id, Entry);

    fn key(&self) -> Self::Key {
        (self.kind, self.key, self.entry)
    }
}

impl Record for Asked {
    type Key = (Kind, Id, i64);

    fn key(&self) -> Self::Key {
        (self.ask.kind, self.ask.key, self.ask.time)
    }
}

impl Record for Answer {
    type Key = (SpanId, u8);

    fn key(&self) -> Self::Key {
        (self.child, self.number)
    }
}

/// Answers one ask after the other.
pub(super) struct Answers {
    offers: Peekable<Merge<Offer>>,
    /// The last offers before the time of the ask, and the next ones behind it. They may be of other keys.
    before: Option<Offers>,
    after: Option<Offers>,
}

/// The offers of one key at one time.
#[derive(Debug)]
struct Offers {
    first: Offer,
    last: Offer,
    /// All are in one trace.
    is_one: bool,
    /// All of this key up to them are of one thing.
    is_clear: bool,
}

impl Answers {
    /// From these offers.
    pub(super) fn new(offers: &Sorted<Offer>) -> Self {
        Answers {
            offers: offers.iter().peekable(),
            before: None,
            after: None,
        }
    }

    /// The answer, if there is one. Asks come in order.
    pub(super) fn answer(&mut self, asked: &Asked) -> io::Result<Option<Answer>> {
        let ask = &asked.ask;
        self.advance(ask)?;
        let has_key =
            |offers: &&Offers| (offers.first.kind, offers.first.key) == (ask.kind, ask.key);
        let (before, after) = (self.before.as_ref(), self.after.as_ref());
        let (before, after) = (before.filter(has_key), after.filter(has_key));
        let offer = match ask.kind {
            Kind::Message => nearest(ask.time, before, after),
            _ => before.map(|before| before.is_clear.then_some(&before.last)),
        };
        Ok(offer.map(|offer| Answer {
            child: asked.child,
            number: asked.number,
            found: offer.map(|offer| Found {
                parent: offer.entry.span_id,
                relation: ask.relation(&offer.entry),
                above: offer.above,
                agent: offer.agent.clone(),
            }),
        }))
    }

    /// Reads the offers up to the first one behind the ask.
    fn advance(&mut self, ask: &Ask) -> io::Result<()> {
        loop {
            if self.after.is_none() {
                self.after = self.next()?;
            }
            let is_before = |after: &mut Offers| after.at() <= (ask.kind, ask.key, ask.time);
            let Some(mut passed) = self.after.take_if(is_before) else {
                return Ok(());
            };
            if let Some(before) = &self.before
                && (before.first.kind, before.first.key) == (passed.first.kind, passed.first.key)
            {
                passed.is_clear &= before.is_clear && before.last.entry.of == passed.last.entry.of;
            }
            self.before = Some(passed);
        }
    }

    fn next(&mut self) -> io::Result<Option<Offers>> {
        let Some(first) = self.offers.next().transpose()? else {
            return Ok(None);
        };
        let mut offers = Offers {
            last: first.clone(),
            first,
            is_one: true,
            is_clear: true,
        };
        while let Some(next) = self.offers.next_if(|next| match next {
            Ok(next) => (next.kind, next.key, next.entry.time) == offers.at(),
            Err(_) => true,
        }) {
            let next = next?;
            offers.is_one &= next.entry.trace_id == offers.first.entry.trace_id;
            offers.is_clear &= next.entry.of == offers.first.entry.of;
            offers.last = next;
        }
        Ok(Some(offers))
    }
}

impl Offers {
    fn at(&self) -> (Kind, Id, i64) {
        (self.first.kind, self.first.key, self.first.entry.time)
    }
}

/// As [`nearest`](super::nearest()), from the messages before a time and behind it.
fn nearest<'o>(
    time: i64,
    before: Option<&'o Offers>,
    after: Option<&'o Offers>,
) -> Option<Option<&'o Offer>> {
    let distance = |offers: &Offers| offers.first.entry.time.abs_diff(time);
    let sides = [before, after].into_iter().flatten();
    let least = sides.clone().map(distance).min()?;
    if least > REACH.unsigned_abs() {
        return None;
    }
    let mut near = sides.filter(|offers| distance(offers) == least);
    let first = near.next()?;
    let trace_id = first.first.entry.trace_id;
    let is_one =
        first.is_one && near.all(|other| other.is_one && other.first.entry.trace_id == trace_id);
    Some(is_one.then_some(&first.first))
}
