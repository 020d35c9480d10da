//! XML and HTML: `<Password Type="…">…</Password>`, `<property name="password" value="…"/>`,
//! `<key>password</key><string>…</string>`.

use std::ops::Range;

use memchr::{memchr_iter, memmem, memrchr};

use super::{is_quote, is_word, leading, looked_at, run_end};
use crate::convert::redact::keys::{self, Secret};

/// The most bytes of a name.
const NAME_BYTES: usize = 128;

/// Finds each secret value between tags, or in an attribute beside its name.
pub(super) fn find(text: &str, found: &mut impl FnMut(Range<usize>)) {
    let bytes = text.as_bytes();
    // Each tag is examined with the bytes since the previous one.
    let mut start = 0;
    let mut named: Option<Secret> = None;
    for at in memchr_iter(b'>', bytes) {
        if at < start {
            continue;
        }
        let between = start..at;
        start = at + 1;
        looked_at(between.len());
        let Some(open) = memrchr(b'<', &bytes[between.clone()]) else {
            continue;
        };
        let open = between.start + open;
        let inside = &bytes[open + 1..at];
        if let [b'/', name @ ..] = inside {
            // `<key>password</key>`.
            let is_name = keys::is_name_key(local(name)) && open - between.start <= NAME_BYTES;
            named = is_name
                .then(|| keys::secret(&bytes[between.start..open]))
                .flatten();
            continue;
        }
        let name = local(&inside[..leading(inside, NAME_BYTES, is_name)]);
        let beside = named.take().filter(|_| keys::is_value(name));
        let attributes = Attributes::of(bytes, open + 1..at);
        let secret = keys::secret(name).or(attributes.secret).or(beside);
        let Some(secret) = secret else {
            continue;
        };
        let value = match attributes.value {
            Some(value) => value,
            None if inside.ends_with(b"/") => continue,
            None => content(bytes, at + 1),
        };
        start = start.max(value.end);
        if text
            .get(value.clone())
            .is_some_and(|text| keys::is_secret_text(secret, text))
        {
            found(value);
        }
    }
}

/// The attributes of a tag that concern secrets.
#[derive(Default)]
struct Attributes {
    /// The name of a secret: `name="password"`.
    secret: Option<Secret>,
    /// The value of that name: `value="…"`.
    value: Option<Range<usize>>,
}

impl Attributes {
    fn of(bytes: &[u8], tag: Range<usize>) -> Self {
        let mut attributes = Attributes::default();
        let mut covered = tag.start;
        for at in memchr_iter(b'=', &bytes[tag.clone()]) {
            let at = tag.start + at;
            let quote = bytes.get(at + 1).copied().unwrap_or_default();
            if at < covered || !is_quote(quote) {
                continue;
            }
            let value = at + 2..run_end(&bytes[..tag.end], at + 2, |byte| byte != quote);
            let before = &bytes[covered..at];
            let name = before.iter().rposition(|byte| !is_name(*byte));
            let name = local(&before[name.map_or(0, |at| at + 1)..]);
            covered = value.end;
            if keys::is_value(name) {
                attributes.value = Some(value);
            } else if keys::is_name_key(name) && value.len() <= NAME_BYTES {
                attributes.secret = keys::secret(&bytes[value]);
            }
        }
        if attributes.secret.is_none() {
            // Without a name beside it, a value belongs to the tag's own name.
            attributes.value = None;
        }
        attributes
    }
}

/// The content after an opening tag.
fn content(bytes: &[u8], start: usize) -> Range<usize> {
    const CDATA: &[u8] = b"<![CDATA[";
    let blanks = leading(&bytes[start..], NAME_BYTES, |byte| {
        byte.is_ascii_whitespace()
    });
    if bytes[start + blanks..].starts_with(CDATA) {
        let start = start + blanks + CDATA.len();
        let length = memmem::find(&bytes[start..], b"]]>");
        let length = length.unwrap_or(bytes.len() - start);
        looked_at(length);
        return start..start + length;
    }
    start..run_end(bytes, start, |byte| byte != b'<')
}

/// A name without its prefix.
fn local(name: &[u8]) -> &[u8] {
    let prefix = memrchr(b':', name);
    &name[prefix.map_or(0, |at| at + 1)..]
}

fn is_name(byte: u8) -> bool {
    is_word(byte) || matches!(byte, b'-' | b'.' | b':')
}
