//! The organization, by the path that its trail writes to.

use crate::support::program::{attribute, convert_path, event, gzip, log_file, qtrail};

const FOLDERS: &str = "AWSLogs/o-exampleorgid/123456789012/CloudTrail/us-east-1/2024/04/10";
const NAME: &str = "aws.organization.id";

#[test]
fn both_signals_the_flat_events_and_the_explanation_say_it() {
    let root = tempfile::tempdir().unwrap();
    let folder = root.path().join(FOLDERS);
    std::fs::create_dir_all(&folder).unwrap();
    let file = folder.join("a.json.gz");
    std::fs::write(&file, gzip(log_file(&[event("theirs")]))).unwrap();
    let own = root.path().join("AWSLogs/123456789012/CloudTrail/a.json");
    std::fs::create_dir_all(own.parent().unwrap()).unwrap();
    std::fs::write(own, log_file(&[event("own")])).unwrap();

    let converted = convert_path(root.path(), &[]);
    assert_eq!(converted.event_ids(), ["own", "theirs"]);
    for records in [&converted.logs, &converted.spans] {
        let mut said: Vec<_> = records.iter().map(|r| attribute(r, NAME)).collect();
        said.sort();
        assert_eq!(said, [None, Some("o-exampleorgid".to_owned())]);
    }
    for arguments in [&["convert", "--format", "events"][..], &["explain"]] {
        let output = qtrail().args(arguments).arg(&file).output().unwrap();
        let text = String::from_utf8(output.stdout).unwrap();
        let said = text.lines().find(|line| line.contains(NAME));
        assert!(
            said.unwrap_or_default().contains("o-exampleorgid"),
            "{arguments:?}: {text}"
        );
    }
}
