use serde_json::{Value as Json, json};

use super::*;

fn explained(input: &str, which: Which) -> anyhow::Result<String> {
    let options = Explain {
        which,
        ..Explain::default()
    };
    printed(input, &options)
}

fn printed(input: &str, options: &Explain) -> anyhow::Result<String> {
    let mut explainer = Explainer::new(options, Vec::new());
    explainer.all(input.as_bytes(), None)??;
    anyhow::ensure!(explainer.explained > 0, explainer.no_match());
    Ok(String::from_utf8(explainer.out)?)
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
    assert!(text.contains("invoking service q.amazonaws.com"));
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
        printed(AGENTS, &options).unwrap()
    };
    let words = |text: &str| text.split_whitespace().collect::<Vec<_>>().join(" ");
    for (index, parts) in [
        (
            2,
            &[
                "Kiro CLI ",
                "declared by the client, which can forge it",
                "additionalEventData.endTime, as S3 recorded it",
            ][..],
        ),
        (
            8,
            &[
                "another agent's event: ignored unless `select` is `agents` or `all`",
                "claude-code ",
                "AWS recorded whose event it is; the client declares its name",
                "and eventName or method",
            ],
        ),
        (
            9,
            &[
                "no name recorded",
                "AWS recorded the agent as the caller",
                "invoking service aws-mcp.amazonaws.com",
            ],
        ),
        (4, &["not an Amazon Q event: ignored unless"]),
    ] {
        let text = words(&of(Select::AmazonQ, Which::Index(index)));
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
fn each_line_fits_a_terminal_and_wide_shows_all_of_a_value() {
    let long = format!("finance {}", "x".repeat(500));
    let input = MESSAGE.replace("CONSOLE", &long);
    let text = explained(&input, Which::First).unwrap();
    for line in text.lines() {
        assert!(crate::cli::report::text::width(line) <= 80, "{line}");
    }
    assert!(text.contains("more characters (--wide)"), "{text}");
    let options = Explain {
        wide: true,
        ..Explain::default()
    };
    assert!(printed(&input, &options).unwrap().contains(&long));
}

#[test]
fn the_rule_that_applied_is_named_and_no_other() {
    let text = explained(MESSAGE, Which::First).unwrap();
    assert!(!text.contains(", else"), "{text}");
    let words: Vec<_> = text.split_whitespace().collect();
    let words = words.join(" ");
    for part in [
        "gen_ai.conversation.id a298ec0d-0a49-4d2e-92bd-7d6e629b4619 from requestParameters.conversationId",
        "qtrail.outcome success from neither errorCode nor errorMessage",
        "enduser.id aws-user from the last part of userIdentity.arn",
        "trace a298ec0d0a494d2e92bd7d6e629b4619 the conversation's id",
    ] {
        assert!(words.contains(part), "{part}: {text}");
    }
}

#[test]
fn json_has_an_object_for_each_record() {
    let options = Explain {
        which: Which::All,
        format: TextFormat::Json,
        ..Explain::default()
    };
    let text = printed(&trail(), &options).unwrap();
    let objects: Vec<Json> = text
        .lines()
        .map(|line| serde_json::from_str(line).unwrap())
        .collect();
    let [message, refused, call] = &*objects else {
        panic!("{text}")
    };
    assert_eq!(
        (&message["index"], &message["class"]),
        (&json!(1), &json!("conversation"))
    );
    assert_eq!(
        message["rule"],
        "eventSource q.amazonaws.com, eventName SendMessage"
    );
    assert_eq!(refused["dead_letter"]["reason"], "bad_time");
    assert_eq!(call["class"], "on_behalf_of");
    let attribute = |name: &str| {
        let attributes = message["attributes"].as_array().unwrap();
        attributes.iter().find(|one| one["name"] == name).unwrap()
    };
    assert_eq!(attribute("aws.event.read_only")["value"], false);
    assert_eq!(attribute("user.roles")["value"], json!(["PowerUser"]));
    let id = attribute("gen_ai.conversation.id");
    assert_eq!(id["source"], "requestParameters.conversationId");
    assert!(id["rule"].as_str().unwrap().contains("else"), "{id}");
    assert_eq!(message["ids"]["trace"]["rule"], "the conversation's id");
    assert_eq!(message["answers"]["by_a_service"]["value"], "no");
    let start = r#"{"file":null,"index":1,"offset":"#;
    assert!(text.starts_with(start), "{text}");
}

#[test]
fn a_directory_is_read_and_each_record_says_its_file() {
    let folder = tempfile::tempdir().unwrap();
    std::fs::create_dir(folder.path().join("a")).unwrap();
    std::fs::write(folder.path().join("a/1.json"), OTHER).unwrap();
    std::fs::write(folder.path().join("b.json"), MESSAGE).unwrap();
    let options = Explain::default();
    let mut explainer = Explainer::new(&options, Vec::new());
    let paths = [folder.path().to_owned()];
    let never = CancellationToken::new();
    assert_eq!(explainer.files(&paths, &never).unwrap(), Exit::Done);
    let text = String::from_utf8(explainer.out).unwrap();
    let file = folder.path().join("b.json");
    // A long path is wrapped.
    let whole = text.replace('\n', "");
    assert!(whole.contains(&format!("in {}", file.display())), "{text}");
    let options = Explain {
        which: Which::Index(0),
        ..Explain::default()
    };
    let error = Explainer::new(&options, Vec::new()).files(&paths, &never);
    let error = error.unwrap_err().to_string();
    assert!(error.contains("name that file alone"), "{error}");
}
