//! `qtrail verify`: whether a trail is complete and unchanged.
//!
//! Enters: a copy of a bucket, or the bucket. Leaves: findings as text or JSON, as they are found. What must hold: the
//! exit code is 0 only if everything in the range is verified, which is never nothing; no text of a file can control
//! a terminal.

mod bucket;
mod json;
mod table;

use std::io::{self, BufWriter, IsTerminal};
use std::num::NonZero;
use std::path::Path;

use anyhow::Context;

use self::json::Json;
use self::table::Table;
use super::args::{VerifyArgs, VerifyFormat};
use super::progress::Progress;
use super::report::text::Paint;
use super::{Exit, OutputClosed, count};
use crate::config::{self, Config};
use crate::export::unread;
use crate::input::backfill::Named;
use crate::integrity::coverage::Range;
use crate::integrity::finding::{Counts, Finding};
use crate::integrity::folder::Folder;
use crate::integrity::keys::{Keys, KnownKeys};
use crate::integrity::source::Source;
use crate::integrity::verify::{Error, Event, Verification};

/// The largest file of keys, in bytes.
const LARGEST_KEYS: u64 = 16 << 20;

/// Verifies, and writes what is found. `quiet`: no progress bar.
///
/// # Errors
/// Keys cannot be read; a folder or a bucket cannot be listed; the output cannot be written.
pub async fn run(args: VerifyArgs, config: Config, quiet: bool) -> anyhow::Result<Exit> {
    let range = range(&args)?;
    let keys = known_keys(&args)?;
    let work = match &args.source {
        Named::Path(path) => {
            let keys = keys.ok_or_else(|| {
                config::Error::of(
                    "a copy needs --public-keys FILE, the answer of `aws cloudtrail list-public-keys --start-time FROM \
                     --end-time TO` in the trail's home region"
                        .to_owned(),
                )
            })?;
            let folder = folder(path)?;
            let threads = std::thread::available_parallelism().map_or(1, NonZero::get);
            let (args, progress) = (args.clone(), Progress::spinner(quiet));
            tokio::task::spawn_blocking(move || {
                let places = (&folder as &dyn Source, &keys as &dyn Keys);
                verify(&args, &config, range, places, threads, &progress)
            })
        }
        Named::Bucket { bucket, prefix } => {
            let place = (bucket.as_str(), prefix.as_str());
            bucket::start(place, keys, args.clone(), config, range, quiet).await?
        }
    };
    // The reader of the output may exit while files are read.
    tokio::select! {
        biased;
        done = work => done?,
        () = unread(io::stdout()) => Err(OutputClosed.into()),
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
fn known_keys(args: &VerifyArgs) -> anyhow::Result<Option<KnownKeys>> {
    let mut keys = None;
    for path in &args.public_keys {
        let problem = |why: String| config::Error::of(format!("{}: {why}", path.display()));
        let bytes = std::fs::metadata(path).map(|metadata| metadata.len());
        if bytes.as_ref().is_ok_and(|bytes| *bytes > LARGEST_KEYS) {
            return Err(
                problem("it is no answer of `aws cloudtrail list-public-keys`".into()).into(),
            );
        }
        let answer = std::fs::read(path).map_err(|error| problem(error.to_string()))?;
        let keys = keys.get_or_insert_with(KnownKeys::default);
        keys.add(&answer).map_err(problem)?;
    }
    Ok(keys)
}

fn folder(path: &Path) -> anyhow::Result<Folder> {
    Folder::new(path).with_context(|| {
        format!(
            "{}: name the folder that is a copy of the trail's bucket",
            path.display()
        )
    })
}

/// Verifies on a blocking thread.
fn verify(
    args: &VerifyArgs,
    config: &Config,
    range: Range,
    (source, keys): (&dyn Source, &dyn Keys),
    threads: usize,
    progress: &Progress,
) -> anyhow::Result<Exit> {
    let out = BufWriter::new(io::stdout());
    let mut output: Box<dyn Output> = match args.format {
        VerifyFormat::Table => {
            let colours = io::stdout().is_terminal() && std::env::var_os("NO_COLOR").is_none();
            Box::new(Table::new(out, Paint(colours)))
        }
        VerifyFormat::Json => Box::new(Json::new(out, &args.source, range)),
    };
    let verification = Verification {
        source,
        keys,
        range,
        threads,
        inflated_bytes: config.limits.inflated_bytes,
        all: args.all,
    };
    let (mut bytes, mut found) = (0, 0);
    let result = verification.run(&mut |event| match event {
        Event::Found(finding) => {
            found += u64::from(finding.kind.is_failure());
            output.finding(finding)
        }
        Event::Read(more) => {
            bytes += more;
            progress.at(bytes, count(found, "finding"));
            Ok(())
        }
    });
    progress.finish();
    let regions = match result {
        Err(Error::Report(error)) => return super::written(Err(error)),
        result => result?,
    };
    let is_verified = is_verified(&regions);
    super::written(output.end(&regions, is_verified))?;
    match is_verified {
        true => return Ok(Exit::Done),
        false if regions.is_empty() => tracing::error!(
            "nothing was found to verify: check the range, and that the source has AWSLogs/ or a folder below it \
             with CloudTrail-Digest/ (log file validation must be turned on)"
        ),
        false => tracing::error!("not verified: {}", count(found, "finding")),
    }
    Ok(Exit::Failed)
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
