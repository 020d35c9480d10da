//! What people see of events: small copies of their attributes, and the words and the markup to show them.
//!
//! Enters: the mapping's attributes. Leaves: [`event::Event`]s, words, HTML. What must hold: secrets are masked, because the
//! texts are those that an exporter sends; no text of a record is markup or controls a terminal.

pub(crate) mod event;
pub(crate) mod html;
pub(crate) mod numbers;
pub(crate) mod words;
