//! Texts that events come in, and rows with one.
//!
//! Enters: a string, or an array. Leaves: the text that holds events. What must hold: of a row, one column
//! alone can be the event.

use super::{Content, Object, refuse};
use crate::envelope::text::{elements, unescape};

/// A string's content, if it begins like JSON with events, or like base64 of gzip.
pub(super) fn text_with_json(string: &[u8]) -> Option<Vec<u8>> {
    let begins = [&b"{"[..], b"[", b"\"{", b"\"[", b"\"\\\"", b"H4sI"];
    let text = unescape(string);
    let start = text.trim_ascii_start();
    let holds = begins.iter().any(|begin| start.starts_with(begin));
    holds.then_some(text)
}

/// An array in a top-level array: a list of texts or events, or a row of a table, one column of which
/// is an event.
pub(super) fn nested(array: &[u8]) -> Content<'_> {
    let (mut columns, mut found) = (0, Vec::new());
    for element in elements(array) {
        match element.first() {
            Some(b'{' | b'[') => found.push(element.to_vec()),
            Some(b'"') => match text_with_json(element) {
                Some(text) => found.push(text),
                None => columns += 1,
            },
            _ => columns += 1,
        }
    }
    match found.len() {
        0 => refuse("an array of neither events nor texts with events"),
        1 => Content::Inner(found.remove(0)),
        _ if columns == 0 => Content::Inner(array.to_vec()),
        count => refuse(format!(
            "a row with {count} columns of JSON, and nothing tells which of them is the event"
        )),
    }
}

/// A row that a query of CloudWatch Logs Insights answers: a list of fields and their values.
pub(super) fn result(row: &[u8]) -> Content<'_> {
    let cells = elements(row).into_iter().map(Object::of);
    let mut messages = cells.filter(|cell| cell.text(b"field") == b"@message");
    match (messages.next(), messages.next()) {
        (Some(message), None) => match message.string(b"value") {
            Some(text) => Content::Inner(text),
            None => refuse("a row of a query whose @message is no text"),
        },
        (None, _) => refuse("a row of a query without @message (let the query name that field)"),
        _ => refuse("a row of a query with more than one @message"),
    }
}
