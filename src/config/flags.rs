//! The command line becomes settings.
//!
//! Enters: pairs of a key and its text. Leaves: the strongest layer.

use std::collections::BTreeMap;
use std::ffi::OsString;

use super::keys::{self, Kind};
use super::layers::{Layers, Origin, Setting, Value};
use super::substitute::expand;
use super::{Environment, Problems};

/// What the command line sets: key, flag and text.
#[derive(Default)]
pub struct Flags(Vec<(&'static str, &'static str, OsString)>);

impl Flags {
    /// Sets `key` as `flag` does. Several calls with one key make a list or a map.
    pub fn set(&mut self, key: &'static str, flag: &'static str, text: impl Into<OsString>) {
        self.0.push((key, flag, text.into()));
    }
}

/// Adds the flags. Only the values of headers may hold references.
pub(super) fn read(flags: Flags, env: &Environment, layers: &mut Layers, problems: &mut Problems) {
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
