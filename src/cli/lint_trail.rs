//! `qtrail lint-trail`: what a trail cannot show, and what mends it.
//!
//! Enters: AWS's answers about trails, in files or asked for; what was read of a trail. Leaves: findings as text or
//! JSON. What must hold: no text of a file can control a terminal; nothing that was read or asked in vain passes as
//! nothing found.

mod answers;
mod json;
mod online;
mod reading;
mod table;

use std::collections::BTreeMap;
use std::io::{self, IsTerminal};

use super::args::{LintFormat, LintTrailArgs};
use super::progress::Progress;
use super::report::text::Paint;
use super::totals::Totals;
use super::{Exit, OutputClosed, count, print};
use crate::config::{self, Config};
use crate::export::unread;
use crate::lint::finding::{Finding, Level};
use crate::lint::seen::Seen;
use crate::lint::trail::Trail;
use crate::lint::{hints, rules};
use crate::telemetry::printable::printable;
use qtrail_core::event::amazon_q::Select;

/// Finds what trails cannot show. `quiet`: no progress bar.
///
/// # Errors
/// An answer of AWS's cannot be read; trails cannot be listed; a path does not exist; the output cannot be written.
pub async fn run(args: LintTrailArgs, config: Config, quiet: bool) -> anyhow::Result<Exit> {
    check(&args)?;
    let all_agents = config.select != Select::AmazonQ;
    let (known, mut failed) = known(&args, &config).await?;
    let work = tokio::task::spawn_blocking({
        let progress = Progress::over(&args.paths, quiet);
        let paths = args.paths.clone();
        move || {
            let read = reading::read(&paths, config, &progress);
            progress.finish();
            read
        }
    });
    // The reader of the output may exit while files are read.
    let (seen, totals) = tokio::select! {
        biased;
        done = work => done??,
        () = unread(io::stdout()) => return Err(OutputClosed.into()),
    };
    if !args.paths.is_empty() && seen.events == 0 {
        tracing::error!(
            "no CloudTrail event was read: check the path (AWS's answers about trails are for --from-aws)"
        );
        failed = true;
    }
    let trails = known.as_deref().unwrap_or_default();
    let mut found = hints(&seen, trails, all_agents);
    found.extend(
        known
            .as_ref()
            .map(|trails| rules::findings(trails, all_agents))
            .unwrap_or_default(),
    );
    found.retain(|finding| !args.ignored.contains(&finding.kind));
    found.sort_by_key(|finding| finding.level);
    let linted = Linted {
        seen: &seen,
        totals: &totals,
        trails,
        found: &found,
        failed: failed || totals.failed,
    };
    print(&match args.format {
        LintFormat::Table => {
            let colours = io::stdout().is_terminal() && std::env::var_os("NO_COLOR").is_none();
            table::text(&linted, Paint(colours))
        }
        LintFormat::Json => json::text(&linted, &args),
    })?;
    Ok(linted.exit())
}

/// What was found, and in what.
struct Linted<'l> {
    seen: &'l Seen,
    totals: &'l Totals,
    trails: &'l [Trail],
    found: &'l [Finding],
    /// Something could not be read or asked, which was logged.
    failed: bool,
}

impl Linted<'_> {
    fn count(&self, level: Level) -> u64 {
        let found = self.found.iter();
        found.filter(|finding| finding.level == level).count() as u64
    }

    /// Whether all was read and asked that was to be.
    fn is_complete(&self) -> bool {
        !self.failed && self.totals.counts.dead_lettered == 0
    }

    fn exit(&self) -> Exit {
        let findings = self.count(Level::Finding);
        if findings > 0 {
            tracing::error!("{}", count(findings, "finding"));
        }
        let failed = self.failed || findings > 0;
        Exit::of(failed, self.totals.counts.dead_lettered)
    }
}

/// Rejects arguments that ask for nothing.
fn check(args: &LintTrailArgs) -> Result<(), config::Error> {
    let asks = args.online || !args.from_aws.is_empty();
    let problem = match () {
        () if !asks && args.paths.is_empty() => {
            "name what to look at: a PATH or s3://BUCKET that has a trail's files, --from-aws FILE with AWS's answers \
             about trails, or --online"
        }
        () if !asks && !args.trails.is_empty() => {
            "--trail needs --from-aws or --online: events do not say which trail recorded them"
        }
        () if args
            .from_aws
            .iter()
            .chain(&args.paths)
            .filter(|path| path.as_os_str() == "-")
            .count()
            > 1 =>
        {
            "standard input can be read once: `-` is named twice"
        }
        () => return Ok(()),
    };
    Err(config::Error::of(problem.to_owned()))
}

/// The trails that AWS told of; `None` if it was not asked. Whether something is missing, which is logged.
///
/// # Errors
/// Those of [`run`].
async fn known(
    args: &LintTrailArgs,
    config: &Config,
) -> anyhow::Result<(Option<Vec<Trail>>, bool)> {
    let is_wanted = |trail: &Trail| {
        args.trails.is_empty() || args.trails.iter().any(|named| trail.is_called(named))
    };
    if !args.online && args.from_aws.is_empty() {
        return Ok((None, false));
    }
    let of_files = answers::trails(&args.from_aws)?;
    let mut trails: BTreeMap<_, _> = of_files
        .into_iter()
        .map(|trail| (trail.id.clone(), trail))
        .collect();
    let mut failed = false;
    if args.online {
        let learnt = online::ask(&args.regions, config, is_wanted).await?;
        for error in &learnt.errors {
            tracing::error!("{error}");
            failed = true;
        }
        // What AWS says now is newer.
        trails.extend(
            learnt
                .trails
                .into_iter()
                .map(|trail| (trail.id.clone(), trail)),
        );
    }
    let (wanted, others): (Vec<_>, Vec<_>) = trails.into_values().partition(is_wanted);
    let is_missing = |named: &&String| !wanted.iter().any(|trail| trail.is_called(named));
    if let Some(missing) = args.trails.iter().find(is_missing) {
        let names: Vec<_> = wanted.iter().chain(&others).map(Trail::name).collect();
        let seen = match args.online {
            // Others were not asked for.
            true => "a trail of one region is seen only from that --region".to_owned(),
            false => format!("there are: {}", printable(&names.join(", "))),
        };
        let problem = format!("there is no trail {missing:?}: {seen}");
        return Err(config::Error::of(problem).into());
    }
    Ok((Some(wanted), failed))
}
