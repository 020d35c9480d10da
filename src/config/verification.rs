//! Settings become the verification of what is read.

use std::time::Duration;

use super::builder::Builder;
use super::{Config, Error};
use crate::input::backfill::Named;
use crate::input::directory::After;
use crate::integrity::key_files;
use crate::proof::watch::Settings;

/// CloudTrail writes a digest every hour, up to an hour late; the newest one of a copy waits for the signature in the next one.
const LEAST_OVERDUE: Duration = Duration::from_secs(3 * 3600);

/// How the trail is verified, if it is.
pub(super) fn settings(b: &mut Builder<'_>) -> Option<Settings> {
    let keys = b.list("verification.public_keys").unwrap_or_default();
    let settings = Settings {
        public_keys: keys.into_iter().map(Into::into).collect(),
        every: b.positive_duration("verification.every"),
        overdue: b.duration("verification.overdue"),
    };
    if settings.overdue < LEAST_OVERDUE {
        b.problem(
            "verification.overdue",
            "must be at least 3h: CloudTrail writes a digest every hour, and may be late",
        );
    }
    if b.boolean("verify") != Some(true) {
        return None;
    }
    if !settings.public_keys.is_empty()
        && let Err(why) = key_files::read(&settings.public_keys)
    {
        b.problem("verification.public_keys", &why);
    }
    Some(settings)
}

/// What the watched directory needs to be verified.
pub(super) fn check_directory(config: &Config, b: &mut Builder<'_>) {
    let (Some(settings), Some(directory)) = (&config.verification, &config.directory) else {
        return;
    };
    if settings.public_keys.is_empty() {
        b.problem(
            "verify",
            &format!("needs verification.public_keys, which {KEYS}"),
        );
    }
    if directory.after != After::Keep {
        b.problem(
            "verify",
            "needs the files, since the digest that names a file comes up to two hours after it: leave directory.after at keep, and delete old files by their age",
        );
    }
}

const KEYS: &str = "is empty: to verify files on disk, name the answer of `aws cloudtrail list-public-keys --start-time FROM --end-time TO` in the trail's home region";

/// What `run` needs to verify.
pub(super) fn check_run(config: &Config) -> Result<(), Error> {
    let is_verifiable = config.directory.is_some() || config.s3.is_some();
    match config.verification.is_some() && !is_verifiable {
        true => Err(Error::of(
            "verify: needs a directory or a queue (s3.queues): what senders and the Event history send has no digests"
                .to_owned(),
        )),
        false => Ok(()),
    }
}

/// What `backfill` needs to verify this source.
pub(super) fn check_backfill(config: &Config, source: &Named) -> Result<(), Error> {
    let without_keys = |settings: &Settings| settings.public_keys.is_empty();
    let is_missing = config.verification.as_ref().is_some_and(without_keys);
    match is_missing && matches!(source, Named::Path(_)) {
        true => Err(Error::of(format!(
            "verification.public_keys (--public-keys) {KEYS}"
        ))),
        false => Ok(()),
    }
}
