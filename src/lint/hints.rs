//! What a trail may not show, by what was read of it.
//!
//! That something was not read proves little: it may not have happened. Only one thing is sure: that EventBridge delivered every event.

use std::collections::BTreeSet;

use super::finding::{Finding, Kind, Level};
use super::mend;
use super::seen::Seen;
use super::trail::{Settings, Trail};
use super::wanted::{profile_regions, wanted};

/// What may be missing. What AWS said about `trails` is not guessed again.
pub(crate) fn hints(seen: &Seen, trails: &[Trail], other_agents: bool) -> Vec<Finding> {
    if seen.events == 0 {
        return Vec::new();
    }
    if seen.by_event_bridge == seen.events {
        return vec![event_bridge(seen)];
    }
    let mut found = Vec::new();
    if seen.of_agents == 0 {
        let message = "No event of Amazon Q or another agent was read: nobody used one, or this is the trail of \
                       another account or region";
        found.push((Kind::NoAmazonQEvents, message.to_owned()));
    }
    if !trails.iter().any(|trail| trail.selectors.is_some()) {
        found.extend(of_selection(seen, other_agents));
    }
    if !trails.iter().any(|trail| trail.settings.is_some()) {
        found.extend(of_settings(seen));
    }
    let command = ask(seen);
    let hint = |(kind, message): (Kind, String)| {
        Finding::new(kind, Level::Hint, message).mended_by(vec![command.clone()])
    };
    found.into_iter().map(hint).collect()
}

/// Asks AWS what was guessed.
fn ask(seen: &Seen) -> String {
    match seen.trails.first() {
        // The account of a digest may be another one than the trail's: without it, the caller's counts.
        Some((name, home)) => mend::ask(&Trail {
            id: name.clone(),
            settings: Some(Settings {
                home_region: Some(home.clone()),
                ..Settings::default()
            }),
            ..Trail::default()
        }),
        None => {
            let region = mend::in_region(seen.regions.first().map(String::as_str));
            format!(
                "aws cloudtrail describe-trails{region} --output json | qtrail lint-trail --from-aws -"
            )
        }
    }
}

fn event_bridge(seen: &Seen) -> Finding {
    let mut message = "Every event came through EventBridge. Lost: tool calls of the AWS MCP Server, and calls that \
                       read, unless the rule's state is ENABLED_WITH_ALL_CLOUDTRAIL_MANAGEMENT_EVENTS"
        .to_owned();
    if seen.data_events == 0 {
        message += ". No data event came either: what people ask Amazon Q and Kiro in IDEs and command lines";
    }
    message += ". Read the bucket of the trail instead (docs/s3.md): this names it";
    Finding::new(Kind::EventbridgeOnly, Level::Finding, message).mended_by(vec![ask(seen)])
}

fn of_selection(seen: &Seen, other_agents: bool) -> Vec<(Kind, String)> {
    let mut found = Vec::new();
    match (seen.management_events, seen.reads, seen.writes) {
        (0, _, _) => found.push((
            Kind::NoManagementEvents,
            "No management event was read: if the trail does not select them, the calls that agents made are lost".to_owned(),
        )),
        (_, false, true) => found.push((
            Kind::NoReadEvents,
            "No management event that reads was read: the trail may select only those that write".to_owned(),
        )),
        (_, true, false) => found.push((
            Kind::NoWriteEvents,
            "No management event that writes was read: the trail may select only those that read".to_owned(),
        )),
        _ => {}
    }
    for wanted in wanted(other_agents) {
        // Events of `q.amazonaws.com` do not tell whether an integration made them.
        let is_told = wanted.kind != Kind::NoIntegrationDataEvents;
        if is_told && !seen.sources.contains(wanted.source) {
            let message = format!(
                "No data event of {} was read. If the trail does not select {}, this is lost: {}",
                wanted.source,
                wanted.types.join(" and "),
                wanted.lost
            );
            found.push((wanted.kind, message));
        }
    }
    found
}

fn of_settings(seen: &Seen) -> Vec<(Kind, String)> {
    let mut found = Vec::new();
    let only = seen.regions.first().filter(|_| seen.regions.len() == 1);
    if let Some(region) = only.filter(|_| !seen.is_part) {
        let partition = match region {
            region if region.starts_with("us-gov-") => "aws-us-gov",
            region if region.starts_with("cn-") => "aws-cn",
            _ => "aws",
        };
        let others: BTreeSet<_> = profile_regions(partition)
            .iter()
            .filter(|r| *r != region)
            .collect();
        let mut message = format!("Only {region} was read: the trail may be of one region");
        if !others.is_empty() {
            let others: Vec<_> = others.into_iter().copied().collect();
            message += &format!(
                ". Profiles of Amazon Q and Kiro may be in {}",
                others.join(" or ")
            );
        }
        found.push((Kind::NotMultiRegion, message));
    }
    if seen.management_events > 0 && !seen.has_global {
        let message =
            "No event of IAM, STS or another global service was read: the trail may leave them out";
        found.push((Kind::NoGlobalServiceEvents, message.to_owned()));
    }
    if seen.has_accounts && seen.digests == 0 {
        let message = "There are log files and no digests: log file validation may be off, or digests were not \
                       copied. Without them, `qtrail verify` proves nothing";
        found.push((Kind::NoLogFileValidation, message.to_owned()));
    }
    found
}
