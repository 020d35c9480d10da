//! Where the trails of an account record, and whether that can be proven.

use std::collections::BTreeSet;

use super::finding::{Finding, Kind, Level};
use super::mend;
use super::trail::{Settings, Trail};
use super::wanted::profile_regions;

/// What the settings of an account's trails say.
pub(super) fn findings(trails: &[&Trail]) -> Vec<Finding> {
    let is_narrow = all_are_off(trails, |settings| settings.is_multi_region_trail);
    let mut found = Vec::new();
    if is_narrow {
        found.extend(one_region(trails));
    }
    if all_are_off(trails, |settings| settings.include_global_service_events) {
        let message = "Events of global services are not recorded. Lost: changes of IAM, of CloudFront and Route 53, \
                       and calls to the global endpoint of STS, by which agents get their credentials";
        let finding = Finding::new(Kind::NoGlobalServiceEvents, Level::Finding, message);
        found.extend(
            trails
                .first()
                .map(|main| mended(finding, main, is_narrow, true)),
        );
    }
    for trail in trails {
        if is_off(trail, |settings| settings.log_file_validation_enabled) {
            let message = "Log file validation is off: there are no digests, so `qtrail verify` cannot prove that \
                           nothing is missing and nothing was changed";
            let finding = Finding::new(Kind::NoLogFileValidation, Level::Finding, message);
            found.push(mended(finding, trail, is_narrow, false));
        }
    }
    found
}

/// A setting, if it is known.
type Setting = fn(&Settings) -> Option<bool>;

fn is_off(trail: &Trail, setting: Setting) -> bool {
    trail.settings.as_ref().and_then(setting) == Some(false)
}

fn all_are_off(trails: &[&Trail], setting: Setting) -> bool {
    trails.iter().all(|trail| is_off(trail, setting))
}

/// An account without a trail of all regions.
fn one_region(trails: &[&Trail]) -> Option<Finding> {
    let main = trails.first()?;
    let recorded: BTreeSet<_> = trails.iter().filter_map(|trail| trail.home()).collect();
    let of_profiles = profile_regions(main.partition()).iter();
    let missing: Vec<_> = of_profiles
        .filter(|region| !recorded.contains(**region))
        .copied()
        .collect();
    let mut message = format!(
        "Only {} is recorded. Lost: what agents do in other regions",
        Vec::from_iter(recorded).join(", ")
    );
    if !missing.is_empty() {
        message += &format!(
            ", and what people ask Amazon Q and Kiro, if the profile is in {}",
            missing.join(" or ")
        );
    }
    let finding = Finding::new(Kind::NotMultiRegion, Level::Finding, message);
    Some(mended(finding, main, true, false))
}

/// The finding with one command for all settings of the trail: some depend on each other.
fn mended(finding: Finding, trail: &Trail, to_all_regions: bool, to_global: bool) -> Finding {
    let flags: [(bool, Setting, _); 3] = [
        (
            to_all_regions,
            |s| s.is_multi_region_trail,
            "--is-multi-region-trail",
        ),
        (
            to_all_regions || to_global,
            |s| s.include_global_service_events,
            "--include-global-service-events",
        ),
        (
            true,
            |s| s.log_file_validation_enabled,
            "--enable-log-file-validation",
        ),
    ];
    let wanted = flags
        .into_iter()
        .filter(|(is_wanted, setting, _)| *is_wanted && is_off(trail, *setting));
    let flags: Vec<_> = wanted.map(|(_, _, flag)| flag).collect();
    finding
        .of(&trail.id)
        .mended_by(vec![mend::update(trail, &flags)])
}
