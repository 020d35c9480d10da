//! What trails cannot show, by what AWS says about them.
//!
//! Several trails of one account are seen as one: what one of them does not select, another one may. Those that are
//! stopped, and those of one region beside one of all regions, select nothing for others.

use std::collections::BTreeSet;

use super::finding::{Finding, Kind, Level};
use super::mend;
use super::selectors::{Coverage, Selector, data, management, mended};
use super::trail::Trail;
use super::wanted::{Wanted, wanted};
use super::{settings, status};

/// What trails cannot show. `other_agents`: the events of other agents are wanted, too.
pub(crate) fn findings(trails: &[Trail], other_agents: bool) -> Vec<Finding> {
    let mut found: Vec<Finding> = Vec::new();
    if trails.is_empty() {
        let message = "There is no trail: AWS keeps the management events of 90 days in the Event history, and no data \
                       event. Make one; its bucket needs a policy that lets CloudTrail write";
        let command = "aws cloudtrail create-trail --name TRAIL --s3-bucket-name BUCKET --is-multi-region-trail \
                       --enable-log-file-validation";
        let finding = Finding::new(Kind::NoTrail, Level::Finding, message);
        return vec![finding.mended_by(vec![command.to_owned()])];
    }
    let accounts: BTreeSet<_> = trails.iter().map(Trail::account).collect();
    for account in accounts {
        let is_of = |trail: &&Trail| trail.account() == account || trail.is_organization();
        let of_account: Vec<_> = trails.iter().filter(is_of).collect();
        found.extend(
            Selected::of(&of_account)
                .map(|selected| selected.findings(other_agents))
                .unwrap_or_default(),
        );
        found.extend(settings::findings(&of_account));
        found.extend(duplicates(&of_account));
    }
    for trail in trails {
        found.extend(status::findings(trail));
        found.extend(not_known(trail));
    }
    found.sort_by(|a, b| (&a.trail, a.kind, &a.message).cmp(&(&b.trail, b.kind, &b.message)));
    // One trail may be of several accounts.
    found.dedup();
    found
}

/// The trails of an account that select its events, and the one to mend.
struct Selected<'t> {
    main: &'t Trail,
    trails: Vec<&'t Trail>,
    /// Trails of one region, beside those of all regions.
    of_one_region: Vec<&'t Trail>,
}

impl<'t> Selected<'t> {
    /// `None`: of no trail the selectors are known.
    fn of(trails: &[&'t Trail]) -> Option<Selected<'t>> {
        let known = trails
            .iter()
            .copied()
            .filter(|trail| trail.selectors.is_some());
        let (stopped, mut working): (Vec<_>, Vec<_>) = known.partition(|trail| trail.is_stopped());
        if working.is_empty() {
            working = stopped;
        }
        let (of_one_region, everywhere): (Vec<_>, Vec<_>) = working
            .into_iter()
            .partition(|trail| trail.is_multi_region() == Some(false));
        let (trails, of_one_region) = match everywhere.is_empty() {
            true => (of_one_region, Vec::new()),
            false => (everywhere, of_one_region),
        };
        let main = trails
            .iter()
            .copied()
            .min_by_key(|trail| !trail.is_organization())?;
        Some(Selected {
            main,
            trails,
            of_one_region,
        })
    }

    fn selectors(&self) -> impl Iterator<Item = &'t Selector> {
        self.trails
            .iter()
            .flat_map(|trail| trail.selectors.iter().flatten())
    }

    fn findings(&self, other_agents: bool) -> Vec<Finding> {
        let management = management(self.selectors());
        let mut found = of_management(&management);
        let mut missing = Vec::new();
        for wanted in wanted(other_agents) {
            found.extend(self.of_data(wanted, &mut missing));
        }
        let own = self.main.selectors.as_deref().unwrap_or_default();
        let mended_with = |sources: &BTreeSet<String>| {
            let selectors = mended(own, !management.is_whole(), &missing, sources);
            vec![mend::select(self.main, &selectors)]
        };
        // One command for all, since it replaces all selectors.
        let command = mended_with(&BTreeSet::new());
        let mut found: Vec<_> = found
            .into_iter()
            .map(|finding| finding.mended_by(command.clone()))
            .collect();
        let excluded = management.excluded();
        if !excluded.is_empty() {
            let names = Vec::from_iter(excluded.iter().cloned()).join(", ");
            let message = format!(
                "Management events of {names} are excluded: calls of these services that an agent made are not there"
            );
            let finding = Finding::new(Kind::ExcludedEventSources, Level::Hint, message);
            found.push(finding.mended_by(mended_with(&excluded)));
        }
        found
            .into_iter()
            .map(|finding| finding.of(&self.main.id))
            .collect()
    }

    /// What is missing of some data events; adds the resource types to select.
    fn of_data(&self, wanted: &Wanted, missing: &mut Vec<&'static str>) -> Vec<Finding> {
        let (mut none, mut found) = (Vec::new(), Vec::new());
        for kind in wanted.types {
            let coverage = data(self.selectors(), kind);
            if coverage.is_whole() && coverage.excluded().is_empty() {
                continue;
            }
            missing.push(kind);
            match coverage.is_none() {
                true => none.push(*kind),
                false => {
                    let message = format!(
                        "{kind} is selected only in part ({}): the rest is lost",
                        part(&coverage)
                    );
                    found.push(Finding::new(
                        Kind::NarrowedDataEvents,
                        Level::Finding,
                        message,
                    ));
                }
            }
        }
        if !none.is_empty() {
            let mut message = format!(
                "{} is not selected. Lost: {}",
                none.join(" or "),
                wanted.lost
            );
            let selects = |trail: &&&Trail| {
                let mut kinds = none.iter();
                kinds.all(|kind| data(trail.selectors.iter().flatten(), kind).is_whole())
            };
            if let Some(other) = self.of_one_region.iter().find(selects) {
                let region = other.home().unwrap_or("its region");
                message += &format!(" ({} selects it only in {region})", other.name());
            }
            found.push(Finding::new(wanted.kind, Level::Finding, message));
        }
        found
    }
}

/// The part that is covered, in words.
fn part(coverage: &Coverage) -> String {
    let accesses = match (&coverage.reads, &coverage.writes) {
        (Some(_), None) => Some("calls that read".to_owned()),
        (None, Some(_)) => Some("calls that write".to_owned()),
        _ => None,
    };
    let excluded = coverage.excluded().into_iter();
    let excluded = excluded.map(|source| format!("without {source}"));
    let parts = accesses
        .into_iter()
        .chain(excluded)
        .chain(coverage.narrowed.iter().cloned());
    parts.collect::<Vec<_>>().join("; ")
}

fn of_management(coverage: &Coverage) -> Vec<Finding> {
    let (kind, message) = match (&coverage.reads, &coverage.writes) {
        (Some(_), Some(_)) => return Vec::new(),
        (None, None) if coverage.narrowed.is_empty() => (
            Kind::NoManagementEvents,
            "Management events are not selected. Lost: the calls that Amazon Q and other agents made, tool calls of \
             the AWS MCP Server, sign-ins and grants, chats in the console"
                .to_owned(),
        ),
        (None, None) => (
            Kind::NarrowedManagementEvents,
            format!("Management events are selected only in part ({}): the rest is lost", part(coverage)),
        ),
        (Some(_), None) => (
            Kind::NoWriteEvents,
            "Of management events, only those that read are selected. Lost: every change that an agent made, chats in \
             the console, sign-ins and grants"
                .to_owned(),
        ),
        (None, Some(_)) => (
            Kind::NoReadEvents,
            "Of management events, only those that write are selected. Lost: what an agent read, such as \
             s3:ListBuckets, and denied attempts to read"
                .to_owned(),
        ),
    };
    vec![Finding::new(kind, Level::Finding, message)]
}

/// Two trails that record the same management events.
fn duplicates(trails: &[&Trail]) -> Vec<Finding> {
    let records_all = |trail: &Trail| {
        let selectors = trail.selectors.as_ref();
        !trail.is_stopped() && selectors.is_some_and(|own| management(own.iter()).is_whole())
    };
    let all: Vec<_> = trails
        .iter()
        .copied()
        .filter(|trail| records_all(trail))
        .collect();
    let is_everywhere = |trail: &Trail| trail.is_multi_region() == Some(true);
    let mut found = Vec::new();
    for (index, one) in all.iter().enumerate() {
        let meets = |other: &&&Trail| {
            is_everywhere(one) || is_everywhere(other) || one.home() == other.home()
        };
        if let Some(other) = all[..index].iter().find(meets) {
            let message = format!(
                "{} and {} record the same management events. If qtrail reads both, it delivers each event once, as \
                 long as it remembers the ids (duplicates.*); AWS charges for the second copy",
                other.name(),
                one.name()
            );
            found.push(Finding::new(Kind::DuplicateTrails, Level::Hint, message).of(&one.id));
        }
    }
    found
}

/// What nobody said about a trail.
fn not_known(trail: &Trail) -> Option<Finding> {
    let parts = [
        (trail.settings.is_none(), "settings"),
        (trail.selectors.is_none(), "selectors"),
        (trail.status.is_none(), "status"),
    ];
    let unknown = parts.into_iter().filter(|(is_unknown, _)| *is_unknown);
    let unknown: Vec<_> = unknown.map(|(_, name)| name).collect();
    if unknown.is_empty() {
        return None;
    }
    let message = format!(
        "AWS's answers do not have its {}: nothing is said about that",
        unknown.join(" and ")
    );
    let finding = Finding::new(Kind::NotKnown, Level::Hint, message).of(&trail.id);
    Some(finding.mended_by(vec![mend::ask(trail)]))
}
