//! What shows that a trail arrived whole and unchanged: log records and spans of qtrail's own.
//!
//! Enters: findings of `integrity`, and what became of units. Leaves: records that were delivered. What must hold:
//! such a record is never counted as an event, here or by a query for events; what it says is delivered before its input
//! is committed.

#[cfg(feature = "aws")]
pub(crate) mod announced;
mod attributes;
pub(crate) mod manifest;
pub(crate) mod records;
pub(crate) mod verified;
pub(crate) mod watch;

use qtrail_core::convert::Options;

/// `service.namespace` of qtrail's own records. Queries for events ask for that of events.
const NAMESPACE: (&str, &str) = ("service.namespace", "qtrail");

/// The options by which records of qtrail's own are encoded, where events are converted by these.
pub(crate) fn options(events: &Options) -> Options {
    let namespace = (NAMESPACE.0.to_owned(), NAMESPACE.1.to_owned());
    let mut resource = vec![namespace];
    resource.extend_from_slice(&events.resource);
    Options {
        resource,
        logs: events.logs,
        traces: events.traces,
        ..Options::default()
    }
}
