//! Configuration: valid by construction.
//!
//! Enters: a YAML file, `QTRAIL_*` and the standard `OTEL_EXPORTER_OTLP_*` variables, flags. Leaves:
//! a [`Config`], or an error that names the key and the remedy. What must hold: after it is built,
//! nothing is checked again; secrets are never shown.

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
