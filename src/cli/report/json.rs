//! A report as one JSON object, in the shape that `docs/report.md` documents.

use std::io::{self, Write};

use serde_json::{Map, Value, json};

use super::basis::Basis;
use super::columns::{Cell, NAMES, cells};
use super::people::{Counts, People, Person};
use super::text::rfc3339;

/// The version of the shape: it changes when a field changes its meaning or goes away.
const FORMAT: u32 = 1;

/// Writes the object, event by event.
pub(super) fn write(people: &People<'_>, basis: &Basis, out: &mut impl Write) -> io::Result<()> {
    write!(
        out,
        "{{\"format\":{FORMAT},\"basis\":{},\n\"people\":[",
        self::basis(basis)
    )?;
    list(out, people.list.iter().map(|one| Ok(person(one))))?;
    write!(out, "],\n\"events\":[")?;
    let events = people.in_time().map(|row| {
        let (person, row) = row?;
        let cells = NAMES.iter().zip(cells(person, &row));
        let fields = cells.filter_map(|(name, cell)| Some(((*name).to_owned(), value(cell)?)));
        let mut fields: Map<_, _> = fields.collect();
        if row.event.repeats > 0 {
            fields.insert("repeats".to_owned(), row.event.repeats.into());
        }
        Ok(Value::Object(fields))
    });
    list(out, events)?;
    writeln!(out, "]}}")
}

fn list(out: &mut impl Write, values: impl Iterator<Item = io::Result<Value>>) -> io::Result<()> {
    for (place, value) in values.enumerate() {
        let before = if place > 0 { ",\n" } else { "\n" };
        write!(out, "{before}{}", value?)?;
    }
    Ok(())
}

fn value(cell: Cell<'_>) -> Option<Value> {
    Some(match cell {
        Cell::None => return None,
        Cell::Text(text) => Value::String(text.into_owned()),
        Cell::Flag(flag) => Value::Bool(flag),
        Cell::Number(number) => json!(number),
    })
}

fn person(person: &Person) -> Value {
    let conversations = person.groups.iter().filter_map(|group| {
        Some(json!({
            "id": group.conversation.as_ref()?,
            "first": rfc3339(group.first),
            "last": rfc3339(group.last),
            "agents": group.agents,
            "through": group.through,
            "counts": counts(&group.counts),
        }))
    });
    json!({
        "name": person.name,
        "id": person.id,
        "accounts": person.accounts,
        "principal_types": person.types,
        "roles": person.roles,
        "counts": counts(&person.counts),
        "conversations": conversations.collect::<Vec<_>>(),
    })
}

fn counts(counts: &Counts) -> Value {
    let Counts {
        events,
        messages,
        calls,
        denied,
        errors,
        changed,
    } = counts;
    json!({"events": events, "messages": messages, "calls": calls, "denied": denied, "errors": errors, "changed": changed})
}

fn basis(basis: &Basis) -> Value {
    let letters = &basis.dead_letters;
    let examples = letters.examples.iter().map(|letter| {
        json!({
            "file": letter.file,
            "record": letter.record,
            "offset": letter.offset,
            "reason": letter.reason,
            "message": letter.message,
        })
    });
    json!({
        "paths": basis.paths,
        "files": basis.files,
        "records": basis.records,
        "events": basis.events,
        "not_selected": basis.others,
        "repeats": basis.repeats,
        "dead_letters": {
            "count": letters.count,
            "reasons": letters.reasons,
            "first": examples.collect::<Vec<_>>(),
        },
        "skipped": basis.skipped,
        "outside_times": basis.outside,
        "left_out": basis.left_out,
        "left_out_from": basis.end.map(rfc3339),
        "first": basis.range.map(|(first, _)| rfc3339(first)),
        "last": basis.range.map(|(_, last)| rfc3339(last)),
        "complete": !basis.is_incomplete(),
        "filters": basis.filters,
    })
}
