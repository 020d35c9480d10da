//! Settings become the options of the conversion: what an event's log record and span hold.

use super::builder::Builder;
use super::identities;
use super::keys::{self, SIGNALS};
use qtrail_core::convert::{self, Body, Hide, People, Pseudonyms, Redaction, ServiceName};

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
        names: None,
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

/// Who is who.
fn identities(b: &mut Builder<'_>) -> People {
    let Some(path) = b.path("identities") else {
        return People::default();
    };
    identities::read(&path).unwrap_or_else(|error| {
        for problem in &error.problems {
            b.problem("identities", problem);
        }
        People::default()
    })
}
