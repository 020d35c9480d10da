//! What was found, as one JSON object, in the shape that `docs/trail.md` documents.

use serde_json::{Value, json};

use super::Linted;
use crate::cli::args::LintTrailArgs;
use crate::cli::report::text::rfc3339;
use crate::lint::finding::{Finding, Level};
use crate::lint::trail::Trail;

/// The version of the shape: it changes when a field changes its meaning or goes away.
const FORMAT: u32 = 1;

/// The object, with a line for each finding.
pub(super) fn text(linted: &Linted<'_>, args: &LintTrailArgs) -> String {
    let paths = args.paths.iter().map(|path| path.to_string_lossy());
    let head = json!({"format": FORMAT, "paths": paths.collect::<Vec<_>>()}).to_string();
    let found = linted.found.iter();
    let found: Vec<_> = found.map(|one| finding(one).to_string()).collect();
    let rest = json!({
        "trails": linted.trails.iter().map(trail).collect::<Vec<_>>(),
        "read": read(linted),
        "complete": linted.is_complete(),
        "hints": linted.count(Level::Hint),
        "ok": linted.count(Level::Finding) == 0,
    });
    format!(
        "{},\n\"findings\":[\n{}],\n{}\n",
        head.trim_end_matches('}'),
        found.join(",\n"),
        rest.to_string().trim_start_matches('{')
    )
}

fn finding(finding: &Finding) -> Value {
    json!({
        "kind": finding.kind.name(),
        "level": finding.level.name(),
        "trail": finding.trail,
        "message": finding.message,
        "commands": finding.commands,
    })
}

fn trail(trail: &Trail) -> Value {
    let settings = trail.settings.as_ref();
    json!({
        "id": trail.id,
        "name": trail.name(),
        "account": trail.account(),
        "home_region": trail.home(),
        "bucket": settings.and_then(|settings| settings.s3_bucket_name.as_deref()),
        "multi_region": settings.and_then(|settings| settings.is_multi_region_trail),
        "organization": settings.and_then(|settings| settings.is_organization_trail),
        "logging": trail.status.as_ref().and_then(|status| status.is_logging),
    })
}

/// What was read; `null` if nothing was to be.
fn read(linted: &Linted<'_>) -> Option<Value> {
    let (seen, totals) = (linted.seen, linted.totals);
    (totals.files > 0).then(|| {
        json!({
            "files": totals.files,
            "events": seen.events,
            "by_event_bridge": seen.by_event_bridge,
            "unreadable": totals.counts.dead_lettered,
            "digests": seen.digests,
            "from": seen.range.map(|(first, _)| rfc3339(first)),
            "to": seen.range.map(|(_, last)| rfc3339(last)),
            "accounts": seen.accounts,
            "regions": seen.regions,
        })
    })
}
