//! Settings become a [`Config`].
//!
//! Enters: [`Layers`]. Leaves: a [`Config`] and its problems. What must hold: each value is parsed and
//! checked here and nowhere later; a problem names the source of its value.

use std::path::{Path, PathBuf};

use super::builder::Builder;
use super::layers::Layers;
use super::{
    Config, NO_PARENTS, Problems, aws, conversion, export, ingest, paths, value, verification,
};
use crate::dead_letter::{self, Begin, WhenFull};
use crate::input::directory::{self, After, Start};
use crate::pipeline::dedup;
use crate::telemetry;
use qtrail_core::assemble;
use qtrail_core::envelope::Limits;
use qtrail_core::event::agents::AgentLists;
use qtrail_core::event::amazon_q::{Lists, Select};

/// Builds the configuration. With problems, the result is meaningless.
pub(super) fn config(layers: &Layers, problems: &mut Problems, notes: &mut Vec<String>) -> Config {
    let mut b = Builder::new(layers, problems, notes);
    let state = b.path("state").unwrap_or_default();
    let limits = limits(&mut b);
    let pseudonyms = conversion::pseudonyms(&mut b);
    let ingest = ingest::settings(&mut b);
    let config = Config {
        file: None,
        directory: directory(&mut b, &state),
        dead_letters: dead_letters(&mut b, &state, &ingest),
        ingest,
        s3: aws::s3(&mut b),
        event_history: aws::event_history(&mut b, &state),
        aws: aws::settings(&mut b),
        objects: aws::objects(&mut b),
        state: state.clone(),
        select: match b.choice("select") {
            "agents" => Select::Agents,
            "all" => Select::All,
            _ => Select::AmazonQ,
        },
        lists: lists(&mut b),
        memory_bytes: memory(&mut b, &limits),
        limits,
        convert: conversion::options(&mut b, pseudonyms.as_ref()),
        identities: b.path("identities"),
        names: aws::names(&mut b, &state),
        pseudonyms,
        export: export::settings(&mut b),
        duplicates: duplicates(&mut b, &state),
        assembly: assembly(&mut b),
        verification: verification::settings(&mut b),
        manifest: b.boolean("manifest") == Some(true),
        shutdown: b.duration("shutdown.timeout"),
        telemetry: telemetry(&mut b),
    };
    if config.assembly.is_some() && config.has_input_beside_directory() {
        b.problem(
            "assemble",
            "holds events for minutes, which only files can wait for: remove ingest.*, s3.queues and event_history, or give them a qtrail of their own",
        );
    }
    if config.assembly.is_some() && config.convert.trace_classes.is_some() {
        b.problem("assemble", NO_PARENTS);
    }
    verification::check_directory(&config, &mut b);
    if config.manifest && !config.convert.logs {
        b.problem("manifest", "is made of log records: add logs to signals");
    }
    for (key, message) in paths::check_directory(&config) {
        b.problem(key, &message);
    }
    config
}

fn lists(b: &mut Builder<'_>) -> Lists {
    let standard = Lists::default();
    let has_codes = b.setting("agents.codes").is_some();
    Lists {
        services: b.list("amazon_q.services").unwrap_or(standard.services),
        user_agents: b
            .list("amazon_q.user_agents")
            .unwrap_or(standard.user_agents),
        agents: AgentLists {
            services: b
                .list("agents.services")
                .unwrap_or(standard.agents.services),
            user_agents: b
                .list("agents.user_agents")
                .unwrap_or(standard.agents.user_agents),
            codes: if has_codes {
                b.map("agents.codes")
            } else {
                standard.agents.codes
            },
        },
    }
}

fn limits(b: &mut Builder<'_>) -> Limits {
    Limits {
        inflated_bytes: b.size("limits.inflated_bytes"),
        event_bytes: b.size("limits.event_bytes"),
        depth: b.number("limits.depth"),
        events: b.number("limits.events"),
    }
}

/// The budget must hold a few of the largest events, or reading could stall for good.
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

/// Pushed records cannot be read again, so their dead letters are not erased by default.
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
        max_age: b.positive_duration("duplicates.max_age"),
    };
    (b.boolean("duplicates.drop") == Some(true)).then_some(settings)
}

/// What is decided is remembered at least as long as delivered events are.
fn assembly(b: &mut Builder<'_>) -> Option<assemble::Settings> {
    let defaults = assemble::Settings::default();
    let window = b.positive_duration("assembly.window");
    let remember = b.positive_duration("duplicates.max_age");
    let settings = assemble::Settings {
        window,
        idle: b.positive_duration("assembly.idle"),
        max_held: b.number("assembly.max_held"),
        remember: remember.max(defaults.remember).max(window * 2),
        ..defaults
    };
    if settings.idle < settings.window {
        b.problem("assembly.idle", "must not be shorter than assembly.window");
    }
    (b.boolean("assemble") == Some(true)).then_some(settings)
}

fn directory(b: &mut Builder<'_>, state: &Path) -> Option<directory::Settings> {
    let settle = b.positive_duration("directory.settle");
    let rescan = b.positive_duration("directory.rescan");
    // A worker waits for the disk after each file; a second one reads meanwhile.
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
                _ => Err(format!(
                    "{text:?} is not one of beginning, end, since: TIME"
                )),
            })
            .unwrap_or_default(),
        after: b
            .parse("directory.after", |text| match text.split_once("move:") {
                _ if text == "keep" => Ok(After::Keep),
                _ if text == "delete" => Ok(After::Delete),
                Some(("", dir)) if !dir.trim().is_empty() => Ok(After::Move(dir.trim().into())),
                _ => Err(format!("{text:?} is not one of keep, delete, move: DIR")),
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
                            "{text:?} is not an address: write 127.0.0.1:9465, 0.0.0.0:9465 or none"
                        )
                    }),
            })
            .flatten(),
        token_files: (b
            .list("telemetry.token_files")
            .unwrap_or_default()
            .into_iter())
        .map(PathBuf::from)
        .collect(),
        endpoint: export::telemetry(b),
    }
}
