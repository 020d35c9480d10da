//! Any records of a container are broken: each costs itself, and the container's brackets are nothing.

use super::{event, words};

/// What stands before the records of one container, and behind them.
const AROUND: [(&str, &str); 7] = [
    ("[", "]"),
    ("[\n", "\n]\n"),
    ("{\"Records\":[", "]}"),
    ("{\"Records\":[\n", "\n]}\n"),
    ("{\"Records\":[", "],\"NextToken\":\"x\"}"),
    (
        "{\"a\":1,\n\"Records\":[\n",
        "\n],\n\"NextToken\":\"x\"\n}\n",
    ),
    ("{\"a\":1,\"Records\":[", "]\n}\n{\"Records\":[]}"),
];
/// What stands between two of them.
const BETWEEN: [&str; 5] = [",", ",\n", "\n,\n", "\n, ", ",\r\n"];
const MOST: usize = 5;

#[test]
fn whichever_records_of_a_container_are_broken_each_costs_itself_alone() {
    let breaks: [fn(String) -> String; 3] = [
        |record| record.replacen(',', " ", 1),
        |record| record.replacen(':', "", 1),
        |record| record.replacen(r#":""#, r#":no "x":""#, 1),
    ];
    for broken in breaks {
        for count in 1..=MOST {
            for which in 0..1_u32 << count {
                let is_broken = |index: usize| which >> index & 1 == 1;
                let records: Vec<_> = (0..count)
                    .map(|index| match event(&format!("E{index}")) {
                        record if is_broken(index) => broken(record),
                        record => record,
                    })
                    .collect();
                let expected: Vec<_> = (0..count)
                    .map(|index| match is_broken(index) {
                        true => "not_json".to_owned(),
                        false => format!("+E{index}"),
                    })
                    .collect();
                for (before, behind) in AROUND {
                    for between in BETWEEN {
                        let unit = format!("{before}{}{behind}", records.join(between));
                        assert_eq!(words(&unit), expected, "{unit}");
                    }
                }
            }
        }
    }
}
