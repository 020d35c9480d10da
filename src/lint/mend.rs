//! The commands that mend a trail.
//!
//! What must hold: a shell reads each text of a trail as that text; a command that replaces something has all that
//! was there before.

use std::path::Path;

use super::selectors::Selector;
use super::trail::Trail;
use crate::telemetry::printable::quoted;

/// A text as a word of a command line.
pub(super) fn word(text: &str) -> String {
    quoted(Path::new(text))
}

/// ` --region REGION`, if it is known.
pub(super) fn in_region(region: Option<&str>) -> String {
    region.map_or_else(String::new, |region| format!(" --region {}", word(region)))
}

/// Replaces what a trail selects.
pub(super) fn select(trail: &Trail, selectors: &[Selector]) -> String {
    // Lists of texts and maps of JSON values are always JSON.
    let json = serde_json::to_string(selectors).unwrap_or_default();
    format!(
        "aws cloudtrail put-event-selectors --trail-name {}{} --advanced-event-selectors {}",
        word(&trail.id),
        in_region(trail.home()),
        word(&json)
    )
}

/// Changes settings of a trail.
pub(super) fn update(trail: &Trail, flags: &[&str]) -> String {
    let (name, region) = (word(&trail.id), in_region(trail.home()));
    format!(
        "aws cloudtrail update-trail --name {name}{region} {}",
        flags.join(" ")
    )
}

/// Starts a trail.
pub(super) fn start(trail: &Trail) -> String {
    let (name, region) = (word(&trail.id), in_region(trail.home()));
    format!("aws cloudtrail start-logging --name {name}{region}")
}

/// Asks AWS about a trail, and passes all of it on. A status names no trail: it comes last.
pub(super) fn ask(trail: &Trail) -> String {
    let (name, region) = (word(&trail.id), in_region(trail.home()));
    let asked = [
        ("get-trail", "--name"),
        ("get-event-selectors", "--trail-name"),
        ("get-trail-status", "--name"),
    ];
    let asked = asked
        .map(|(what, flag)| format!("aws cloudtrail {what} {flag} {name}{region} --output json"));
    format!("({}) | qtrail lint-trail --from-aws -", asked.join("; "))
}
