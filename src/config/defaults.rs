//! The defaults become settings.
//!
//! Enters: the table of keys, the environment. Leaves: the weakest layer. What must hold: a default that
//! depends on other settings is chosen after all of them are read.

use std::path::{Path, PathBuf};

use super::keys::{KEYS, Kind};
use super::layers::{Layers, Origin, Setting, Value};
use super::{Environment, export};

/// Adds the defaults of the table, and that of `state`.
pub(super) fn put(env: &Environment, layers: &mut Layers) {
    let mut add = |name: &str, value: Value| {
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
        add(key.name, value);
    }
    add("state", Value::Text(state_directory(env).into_os_string()));
}

/// Adapts the default endpoint to other settings: none with `export.file`, HTTP's port with HTTP.
pub(super) fn put_endpoint(layers: &mut Layers) {
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
