//! Names and values in arrays.

use super::Open;
use crate::convert::redact::keys;
use crate::json::Node;

/// Whether the text in an array is the name of the value after it: `["Authorization","…"]`,
/// `["--password","…"]`, `{"env":["password","…"]}`, `{"headers":["Host","…","Authorization","…"]}`.
/// A list of names, such as that of permissions, is no pair, whatever a caller puts into it.
pub(super) fn is_pair(open: Open<'_>, node: Node<'_>, text: &str, value: Node<'_>) -> bool {
    let parent = open.node;
    let beside = value.as_str().unwrap_or_default();
    if text.starts_with('-') {
        return !beside.starts_with('-');
    }
    let headers = open.key.is_some_and(keys::are_headers);
    let index = node.id() - parent.id();
    let count = parent.end_id() - parent.id() - 1;
    if headers && index % 2 == 1 && count.is_multiple_of(2) {
        // `["Authorization","Content-Type"]` are names.
        return !is_title(&beside);
    }
    let alone = index == 1 && value.end_id() == parent.end_id();
    let pairs = open.key.is_some_and(keys::are_pairs);
    let nested = parent.raw_key().is_none() && parent.id() > 0;
    alone
        && if pairs {
            nested || !keys::is_word_like(&beside)
        } else {
            keys::is_known_header(text)
                && !keys::is_known_header(&beside)
                && !keys::is_word_like(&beside)
        }
}

/// Whether a text may be the name of a header, as `Content-Type` is.
fn is_title(text: &str) -> bool {
    text.starts_with(|c: char| c.is_ascii_uppercase()) && keys::is_word_like(text)
}
