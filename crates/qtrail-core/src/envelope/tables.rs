//! Events that were in a table: rows of CloudTrail Lake and Athena, and records with a table's names.
//!
//! Enters: columns. Leaves: a record with CloudTrail's own names. What must hold: a name counts whatever
//! its case is, and once; a value that can be read in more than one way is refused; a text of CloudTrail's
//! stays a text, whatever is in it.

mod nested;

use super::containers::{Content, refuse};
use super::text::{elements, fields, is_one_value, unescape};
use nested::{FieldType, Schema};

pub(super) use nested::Unreadable;

/// The fields of a record that mean something to qtrail.
const RECORD: &Schema = &Schema(&[
    ("additionalEventData", FieldType::Json),
    ("addendum", FieldType::Json),
    ("apiVersion", FieldType::Text),
    ("awsRegion", FieldType::Text),
    ("errorCode", FieldType::Text),
    ("errorMessage", FieldType::Text),
    ("eventCategory", FieldType::Text),
    ("eventContext", FieldType::Json),
    ("eventID", FieldType::Text),
    ("eventName", FieldType::Text),
    ("eventSource", FieldType::Text),
    ("eventTime", FieldType::Text),
    ("eventType", FieldType::Text),
    ("eventVersion", FieldType::Text),
    ("insightDetails", FieldType::Json),
    ("managementEvent", FieldType::Text),
    ("mcpEventDetails", FieldType::Json),
    ("readOnly", FieldType::Text),
    ("recipientAccountId", FieldType::Text),
    ("requestID", FieldType::Text),
    ("requestParameters", FieldType::Json),
    ("resources", FieldType::Json),
    ("responseElements", FieldType::Json),
    ("serviceEventDetails", FieldType::Json),
    ("sessionCredentialFromConsole", FieldType::Text),
    ("sharedEventID", FieldType::Text),
    ("sourceIPAddress", FieldType::Text),
    ("tlsDetails", FieldType::Object(nested::TLS)),
    ("userAgent", FieldType::Text),
    ("userIdentity", FieldType::Object(nested::IDENTITY)),
    ("vpcEndpointAccountId", FieldType::Text),
    ("vpcEndpointId", FieldType::Text),
]);

/// How many times its own size a result set may take with its columns' names in each row. With the names of
/// CloudTrail's fields, it takes no more than twice as much.
const RESULT_SET_GROWTH: usize = 4;

/// A record of these columns: names, and JSON values.
pub(super) fn record(columns: Vec<(Vec<u8>, &[u8])>) -> Result<Vec<u8>, Unreadable> {
    nested::object(columns, RECORD, "the record")
}

/// A row of a CloudTrail Lake result: an array of objects with one column each.
pub(super) fn row(row: &[u8]) -> Content<'_> {
    let cells: Vec<_> = elements(row).into_iter().flat_map(fields).collect();
    if cells.is_empty() {
        return refuse("an empty row");
    }
    let is_whole = |(key, value): &&(Vec<u8>, &[u8])| {
        key.eq_ignore_ascii_case(b"eventJson") && value.starts_with(b"\"")
    };
    match cells.iter().find(is_whole) {
        Some((_, event)) => Content::One(unescape(event)),
        None => record(cells).into(),
    }
}

/// What Athena answers, `{"Rows":[{"Data":[{"VarCharValue":…},…]},…],"ResultSetMetadata":…}`, as Lake
/// writes it. The first row of the first page has the columns' names.
pub(super) fn result_set(set: &[u8]) -> Content<'_> {
    let field = |object: &[u8], key: &str| -> Option<Vec<u8>> {
        let fields = fields(object);
        let field = fields.iter().rev().find(|(name, _)| name == key.as_bytes());
        field.map(|(_, value)| value.to_vec())
    };
    let list = |object: &[u8], key: &str| -> Vec<Vec<u8>> {
        let array = field(object, key).unwrap_or_default();
        elements(&array).into_iter().map(<[u8]>::to_vec).collect()
    };
    let rows: Vec<Vec<_>> = list(set, "Rows")
        .iter()
        .map(|row| {
            let cells = list(row, "Data");
            cells
                .iter()
                .map(|cell| field(cell, "VarCharValue"))
                .collect()
        })
        .collect();
    let metadata = field(set, "ResultSetMetadata").unwrap_or_default();
    let columns = list(&metadata, "ColumnInfo");
    let mut names: Vec<_> = columns.iter().map(|column| field(column, "Name")).collect();
    let has_header = names.is_empty() || rows.first() == Some(&names);
    if names.is_empty() {
        names = rows.first().cloned().unwrap_or_default();
    }
    let mut text = b"{\"QueryResultRows\":[".to_vec();
    for (number, row) in rows[usize::from(has_header).min(rows.len())..]
        .iter()
        .enumerate()
    {
        text.extend_from_slice(if number > 0 { b",[" } else { b"[" });
        let cells = names.iter().zip(row);
        let cells = cells.filter_map(|(name, value)| Some((name.as_ref()?, value.as_ref()?)));
        for (number, (name, value)) in cells.enumerate() {
            text.extend_from_slice(if number > 0 { b",{" } else { b"{" });
            text.extend_from_slice(name);
            text.push(b':');
            text.extend_from_slice(value);
            text.push(b'}');
            if text.len() > set.len().saturating_mul(RESULT_SET_GROWTH) {
                return refuse("a result set with columns whose names are too long");
            }
        }
        text.push(b']');
    }
    text.extend_from_slice(b"]}");
    Content::Inner(text)
}

/// The JSON value that a string holds, if it holds an object or an array.
fn json_in(string: &[u8]) -> Option<Vec<u8>> {
    let text = unescape(string);
    let begins = matches!(text.trim_ascii_start().first(), Some(b'{' | b'['));
    (begins && is_one_value(&text)).then_some(text)
}

#[cfg(test)]
mod tests;
