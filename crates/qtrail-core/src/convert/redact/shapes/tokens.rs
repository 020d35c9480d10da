//! Tokens and keys that start with a known mark.

use std::ops::Range;
use std::sync::LazyLock;

use aho_corasick::{AhoCorasick, MatchKind, packed};
use memchr::memmem;

use super::{BLANKS, is_blank, is_word, leading, looked_at, run_end};
use crate::convert::redact::text::base64_decoded;
use Body::{Base64, Dashed, Dotted, Path, Word};

/// The characters of a token.
#[derive(Clone, Copy)]
pub(super) enum Body {
    /// Letters, digits and `_`.
    Word,
    /// The same and `-`.
    Dashed,
    /// The same and `.`.
    Dotted,
    /// Letters, digits, `+`, `/`, `-`, `_`, `=`.
    Base64,
    /// The characters of a URL's path.
    Path,
}

/// Marks of tokens, the characters after the mark, and the fewest of them.
pub(super) const TOKENS: &[(&str, Body, usize)] = &[
    // AWS: session tokens, API keys of Bedrock and AppSync.
    ("IQoJb3JpZ2lu", Base64, 16),
    ("FwoGZXIvYXdz", Base64, 16),
    ("FQoGZXIvYXdz", Base64, 16),
    ("AQoDYXdz", Base64, 16),
    ("ABSK", Base64, 40),
    ("bedrock-api-key-", Base64, 20),
    ("da2-", Word, 26),
    // GitHub, GitLab, Docker, npm, PyPI.
    ("ghp_", Word, 20),
    ("gho_", Word, 20),
    ("ghu_", Word, 20),
    ("ghs_", Word, 20),
    ("ghr_", Word, 20),
    ("github_pat_", Word, 20),
    ("glpat-", Dashed, 16),
    ("gldt-", Dashed, 16),
    ("glrt-", Dashed, 16),
    ("glsa_", Word, 32),
    ("dckr_pat_", Dashed, 20),
    ("npm_", Word, 30),
    ("pypi-", Dashed, 50),
    // Slack, Google, OpenAI and Anthropic, Hugging Face.
    ("xoxa-", Dashed, 10),
    ("xoxb-", Dashed, 10),
    ("xoxe-", Dashed, 10),
    ("xoxp-", Dashed, 10),
    ("xoxr-", Dashed, 10),
    ("xoxs-", Dashed, 10),
    ("xapp-", Dashed, 10),
    ("hooks.slack.com/services/", Path, 10),
    ("AIza", Dashed, 30),
    ("ya29.", Dotted, 20),
    ("GOCSPX-", Dashed, 20),
    ("sk-", Dashed, 20),
    ("hf_", Word, 30),
    // Stripe, Shopify, SendGrid, DigitalOcean, Vault, Atlassian, age, Databricks, New Relic.
    ("sk_live_", Word, 16),
    ("sk_test_", Word, 16),
    ("rk_live_", Word, 16),
    ("whsec_", Base64, 16),
    ("shpat_", Word, 32),
    ("SG.", Dotted, 40),
    ("dop_v1_", Word, 40),
    ("hvs.", Dashed, 20),
    ("hvb.", Dashed, 20),
    ("ATATT3", Base64, 30),
    ("AGE-SECRET-KEY-1", Word, 40),
    ("dapi", Word, 32),
    ("NRAK-", Word, 24),
];

/// Marks that need a check of their own.
pub(super) const OTHERS: &[&str] = &[
    "LS0tLS1CRUdJTi",
    "eyJ",
    "-----BEGIN ",
    "PuTTY-User-Key-File-",
];

/// Endings of schemes before a credential: `Bearer`, `Basic`.
pub(super) const SCHEMES: &[&str] = &[
    "earer ", "earer\t", "earer+", "EARER ", "EARER\t", "asic ", "asic\t", "ASIC ",
];

/// Parts that many marks have in common.
const SHORTER: &[&str] = &[
    "pat_",
    "k_live_",
    "k_test_",
    "xox",
    "oGZXIvYXdz",
    "W3s",
    "earer",
    "EARER",
];

/// Starts of the base64 of JSON that does not start with `{"` and a letter: `{ "`, `{""`, `{`, `[`.
/// (Not `eyI`, the start for `{"0"`, because `keyId` contains it.)
pub(in crate::convert::redact) const BASE64_OF_JSON: &[&str] = &[
    "eyAi", "eyAg", "eyIi", "ewog", "ewoJ", "ewoi", "ew0K", "W3si", "W3sg", "W3sK", "WyJ", "WyIt",
    "Wwog", "WyAi",
];

/// The fewest bytes of a credential after `Bearer`; a shorter one is a word.
const BEARER_BYTES: usize = 8;
/// The most bytes of a private key's first line.
const HEADING_BYTES: usize = 64;

static MARKS: LazyLock<Option<AhoCorasick>> = LazyLock::new(|| {
    let tokens = TOKENS.iter().map(|(mark, ..)| *mark);
    AhoCorasick::builder()
        .match_kind(MatchKind::LeftmostLongest)
        .build(tokens.chain(OTHERS.iter().chain(SCHEMES).copied()))
        .ok()
});

/// Whether a text, or JSON without escapes, may hold a mark or a key `privateKey`.
pub(super) fn may_be_in(json: &str) -> bool {
    QUICK
        .as_ref()
        .is_none_or(|quick| quick.find(json.as_bytes()).is_some())
}

/// Uses SIMD if the machine has it; a word that is part of others replaces them.
static QUICK: LazyLock<Option<packed::Searcher>> = LazyLock::new(|| {
    let tokens = TOKENS.iter().map(|(mark, ..)| *mark);
    let short = |mark: &'static str| SHORTER.iter().find(|part| mark.contains(**part));
    let mut words: Vec<&str> = tokens
        .chain([OTHERS, SCHEMES, BASE64_OF_JSON].concat())
        .map(|mark| short(mark).copied().unwrap_or(mark))
        .chain(["rivateK", "rivate_", "rivate-", "RIVATE"])
        .collect();
    words.sort_unstable();
    words.dedup();
    packed::Searcher::new(words)
});

pub(super) fn find(text: &str, found: &mut impl FnMut(Range<usize>)) {
    let Some(marks) = &*MARKS else {
        // Without the search, any text may be a secret.
        return found(0..text.len());
    };
    let bytes = text.as_bytes();
    let mut covered = 0;
    for mark in marks.find_iter(bytes) {
        if mark.start() < covered {
            continue;
        }
        let secret = match TOKENS.get(mark.pattern().as_usize()) {
            Some(&(_, body, least)) => token(bytes, mark.range(), body, least),
            None => match &bytes[mark.range()] {
                // Base64, which `text` decodes and searches.
                b"LS0tLS1CRUdJTi" => Checked::nothing(mark.end()),
                b"eyJ" => json_web_token(bytes, mark.start()),
                b"-----BEGIN " => private_key(bytes, mark.start()),
                b"PuTTY-User-Key-File-" => Checked::secret(mark.start()..bytes.len()),
                scheme => credential(text, mark.start(), mark.end(), scheme),
            },
        };
        covered = secret.until;
        if let Some(range) = secret.range {
            found(range);
        }
    }
}

/// The result of a check, and how far it has read: the search continues there.
struct Checked {
    range: Option<Range<usize>>,
    until: usize,
}

impl Checked {
    fn secret(range: Range<usize>) -> Self {
        let until = range.end;
        Checked {
            range: Some(range),
            until,
        }
    }

    fn nothing(until: usize) -> Self {
        Checked { range: None, until }
    }
}

fn token(bytes: &[u8], mark: Range<usize>, body: Body, least: usize) -> Checked {
    // It is no mark inside a longer word.
    if bytes[..mark.start]
        .last()
        .is_some_and(|&byte| is_word(byte))
    {
        return Checked::nothing(mark.end);
    }
    let dashed = |byte: u8| is_word(byte) || byte == b'-';
    let end = run_end(bytes, mark.end, |byte| match body {
        Word => is_word(byte),
        Dashed => dashed(byte),
        Dotted => dashed(byte) || byte == b'.',
        Base64 => dashed(byte) || matches!(byte, b'+' | b'/' | b'='),
        Path => dashed(byte) || byte == b'/',
    });
    if end - mark.end < least {
        return Checked::nothing(mark.end);
    }
    // Without digits it is a name.
    let random = matches!(body, Path) || bytes[mark.end..end].iter().any(u8::is_ascii_digit);
    if random {
        Checked::secret(mark.start..end)
    } else {
        Checked::nothing(end)
    }
}

/// `eyJ….eyJ….…`: a header, claims, and (where it is signed or encrypted) more.
fn json_web_token(bytes: &[u8], start: usize) -> Checked {
    const PART_BYTES: usize = 10;
    let is_part = |byte: u8| is_word(byte) || byte == b'-';
    if bytes[..start].last().is_some_and(|&byte| is_part(byte)) {
        return Checked::nothing(start + 1);
    }
    let header = run_end(bytes, start, is_part);
    if header - start < PART_BYTES || bytes.get(header) != Some(&b'.') {
        return Checked::nothing(header);
    }
    let claims = run_end(bytes, header + 1, is_part);
    if claims - header <= PART_BYTES {
        return Checked::nothing(claims);
    }
    Checked::secret(start..run_end(bytes, claims, |byte| is_part(byte) || byte == b'.'))
}

/// A private key in PEM: to its last line, or to the end if it is cut off.
fn private_key(bytes: &[u8], start: usize) -> Checked {
    let heading = &bytes[start..bytes.len().min(start + HEADING_BYTES)];
    if memmem::find(heading, b"PRIVATE KEY").is_none() {
        return Checked::nothing(start + 1);
    }
    const LAST: &[u8] = b"-----END ";
    let end = match memmem::find(&bytes[start..], LAST) {
        None => bytes.len(),
        Some(at) => {
            let at = start + at + LAST.len();
            memmem::find(&bytes[at..], b"-----").map_or(bytes.len(), |rest| at + rest + 5)
        }
    };
    looked_at(end - start);
    Checked::secret(start..end)
}

/// A credential after `Bearer` or `Basic`; `start` is the index of the word's second letter.
fn credential(text: &str, start: usize, value: usize, scheme: &[u8]) -> Checked {
    let bytes = text.as_bytes();
    let basic = scheme[..4].eq_ignore_ascii_case(b"asic");
    let initial = bytes[..start].last().copied().unwrap_or_default();
    let value = value + leading(&bytes[value..], BLANKS, is_blank);
    let value = value + leading(&bytes[value..], 1, |byte| matches!(byte, b'"' | b'\''));
    let end = run_end(bytes, value, |byte| {
        is_word(byte) || matches!(byte, b'-' | b'.' | b'~' | b'+' | b'/' | b'=')
    });
    let token = &text[value..end];
    let secret = initial.eq_ignore_ascii_case(&b'b')
        && if basic {
            base64_decoded(token).is_some_and(|decoded| decoded.contains(':'))
        } else {
            token.len() >= BEARER_BYTES && !token.bytes().all(|byte| byte.is_ascii_lowercase())
        };
    if secret {
        Checked::secret(value..end)
    } else {
        Checked::nothing(value)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_quick_search_takes_all_marks() {
        // With more words than SIMD can look for at once, every text would be searched in full.
        let simd = packed::Searcher::new(["a word"]).is_some();
        assert_eq!(QUICK.is_some(), simd);
        assert!(may_be_in("x NRAK-") && may_be_in("eyAi") && may_be_in("xoxb-"));
        assert!(!QUICK.is_some() || !may_be_in("keyId framework tokenType"));
    }
}
