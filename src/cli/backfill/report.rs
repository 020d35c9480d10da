//! What a backfill logs and prints.

use std::fmt::Write as _;
use std::time::Duration;

use crate::cli::count;
use crate::cli::summary::Files;
use crate::config::Config;
use crate::input::backfill::backend_limits::{exceeded, shown as span};
use crate::input::backfill::days::shown;
use crate::input::backfill::{Listed, Tally};
use crate::telemetry::printable::printable;
use crate::view::numbers::bytes;

/// Days, or accounts and regions, that are listed one by one.
const ROWS: usize = 40;

/// Logs the files and folders that are left out, by reason.
pub(in crate::cli) fn left_out(listed: &Listed) {
    for (why, sum) in &listed.left_out.0 {
        let reason = why.description();
        let (sum, examples) = (sum.shown(), sum.examples.join(", "));
        match why.was_asked_for() {
            true => tracing::info!("left out: {sum} {reason}, such as {examples}"),
            false => tracing::warn!("left out: {sum} {reason}, such as {examples}"),
        }
    }
}

/// Warns about back ends whose limits this backfill exceeds: about each of `chosen` with its remedy, without a choice
/// about all of them in one line.
pub(super) fn old(listed: &Listed, config: &Config, chosen: &[String]) {
    let Some(oldest) = listed.oldest else {
        return;
    };
    let now = jiff::Timestamp::now().as_nanosecond();
    let age = u64::try_from(now - i128::from(oldest)).unwrap_or_default();
    let age = Duration::from_nanos(age);
    let (logs, traces) = (config.convert.logs, config.convert.traces);
    for warning in warnings(age, config.export.batch_spread, [logs, traces], chosen) {
        tracing::warn!("{warning}");
    }
}

fn warnings(
    age: Duration,
    spread: Option<Duration>,
    [logs, traces]: [bool; 2],
    chosen: &[String],
) -> Vec<String> {
    let limits: Vec<_> = exceeded(age, spread, logs, traces).collect();
    let oldest = span(age);
    if chosen.is_empty() {
        let mut names: Vec<_> = limits.iter().map(|limit| limit.name).collect();
        names.dedup();
        return match names.is_empty() {
            true => Vec::new(),
            false => vec![format!(
                "the oldest file is {oldest} old, beyond default limits of these back ends: {}; --backend NAME names \
                 yours and its remedy, --backend none if it is another (docs/backends.md)",
                names.join(", ")
            )],
        };
    }
    let of_chosen = limits.iter().filter(|limit| {
        let is_it = |name: &String| name.eq_ignore_ascii_case(limit.name);
        chosen.iter().any(is_it)
    });
    let warning = of_chosen.map(|limit| {
        format!(
            "the oldest file is {oldest} old. {}: beyond {}, {}; remedy: {}",
            limit.back_end,
            span(limit.limit),
            limit.what,
            limit.remedy
        )
    });
    warning.collect()
}

/// Logs what is left at the end.
pub(super) fn end(listed: &Listed, files: &Files, stopped: bool, again: bool) {
    let same = match again {
        true => "the same command without --again",
        false => "the same command",
    };
    if listed.stopped {
        tracing::error!(
            "interrupted while listing: nothing was delivered; run the same command again"
        );
    } else if stopped {
        tracing::error!(
            "interrupted after {} of {}; {same} resumes with the rest",
            files.files + files.skipped_done,
            count(listed.left.files + listed.done.files, "file")
        );
    } else if files.left > 0 {
        let left = count(files.left, "file");
        tracing::error!("not done: {left}; {same} tries the rest again");
    }
    if listed.unlisted > 0 {
        tracing::error!(
            "{} could not be listed: files in it were not read",
            count(listed.unlisted, "folder")
        );
    }
}

/// The report of a dry run.
pub(super) fn dry_run(listed: &Listed) -> String {
    let mut text = String::new();
    let mut line = |what: String| {
        // Writing to a String cannot fail.
        let _ = writeln!(text, "{what}");
    };
    line(format!("to read      {}", tally(&listed.left)));
    line(format!("done before  {}", tally(&listed.done)));
    if let (Some(oldest), Some(newest)) = (listed.oldest, listed.newest) {
        line(format!("oldest       {}", shown(oldest)));
        line(format!("newest       {}", shown(newest)));
    }
    if listed.unlisted > 0 {
        line(format!("not listed   {}", count(listed.unlisted, "folder")));
    }
    for (why, sum) in &listed.left_out.0 {
        let example = sum.examples.first().map_or("", String::as_str);
        let (sum, reason) = (sum.shown(), why.description());
        line(format!("left out     {sum} {reason}, such as {example}"));
    }
    if !listed.days.is_empty() {
        line("\nby day (UTC)".to_owned());
        for (day, sum) in listed.days.iter().take(ROWS) {
            line(format!("  {day}  {}", tally(sum)));
        }
        more(listed.days.len(), "days", &mut line);
        line("\nby account and region".to_owned());
        for ((account, region), sum) in listed.owners.iter().take(ROWS) {
            let known = |text: &str| match text {
                "" => "unknown".to_owned(),
                text => printable(text),
            };
            line(format!(
                "  {:12}  {:14}  {}",
                known(account),
                known(region),
                tally(sum)
            ));
        }
        more(listed.owners.len(), "accounts and regions", &mut line);
    }
    text
}

fn more(rows: usize, what: &str, line: &mut impl FnMut(String)) {
    if rows > ROWS {
        line(format!("  and {} more {what}", rows - ROWS));
    }
}

fn tally(tally: &Tally) -> String {
    format!("{}, {}", count(tally.files, "file"), bytes(tally.bytes))
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::input::backfill::left_out::{LeftOut, Sum, Why};

    #[test]
    fn a_dry_run_lists_sizes_times_days_and_owners() {
        let tally = |files, bytes| Tally { files, bytes };
        let listed = Listed {
            left: tally(3, 2_500),
            done: tally(1, 12),
            oldest: Some(1_712_758_200_000_000_000),
            newest: Some(1_712_758_260_000_000_000),
            days: [(jiff::civil::date(2024, 4, 10), tally(3, 2_500))].into(),
            owners: [(("1".repeat(12), "us-east-1".to_owned()), tally(3, 2_500))].into(),
            left_out: LeftOut(
                [(
                    Why::Time,
                    Sum {
                        files: 1,
                        folders: 2,
                        examples: vec!["s3://b/2025/".to_owned()],
                    },
                )]
                .into(),
            ),
            ..Listed::default()
        };
        assert_eq!(
            dry_run(&listed),
            "to read      3 files, 2.5 kB\n\
             done before  1 file, 12 bytes\n\
             oldest       2024-04-10T14:10:00Z\n\
             newest       2024-04-10T14:11:00Z\n\
             left out     1 file, 2 folders of another time than --from and --to name, such as s3://b/2025/\n\
             \n\
             by day (UTC)\n  2024-04-10  3 files, 2.5 kB\n\
             \n\
             by account and region\n  111111111111  us-east-1       3 files, 2.5 kB\n"
        );
    }

    #[test]
    fn back_ends_are_told_of_in_one_line_or_by_name() {
        let age = Duration::from_secs(3 * 24 * 3600 + 1);
        let of = |chosen: &[&str]| {
            let chosen: Vec<_> = chosen.iter().map(|&name| name.to_owned()).collect();
            warnings(age, None, [true, true], &chosen)
        };
        let [line] = &*of(&[]) else {
            panic!("{:?}", of(&[]))
        };
        assert!(
            line.contains("dynatrace, jaeger, loki, sumologic, tempo;"),
            "{line}"
        );
        let dynatrace = of(&["Dynatrace"]);
        assert_eq!(dynatrace.len(), 2, "{dynatrace:?}");
        assert!(
            dynatrace[1].contains("beyond 1 h, spans are refused"),
            "{dynatrace:?}"
        );
        assert_eq!(of(&["none"]), [""; 0]);
        assert_eq!(of(&["loki"]).len(), 1, "its other limit is 7 days");
        let young = warnings(Duration::from_secs(9), None, [true, true], &[]);
        assert_eq!(young, [""; 0]);
    }
}
