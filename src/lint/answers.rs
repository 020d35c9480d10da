//! AWS's answers about trails, from files.
//!
//! Enters: the JSON of `aws cloudtrail describe-trails`, `get-trail`, `get-event-selectors` and `get-trail-status`, one
//! after the other, in any order. Leaves: trails. What must hold: a status, which names no trail, is never given to
//! another one.

use std::collections::BTreeMap;

use serde::Deserialize;
use serde_json::Value;

use super::selectors;
use super::trail::{Asked, Settings, Status, Trail};

/// How to get answers.
const EXPECTED: &str = "pass the JSON of `aws cloudtrail describe-trails`, `get-trail`, `get-event-selectors` or \
                        `get-trail-status`, with `--output json`";

/// The most trails of one call: a region of an account has five.
const TRAILS: usize = 2_000;

/// Answers so far.
#[derive(Debug, Default)]
pub(crate) struct Answers {
    trails: BTreeMap<String, Trail>,
    /// Parts of trails that no answer before them in their file names.
    unnamed: Vec<(String, Part)>,
}

/// A part of what is known about a trail.
#[derive(Debug)]
enum Part {
    Settings(Box<Settings>),
    Selectors(Vec<selectors::Selector>),
    Status(Box<Status>),
}

impl Answers {
    /// Adds the answers of a file. `asked`: when its statuses were asked for.
    ///
    /// # Errors
    /// What is wrong with it, and what to pass instead.
    pub(crate) fn add(&mut self, file: &str, text: &[u8], asked: Asked) -> Result<(), String> {
        let mut named = None;
        let mut has_any = false;
        for answer in serde_json::Deserializer::from_slice(text).into_iter::<Value>() {
            let answer = answer.map_err(|error| format!("{error}: {EXPECTED}"))?;
            self.answer(file, &answer, asked, &mut named)?;
            has_any = true;
        }
        match has_any {
            true => Ok(()),
            false => Err(format!("it is empty: {EXPECTED}")),
        }
    }

    /// Adds one answer. `named`: the trail that this file named last.
    fn answer(
        &mut self,
        file: &str,
        answer: &Value,
        asked: Asked,
        named: &mut Option<String>,
    ) -> Result<(), String> {
        if let Some(answers) = answer.as_array() {
            return answers
                .iter()
                .try_for_each(|answer| self.answer(file, answer, asked, named));
        }
        let unreadable = |what: &str, error: serde_json::Error| {
            format!("the answer of {what} has another shape than AWS's: {error}")
        };
        let id = answer
            .get("TrailARN")
            .and_then(Value::as_str)
            .map(str::to_owned);
        let has = |name: &str| answer.get(name).is_some();
        if let Some(list) = answer.get("trailList") {
            let list =
                Vec::<Settings>::deserialize(list).map_err(|e| unreadable("describe-trails", e))?;
            if let [only] = &list[..] {
                *named = named_by(only);
            }
            for settings in list {
                self.put(
                    file,
                    named_by(&settings),
                    Part::Settings(Box::new(settings)),
                )?;
            }
        } else if has("Trail") || has("S3BucketName") {
            let one = answer.get("Trail").unwrap_or(answer);
            let settings = Settings::deserialize(one).map_err(|e| unreadable("get-trail", e))?;
            *named = named_by(&settings);
            self.put(file, named.clone(), Part::Settings(Box::new(settings)))?;
        } else if has("EventSelectors") || has("AdvancedEventSelectors") {
            let read = selectors::read(answer).map_err(|e| unreadable("get-event-selectors", e))?;
            *named = id.or(named.take());
            self.put(file, named.clone(), Part::Selectors(read))?;
        } else if has("IsLogging") {
            let mut status =
                Status::deserialize(answer).map_err(|e| unreadable("get-trail-status", e))?;
            status.asked = asked;
            // A second one would be of another trail.
            let of = id.or(named.take());
            self.put(file, of, Part::Status(Box::new(status)))?;
        } else {
            return Err(format!(
                "it is none of AWS's answers about trails: {EXPECTED}"
            ));
        }
        Ok(())
    }

    fn put(&mut self, file: &str, id: Option<String>, part: Part) -> Result<(), String> {
        match id {
            Some(id) => self.trail(id).put(part),
            None => self.unnamed.push((file.to_owned(), part)),
        }
        match self.trails.len().max(self.unnamed.len()) > TRAILS {
            true => Err(format!(
                "the answers are about more than {TRAILS} trails: pass fewer at once"
            )),
            false => Ok(()),
        }
    }

    /// The trail of an ARN or a name.
    fn trail(&mut self, id: String) -> &mut Trail {
        let new = Trail {
            id,
            ..Trail::default()
        };
        let mut same = self.trails.values().filter(|trail| is_same(trail, &new));
        let known = match (same.next(), same.next()) {
            (Some(known), None) => self.trails.remove(&known.id.clone()),
            _ => self.trails.remove(&new.id),
        };
        let mut trail = known.unwrap_or_default();
        // The longer one is the ARN.
        if new.id.len() > trail.id.len() {
            trail.id = new.id;
        }
        self.trails.entry(trail.id.clone()).or_insert(trail)
    }

    /// The trails, in the order of their ARNs.
    ///
    /// # Errors
    /// A status could be of several trails.
    pub(crate) fn finish(mut self) -> Result<Vec<Trail>, String> {
        for (file, part) in std::mem::take(&mut self.unnamed) {
            let mut trails = self.trails.values_mut();
            match (trails.next(), trails.next()) {
                (Some(only), None) => only.put(part),
                _ => {
                    return Err(format!(
                        "{file}: nothing says of which trail this {} is. Put it into one file with another answer \
                         about the trail, behind that: (aws cloudtrail get-event-selectors --trail-name TRAIL; \
                         aws cloudtrail get-trail-status --name TRAIL) > TRAIL.json",
                        part.name()
                    ));
                }
            }
        }
        Ok(self.trails.into_values().collect())
    }
}

impl Part {
    fn name(&self) -> &'static str {
        match self {
            Part::Settings(_) => "answer of get-trail",
            Part::Selectors(_) => "answer of get-event-selectors",
            Part::Status(_) => "answer of get-trail-status",
        }
    }
}

impl Trail {
    fn put(&mut self, part: Part) {
        match part {
            Part::Settings(settings) => self.settings = Some(*settings),
            Part::Selectors(selectors) => self.selectors = Some(selectors),
            Part::Status(status) => self.status = Some(*status),
        }
    }
}

fn named_by(settings: &Settings) -> Option<String> {
    let id = settings.trail_arn.as_ref().or(settings.name.as_ref());
    id.filter(|id| !id.is_empty()).cloned()
}

/// Whether both are the same trail, one of them perhaps known only by its name.
fn is_same(one: &Trail, other: &Trail) -> bool {
    let (name, other_name) = (one.name(), other.name());
    one.id == other.id || (name == other_name && (one.id == name || other.id == name))
}
