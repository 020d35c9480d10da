//! The words of a report, for every format for people.

use super::basis::Basis;
use super::people::{Counts, Group, Person};
use super::relations::Relation;
use super::text::rfc3339;
use crate::cli::count;
use crate::view::words::OWN;

/// The credentials with which agents acted: `PowerUser in 111122223333, without MFA`.
pub(crate) fn credentials(person: &Person) -> Option<String> {
    let join = |texts: &mut dyn Iterator<Item = &str>| texts.collect::<Vec<_>>().join(", ");
    let kinds = match person.roles.is_empty() {
        false => join(&mut person.roles.iter().map(String::as_str)),
        true => join(&mut person.types.iter().map(|kind| type_name(kind))),
    };
    let accounts = join(&mut person.accounts.iter().map(String::as_str));
    let mfa = match (person.mfa.contains(&true), person.mfa.contains(&false)) {
        (true, false) => ", with MFA",
        (false, true) => ", without MFA",
        (true, true) => ", with and without MFA",
        (false, false) => "",
    };
    let place = match (kinds.as_str(), accounts.as_str()) {
        ("", "") => return None,
        ("", accounts) => format!("account {accounts}"),
        (kinds, "") => kinds.to_owned(),
        (kinds, accounts) => format!("{kinds} in {accounts}"),
    };
    Some(place + mfa)
}

/// A type of credentials in words.
fn type_name(kind: &str) -> &str {
    match kind {
        "IAMUser" => "IAM user",
        "IdentityCenterUser" => "Identity Center user",
        "AssumedRole" | "Role" => "role",
        "FederatedUser" => "federated user",
        "AWSService" => "AWS service",
        other => other,
    }
}

/// `5 calls, 1 DENIED`.
pub(crate) fn counts(counts: &Counts) -> String {
    let parts = [
        Some(count(counts.calls, "call")).filter(|_| counts.calls > 0),
        Some(count(counts.messages, "message"))
            .filter(|_| counts.calls == 0 && counts.messages > 0),
        Some(count(counts.events, "event")).filter(|_| counts.calls + counts.messages == 0),
        (counts.changed > 0).then(|| format!("{} changed something", counts.changed)),
        (counts.denied > 0).then(|| format!("{} DENIED", counts.denied)),
    ];
    parts.into_iter().flatten().collect::<Vec<_>>().join(", ")
}

/// The sums of a report.
pub(crate) fn totals(total: &Counts) -> Vec<String> {
    let errors = count(total.errors, "error");
    [
        count(total.messages, "message"),
        count(total.calls, "call"),
        format!("{} changed something", total.changed),
        format!("{} denied", total.denied),
        errors,
    ]
    .into()
}

/// What a group of events is: its agents, and what they called through.
pub(crate) fn group(group: &Group) -> Vec<String> {
    let agents = group.agents.iter().cloned().collect::<Vec<_>>().join(", ");
    let services = group.through.iter().filter(|through| **through != OWN);
    let services = services.cloned().collect::<Vec<_>>().join(", ");
    let mut parts = match services.as_str() {
        "" => vec![agents],
        services => vec![
            format!("{agents} through {services}")
                .trim_start()
                .to_owned(),
        ],
    };
    if group.through.contains(OWN) {
        let own = "with the person's own credentials".to_owned();
        match services.as_str() {
            "" => parts[0] = format!("{} {own}", parts[0]).trim_start().to_owned(),
            _ => parts.push(format!("* {own}")),
        }
        if group.is_declared {
            parts.push("as the client declares".to_owned());
        }
    }
    parts.retain(|part| !part.is_empty());
    parts
}

/// How sure it is to what an event belongs. Nothing for what the record itself says.
pub(crate) fn relation(relation: Relation) -> String {
    match relation {
        Relation::None | Relation::Record => String::new(),
        Relation::RequestId(_) => "exact (request id)".to_owned(),
        Relation::Nearest { nanoseconds, .. } => format!("inferred, {} s", seconds(nanoseconds)),
    }
}

/// Seconds, with a fraction only if there is one.
pub(crate) fn seconds(nanoseconds: i64) -> f64 {
    nanoseconds.unsigned_abs() as f64 / 1e9
}

/// What the report rests on, a sentence each.
pub(crate) fn basis(basis: &Basis) -> Vec<String> {
    let mut parts = vec![
        match basis.all {
            true => count(basis.events, "event"),
            false => format!("{} of agents", count(basis.events, "event")),
        },
        format!("{} not selected", count(basis.others, "other")),
    ];
    let optional = [
        (basis.repeats, count(basis.repeats, "repeat")),
        (
            basis.dead_letters.count,
            format!(
                "{} that cannot be read",
                count(basis.dead_letters.count, "record")
            ),
        ),
        (
            basis.outside,
            format!(
                "{} outside the times asked for",
                count(basis.outside, "event")
            ),
        ),
    ];
    parts.extend(
        optional
            .into_iter()
            .filter(|(n, _)| *n > 0)
            .map(|(_, text)| text),
    );
    let mut sentences = vec![format!(
        "From {}, {}: {}.",
        count(basis.files, "file"),
        count(basis.records, "record"),
        parts.join(", ")
    )];
    if basis.skipped > 0 {
        let what = "skipped: no CloudTrail events, such as in a digest file";
        sentences.push(format!("{} {what}.", basis.skipped));
    }
    if !basis.filters.is_empty() {
        sentences.push(format!("Shown: {}.", basis.filters.join(", ")));
    }
    if let Some(end) = basis.end {
        sentences.push(format!(
            "{} from {} on are missing, because they do not fit into limits.memory: use --from and --to, or raise it with QTRAIL_LIMITS_MEMORY.",
            count(basis.left_out, "event"),
            rfc3339(end)
        ));
    }
    if basis.failed {
        sentences.push("Some files could not be read: see standard error.".to_owned());
    }
    sentences
}
