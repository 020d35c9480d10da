//! A configuration with its sources, and what each command changes in it.
//!
//! Enters: a [`Config`] and the settings that it was built from. Leaves: the same, with the defaults of one
//! command. What must hold: a command changes no key that a user has set.

use std::time::Duration;

use super::layers::{Layers, Origin};
use super::{AWS_INPUTS, AWS_NAMES, Config, Error, NO_INPUT, require_aws, verification};
use crate::dead_letter::WhenFull;
use crate::input::backfill::Named;

/// `export.batch.spread` of `backfill`.
const BACKFILL_SPREAD: Duration = Duration::from_secs(24 * 3600);
/// `export.give_up_after` of commands that end by themselves.
const GIVE_UP_AFTER: Duration = Duration::from_secs(300);

/// A configuration with the source of each value. `Display` writes what `--print-config` prints.
pub struct Loaded {
    /// The result.
    pub config: Config,
    /// Warnings for the log.
    pub notes: Vec<String>,
    pub(super) layers: Layers,
}

impl Loaded {
    /// For commands that print an answer: only warnings are logged, unless a level is set.
    pub fn with_warnings_only(mut self) -> Self {
        if self.is_default("log.level") {
            self.config.telemetry.log_filter = "warn".to_owned();
        }
        self
    }

    /// For commands that deliver nothing: the same, and qtrail's own telemetry is not exported.
    pub fn only_logging(mut self) -> Self {
        self.config.telemetry.endpoint = None;
        self.with_warnings_only()
    }

    /// Whether no source sets this key.
    pub fn is_default(&self, key: &str) -> bool {
        self.layers
            .get(key)
            .is_none_or(|setting| setting.origin == Origin::Default)
    }

    /// For commands that end by themselves: they give up when nothing is accepted for a while, and at once
    /// when a local file cannot be written.
    pub fn giving_up(mut self) -> Self {
        if self.is_default("export.give_up_after") {
            self.config.export.give_up_after = Some(GIVE_UP_AFTER);
        }
        self.config.export.write_errors_end = true;
        self.config.dead_letters.waits = false;
        self
    }

    /// For `run`: needs an input. Adds a note when no collector is configured.
    ///
    /// # Errors
    /// No input is configured.
    pub fn for_run(mut self) -> Result<Self, Error> {
        if !self.config.has_input() {
            return Err(Error(vec![NO_INPUT.to_owned()]));
        }
        if self.config.s3.is_some() || self.config.event_history.is_some() {
            require_aws(AWS_INPUTS)?;
        }
        verification::check_run(&self.config)?;
        if self.config.names.is_some() {
            require_aws(AWS_NAMES)?;
        }
        self.note_default_collector();
        Ok(self)
    }

    /// For `run --print-config`: a missing input is a note instead of an error.
    pub fn for_print(mut self) -> Self {
        match self.config.has_input() {
            true => self.note_default_collector(),
            false => self.notes.push(NO_INPUT.to_owned()),
        }
        self
    }

    /// For `backfill`: a bucket needs the `aws` feature; the events of one request span at most a day by
    /// default. Adds a note when no collector is configured.
    ///
    /// # Errors
    /// A bucket, in a build without AWS.
    pub fn for_backfill(mut self, source: &Named, dry_run: bool) -> Result<Self, Error> {
        if matches!(source, Named::Bucket { .. }) {
            require_aws(&source.identity())?;
        }
        verification::check_backfill(&self.config, source)?;
        if self.config.names.is_some() {
            require_aws(AWS_NAMES)?;
        }
        if self.is_default("export.batch.spread") {
            self.config.export.batch_spread = Some(BACKFILL_SPREAD);
        }
        if !dry_run {
            self.note_default_collector();
        }
        Ok(self)
    }

    /// For an input that cannot be read twice, such as a pipe: by default, all of its rejected records are
    /// kept.
    pub fn keeping_all_dead_letters(mut self) -> Self {
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
                "no collector is configured (--endpoint URL): sending to {}",
                logs.url
            ));
        }
    }
}
