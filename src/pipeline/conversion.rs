//! One record's way from its bytes to a sink.
//!
//! Enters: a record's bytes and position. Leaves: a [`Verdict`], and, for a wanted event, what it
//! becomes, said to the sink. What must hold: nothing here does I/O.

use std::convert::Infallible;

use crate::convert::{self, Options, Placement, Sink};
use crate::envelope::Limits;
use crate::event::Event;
use crate::event::amazon_q::Selector;
use crate::reject::{Evidence, Position, Reason, Reject};

/// What is needed to convert records, shared by all inputs.
#[derive(Debug, Clone)]
pub struct Conversion {
    /// Bounds on a unit and its events.
    pub limits: Limits,
    /// Which events are wanted.
    pub selector: Selector,
    /// How they are converted.
    pub options: Options,
}

/// What became of one record. `E`: why an event may have no place.
#[derive(Debug)]
pub enum Verdict<E = Infallible> {
    /// The sink heard it.
    Converted {
        /// `eventID`.
        event_id: Option<String>,
    },
    /// Not wanted.
    Filtered,
    /// Wanted, but it has no place: the sink did not hear of it.
    Unplaced(E),
    /// It cannot be had.
    Rejected(Reject),
}

impl Conversion {
    /// Converts one record; its event belongs where it belongs by itself.
    pub fn record(
        &self,
        bytes: &[u8],
        position: Position,
        observed: Option<i64>,
        sink: &mut impl Sink,
    ) -> Verdict {
        let own = |event: &Event<'_>| Ok(Placement::of(event));
        self.place(bytes, position, observed, own, sink)
    }

    /// Converts one record. `place` says where a wanted event belongs, if it belongs anywhere: it is
    /// the seam for duplicates and for conversation assembly.
    pub fn place<E>(
        &self,
        bytes: &[u8],
        position: Position,
        observed: Option<i64>,
        place: impl FnOnce(&Event<'_>) -> Result<Placement, E>,
        sink: &mut impl Sink,
    ) -> Verdict<E> {
        let (mut canonical, depth) = (Vec::new(), self.limits.depth);
        let event = match self.selector.select_any(bytes, &mut canonical, depth) {
            Ok(Some(event)) => event,
            Ok(None) => return Verdict::Filtered,
            Err(reason) => {
                let reject = Reject {
                    position,
                    reason: at(reason, position.offset),
                    evidence: Evidence::Bytes(bytes.to_vec()),
                };
                return Verdict::Rejected(reject);
            }
        };
        let placement = match place(&event) {
            Ok(placement) => placement,
            Err(why) => return Verdict::Unplaced(why),
        };
        let event_id = event.id().map(|id| id.into_owned());
        convert::convert(event, &placement, observed, &self.options, sink);
        Verdict::Converted { event_id }
    }
}

/// A reason's byte, counted from the start of the unit instead of the record.
pub(super) fn at(reason: Reason, offset: u64) -> Reason {
    match reason {
        Reason::NotJson { at, detail } => Reason::NotJson {
            at: at + offset,
            detail,
        },
        Reason::InvalidUtf8 { at } => Reason::InvalidUtf8 { at: at + offset },
        Reason::Truncated { what, at } => Reason::Truncated {
            what,
            at: at + offset,
        },
        other => other,
    }
}
