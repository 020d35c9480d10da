//! Configuration: valid by construction.
//!
//! Enters: a YAML file, `QTRAIL_*` and the standard `OTEL_EXPORTER_OTLP_*` variables, flags. Leaves:
//! a [`Config`], or an error that names the key and the remedy. What must hold: after it is built,
//! nothing is checked again; secrets are never shown.
//!
//! The files, in the order in which a value passes them: `keys` (the table of all keys), `file`,
//! `env` and `substitute` (each source becomes settings), `layers` (the strongest source wins),
//! `build`, `builder` and `export` (texts become a [`Config`]), `print` (`--print-config`).

mod aws;
mod build;
mod builder;
#[cfg(test)]
mod docs;
mod env;
mod export;
mod file;
mod ingest;
pub mod keys;
mod layers;
pub(crate) mod places;
mod print;
mod substitute;
#[cfg(test)]
mod tests;
pub mod value;

use std::collections::BTreeMap;
use std::ffi::OsString;
use std::path::{Path, PathBuf};
use std::time::Duration;

use self::layers::{Layers, Origin};
use crate::dead_letter::{self, WhenFull};
use crate::input::backfill::Named;
use crate::input::directory;
use crate::pipeline::dedup;
use crate::telemetry;
use qtrail_core::convert;
use qtrail_core::envelope::Limits;
use qtrail_core::event::amazon_q::{Lists, Select};

/// Time between the oldest and the newest event of one request of a backfill.
const BACKFILL_SPREAD: Duration = Duration::from_secs(24 * 3600);

/// How long a command that ends by itself waits for a collector that accepts nothing, unless told
/// otherwise.
const GIVE_UP_AFTER: Duration = Duration::from_secs(300);

/// All settings of a run.
#[derive(Debug, Clone)]
pub struct Config {
    /// The watched directory, if there is one.
    pub directory: Option<directory::Settings>,
    /// Where senders are listened to.
    pub ingest: crate::input::ingest::Settings,
    /// The queues that announce S3 objects, if there are any.
    pub s3: Option<crate::input::s3::Settings>,
    /// CloudTrail's Event history, if it is to be read.
    pub event_history: Option<crate::input::event_history::Settings>,
    /// How Amazon's services are reached.
    pub aws: crate::aws::Settings,
    /// Bounds on the objects that a backfill fetches.
    pub objects: crate::input::backfill::ObjectLimits,
    /// Where qtrail remembers what was delivered.
    pub state: PathBuf,
    /// Which events are kept.
    pub select: Select,
    /// By what Amazon Q's events are known.
    pub lists: Lists,
    /// Bounds on one unit.
    pub limits: Limits,
    /// Bytes of records and payloads in flight, over all inputs. Default 128 MiB.
    pub memory_bytes: usize,
    /// How events are converted.
    pub convert: convert::Options,
    /// Where they go.
    pub export: crate::export::Settings,
    /// Which delivered events are known, so that a repeat is dropped; `None`: repeats are delivered.
    pub duplicates: Option<dedup::Settings>,
    /// Where refused ones go.
    pub dead_letters: dead_letter::Settings,
    /// How long a shutdown may drain. Default 15 s.
    pub shutdown: Duration,
    /// qtrail's own logs, metrics, traces.
    pub telemetry: telemetry::Settings,
}

impl Config {
    /// Whether there is something to read.
    pub(crate) fn has_input(&self) -> bool {
        self.directory.is_some()
            || self.s3.is_some()
            || self.event_history.is_some()
            || self.ingest.grpc.is_some()
            || self.ingest.http.is_some()
    }
}

/// Why a run without an input cannot be.
pub(crate) const NOTHING_TO_READ: &str = "nothing to read: name a directory (`qtrail run DIR`), a queue that announces S3 objects (--sqs URL), --event-history, or where to listen (--grpc ADDR, --http ADDR)";
/// The settings that take the `aws` feature.
pub(crate) const AWS_INPUTS: &str = "s3.queues, event_history.enabled";

/// A configuration with where each value came from. Its text (`Display`) is `--print-config`'s.
pub struct Loaded {
    /// The result.
    pub config: Config,
    /// What is odd, but no error: for the log.
    pub notes: Vec<String>,
    layers: Layers,
}

impl Loaded {
    /// For commands that answer on the spot: only warnings are logged, unless a level was asked for.
    pub fn quieter(mut self) -> Self {
        if self.is_default("log.level") {
            self.config.telemetry.log_filter = "warn".to_owned();
        }
        self
    }

    /// Whether no source but the default has set this key.
    pub fn is_default(&self, key: &str) -> bool {
        self.layers
            .get(key)
            .is_none_or(|setting| setting.origin == Origin::Default)
    }

    /// For commands that end by themselves: a dead end ends them, and a local file that cannot be
    /// written does so at once.
    pub fn ending(mut self) -> Self {
        if self.is_default("export.give_up_after") {
            self.config.export.give_up_after = Some(GIVE_UP_AFTER);
        }
        self.config.export.write_errors_end = true;
        self.config.dead_letters.waits = false;
        self
    }

    /// For `run`: there must be something to read, and who named no collector is told where events
    /// go.
    ///
    /// # Errors
    /// No input is configured.
    pub fn for_run(mut self) -> Result<Self, Error> {
        if !self.config.has_input() {
            return Err(Error(vec![NOTHING_TO_READ.to_owned()]));
        }
        if self.config.s3.is_some() || self.config.event_history.is_some() {
            takes_aws(AWS_INPUTS)?;
        }
        self.note_default_collector();
        Ok(self)
    }

    /// The same for who only looks at it: what keeps `run` from starting is a note.
    pub fn noting_for_run(mut self) -> Self {
        match self.config.has_input() {
            true => self.note_default_collector(),
            false => self.notes.push(NOTHING_TO_READ.to_owned()),
        }
        self
    }

    /// For `backfill`: a bucket takes the `aws` feature; requests span a day at most, unless that
    /// was set; who named no collector is told where events go.
    ///
    /// # Errors
    /// A bucket, in a build without AWS.
    pub fn for_backfill(mut self, source: &Named, dry_run: bool) -> Result<Self, Error> {
        if matches!(source, Named::Bucket { .. }) {
            takes_aws(&source.identity())?;
        }
        if self.is_default("export.batch.spread") {
            self.config.export.batch_spread = Some(BACKFILL_SPREAD);
        }
        if !dry_run {
            self.note_default_collector();
        }
        Ok(self)
    }

    /// For what cannot be read again, such as a pipe: all that is refused of it is kept, unless the
    /// configuration says otherwise.
    pub fn keeping_all_letters(mut self) -> Self {
        let unset = |key| self.is_default(key);
        let (when_full, letters, bytes) = (
            unset("dead_letters.when_full"),
            unset("dead_letters.unit_letters"),
            unset("dead_letters.unit_bytes"),
        );
        let settings = &mut self.config.dead_letters;
        if when_full {
            settings.when_full = WhenFull::Wait;
        }
        if letters {
            settings.unit_letters = u64::MAX;
        }
        if bytes {
            settings.unit_bytes = u64::MAX;
        }
        self
    }

    fn note_default_collector(&mut self) {
        if let crate::export::Destination::Otlp { logs, .. } = &self.config.export.destination
            && self.is_default("export.endpoint")
            && self.is_default("export.logs.endpoint")
            && self.is_default("export.traces.endpoint")
        {
            self.notes.push(format!(
                "no collector is named (--endpoint URL): sending to {}",
                logs.url
            ));
        }
    }
}

/// Refuses `what` in a build without AWS.
///
/// # Errors
/// The remedy.
pub(crate) fn takes_aws(what: &str) -> Result<(), Error> {
    match cfg!(feature = "aws") {
        true => Ok(()),
        false => Err(Error(vec![format!(
            "{what}: this qtrail was built without AWS: build it with `cargo install --path . --features aws`, or use the image"
        )])),
    }
}

/// What the command line sets: key, flag and text.
#[derive(Default)]
pub struct Flags(Vec<(&'static str, &'static str, OsString)>);

impl Flags {
    /// Notes that `flag` sets `key`. A list or a map is set by several of these.
    pub fn set(&mut self, key: &'static str, flag: &'static str, text: impl Into<OsString>) {
        self.0.push((key, flag, text.into()));
    }
}

/// The environment, as a plain value: tests make their own.
#[derive(Clone, Default)]
pub struct Environment(BTreeMap<String, String>);

impl Environment {
    /// The variables of this process that are UTF-8.
    pub fn of_process() -> Self {
        std::env::vars_os()
            .filter_map(|(name, value)| Some((name.into_string().ok()?, value.into_string().ok()?)))
            .collect()
    }

    /// A variable's value; an empty one counts as unset.
    fn get(&self, name: &str) -> Option<&str> {
        self.0
            .get(name)
            .map(String::as_str)
            .filter(|value| !value.trim().is_empty())
    }

    fn names(&self) -> impl Iterator<Item = &str> {
        self.0.keys().map(String::as_str)
    }
}

impl FromIterator<(String, String)> for Environment {
    fn from_iter<I: IntoIterator<Item = (String, String)>>(variables: I) -> Self {
        Environment(variables.into_iter().collect())
    }
}

/// What is wrong with the configuration: one problem a line, each with its source and remedy.
#[derive(Debug, PartialEq, Eq, thiserror::Error)]
#[error("{}", .0.join("\n"))]
pub struct Error(Vec<String>);

impl Error {
    /// One problem that only a command can see.
    pub(crate) fn of(problem: String) -> Self {
        Error(vec![problem])
    }
}

/// Gathers what is wrong, so that one run tells all of it.
#[derive(Default)]
struct Problems(Vec<String>);

impl Problems {
    /// One problem a line, each once: a value may be looked at for logs and again for traces.
    fn add(&mut self, origin: &Origin, key: &str, message: &str) {
        let problem = format!("{origin}: {key}: {message}");
        if !self.0.contains(&problem) {
            self.0.push(problem);
        }
    }
}

/// Builds the configuration from a file, the environment and flags.
///
/// # Errors
/// A file that cannot be read, an unknown key, a value that cannot be: all of them at once.
pub fn load(path: Option<&Path>, env: &Environment, flags: Flags) -> Result<Loaded, Error> {
    let mut layers = Layers::default();
    let mut problems = Problems::default();
    let mut notes = Vec::new();
    build::defaults(env, &mut layers);
    env::standard(env, &mut layers, &mut notes);
    if let Some(path) = path {
        match std::fs::read_to_string(path) {
            Ok(text) => file::read(path, &text, env, &mut layers, &mut problems),
            Err(error) => problems.0.push(format!(
                "cannot read the configuration file {}: {error}",
                path.display()
            )),
        }
    }
    env::own(env, &mut layers, &mut problems, &mut notes);
    build::flags(flags, env, &mut layers, &mut problems);
    build::default_endpoint(&mut layers);
    let config = build::config(&layers, &mut problems, &mut notes);
    if problems.0.is_empty() {
        Ok(Loaded {
            config,
            notes,
            layers,
        })
    } else {
        Err(Error(problems.0))
    }
}
