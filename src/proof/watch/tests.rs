//! What should be there by now.

use std::fs;

use super::looker::Looker;
use super::progress::Progress;
use super::*;
use crate::integrity::finding::{Finding, Kind};
use crate::integrity::layout;
use crate::integrity::reach::reach;

const HOUR: i64 = 3600;
const ACCOUNT: &str = "AWSLogs/111122223333";

fn looker(folder: &Path) -> Looker {
    let keys = folder.join("keys.json");
    let key = r#"{"PublicKeyList":[{"Value":"AA==","Fingerprint":"f"}]}"#;
    fs::write(&keys, key).unwrap();
    Looker {
        folder: Folder::new(&folder.join("copy")).unwrap(),
        keys: KeyFiles::open(vec![keys]).unwrap(),
        times: Times::open(folder, &STATE).unwrap(),
        overdue: 3 * HOUR,
        inflated_bytes: 1 << 20,
    }
}

fn add(folder: &Path, key: &str) {
    let path = folder.join("copy").join(key);
    fs::create_dir_all(path.parent().unwrap()).unwrap();
    fs::write(path, "").unwrap();
}

/// What is late at a time.
fn late(looker: &Looker, progress: &mut Progress, now: i64) -> Vec<Option<Finding>> {
    let regions = layout::regions(&looker.folder).unwrap().regions.into_iter();
    let reaches = regions.map(|region| reach(&looker.folder, region, now).unwrap());
    reaches
        .map(|reach| looker.late(&reach, progress, None, (now, false)))
        .collect()
}

#[test]
fn the_next_digest_of_a_region_is_late_after_a_time() {
    let folder = tempfile::tempdir().unwrap();
    add(
        folder.path(),
        &format!(
            "{ACCOUNT}/CloudTrail-Digest/eu-west-1/2026/11/01/111122223333_CloudTrail-Digest_eu-west-1_t_eu-central-1_20261101T100000Z.json.gz"
        ),
    );
    let looker = looker(folder.path());
    let end: jiff::Timestamp = "2026-11-01T10:00:00Z".parse().unwrap();
    let (mut progress, end) = (Progress::default(), end.as_second());
    assert_eq!(late(&looker, &mut progress, end + 3 * HOUR - 1), [None]);
    let [Some(finding)] = &late(&looker, &mut progress, end + 6 * HOUR)[..] else {
        panic!("nothing is late");
    };
    assert_eq!((finding.kind, finding.count), (Kind::MissingDigest, 4));
    let next = "111122223333_CloudTrail-Digest_eu-west-1_t_eu-central-1_20261101T110000Z.json.gz";
    assert!(finding.object.ends_with(next), "{}", finding.object);
    assert!(
        finding.message.contains("--name t --region eu-central-1"),
        "{}",
        finding.message
    );
}

#[test]
fn a_region_without_any_digest_is_a_finding_after_a_time() {
    let folder = tempfile::tempdir().unwrap();
    add(
        folder.path(),
        &format!("{ACCOUNT}/CloudTrail/eu-west-1/2026/11/01/a.json.gz"),
    );
    // It is no region.
    add(folder.path(), &format!("{ACCOUNT}/CloudTrail/a.json.gz"));
    let looker = looker(folder.path());
    let mut progress = Progress::default();
    for (now, count) in [(0, 0), (3 * HOUR - 1, 0), (3 * HOUR, 1)] {
        let late = late(&looker, &mut progress, now);
        let late: Vec<_> = late.into_iter().flatten().collect();
        assert_eq!(late.len(), count, "{now}");
        assert!(late.iter().all(|finding| finding.region == "eu-west-1"));
    }
}
