//! Configuration: valid by construction.
//!
//! Enters: a YAML file, `QTRAIL_*` and the standard `OTEL_EXPORTER_OTLP_*` variables, flags. Leaves:
//! a [`Config`], or an error that names the key and the remedy. What must hold: after it is built,
//! nothing is checked again; secrets are never shown.
//!
//! The files, in the order in which a value passes them: `keys` (the table of all keys), `defaults`,
//! `file`, `env`, `flags` and `substitute` (each source becomes settings), `layers` (the strongest source
//! wins), `build`, `builder`, `conversion`, `identities`, `export`, `ingest` and `aws` (texts become a [`Config`]),
//! `loaded` (what each command changes in it), `print` (`--print-config`).

mod aws;
mod build;
mod builder;
mod conversion;
mod defaults;
#[cfg(test)]
mod docs;
mod env;
mod export;
mod file;
mod flags;
pub(crate) mod identities;
mod ingest;
pub mod keys;
mod layers;
mod loaded;
pub(crate) mod paths;
mod print;
#[cfg(test)]
mod schema;
mod substitute;
#[cfg(test)]
mod tests;
pub mod value;
mod verification;

use std::collections::BTreeMap;
use std::path::{Path, PathBuf};
use std::time::Duration;

use self::layers::{Layers, Origin};
use crate::dead_letter;
use crate::input::directory;
use crate::pipeline::dedup;
use crate::telemetry;
use qtrail_core::assemble;
use qtrail_core::convert;
use qtrail_core::envelope::Limits;
use qtrail_core::event::amazon_q::{Lists, Select};

pub use self::flags::Flags;
pub use self::loaded::Loaded;

/// All settings of a run.
#[derive(Debug, Clone)]
pub struct Config {
    /// The file that it was read from, if there is one.
    pub file: Option<PathBuf>,
    /// The watched directory, if there is one.
    pub directory: Option<directory::Settings>,
    /// The listeners for senders.
    pub ingest: crate::input::ingest::Settings,
    /// The queues that announce S3 objects, if there are any.
    pub s3: Option<crate::input::s3::Settings>,
    /// CloudTrail's Event history, if it is enabled.
    pub event_history: Option<crate::input::event_history::Settings>,
    /// How AWS is reached.
    pub aws: crate::aws::Settings,
    /// Limits of the objects that a backfill fetches.
    pub objects: crate::input::backfill::ObjectLimits,
    /// Where qtrail remembers what was delivered.
    pub state: PathBuf,
    /// Which events are selected.
    pub select: Select,
    /// How Amazon Q's events are recognized.
    pub lists: Lists,
    /// Limits of one unit.
    pub limits: Limits,
    /// Bytes of records and payloads in flight, over all inputs. Default: 128 MiB.
    pub memory_bytes: usize,
    /// How events are converted.
    pub convert: convert::Options,
    /// The file of its people.
    pub identities: Option<PathBuf>,
    /// How names of people are learnt; `None`: they are not.
    pub names: Option<crate::names::Settings>,
    /// The pseudonyms that the conversion gives, or would give; `None` without a key.
    pub pseudonyms: Option<convert::Pseudonyms>,
    /// Where events are sent.
    pub export: crate::export::Settings,
    /// How many delivered events are remembered, to drop repeats; `None`: repeats are delivered.
    pub duplicates: Option<dedup::Settings>,
    /// How conversations are assembled; `None`: they are not.
    pub assembly: Option<assemble::Settings>,
    /// How the trail is verified while it is read; `None`: it is not.
    pub verification: Option<crate::proof::watch::Settings>,
    /// Whether each file and object has a manifest record.
    pub manifest: bool,
    /// Where rejected records are written.
    pub dead_letters: dead_letter::Settings,
    /// How long a shutdown may drain. Default: 15 s.
    pub shutdown: Duration,
    /// qtrail's own logs, metrics, traces.
    pub telemetry: telemetry::Settings,
}

impl Config {
    /// Whether any input is configured.
    pub(crate) fn has_input(&self) -> bool {
        self.directory.is_some() || self.has_input_beside_directory()
    }

    fn has_input_beside_directory(&self) -> bool {
        self.s3.is_some()
            || self.event_history.is_some()
            || self.ingest.grpc.is_some()
            || self.ingest.http.is_some()
    }
}

/// The error of a run without an input.
pub(crate) const NO_INPUT: &str = "no input is configured: name a directory (`qtrail run DIR`), an SQS queue that announces S3 objects (--sqs URL), --event-history, or an address to listen on (--grpc ADDR, --http ADDR)";
/// The error of an assembly with spans left out.
pub(crate) const NO_PARENTS: &str =
    "needs the spans of all classes, since each can be a parent: remove traces.classes";
/// The look-up that needs the `aws` feature.
pub(crate) const AWS_NAMES: &str = "identity_store.enabled";
/// The inputs that need the `aws` feature.
pub(crate) const AWS_INPUTS: &str = "s3.queues, event_history.enabled";

/// Rejects `what` in a build without AWS.
///
/// # Errors
/// The feature is not built in; names the remedy.
pub(crate) fn require_aws(what: &str) -> Result<(), Error> {
    match cfg!(feature = "aws") {
        true => Ok(()),
        false => Err(Error(vec![format!(
            "{what}: this qtrail was built without AWS support: install it with `cargo install --locked --path . --features aws`, or use the container image"
        )])),
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

/// All that is wrong with the configuration: one problem per line, each with its source and remedy.
#[derive(Debug, PartialEq, Eq, thiserror::Error)]
#[error("{}", .0.join("\n"))]
pub struct Error(Vec<String>);

impl Error {
    /// A problem that only a command can detect.
    pub(crate) fn of(problem: String) -> Self {
        Error(vec![problem])
    }
}

/// Collects problems, so that one run reports all of them.
#[derive(Default)]
struct Problems(Vec<String>);

impl Problems {
    /// Adds a problem, once: a value may be checked for logs and again for traces.
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
/// A file that cannot be read, unknown keys, invalid values: all of them at once.
pub fn load(path: Option<&Path>, env: &Environment, flags: Flags) -> Result<Loaded, Error> {
    let mut layers = Layers::default();
    let mut problems = Problems::default();
    let mut notes = Vec::new();
    defaults::put(env, &mut layers);
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
    flags::read(flags, env, &mut layers, &mut problems);
    defaults::put_endpoint(&mut layers);
    let mut config = build::config(&layers, &mut problems, &mut notes);
    config.file = path.map(|path| std::path::absolute(path).unwrap_or_else(|_| path.to_owned()));
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
