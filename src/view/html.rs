//! HTML that needs nothing else: no font, no image, no other file.
//!
//! Enters: texts from records and paths. Leaves: the same as content of elements, and the common style. What must hold: no
//! text is markup; a content security policy that allows the file's own style and script alone can hold.

use base64::Engine as _;
use base64::engine::general_purpose::STANDARD;
use sha2::{Digest, Sha256};

use crate::telemetry::printable::printable;

/// The style of the report and the page.
pub(crate) const STYLE: &str = include_str!("style.css");

/// A text as content of an element or of a quoted attribute.
pub(crate) fn escaped(text: &str) -> String {
    let mut out = String::with_capacity(text.len());
    for c in printable(text).chars() {
        match c {
            '&' => out.push_str("&amp;"),
            '<' => out.push_str("&lt;"),
            '>' => out.push_str("&gt;"),
            '"' => out.push_str("&quot;"),
            '\'' => out.push_str("&#39;"),
            c => out.push(c),
        }
    }
    out
}

/// What a content security policy allows an inline style or script by.
pub(crate) fn source_hash(content: &str) -> String {
    format!("'sha256-{}'", STANDARD.encode(Sha256::digest(content)))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn no_text_is_markup() {
        assert_eq!(
            escaped("<script>\"'&\u{202e}\x1b"),
            "&lt;script&gt;&quot;&#39;&amp;\\u{202e}\\u{1b}"
        );
    }
}
