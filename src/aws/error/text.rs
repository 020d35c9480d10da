//! The text of an error: one line, without the signed request.

use super::Seen;

/// The most characters of a service's message.
pub(super) const LONGEST_WORDS: usize = 600;

/// A service's message, unless it may contain the signed request or a receipt handle.
pub(super) fn words(seen: &Seen<'_>) -> String {
    let code = seen.code.unwrap_or_default();
    let quiet = [
        "Signature",
        "Token",
        "Authorization",
        "Security",
        "ReceiptHandle",
    ];
    if quiet.iter().any(|part| code.contains(part)) {
        return "refused".to_owned();
    }
    match seen.words {
        // SQS repeats a receipt handle that it refuses.
        Some(words)
            if words
                .to_ascii_lowercase()
                .replace(' ', "")
                .contains("receipthandle") =>
        {
            "refused".to_owned()
        }
        Some(words) if !words.is_empty() => clip(&clean(words)),
        _ => "refused without words".to_owned(),
    }
}

pub(super) fn message(words: &str, seen: &Seen<'_>, id: Option<&str>, advice: &str) -> String {
    let mut facts = Vec::new();
    facts.extend(seen.code.map(clean));
    facts.extend(seen.status.map(|status| format!("HTTP {status}")));
    facts.extend(seen.region.map(|region| format!("region {region}")));
    facts.extend(id.map(|id| format!("request {}", clip(&clean(id)))));
    let mut out = words.trim_end_matches('.').to_owned();
    if !facts.is_empty() {
        out += &format!(" ({})", facts.join(", "));
    }
    if !advice.is_empty() {
        out += &format!(": {advice}");
    }
    out
}

/// One line, without the signed request and access key ids.
pub(super) fn clean(text: &str) -> String {
    let signed = ["Canonical String", "String-to-Sign", "AWS4-HMAC", "X-Amz-"];
    let cut = signed.iter().filter_map(|part| text.find(part)).min();
    let text = &text[..cut.unwrap_or(text.len())];
    let line = text.replace(|c: char| c.is_control(), " ");
    let is_key = |word: &str| {
        word.len() >= 16
            && ["AKIA", "ASIA"].iter().any(|start| word.starts_with(start))
            && word
                .bytes()
                .all(|b| b.is_ascii_uppercase() || b.is_ascii_digit())
    };
    line.split_inclusive(|c: char| !c.is_ascii_alphanumeric())
        .map(|piece| {
            let word = piece.trim_end_matches(|c: char| !c.is_ascii_alphanumeric());
            match is_key(word) {
                true => piece.replace(word, "…"),
                false => piece.to_owned(),
            }
        })
        .collect()
}

pub(super) fn clip(text: &str) -> String {
    match text.char_indices().nth(LONGEST_WORDS) {
        Some((end, _)) => format!("{}…", &text[..end]),
        None => text.to_owned(),
    }
}

/// The region that S3 names in the body of its answer.
pub(super) fn region_in(body: &[u8]) -> Option<&str> {
    let body = std::str::from_utf8(body).ok()?;
    let (_, rest) = body.split_once("<Region>")?;
    Some(rest.split_once("</Region>")?.0)
}
