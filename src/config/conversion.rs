//! Settings become the options of the conversion: what an event's log record and span hold.

use std::collections::HashMap;

use super::builder::Builder;
use super::keys::{self, SIGNALS};
use qtrail_core::convert::{self, Body, Hide, Pseudonyms, Redaction, ServiceName};

/// The keys from `signals` to `redact`.
pub(super) fn options(b: &mut Builder<'_>, pseudonyms: Option<&Pseudonyms>) -> convert::Options {
    let body = match b.choice("body") {
        "map" => Body::Map,
        "none" => Body::None,
        _ => Body::Original,
    };
    let signals = b.list("signals").unwrap_or_default();
    b.check_words("signals", &signals, &SIGNALS);
    if signals.is_empty() {
        b.problem("signals", "is empty: list logs, traces or both");
    }
    let classes = b.list("traces.classes");
    b.check_words(
        "traces.classes",
        classes.as_deref().unwrap_or_default(),
        &keys::CLASSES,
    );
    convert::Options {
        body,
        maps: b.boolean("maps").unwrap_or(body != Body::Original),
        service_name: match b.choice("service_name") {
            "event-source" => ServiceName::EventSource,
            _ => ServiceName::AmazonQ,
        },
        resource: b.map("resource.attributes").into_iter().collect(),
        provider_name: b.text("gen_ai.provider_name").unwrap_or_default(),
        tool_content: b.boolean("gen_ai.tool_content").unwrap_or_default(),
        redaction: Redaction {
            keys: b.list("redact.keys").unwrap_or_default(),
            pointers: pointers(b),
            access_key_id: hide(b, "redact.access_key_id", pseudonyms),
            source_ip: hide(b, "redact.source_ip", pseudonyms),
            users: hide(b, "redact.users", pseudonyms),
        },
        identities: identities(b),
        logs: signals.iter().any(|s| s == "logs"),
        traces: signals.iter().any(|s| s == "traces"),
        trace_classes: classes
            .map(|names| names.iter().filter_map(|name| name.parse().ok()).collect()),
    }
}

/// The pseudonyms by the configured key.
pub(super) fn pseudonyms(b: &mut Builder<'_>) -> Option<Pseudonyms> {
    let key = b.text("redact.key")?;
    match Pseudonyms::new(key.as_bytes()) {
        Ok(pseudonyms) => Some(pseudonyms),
        Err(short) => {
            b.problem("redact.key", &short.to_string());
            None
        }
    }
}

fn hide(b: &mut Builder<'_>, name: &str, pseudonyms: Option<&Pseudonyms>) -> Hide {
    match (b.choice(name), pseudonyms) {
        ("drop", _) => Hide::Drop,
        ("hash", Some(pseudonyms)) => Hide::Hash(pseudonyms.clone()),
        ("hash", None) => {
            let key = "`hash` needs a key: set redact.key (QTRAIL_REDACT_KEY), as with `openssl rand -hex 32`";
            b.problem(name, key);
            Hide::Drop
        }
        _ => Hide::Keep,
    }
}

fn pointers(b: &mut Builder<'_>) -> Vec<String> {
    let pointers = b.list("redact.pointers").unwrap_or_default();
    for pointer in pointers.iter().filter(|p| !p.starts_with('/')) {
        b.problem(
            "redact.pointers",
            &format!(
                "{pointer:?} is not a JSON pointer: write it like /requestParameters/bucketName"
            ),
        );
    }
    pointers
}

/// Reads lines of `id,name`. A name may be in double quotes; a first line `id,name` is a header.
fn identities(b: &mut Builder<'_>) -> HashMap<String, String> {
    let Some(path) = b.path("identities") else {
        return HashMap::new();
    };
    let text = match std::fs::read_to_string(&path) {
        Ok(text) => text,
        Err(error) => {
            b.problem(
                "identities",
                &format!("cannot read {}: {error}", path.display()),
            );
            return HashMap::new();
        }
    };
    let mut names = HashMap::new();
    for (number, line) in text.trim_start_matches('\u{feff}').lines().enumerate() {
        match line.split_once(',') {
            Some((id, name)) if number > 0 || (unquoted(id), unquoted(name)) != ("id", "name") => {
                names.insert(unquoted(id).to_owned(), unquoted(name).to_owned());
            }
            Some(_) => {}
            None if line.trim().is_empty() => {}
            None => b.problem(
                "identities",
                &format!("{}:{}: expected `id,name`", path.display(), number + 1),
            ),
        }
    }
    names
}

fn unquoted(cell: &str) -> &str {
    let cell = cell.trim();
    cell.strip_prefix('"')
        .and_then(|c| c.strip_suffix('"'))
        .unwrap_or(cell)
}
