//! Settings are read by type.
//!
//! Enters: the name of a key. Leaves: its value, or a problem that names the value's source. What must hold:
//! reading continues after a problem, so that one run reports all of them.

use std::collections::{BTreeMap, BTreeSet};
use std::ffi::OsStr;
use std::path::PathBuf;
use std::time::Duration;

use globset::{GlobBuilder, GlobSet, GlobSetBuilder};

use super::keys::{self, Kind};
use super::layers::{Layers, Origin, Setting, Value};
use super::{Problems, value};

/// Reads settings by type, and collects problems.
pub(super) struct Builder<'a> {
    pub(super) layers: &'a Layers,
    problems: &'a mut Problems,
    pub(super) notes: &'a mut Vec<String>,
}

impl<'a> Builder<'a> {
    pub(super) fn new(
        layers: &'a Layers,
        problems: &'a mut Problems,
        notes: &'a mut Vec<String>,
    ) -> Self {
        Builder {
            layers,
            problems,
            notes,
        }
    }

    pub(super) fn setting(&self, name: &str) -> Option<&'a Setting> {
        debug_assert!(keys::find(name).is_some(), "{name} is not in the table");
        self.layers.get(name)
    }

    /// Adds a problem with the value of this key.
    pub(super) fn problem(&mut self, name: &str, message: &str) {
        let origin = self
            .setting(name)
            .map_or(Origin::Default, |s| s.origin.clone());
        self.problems.add(&origin, name, message);
    }

    fn os_text(&self, name: &str) -> Option<&'a OsStr> {
        match &self.setting(name)?.value {
            Value::Text(text) if !text.is_empty() => Some(text),
            _ => None,
        }
    }

    pub(super) fn text(&mut self, name: &str) -> Option<String> {
        let text = self.os_text(name)?;
        let utf8 = text.to_str().map(|text| text.trim().to_owned());
        if utf8.is_none() {
            self.problem(name, "is not valid UTF-8");
        }
        utf8
    }

    pub(super) fn path(&mut self, name: &str) -> Option<PathBuf> {
        self.os_text(name).map(PathBuf::from)
    }

    pub(super) fn parse<T>(
        &mut self,
        name: &str,
        parse: impl FnOnce(&str) -> Result<T, String>,
    ) -> Option<T> {
        let text = self.text(name)?;
        parse(&text)
            .map_err(|message| self.problem(name, &message))
            .ok()
    }

    pub(super) fn duration(&mut self, name: &str) -> Duration {
        self.parse(name, value::duration).unwrap_or_default()
    }

    /// A duration that is not zero.
    pub(super) fn positive_duration(&mut self, name: &str) -> Duration {
        self.parse(name, |text| match value::duration(text)? {
            Duration::ZERO => Err("must be longer than 0".to_owned()),
            span => Ok(span),
        })
        .unwrap_or_default()
    }

    pub(super) fn size<T: TryFrom<u64> + Default>(&mut self, name: &str) -> T {
        self.parse(name, |text| match value::size(text)? {
            0 => Err("must be larger than 0".to_owned()),
            bytes => T::try_from(bytes).map_err(|_| format!("{text:?} is too large")),
        })
        .unwrap_or_default()
    }

    pub(super) fn number<T: TryFrom<u64> + Default>(&mut self, name: &str) -> T {
        let least = match keys::find(name).map(|key| key.kind) {
            Some(Kind::Count(least)) => least,
            _ => 0,
        };
        self.parse(name, |text| {
            text.parse()
                .ok()
                .filter(|number| *number >= least)
                .and_then(|number| T::try_from(number).ok())
                .ok_or_else(|| format!("{text:?} is not a whole number of at least {least}"))
        })
        .unwrap_or_default()
    }

    pub(super) fn boolean(&mut self, name: &str) -> Option<bool> {
        self.parse(name, |text| {
            text.parse()
                .map_err(|_| format!("{text:?} is not true or false"))
        })
    }

    pub(super) fn choice(&mut self, name: &str) -> &'static str {
        let words = match keys::find(name).map(|key| key.kind) {
            Some(Kind::Choice(words)) => words,
            _ => &[],
        };
        self.parse(name, |text| {
            words
                .iter()
                .find(|word| **word == text)
                .copied()
                .ok_or_else(|| format!("{text:?} is not one of {}", words.join(", ")))
        })
        .unwrap_or_default()
    }

    pub(super) fn list(&mut self, name: &str) -> Option<Vec<String>> {
        match &self.setting(name)?.value {
            Value::List(items) => Some(items.clone()),
            _ => None,
        }
    }

    pub(super) fn map(&mut self, name: &str) -> BTreeMap<String, String> {
        match self.setting(name).map(|setting| &setting.value) {
            Some(Value::Map(map)) => map.clone(),
            _ => BTreeMap::new(),
        }
    }

    /// Adds a problem for each item that is none of `words`.
    pub(super) fn check_words(&mut self, name: &str, items: &[String], words: &[&str]) {
        let unknown: BTreeSet<_> = items
            .iter()
            .filter(|i| !words.contains(&i.as_str()))
            .collect();
        for item in unknown {
            self.problem(
                name,
                &format!("{item:?} is not one of {}", words.join(", ")),
            );
        }
    }

    pub(super) fn globs(&mut self, name: &str) -> GlobSet {
        let mut set = GlobSetBuilder::new();
        for pattern in self.list(name).unwrap_or_default() {
            match GlobBuilder::new(&pattern).literal_separator(true).build() {
                Ok(glob) => {
                    set.add(glob);
                }
                Err(error) => self.problem(name, &error.to_string()),
            }
        }
        set.build().unwrap_or_else(|error| {
            self.problem(name, &error.to_string());
            GlobSet::empty()
        })
    }
}
