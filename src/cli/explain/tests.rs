use super::*;

fn explained(input: &str, which: Which) -> anyhow::Result<String> {
    let options = Explain {
        which,
        ..Explain::default()
    };
    let mut out = Vec::new();
    explain(input.as_bytes(), None, &options, &mut out)?;
    Ok(String::from_utf8(out)?)
}

const MESSAGE: &str = include_str!("../../../tests/fixtures/send-message.json");
const CALL: &str = include_str!("../../../tests/fixtures/on-behalf-of-list-buckets.json");
const AGENTS: &str = include_str!("../../../tests/fixtures/agents.json");
const OTHER: &str = r#"{"eventVersion":"1.08","eventTime":"2024-04-10T14:07:55Z","eventSource":"s3.amazonaws.com","eventName":"GetObject"}"#;

fn trail() -> String {
    format!(
        r#"{{"Records":[{OTHER},{MESSAGE},{{"eventVersion":"1.08","eventTime":"today","eventSource":"q.amazonaws.com"}},{CALL}]}}"#
    )
}

#[test]
fn the_table_says_what_and_why() {
    insta::assert_snapshot!(explained(MESSAGE, Which::First).unwrap());
}

#[test]
fn the_first_selected_record_is_the_default() {
    let text = explained(&trail(), Which::First).unwrap();
    assert!(text.starts_with("record 1,"), "{text}");
    assert_eq!(text.matches("at byte").count(), 1);
}

#[test]
fn all_selected_records_and_what_is_refused_among_them() {
    let text = explained(&trail(), Which::All).unwrap();
    let headings: Vec<_> = text
        .lines()
        .filter(|line| line.starts_with("record"))
        .collect();
    assert_eq!(headings.len(), 3, "{text}");
    assert!(text.contains("a dead letter: eventTime is no RFC 3339 time"));
    assert!(text.contains("from the invoking service"));
    assert!(text.contains("yes: q.amazonaws.com"));
}

#[test]
fn a_record_by_its_number_is_explained_whatever_it_is() {
    let other = explained(&trail(), Which::Index(0)).unwrap();
    assert!(
        other.contains("ignored unless `select` is `all`"),
        "{other}"
    );
    assert!(other.contains("s3.GetObject"));
    let refused = explained(&trail(), Which::Index(2)).unwrap();
    assert!(refused.contains("a dead letter"), "{refused}");
}

#[test]
fn an_agents_event_is_explained_with_how_sure_that_is() {
    let of = |select, which| {
        let options = Explain {
            which,
            select,
            ..Explain::default()
        };
        let mut out = Vec::new();
        explain(AGENTS.as_bytes(), None, &options, &mut out).unwrap();
        String::from_utf8(out).unwrap()
    };
    for (index, parts) in [
        (
            2,
            &[
                "Kiro CLI  ",
                "declared by the client, which can forge it",
                "as S3 recorded it",
            ][..],
        ),
        (
            8,
            &[
                "another agent's event: ignored unless `select` is `agents` or `all`",
                "claude-code  ",
                "AWS recorded whose event it is; the client declares its name",
                "from event source, and name or method",
            ],
        ),
        (
            9,
            &[
                "no name recorded",
                "AWS recorded the agent as the caller",
                "from the invoking service",
            ],
        ),
        (4, &["not an Amazon Q event: ignored unless"]),
    ] {
        let text = of(Select::AmazonQ, Which::Index(index));
        for part in parts {
            assert!(text.contains(part), "{part}: {text}");
        }
    }
    let text = of(Select::Agents, Which::Index(4));
    assert!(
        text.contains("no agent's event: ignored unless `select` is `all`"),
        "{text}"
    );
    let headings = |select| of(select, Which::All).matches("at byte").count();
    assert_eq!(headings(Select::AmazonQ), 4);
    assert_eq!(headings(Select::Agents), 18);
}

#[test]
fn no_such_record_is_an_error_that_says_what_to_do() {
    for (input, which, message) in [
        (
            trail(),
            Which::Index(9),
            "no record 9: the input has 4 records, counted from 0",
        ),
        (OTHER.to_owned(), Which::First, "--select all"),
        (String::new(), Which::All, "no CloudTrail records"),
    ] {
        let error = explained(&input, which).unwrap_err().to_string();
        assert!(error.contains(message), "{error}");
    }
}

#[test]
fn a_record_cannot_control_the_terminal() {
    let input = MESSAGE
        .replace("CONSOLE", r"\u001b[2J\u202e\n")
        .replace("SendMessage", r"Send\u0007");
    let text = explained(&input, Which::First).unwrap();
    assert!(!text.contains(['\u{1b}', '\u{7}', '\u{202e}']));
    assert!(text.contains(r"\u{1b}[2J\u{202e}\n"), "{text}");
}

#[test]
fn a_reader_that_went_away_is_no_error() {
    struct Gone;
    impl Write for Gone {
        fn write(&mut self, _: &[u8]) -> io::Result<usize> {
            Err(io::ErrorKind::BrokenPipe.into())
        }
        fn flush(&mut self) -> io::Result<()> {
            Ok(())
        }
    }
    assert!(explain(MESSAGE.as_bytes(), None, &Explain::default(), Gone).is_ok());
}
