//! Any records of a container are broken: each costs itself, and the container's brackets are nothing.

use super::{Limits, Pieces, event, read_with, word, words};

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

#[test]
fn a_value_longer_than_the_window_is_read_alike_however_it_arrives() {
    let limits = Limits {
        event_bytes: 300,
        ..Limits::default()
    };
    let b = event("B");
    let texts = r#""","#.repeat(700);
    // Of the first bytes that stay in the window, each is once a quote.
    let broken = |key: &str, end: &str| {
        let record = format!(r#"{{"eventVersion":"1","{key}":[{texts}"\q"{end}"#);
        format!(r#"{{"Records":[{record},{b},{b}]}}"#)
    };
    let line = format!(r#"{{"eventVersion":"1","x":"{}"}}"#, "y".repeat(2_000));
    let units = [
        broken("x", "}"),
        broken("xy", "}"),
        broken("xyz", "}"),
        broken("xyz", "]]}"),
        // Behind a long line, a text that would be wrong behind an object.
        format!("{line}\n\"text\"\n{b}\n"),
    ];
    for unit in units {
        let whole = read_with(unit.as_bytes(), &limits);
        for piece in [1, 7, 61] {
            let pieces = read_with(Pieces(unit.as_bytes(), piece), &limits);
            assert_eq!(pieces, whole, "in pieces of {piece}: {unit}");
        }
        let last = whole.0.last().map(word);
        assert_eq!(last.as_deref(), Some("+B"), "{unit}");
    }
}
