//! The fields of one event in CSV and JSON: one list for both, documented in `docs/report.md`.

use std::borrow::Cow;

use super::people::Person;
use super::relations::{Relation, Row};
use super::text::rfc3339;
use crate::view::event::Text;
use crate::view::words::{Kind, agent, is_write, kind, through};

/// A value. `None` is an empty cell in CSV, and no field in JSON.
#[derive(Debug, Clone, PartialEq)]
pub(super) enum Cell<'e> {
    None,
    Text(Cow<'e, str>),
    Flag(bool),
    Number(f64),
}

/// The names, in the order of CSV.
pub(super) const NAMES: [&str; 30] = [
    "time",
    "person",
    "person_id",
    "account",
    "principal_type",
    "principal_arn",
    "roles",
    "mfa",
    "conversation_id",
    "relation",
    "relation_seconds",
    "parent_event_id",
    "agent",
    "agent_version",
    "client",
    "client_version",
    "evidence",
    "through",
    "class",
    "service",
    "action",
    "tool",
    "access",
    "outcome",
    "error_code",
    "error_message",
    "region",
    "source_address",
    "request_id",
    "event_id",
];

/// The values of an event, one for each name.
pub(super) fn cells<'e>(person: &'e Person, row: &'e Row<'_>) -> [Cell<'e>; NAMES.len()] {
    let event = &*row.event;
    let text = |text| of(event.get(text));
    let (relation, seconds) = match row.relation {
        Relation::None => ("", Cell::None),
        Relation::Record => ("record", Cell::None),
        Relation::RequestId(_) => ("request_id", Cell::None),
        Relation::Nearest { nanoseconds, .. } => {
            ("nearest_message", Cell::Number(nanoseconds as f64 / 1e9))
        }
    };
    let access = match event.read_only {
        _ if is_write(event) => "write",
        Some(true) if kind(event) == Kind::Call => "read",
        _ => "",
    };
    let parent = row
        .parent
        .as_ref()
        .map_or("", |parent| parent.get(Text::Id));
    [
        Cell::Text(rfc3339(event.time).into()),
        of(person.name.as_deref().unwrap_or_default()),
        text(Text::Person),
        text(Text::Account),
        text(Text::PrincipalType),
        text(Text::PrincipalArn),
        text(Text::Role),
        event.mfa.map_or(Cell::None, Cell::Flag),
        of(row.conversation.as_deref().unwrap_or_default()),
        of(relation),
        seconds,
        of(parent),
        of(agent(event)),
        text(Text::AgentVersion),
        text(Text::Client),
        text(Text::ClientVersion),
        text(Text::Evidence),
        of(through(event)),
        text(Text::Class),
        text(Text::Service),
        text(Text::Action),
        text(Text::Tool),
        of(access),
        text(Text::Outcome),
        text(Text::ErrorCode),
        text(Text::ErrorMessage),
        text(Text::Region),
        text(Text::SourceAddress),
        text(Text::RequestId),
        text(Text::Id),
    ]
}

fn of(text: &str) -> Cell<'_> {
    match text {
        "" => Cell::None,
        text => Cell::Text(text.into()),
    }
}
