//! `qtrail verify`: whether a trail is complete and unchanged.
//!
//! Enters: a copy of a bucket, or the bucket. Leaves: findings as text or JSON, as they are found. What must hold: the
//! exit code is 0 only if everything in the range is verified, which is never nothing; no text of a file can control
//! a terminal.

pub(super) mod deliver;
mod json;
pub(super) mod opened;
mod table;

use std::io::{self, BufWriter, IsTerminal};

use tokio_util::sync::CancellationToken;

use self::json::Json;
use self::opened::Opened;
use self::table::Table;
use super::args::{VerifyArgs, VerifyFormat};
use super::progress::Progress;
use super::report::text::Paint;
use super::{Exit, OutputClosed, count};
use crate::config::{self, Config};
use crate::export::unread;
use crate::integrity::coverage::Range;
use crate::integrity::finding::{Counts, Finding};
use crate::integrity::key_files;
use crate::integrity::keys::KnownKeys;
use crate::integrity::verify::{Error, Event, Only, Verification};
use crate::proof::verified::Verified;

/// Verifies, and writes what is found; with an endpoint, it is sent there, too. `quiet`: no progress bar.
///
/// # Errors
/// Keys cannot be read; a folder or a bucket cannot be listed; the output cannot be written; the exporter cannot start.
pub async fn run(args: VerifyArgs, config: Config, quiet: bool) -> anyhow::Result<Exit> {
    let (range, keys) = (range(&args)?, known_keys(&args)?);
    let is_sent = args.export.endpoint.is_some();
    let work = {
        let (args, config) = (args.clone(), config.clone());
        let progress = Progress::spinner(quiet);
        move |opened: Opened<'_>| verify(&args, &config, range, &opened, &progress)
    };
    let work = opened::with(&args.source, keys, &config, work).await?;
    // The reader of the output may exit while files are read.
    let (exit, verified) = tokio::select! {
        biased;
        done = work => done??,
        () = unread(io::stdout()) => return Err(OutputClosed.into()),
    };
    let never = CancellationToken::new();
    match is_sent && !deliver::deliver(&verified, &config, &never).await? {
        true => Ok(Exit::Failed),
        false => Ok(exit),
    }
}

/// The range of time that is named.
fn range(args: &VerifyArgs) -> anyhow::Result<Range> {
    const SECOND: i64 = 1_000_000_000;
    let now = i64::try_from(jiff::Timestamp::now().as_nanosecond())?;
    let range = Range {
        from: args.from.map(|from| from.first(now).div_euclid(SECOND)),
        to: args.to.map(|to| to.end(now).div_euclid(SECOND)),
        now: now.div_euclid(SECOND),
    };
    match (range.from, range.to) {
        (Some(from), Some(to)) if from >= to => Err(config::Error::of(
            "--from must be before --to: the range is empty".to_owned(),
        )
        .into()),
        _ => Ok(range),
    }
}

/// The keys in files; `None` without a file.
fn known_keys(args: &VerifyArgs) -> Result<Option<KnownKeys>, config::Error> {
    if args.public_keys.is_empty() {
        return Ok(None);
    }
    let keys = key_files::read(&args.public_keys);
    keys.map(Some).map_err(config::Error::of)
}

/// Verifies on a blocking thread.
fn verify(
    args: &VerifyArgs,
    config: &Config,
    range: Range,
    opened: &Opened<'_>,
    progress: &Progress,
) -> anyhow::Result<(Exit, Verified)> {
    let out = BufWriter::new(io::stdout());
    let mut output: Box<dyn Output> = match args.format {
        VerifyFormat::Table => {
            let colours = io::stdout().is_terminal() && std::env::var_os("NO_COLOR").is_none();
            Box::new(Table::new(out, Paint(colours)))
        }
        VerifyFormat::Json => Box::new(Json::new(out, &args.source, range)),
    };
    let verification = Verification {
        source: opened.source,
        keys: opened.keys,
        range,
        only: &Only {
            accounts: args.accounts.iter().cloned().collect(),
            regions: args.regions.iter().cloned().collect(),
        },
        threads: opened.threads,
        inflated_bytes: config.limits.inflated_bytes,
        all: args.all,
    };
    let mut verified = Verified::of_command(&args.source.identity());
    let (mut bytes, mut found) = (0, 0);
    let result = verification.run(&mut |event| {
        verified.take(&event);
        match event {
            Event::Found(finding) => {
                found += u64::from(finding.kind.is_failure());
                output.finding(finding)
            }
            Event::Region(_) => Ok(()),
            Event::Read(more) => {
                bytes += more;
                progress.at(bytes, count(found, "finding"));
                Ok(())
            }
        }
    });
    progress.finish();
    let regions = match result {
        Err(Error::Report(error)) => {
            let exit = super::written(Err(error))?;
            return Ok((exit, verified));
        }
        result => result?,
    };
    let is_verified = is_verified(&regions);
    super::written(output.end(&regions, is_verified))?;
    match is_verified {
        true => return Ok((Exit::Done, verified)),
        false if regions.is_empty() => tracing::error!(
            "nothing was found to verify: check the range, and that the source has AWSLogs/ or a folder below it \
             with CloudTrail-Digest/ (log file validation must be turned on)"
        ),
        false => tracing::error!("not verified: {}", count(found, "finding")),
    }
    Ok((Exit::Failed, verified))
}

/// Whether everything is verified, which is at least one digest.
fn is_verified(regions: &[Counts]) -> bool {
    let digests: u64 = regions.iter().map(|region| region.digests).sum();
    digests > 0 && regions.iter().all(|region| region.failures() == 0)
}

/// A format.
trait Output {
    fn finding(&mut self, finding: &Finding) -> io::Result<()>;
    fn end(&mut self, regions: &[Counts], is_verified: bool) -> io::Result<()>;
}
