use super::events::Events;
use super::text::{COLUMNS, width};
use super::*;
use crate::view::event::tests::event;

const HOSTILE: [&str; 6] = [
    "<script>alert(1)</script>",
    "\" onmouseover=\"alert(1)\" x='",
    "=HYPERLINK(\"http://evil\")",
    "a\x1b]0;title\x07\x1b[2J",
    "txt.exe\u{202e}gpj.\u{2066}",
    "日本語の名前はとても長くて端末の幅を超えることがありますので折り返されます",
];

/// A message and what was done for it, with one text in every place that a record fills.
fn events(text: &str) -> Vec<Event> {
    let who = [
        ("user.name", text),
        ("enduser.id", text),
        ("aws.principal.id", text),
        ("user.roles", text),
        ("aws.user_identity.account_id", text),
        ("qtrail.outcome", "success"),
    ];
    let message = [
        ("log.record.uid", "m"),
        ("gen_ai.conversation.id", text),
        ("gen_ai.operation.name", "chat"),
        ("gen_ai.agent.name", text),
        ("qtrail.event.class", "conversation"),
    ];
    let call = [
        ("log.record.uid", "c"),
        ("qtrail.event.class", "on_behalf_of"),
        ("aws.cloudtrail.event_source", text),
        ("aws.cloudtrail.event_name", text),
        ("aws.user_identity.invoked_by", text),
        ("aws.event.read_only", "false"),
        ("qtrail.outcome", "denied"),
        ("aws.error.code", text),
        ("aws.error.message", text),
        ("source.address", text),
    ];
    vec![
        event(10, &[&who[..], &message].concat()),
        event(12, &[&who[..], &call].concat()),
    ]
}

fn basis(text: &str) -> Basis {
    let mut basis = Basis {
        paths: vec![text.to_owned()],
        filters: vec![format!("person {text}")],
        range: Some((0, 90_000_000_000_000)),
        ..Basis::default()
    };
    basis.dead_letters.count = 1;
    basis.dead_letters.examples.insert(basis::DeadLetter {
        file: text.to_owned(),
        record: 1,
        offset: 2,
        reason: "not_json",
        message: text.to_owned(),
    });
    basis
}

fn written(format: ReportFormat, events: &[Event], basis: &Basis) -> String {
    let events = Events::in_memory(events.to_vec());
    let people = people(&events, &Filter::default()).unwrap();
    let mut out = Vec::new();
    write(format, Paint(false), &people, basis, &mut out).unwrap();
    String::from_utf8(out).unwrap()
}

#[test]
fn no_line_of_the_table_is_longer_than_80_columns_or_controls_the_terminal() {
    let long = ["x".repeat(300), "word ".repeat(400), "日本".repeat(200)];
    for text in HOSTILE.into_iter().chain(long.iter().map(String::as_str)) {
        let table = written(ReportFormat::Table, &events(text), &basis(text));
        for line in table.lines() {
            assert!(width(line) <= COLUMNS, "{} columns: {line}", width(line));
            assert_eq!(line.trim_end(), line);
            assert_eq!(crate::telemetry::printable::printable(line), line);
        }
        assert!(table.contains("inferred, 2 s"), "{table}");
        assert!(table.contains("WRITE  DENIED"), "{table}");
    }
}

#[test]
fn no_text_of_a_record_is_markup() {
    let plain = written(ReportFormat::Html, &events("x"), &basis("x"));
    // The tags and attributes of the document itself.
    let tags = |html: &str| html.matches(['<', '>', '"', '\'']).collect::<String>();
    for text in HOSTILE {
        let html = written(ReportFormat::Html, &events(text), &basis(text));
        assert_eq!(tags(&html), tags(&plain), "{text}");
        assert!(
            !html.contains('\x1b') && !html.contains('\u{202e}'),
            "{text}"
        );
    }
}

#[test]
fn the_html_needs_nothing_else_and_its_policy_allows_nothing_else() {
    use base64::Engine as _;
    use sha2::Digest as _;
    let html = written(ReportFormat::Html, &events("x"), &basis("x"));
    let (_, rest) = html.split_once("<style>").unwrap();
    let (style, _) = rest.split_once("</style>").unwrap();
    let hash = base64::engine::general_purpose::STANDARD.encode(sha2::Sha256::digest(style));
    let policy = format!(
        "content=\"default-src 'none'; style-src 'sha256-{hash}'; base-uri 'none'; form-action 'none'\""
    );
    assert!(html.contains(&policy), "{html}");
    for asset in [
        "<script", "src=", "http:", "https:", "style=", "url(", "@import", "<link",
    ] {
        assert!(!html.contains(asset), "{asset}");
    }
    assert_eq!(
        html.matches("<main>").count() + html.matches("</main>").count(),
        2
    );
    assert_eq!(html.matches("<h1>").count(), 1);
}

#[test]
fn json_keeps_the_texts_as_they_are_and_csv_has_a_row_for_each_event() {
    for text in HOSTILE {
        let json = written(ReportFormat::Json, &events(text), &basis(text));
        let json: serde_json::Value = serde_json::from_str(&json).unwrap();
        assert_eq!(json["events"][1]["error_message"], text);
        assert_eq!(json["events"][1]["relation"], "nearest_message");
        assert_eq!(json["events"][1]["relation_seconds"], 2.0);
        assert_eq!(json["people"][0]["name"], text);
        assert_eq!(json["basis"]["dead_letters"]["first"][0]["file"], text);
        let csv = written(ReportFormat::Csv, &events(text), &basis(text));
        assert_eq!(csv.lines().count(), 3, "{csv}");
        for row in csv.lines() {
            for formula in ['=', '+', '@', '\t'] {
                assert!(!row.contains(&format!(",{formula}")), "{row}");
                assert!(!row.contains(&format!(",\"{formula}")), "{row}");
            }
        }
    }
}

#[test]
fn an_incomplete_report_says_so_in_every_format_for_people() {
    let mut basis = basis("x");
    basis.left_out = 3;
    basis.end = Some(60_000_000_000);
    for (format, expected) in [
        (ReportFormat::Table, "THE REPORT IS NOT COMPLETE"),
        (ReportFormat::Html, "This report is not complete"),
        (ReportFormat::Json, "\"complete\":false"),
    ] {
        let text = written(format, &events("x"), &basis);
        assert!(text.contains(expected), "{text}");
        assert!(text.contains("1970-01-01T00:01:00Z"), "{text}");
    }
}

#[test]
fn messages_in_a_row_are_one_line_and_a_call_among_them_is_not() {
    let message = |second| {
        let attributes = [
            ("gen_ai.conversation.id", "a"),
            ("gen_ai.operation.name", "chat"),
            ("qtrail.event.class", "conversation"),
            ("qtrail.outcome", "success"),
            ("enduser.id", "mary"),
        ];
        event(
            second,
            &[&attributes[..], &[("log.record.uid", &*second.to_string())]].concat(),
        )
    };
    let text = written(ReportFormat::Table, &[1, 2, 3, 4].map(message), &basis("x"));
    assert!(
        text.contains("\n    00:00:01  4 x message, to 00:00:04\n"),
        "{text}"
    );
    let text = written(ReportFormat::Table, &[1, 2].map(message), &basis("x"));
    assert!(
        text.contains("\n    00:00:01  message\n    00:00:02  message\n"),
        "{text}"
    );
}

#[test]
fn the_documentation_names_every_column() {
    let path = Path::new(env!("CARGO_MANIFEST_DIR")).join("docs/report.md");
    let page = std::fs::read_to_string(path).unwrap();
    let rows: Vec<_> = page
        .lines()
        .filter_map(|line| line.strip_prefix("| `")?.split_once("` | "))
        .map(|(name, _)| name)
        .collect();
    let from = rows.iter().position(|name| *name == columns::NAMES[0]);
    let from = from.expect("the table of columns");
    assert_eq!(rows[from..][..columns::NAMES.len()], columns::NAMES);
}
