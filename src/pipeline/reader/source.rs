//! Where the records that are read come from.

use crate::dead_letter::Origin;
use qtrail_core::convert::{self, Attribute};

/// The origin of what is read, and the attribute that its name gives to all of its events.
pub(super) struct Source {
    pub(super) origin: Origin,
    pub(super) organization: Option<Attribute<'static>>,
}

impl From<Origin> for Source {
    fn from(origin: Origin) -> Self {
        Source {
            organization: convert::organization(&origin.name),
            origin,
        }
    }
}
