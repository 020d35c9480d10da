//! Which source decides: defaults < `OTEL_EXPORTER_OTLP_*` < file < `QTRAIL_*` < flags.
//!
//! Enters: texts with their source. Leaves: for each key the one from the strongest source. What must hold:
//! no value is shown by accident (values have no `Debug`).

use std::collections::BTreeMap;
use std::ffi::OsString;
use std::fmt;
use std::path::PathBuf;

/// A value as it was written, `${…}` replaced.
#[derive(Clone, PartialEq, Eq)]
pub(super) enum Value {
    /// One text. A path from the command line need not be UTF-8.
    Text(OsString),
    List(Vec<String>),
    Map(BTreeMap<String, String>),
}

impl From<&str> for Value {
    fn from(text: &str) -> Self {
        Value::Text(text.into())
    }
}

/// Where a value was written. Later variants win over earlier ones.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) enum Origin {
    Default,
    /// A variable of the OpenTelemetry specification.
    Standard(String),
    File(PathBuf, u64),
    /// A `QTRAIL_*` variable.
    Variable(String),
    Flag(&'static str),
}

impl Origin {
    pub(super) fn rank(&self) -> u8 {
        match self {
            Origin::Default => 0,
            Origin::Standard(_) => 1,
            Origin::File(..) => 2,
            Origin::Variable(_) => 3,
            Origin::Flag(_) => 4,
        }
    }
}

impl fmt::Display for Origin {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Origin::Default => f.write_str("default"),
            Origin::Standard(name) | Origin::Variable(name) => f.write_str(name),
            Origin::File(path, line) => write!(f, "{}:{line}", path.display()),
            Origin::Flag(flag) => f.write_str(flag),
        }
    }
}

/// A value with its origin.
#[derive(Clone)]
pub(super) struct Setting {
    pub(super) value: Value,
    pub(super) origin: Origin,
}

/// The settings by the names of their keys.
#[derive(Default)]
pub(super) struct Layers(BTreeMap<String, Setting>);

impl Layers {
    /// Adds a setting, unless a stronger source has set the key.
    pub(super) fn put(&mut self, name: &str, setting: Setting) {
        let stronger = |old: &Setting| old.origin.rank() > setting.origin.rank();
        if !self.0.get(name).is_some_and(stronger) {
            self.0.insert(name.to_owned(), setting);
        }
    }

    pub(super) fn remove(&mut self, name: &str) {
        self.0.remove(name);
    }

    pub(super) fn get(&self, name: &str) -> Option<&Setting> {
        self.0.get(name)
    }

    /// A signal's own setting (`export.logs.headers`) or the general one (`export.headers`): the one from the
    /// stronger source, or the signal's own if both are equal. So an `OTEL_*` variable for one signal does not
    /// override an endpoint from the file.
    pub(super) fn of_signal(&self, signal: &str, rest: &str) -> Option<(String, &Setting)> {
        let own = format!("export.{signal}.{rest}");
        let general = format!("export.{rest}");
        match (self.get(&own), self.get(&general)) {
            (Some(a), Some(b)) if a.origin.rank() < b.origin.rank() => Some((general, b)),
            (Some(a), _) => Some((own, a)),
            (None, Some(b)) => Some((general, b)),
            (None, None) => None,
        }
    }
}
