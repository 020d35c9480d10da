//! Settings become a [`Config`].
//!
//! Enters: [`Layers`]. Leaves: a [`Config`], and what is wrong with it. What must hold: each value
//! is parsed and checked here and nowhere later; a problem stands with the source of its value.

use std::collections::{BTreeMap, HashMap};
use std::path::{Path, PathBuf};

use super::builder::Builder;
use super::keys::{self, KEYS, Kind, SIGNALS};
use super::layers::{Layers, Origin, Setting, Value};
use super::substitute::expand;
use super::{Config, Environment, Flags, Problems, aws, export, ingest, places, value};
use crate::dead_letter::{self, Begin, WhenFull};
use crate::input::directory::{self, After, Start};
use crate::pipeline::dedup;
use crate::telemetry;
use qtrail_core::convert::{self, Body, Redaction, ServiceName};
use qtrail_core::envelope::Limits;
use qtrail_core::event::amazon_q::{Class, Lists, Select};

/// Puts the defaults of the table in.
pub(super) fn defaults(env: &Environment, layers: &mut Layers) {
    let mut put = |name: &str, value: Value| {
        let origin = Origin::Default;
        layers.put(name, Setting { value, origin });
    };
    for key in KEYS.iter().filter(|key| !key.default.is_empty()) {
        let value = match key.kind {
            Kind::Choices(_) | Kind::List => {
                Value::List(key.default.split(", ").map(str::to_owned).collect())
            }
            _ => Value::from(key.default),
        };
        put(key.name, value);
    }
    put("state", Value::Text(state_directory(env).into_os_string()));
}

/// The default endpoint depends on what else is set: none beside a file, HTTP's port with HTTP.
pub(super) fn default_endpoint(layers: &mut Layers) {
    const NAME: &str = "export.endpoint";
    if layers
        .get(NAME)
        .is_some_and(|s| s.origin != Origin::Default)
    {
        return;
    }
    let is_http = |s: &Setting| matches!(&s.value, Value::Text(text) if text != "grpc");
    if layers.get("export.file").is_some() {
        layers.remove(NAME);
    } else if layers.get("export.protocol").is_some_and(is_http) {
        let (value, origin) = (Value::from(export::DEFAULT_HTTP), Origin::Default);
        layers.put(NAME, Setting { value, origin });
    }
}

fn state_directory(env: &Environment) -> PathBuf {
    let under = |name, rest| env.get(name).map(|base| Path::new(base).join(rest));
    // systemd separates several directories by colons.
    let systemd = env.get("STATE_DIRECTORY").and_then(|d| d.split(':').next());
    systemd
        .map(PathBuf::from)
        .or_else(|| under("XDG_STATE_HOME", "qtrail"))
        .or_else(|| under("HOME", ".local/state/qtrail"))
        .unwrap_or_else(|| PathBuf::from("/var/lib/qtrail"))
}

/// Puts in what the command line sets. Only the values of headers may hold references.
pub(super) fn flags(flags: Flags, env: &Environment, layers: &mut Layers, problems: &mut Problems) {
    let mut repeated: BTreeMap<&str, (&'static str, Vec<String>)> = BTreeMap::new();
    for (name, flag, text) in flags.0 {
        match keys::find(name).map(|key| key.kind) {
            Some(Kind::List | Kind::Choices(_) | Kind::Secrets) => {
                let (_, texts) = repeated.entry(name).or_insert((flag, Vec::new()));
                texts.push(text.to_string_lossy().into_owned());
            }
            _ => {
                let (value, origin) = (Value::Text(text), Origin::Flag(flag));
                layers.put(name, Setting { value, origin });
            }
        }
    }
    for (name, (flag, texts)) in repeated {
        let origin = Origin::Flag(flag);
        let value = match keys::find(name).map(|key| key.kind) {
            Some(Kind::Secrets) => texts
                .iter()
                .map(|text| header(text, env))
                .collect::<Result<_, _>>()
                .map(Value::Map),
            _ => Ok(Value::List(texts)),
        };
        match value {
            Ok(value) => layers.put(name, Setting { value, origin }),
            Err(message) => problems.add(&origin, name, &message),
        }
    }
}

fn header(text: &str, env: &Environment) -> Result<(String, String), String> {
    let (name, value) = text
        .split_once('=')
        .ok_or("write it as NAME=VALUE, such as 'x-scope-orgid=team-a'")?;
    Ok((name.trim().to_owned(), expand(value, env, Kind::Secrets)?))
}

/// Builds the configuration. Where there are problems, what it returns is of no use.
pub(super) fn config(layers: &Layers, problems: &mut Problems, notes: &mut Vec<String>) -> Config {
    let mut b = Builder::new(layers, problems, notes);
    let state = b.path("state").unwrap_or_default();
    let limits = limits(&mut b);
    let ingest = ingest::settings(&mut b);
    let config = Config {
        directory: directory(&mut b, &state),
        dead_letters: dead_letters(&mut b, &state, &ingest),
        ingest,
        s3: aws::s3(&mut b),
        event_history: aws::event_history(&mut b, &state),
        aws: aws::settings(&mut b),
        objects: aws::objects(&mut b),
        state: state.clone(),
        select: match b.choice("select") {
            "all" => Select::All,
            _ => Select::AmazonQ,
        },
        lists: Lists {
            services: b
                .list("amazon_q.services")
                .unwrap_or(Lists::default().services),
            user_agents: b
                .list("amazon_q.user_agents")
                .unwrap_or(Lists::default().user_agents),
        },
        memory_bytes: memory(&mut b, &limits),
        limits,
        convert: conversion(&mut b),
        export: export::settings(&mut b),
        duplicates: duplicates(&mut b, &state),
        shutdown: b.duration("shutdown.timeout"),
        telemetry: telemetry(&mut b),
    };
    for (key, message) in places::of_directory(&config) {
        b.problem(key, &message);
    }
    config
}

fn limits(b: &mut Builder<'_>) -> Limits {
    Limits {
        inflated_bytes: b.size("limits.inflated_bytes"),
        event_bytes: b.size("limits.event_bytes"),
        depth: b.number("limits.depth"),
        events: b.number("limits.events"),
    }
}

/// The budget must hold at least a few of the largest events, or nothing could ever move.
fn memory(b: &mut Builder<'_>, limits: &Limits) -> usize {
    const LARGEST_EVENTS: usize = 8;
    let memory: usize = b.size("limits.memory");
    let least = limits.event_bytes.saturating_mul(LARGEST_EVENTS);
    if (1..least).contains(&memory) {
        b.problem(
            "limits.memory",
            &format!("must be at least {LARGEST_EVENTS} times limits.event_bytes: {least} bytes"),
        );
    }
    memory
}

/// What was sent cannot be read again: by default, its letters are not erased.
fn dead_letters(
    b: &mut Builder<'_>,
    state: &Path,
    ingest: &crate::input::ingest::Settings,
) -> dead_letter::Settings {
    let listens = ingest.grpc.is_some() || ingest.http.is_some();
    dead_letter::Settings {
        path: b
            .path("dead_letters.path")
            .unwrap_or_else(|| state.join("dead-letters.jsonl")),
        max_bytes: b.size("dead_letters.max_bytes"),
        keep: b.number("dead_letters.keep"),
        when_full: match b.choice("dead_letters.when_full") {
            "wait" => WhenFull::Wait,
            "" if listens => WhenFull::Wait,
            _ => WhenFull::Rotate,
        },
        max_record_bytes: b.size("dead_letters.max_record_bytes"),
        unit_letters: b.number("dead_letters.unit_letters"),
        unit_bytes: b.size("dead_letters.unit_bytes"),
        begin: Begin::Append,
        waits: true,
    }
}

fn duplicates(b: &mut Builder<'_>, state: &Path) -> Option<dedup::Settings> {
    let settings = dedup::Settings {
        folder: state.to_owned(),
        max_ids: b.number("duplicates.max_ids"),
        max_age: b.span("duplicates.max_age"),
    };
    (b.boolean("duplicates.drop") == Some(true)).then_some(settings)
}

fn directory(b: &mut Builder<'_>, state: &Path) -> Option<directory::Settings> {
    let settle = b.span("directory.settle");
    let rescan = b.span("directory.rescan");
    // A worker waits for the disk after each file: a second one reads meanwhile.
    let processors = std::thread::available_parallelism().map_or(2, |n| n.get().clamp(2, 4));
    let settings = directory::Settings {
        include: b.globs("directory.include"),
        exclude: b.globs("directory.exclude"),
        settle,
        rescan,
        poll: b.boolean("directory.poll").unwrap_or_default(),
        once: false,
        start: b
            .parse("directory.start", |text| match text.split_once("since:") {
                _ if text == "beginning" => Ok(Start::Beginning),
                _ if text == "end" => Ok(Start::End),
                Some(("", time)) => value::time(time).map(Start::Since),
                _ => Err(format!("{text:?} is none of beginning, end, since: TIME")),
            })
            .unwrap_or_default(),
        after: b
            .parse("directory.after", |text| match text.split_once("move:") {
                _ if text == "keep" => Ok(After::Keep),
                _ if text == "delete" => Ok(After::Delete),
                Some(("", dir)) if !dir.trim().is_empty() => Ok(After::Move(dir.trim().into())),
                _ => Err(format!("{text:?} is none of keep, delete, move: DIR")),
            })
            .unwrap_or_default(),
        state: state.to_owned(),
        workers: match b.setting("directory.workers") {
            Some(_) => b.number("directory.workers"),
            None => processors,
        },
        idle_files_warning: b.number("directory.idle_files_warning"),
        root: PathBuf::new(),
    };
    Some(directory::Settings {
        root: b.path("directory.path")?,
        ..settings
    })
}

fn conversion(b: &mut Builder<'_>) -> convert::Options {
    let body = match b.choice("body") {
        "map" => Body::Map,
        "none" => Body::None,
        _ => Body::Original,
    };
    let signals = b.list("signals").unwrap_or_default();
    b.known("signals", &signals, &SIGNALS);
    if signals.is_empty() {
        b.problem("signals", "is empty: name logs, traces or both");
    }
    let classes = b.list("traces.classes");
    b.known(
        "traces.classes",
        classes.as_deref().unwrap_or_default(),
        &keys::CLASSES,
    );
    let masked = |b: &mut Builder<'_>, name| b.choice(name) == "drop";
    convert::Options {
        body,
        maps: b.boolean("maps").unwrap_or(body != Body::Original),
        service_name: match b.choice("service_name") {
            "event-source" => ServiceName::EventSource,
            _ => ServiceName::AmazonQ,
        },
        resource: b.map("resource.attributes").into_iter().collect(),
        provider_name: b.text("gen_ai.provider_name").unwrap_or_default(),
        redaction: Redaction {
            keys: b.list("redact.keys").unwrap_or_default(),
            pointers: pointers(b),
            access_key_id: masked(b, "redact.access_key_id"),
            source_ip: masked(b, "redact.source_ip"),
            users: masked(b, "redact.users"),
        },
        identities: identities(b),
        logs: signals.iter().any(|s| s == "logs"),
        traces: signals.iter().any(|s| s == "traces"),
        trace_classes: classes.map(|names| names.iter().filter_map(|name| class(name)).collect()),
    }
}

fn class(name: &str) -> Option<Class> {
    Some(match name {
        "conversation" => Class::Conversation,
        "pass_request" => Class::PassRequest,
        "on_behalf_of" => Class::OnBehalfOf,
        "agent_call" => Class::AgentCall,
        "code" => Class::Code,
        "telemetry" => Class::Telemetry,
        "administration" => Class::Administration,
        "other" => Class::Other,
        _ => return None,
    })
}

fn pointers(b: &mut Builder<'_>) -> Vec<String> {
    let pointers = b.list("redact.pointers").unwrap_or_default();
    for pointer in pointers.iter().filter(|p| !p.starts_with('/')) {
        b.problem(
            "redact.pointers",
            &format!("{pointer:?} is no JSON pointer: write it as /requestParameters/bucketName"),
        );
    }
    pointers
}

/// `id,name` lines; a name may be in double quotes, and a first line `id,name` is a heading.
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
                &format!("{}:{}: expects `id,name`", path.display(), number + 1),
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

fn telemetry(b: &mut Builder<'_>) -> telemetry::Settings {
    let filter = b.text("log.level").unwrap_or_default();
    if let Err(message) = telemetry::logging::filter(&filter) {
        b.problem("log.level", &message);
    }
    telemetry::Settings {
        log_filter: filter,
        log_json: b.choice("log.format") == "json",
        http: b
            .parse("telemetry.http", |text| match text {
                "none" => Ok(None),
                _ => text
                    .replacen("localhost:", "127.0.0.1:", 1)
                    .parse()
                    .map(Some)
                    .map_err(|_| {
                        format!(
                            "{text:?} is no address: write 127.0.0.1:9465, 0.0.0.0:9465 or none"
                        )
                    }),
            })
            .flatten(),
        endpoint: export::telemetry(b),
    }
}
