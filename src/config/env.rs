//! Variables become settings: `QTRAIL_*`, and the standard `OTEL_EXPORTER_OTLP_*`.
//!
//! Enters: the environment, as a plain value. Leaves: settings, and a note for each ignored variable. What
//! must hold: an empty variable counts as unset, and an invalid standard variable is ignored with a warning,
//! as the OpenTelemetry specification asks.

use std::collections::BTreeMap;

use super::keys::{self, COMPRESSIONS, Kind, PROTOCOLS, SIGNALS};
use super::layers::{Layers, Origin, Setting, Value};
use super::substitute::expand;
use super::{Environment, Problems};

/// Reads `QTRAIL_*`.
pub(super) fn own(
    env: &Environment,
    layers: &mut Layers,
    problems: &mut Problems,
    notes: &mut Vec<String>,
) {
    for name in keys::names() {
        let variable = keys::variable(&name);
        let (Some(text), Some(key)) = (env.get(&variable), keys::find(&name)) else {
            continue;
        };
        let origin = Origin::Variable(variable);
        match value(key.kind, text, env) {
            Ok(value) => layers.put(&name, Setting { value, origin }),
            Err(message) => problems.add(&origin, &name, &message),
        }
    }
    notes.extend(misspelt(env));
}

fn value(kind: Kind, text: &str, env: &Environment) -> Result<Value, String> {
    Ok(match kind {
        Kind::List | Kind::Choices(_) => Value::List(
            text.split(',')
                .map(|item| item.trim().to_owned())
                .filter(|item| !item.is_empty())
                .collect(),
        ),
        Kind::Map | Kind::Secrets => {
            let mut map = pairs(text)?;
            for value in map.values_mut() {
                *value = expand(value, env, kind)?;
            }
            Value::Map(map)
        }
        Kind::Secret => Value::from(expand(text, env, kind)?.as_str()),
        _ => Value::from(text),
    })
}

/// A note for each variable that looks like a misspelt key. Others are fine: Kubernetes sets
/// `QTRAIL_SERVICE_HOST` and the like in each pod if a service is named `qtrail`.
fn misspelt(env: &Environment) -> Vec<String> {
    let known: Vec<_> = keys::names().map(|name| keys::variable(&name)).collect();
    let near = |name: &str| {
        let words = &name["QTRAIL".len()..];
        let is_near = |k: &&String| k.ends_with(words) || strsim::damerau_levenshtein(k, name) <= 2;
        let found = known.iter().find(is_near);
        // `QTRAIL_GRPC`, after the name of the flag.
        found.or_else(|| known.iter().find(|k| k.contains(words)))
    };
    env.names()
        .filter(|name| name.starts_with("QTRAIL_") && *name != "QTRAIL_CONFIG")
        .filter(|name| !known.iter().any(|k| k == name))
        .filter_map(|name| {
            near(name).map(|k| format!("{name} is not a setting and is ignored: did you mean {k}?"))
        })
        .collect()
}

/// Reads `OTEL_EXPORTER_OTLP_*`, the general ones and those of each signal.
pub(super) fn standard(env: &Environment, layers: &mut Layers, notes: &mut Vec<String>) {
    standard_of(env, "", "", layers, notes);
    for signal in SIGNALS {
        let infix = format!("{}_", signal.to_uppercase());
        standard_of(env, &infix, &format!("{signal}."), layers, notes);
    }
}

fn standard_of(
    env: &Environment,
    infix: &str,
    group: &str,
    layers: &mut Layers,
    notes: &mut Vec<String>,
) {
    const VARIABLES: [(&str, &str); 8] = [
        ("ENDPOINT", "endpoint"),
        ("PROTOCOL", "protocol"),
        ("HEADERS", "headers"),
        ("COMPRESSION", "compression"),
        ("TIMEOUT", "timeout"),
        ("CERTIFICATE", "tls.ca_file"),
        ("CLIENT_CERTIFICATE", "tls.cert_file"),
        ("CLIENT_KEY", "tls.key_file"),
    ];
    for (suffix, rest) in VARIABLES {
        let variable = format!("OTEL_EXPORTER_OTLP_{infix}{suffix}");
        let Some(text) = env.get(&variable) else {
            continue;
        };
        let value = match suffix {
            "ENDPOINT" => Ok(Value::from(with_scheme(env, infix, text).as_str())),
            "PROTOCOL" => one_of(&PROTOCOLS, text),
            "HEADERS" => pairs(text).map(Value::Map),
            "COMPRESSION" => one_of(&COMPRESSIONS, text),
            "TIMEOUT" => milliseconds(text),
            _ => Ok(Value::from(text)),
        };
        match value {
            Ok(value) => layers.put(
                &format!("export.{group}{rest}"),
                Setting {
                    value,
                    origin: Origin::Standard(variable),
                },
            ),
            Err(message) => notes.push(format!("{variable} is ignored: {message}")),
        }
    }
}

/// An endpoint without a scheme: the specification lets `OTEL_EXPORTER_OTLP_INSECURE` choose.
fn with_scheme(env: &Environment, infix: &str, text: &str) -> String {
    if text.contains("://") {
        return text.to_owned();
    }
    let insecure = env
        .get(&format!("OTEL_EXPORTER_OTLP_{infix}INSECURE"))
        .or_else(|| env.get("OTEL_EXPORTER_OTLP_INSECURE"))
        .is_some_and(|value| value.eq_ignore_ascii_case("true"));
    let scheme = if insecure { "http" } else { "https" };
    format!("{scheme}://{text}")
}

fn one_of(words: &[&str], text: &str) -> Result<Value, String> {
    let word = text.trim().to_ascii_lowercase();
    if words.contains(&word.as_str()) {
        Ok(Value::from(word.as_str()))
    } else {
        Err(format!("{text:?} is not one of {}", words.join(", ")))
    }
}

fn milliseconds(text: &str) -> Result<Value, String> {
    let millis: u64 = text
        .trim()
        .parse()
        .map_err(|_| format!("{text:?} is not a number of milliseconds"))?;
    Ok(Value::from(format!("{millis}ms").as_str()))
}

/// Parses `name=value,name=value` with percent-encoded values, as in W3C baggage. The error never holds a
/// value.
fn pairs(text: &str) -> Result<BTreeMap<String, String>, String> {
    text.split(',')
        .filter(|pair| !pair.trim().is_empty())
        .map(|pair| {
            let (name, value) = pair
                .split_once('=')
                .ok_or("write it like name=value,name=value (a comma in a value is %2C)")?;
            Ok((name.trim().to_owned(), percent_decode(value.trim())?))
        })
        .collect()
}

/// Replaces `%XX`.
pub(super) fn percent_decode(text: &str) -> Result<String, String> {
    let mut bytes = Vec::with_capacity(text.len());
    let mut rest = text.as_bytes();
    while let Some((&byte, tail)) = rest.split_first() {
        let decoded = (byte == b'%')
            .then(|| tail.get(..2).and_then(|digits| hex::decode(digits).ok()))
            .flatten();
        match decoded {
            Some(decoded) => {
                bytes.extend(decoded);
                rest = &tail[2..];
            }
            None => {
                bytes.push(byte);
                rest = tail;
            }
        }
    }
    String::from_utf8(bytes).map_err(|_| "a percent-encoded value is not valid UTF-8".to_owned())
}
