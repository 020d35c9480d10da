//! Configuration: valid by construction.
//!
//! Enters: a YAML file, `QTRAIL_*` and the standard `OTEL_EXPORTER_OTLP_*` variables, flags. Leaves:
//! a [`Config`], or an error that names the key and the remedy. What must hold: after it is built,
//! nothing is checked again; secrets are never shown.

pub mod keys;
pub mod value;

use std::time::Duration;

use crate::ack::dead_letter;
use crate::convert;
use crate::envelope::Limits;
use crate::event::amazon_q::{Lists, Select};
use crate::export;
use crate::input::directory;
use crate::telemetry;

/// All settings of a run.
#[derive(Debug, Clone)]
pub struct Config {
    /// The watched directory, if there is one.
    pub directory: Option<directory::Settings>,
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
    pub export: export::Settings,
    /// Where refused ones go.
    pub dead_letters: dead_letter::Settings,
    /// How long a shutdown may drain. Default 15 s.
    pub shutdown: Duration,
    /// qtrail's own logs, metrics, traces.
    pub telemetry: telemetry::Settings,
}

/// What the command line sets: key, flag and text.
#[derive(Debug, Clone, Default)]
pub struct Flags(Vec<(&'static str, &'static str, std::ffi::OsString)>);

impl Flags {
    /// Notes that `flag` sets `key`. A list or a map is set by several of these.
    pub fn set(
        &mut self,
        key: &'static str,
        flag: &'static str,
        text: impl Into<std::ffi::OsString>,
    ) {
        self.0.push((key, flag, text.into()));
    }
}

/// The environment, as a plain value: tests make their own.
#[derive(Clone, Default)]
pub struct Environment(std::collections::BTreeMap<String, String>);

impl Environment {
    /// The variables of this process that are UTF-8.
    pub fn of_process() -> Self {
        std::env::vars_os()
            .filter_map(|(name, value)| Some((name.into_string().ok()?, value.into_string().ok()?)))
            .collect()
    }
}

impl FromIterator<(String, String)> for Environment {
    fn from_iter<I: IntoIterator<Item = (String, String)>>(variables: I) -> Self {
        Environment(variables.into_iter().collect())
    }
}

/// A configuration with where each value came from. Its text is `--print-config`'s.
#[derive(Debug)]
pub struct Loaded {
    /// The result.
    pub config: Config,
    /// What is odd, but no error: for the log.
    pub notes: Vec<String>,
}

/// What is wrong with the configuration: one problem a line, each with its source and remedy.
#[derive(Debug, thiserror::Error)]
#[error("{}", .0.join("\n"))]
pub struct Error(Vec<String>);

/// Builds the configuration from a file, the environment and flags.
///
/// # Errors
/// A file that cannot be read, an unknown key, a value that cannot be.
pub fn load(
    _file: Option<&std::path::Path>,
    _env: &Environment,
    _flags: Flags,
) -> Result<Loaded, Error> {
    unimplemented!()
}

impl std::fmt::Display for Loaded {
    fn fmt(&self, _f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        Ok(())
    }
}

impl Loaded {
    /// For commands that answer on the spot: only warnings are logged unless a level was asked for.
    pub fn quieter(self) -> Self {
        self
    }
}
