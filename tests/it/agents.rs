//! Which agents' events the program selects, in a file as it is and compressed.

use crate::support::program::{attribute, convert, gzip};

/// One record of each kind.
const TRAIL: &[u8] = include_bytes!("../fixtures/agents.json");

#[test]
fn each_selection_keeps_its_agents() {
    for (name, content) in [("a.json", TRAIL.to_vec()), ("a.json.gz", gzip(TRAIL))] {
        for (select, count) in [("amazon-q", 4), ("agents", 18), ("all", 23)] {
            let converted = convert(name, &content, &["--select", select]);
            let found = (converted.exit, converted.logs.len(), converted.spans.len());
            assert_eq!(found, (0, count, count), "{select}");
            if select == "agents" {
                let evidence = |log| attribute(log, "qtrail.agent.evidence").is_some();
                assert!(converted.logs.iter().all(evidence));
            }
        }
    }
}
