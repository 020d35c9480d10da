//! The verification of what was read.

use super::Run;
use crate::cli::verify::opened::Opened;
use crate::cli::verify::{deliver, opened};
use crate::input::backfill::layout::Wanted;
use crate::integrity::coverage::Range;
use crate::integrity::key_files;
use crate::integrity::verify::{Only, Verification};
use crate::proof::verified::Verified;
use crate::proof::watch::unless;

/// Nanoseconds of a second.
const SECOND: i64 = 1_000_000_000;

impl Run {
    /// Verifies the range, accounts and regions that were read, if that is configured, and delivers the findings. Whether
    /// there is no failure, and all was delivered.
    ///
    /// # Errors
    /// The source cannot be opened or listed, keys cannot be read, the exporter cannot start.
    pub(super) async fn verify(&self, wanted: &Wanted) -> anyhow::Result<bool> {
        let Some(settings) = &self.config.verification else {
            return Ok(true);
        };
        let keys = match settings.public_keys.is_empty() {
            true => None,
            false => Some(key_files::read(&settings.public_keys).map_err(anyhow::Error::msg)?),
        };
        let work = {
            let (wanted, stop) = (wanted.clone(), self.stop.clone());
            let source = self.args.source.identity();
            let inflated_bytes = self.config.limits.inflated_bytes;
            move |opened: Opened<'_>| {
                let mut verified = Verified::of_command(&source);
                let verification = Verification {
                    source: opened.source,
                    keys: opened.keys,
                    range: range(&wanted),
                    only: &Only {
                        accounts: wanted.accounts.clone(),
                        regions: wanted.regions.clone(),
                    },
                    threads: opened.threads,
                    inflated_bytes,
                    all: false,
                };
                verification.run(&mut |event| {
                    verified.take(&event);
                    unless(&stop)
                })?;
                Ok(verified)
            }
        };
        tracing::info!("verifying what was read");
        let work = opened::with(&self.args.source, keys, &self.config, work).await?;
        let verified = work.await??;
        if verified.is_empty() {
            tracing::error!("not verified: there are no digests and no log files in the range");
        }
        let is_delivered = deliver::deliver(&verified, &self.config, &self.stop).await?;
        Ok(is_delivered && !verified.is_empty() && verified.failures() == 0)
    }
}

fn range(wanted: &Wanted) -> Range {
    let second = |time: i64| time.div_euclid(SECOND);
    Range {
        from: Some(second(wanted.from)),
        to: (wanted.to != i64::MAX).then(|| second(wanted.to)),
        now: jiff::Timestamp::now().as_second(),
    }
}
