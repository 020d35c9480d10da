//! Settings become endpoints and the other options of the exporter.
//!
//! Enters: the keys under `export`, for each signal its own or the general ones. Leaves: [`Settings`]. What
//! must hold: a password in a URL becomes a header, so that no URL is secret; no message holds a header's
//! value.

use std::collections::BTreeMap;
use std::time::Duration;

use base64::Engine;
use base64::prelude::BASE64_STANDARD;
use http::uri::{PathAndQuery, Scheme, Uri};
use http::{HeaderName, HeaderValue};

use super::builder::Builder;
use super::env::percent_decode;
use super::layers::{Origin, Setting, Value};
use crate::export::{Destination, Endpoint, Protocol, Settings, Tls};
use qtrail_core::otlp::Signal;

pub(super) const DEFAULT_HTTP: &str = "http://localhost:4318";

/// All of `export`.
pub(super) fn settings(b: &mut Builder<'_>) -> Settings {
    let settings = Settings {
        destination: destination(b),
        batch_events: b.number("export.batch.events"),
        batch_bytes: b.size("export.batch.bytes"),
        concurrency: b.number("export.concurrency"),
        retry_initial: b.positive_duration("export.retry.initial"),
        retry_max: b.positive_duration("export.retry.max"),
        give_up_after: b
            .setting("export.give_up_after")
            .map(|_| b.duration("export.give_up_after"))
            .filter(|time| !time.is_zero()),
        write_errors_end: false,
        batch_spread: b
            .setting("export.batch.spread")
            .map(|_| b.positive_duration("export.batch.spread")),
        rate_limit: b
            .setting("export.rate_limit")
            .map(|_| b.number("export.rate_limit")),
    };
    if settings.retry_max < settings.retry_initial {
        b.problem(
            "export.retry.max",
            "must not be shorter than export.retry.initial",
        );
    }
    settings
}

/// A file or a collector: the one from the stronger source.
fn destination(b: &mut Builder<'_>) -> Destination {
    let otlp = Destination::Otlp {
        logs: endpoint(b, Signal::Logs),
        traces: endpoint(b, Signal::Traces),
    };
    let Some(path) = b.path("export.file") else {
        return otlp;
    };
    let rank = |setting: Option<&Setting>| setting.map_or(0, |s| s.origin.rank());
    let file = rank(b.setting("export.file"));
    let collector = [
        "export.endpoint",
        "export.logs.endpoint",
        "export.traces.endpoint",
    ]
    .map(|name| rank(b.setting(name)))
    .into_iter()
    .max()
    .unwrap_or(0);
    if file == collector {
        b.problem(
            "export.file",
            "conflicts with an endpoint from the same source: remove one of the two",
        );
    }
    match path.to_str() {
        _ if collector > file => otlp,
        Some("-") => Destination::Stdout,
        _ => Destination::File(path),
    }
}

fn endpoint(b: &mut Builder<'_>, signal: Signal) -> Endpoint {
    let name = |b: &Builder<'_>, rest: &str| match b.layers.of_signal(signal.as_str(), rest) {
        Some((name, _)) => name,
        None => format!("export.{rest}"),
    };
    let protocol_key = name(b, "protocol");
    let protocol = match b.choice(&protocol_key) {
        "http/protobuf" => Protocol::HttpProtobuf,
        "http/json" => Protocol::HttpJson,
        _ => Protocol::Grpc,
    };
    let headers_key = name(b, "headers");
    let mut headers = headers(b, &headers_key);
    let url_key = name(b, "endpoint");
    let (compression, timeout) = (name(b, "compression"), name(b, "timeout"));
    let tls = Tls {
        ca_file: b.path(&name(b, "tls.ca_file")),
        cert_file: b.path(&name(b, "tls.cert_file")),
        key_file: b.path(&name(b, "tls.key_file")),
    };
    if tls.cert_file.is_some() != tls.key_file.is_some() {
        b.problem(&url_key, "mTLS needs both tls.cert_file and tls.key_file");
    }
    let url = url(b, &url_key, signal, protocol, &mut headers);
    note_clear_text(b, &url_key, &url, &headers);
    Endpoint {
        url,
        protocol,
        headers,
        gzip: b.choice(&compression) == "gzip",
        timeout: b.positive_duration(&timeout),
        tls,
    }
}

/// `telemetry.endpoint`: gRPC, and nothing inherited.
pub(super) fn telemetry(b: &mut Builder<'_>) -> Option<Endpoint> {
    const NAME: &str = "telemetry.endpoint";
    let mut headers = headers(b, "telemetry.headers");
    b.text(NAME)?;
    let url = parse(b, NAME, &mut headers);
    if url.scheme() == Some(&Scheme::HTTPS) {
        b.problem(
            NAME,
            "must be http://: qtrail sends its own telemetry to a local collector, which can forward it over TLS",
        );
    }
    Some(Endpoint {
        url,
        protocol: Protocol::Grpc,
        headers,
        gzip: false,
        timeout: Duration::from_secs(10),
        tls: Tls::default(),
    })
}

/// The URL of one signal's requests: over HTTP, a general endpoint is a base to which the signal's
/// path is appended, and a signal's own is taken as it stands (as the specification says).
fn url(
    b: &mut Builder<'_>,
    name: &str,
    signal: Signal,
    protocol: Protocol,
    headers: &mut BTreeMap<String, String>,
) -> Uri {
    let http = protocol != Protocol::Grpc;
    let url = match b.setting(name) {
        // One signal over HTTP beside the other over gRPC.
        Some(setting) if http && setting.origin == Origin::Default => {
            Uri::from_static(DEFAULT_HTTP)
        }
        // With a file, nothing is sent.
        None => return Uri::from_static(DEFAULT_HTTP),
        Some(_) => parse(b, name, headers),
    };
    let path = url.path();
    if !http {
        if path != "/" {
            let message = format!("{name}: gRPC does not use the path {path:?}; it is ignored");
            b.notes.push(message);
        }
        note_usual_port(b, name, &url, 4318, "export.protocol: http/protobuf");
        return with_path(&url, "/");
    }
    note_usual_port(b, name, &url, 4317, "export.protocol: grpc");
    if name != "export.endpoint" {
        return url;
    }
    if path.ends_with("/v1/logs") || path.ends_with("/v1/traces") {
        b.problem(
            name,
            "ends with the path of one signal: omit /v1/… (it is appended), or set export.logs.endpoint and export.traces.endpoint",
        );
    }
    // Some receivers expect their token in the query.
    let query = url.query().map_or_else(String::new, |q| format!("?{q}"));
    with_path(
        &url,
        &format!(
            "{}/v1/{}{query}",
            path.trim_end_matches('/'),
            signal.as_str()
        ),
    )
}

fn note_usual_port(b: &mut Builder<'_>, name: &str, url: &Uri, port: u16, remedy: &str) {
    if url.port_u16() == Some(port) {
        let note = format!(
            "{name}: port {port} is usually the other protocol's: did you mean `{remedy}`?"
        );
        if !b.notes.contains(&note) {
            b.notes.push(note);
        }
    }
}

/// Adds a note for a credential that is sent to another host without TLS.
fn note_clear_text(b: &mut Builder<'_>, name: &str, url: &Uri, headers: &BTreeMap<String, String>) {
    let host = url.host().unwrap_or_default();
    let loopback = host == "localhost" || host.starts_with("127.") || host == "[::1]";
    let credential = headers.keys().find(|header| {
        *header == "authorization" || header.contains("key") || header.contains("token")
    });
    if let Some(header) = credential
        && url.scheme() == Some(&Scheme::HTTP)
        && !loopback
    {
        let note =
            format!("{name}: the header {header} is sent to {host} without TLS: use https://");
        if !b.notes.contains(&note) {
            b.notes.push(note);
        }
    }
}

fn with_path(url: &Uri, path: &str) -> Uri {
    let mut parts = url.clone().into_parts();
    parts.path_and_query = path.parse::<PathAndQuery>().ok();
    Uri::from_parts(parts).unwrap_or_else(|_| url.clone())
}

/// A URL, with its user and password moved to the headers. After a problem, a placeholder.
fn parse(b: &mut Builder<'_>, name: &str, headers: &mut BTreeMap<String, String>) -> Uri {
    b.parse(name, |text| {
        let (url, user) = without_user(text);
        let parsed: Uri = url
            .parse()
            .map_err(|error| format!("{url:?} is not a URL: {error}"))?;
        match (parsed.scheme_str(), parsed.host()) {
            (Some("http" | "https"), Some(host)) if !host.is_empty() => {}
            (scheme, _) => {
                let error = match scheme {
                    // `host:4317` may look as if its host were a scheme.
                    Some(_) if url.contains("://") => "is not an OTLP endpoint",
                    _ => "has no scheme",
                };
                return Err(format!(
                    "{url:?} {error}: write http://HOST:PORT, or https://HOST:PORT for TLS"
                ));
            }
        }
        if let Some(user) = user {
            let user = percent_decode(user)?;
            headers
                .entry("authorization".to_owned())
                .or_insert_with(|| format!("Basic {}", BASE64_STANDARD.encode(user)));
        }
        Ok(parsed)
    })
    .unwrap_or_else(|| Uri::from_static("http://invalid"))
}

/// `http://user:password@host/path` → `http://host/path` and `user:password`.
pub(super) fn without_user(url: &str) -> (String, Option<&str>) {
    let start = url.find("://").map_or(0, |at| at + 3);
    let end = url[start..]
        .find(['/', '?', '#'])
        .map_or(url.len(), |at| start + at);
    match url[start..end].rfind('@') {
        Some(at) => (
            format!("{}{}", &url[..start], &url[start + at + 1..]),
            Some(&url[start..start + at]),
        ),
        None => (url.to_owned(), None),
    }
}

fn headers(b: &mut Builder<'_>, name: &str) -> BTreeMap<String, String> {
    let mut valid = BTreeMap::new();
    let Some(Value::Map(map)) = b.setting(name).map(|setting| &setting.value) else {
        return valid;
    };
    for (header, value) in map {
        let lower = header.to_ascii_lowercase();
        if HeaderName::from_bytes(lower.as_bytes()).is_err() {
            b.problem(name, &format!("{header:?} is not a valid header name"));
        } else if HeaderValue::from_str(value).is_err() {
            b.problem(
                name,
                &format!("the value of {header} has characters that a header cannot have"),
            );
        }
        valid.insert(lower, value.clone());
    }
    valid
}
