use super::*;

fn event(text: &str) -> Event<'_> {
    Event::parse(text.as_bytes(), 64).expect("an event")
}

fn record(fields: &str) -> String {
    format!(r#"{{"eventTime":"2024-04-10T14:07:55Z",{fields}}}"#)
}

fn standard() -> Selector {
    Selector::new(Select::AmazonQ, &Lists::default())
}

fn selected<'a>(selector: &Selector, text: &'a str) -> Option<Event<'a>> {
    selector.select(text.as_bytes(), 64).expect("an event")
}

fn class_of(source: &str, name: &str) -> Class {
    event(&record(&format!(
        r#""eventSource":"{source}","eventName":"{name}""#
    )))
    .class()
}

#[test]
fn what_nothing_reads_hides_no_event_and_makes_none() {
    let select = |selector: &Selector, fields: &str| {
        let text = format!(r#"{{"eventTime":"2024-04-10T14:07:55Z",{fields}}}"#);
        let mut canonical = Vec::new();
        match selector.select_any(text.as_bytes(), &mut canonical, 64) {
            Ok(event) => Ok(event.map(|event| event.class())),
            Err(Reason::BadField { field, .. }) => Err(field),
            Err(reason) => panic!("{reason}"),
        }
    };
    let read = Ok(Some(Class::OnBehalfOf));
    for (fields, expected) in [
        (
            r#""userIdentity":"{type=Role, invokedby=q.amazonaws.com}""#,
            read,
        ),
        (
            r#""userIdentity":"{\"invokedBy\":\"q.amazonaws.com\"}""#,
            read,
        ),
        (r#""userIdentity":{"invokedby":"q.amazonaws.com"}"#, read),
        (r#""useridentity":{"invokedBy":"q.amazonaws.com"}"#, read),
        (r#""UserIdentity":{"invokedBy":"q.amazonaws.com"}"#, read),
        (r#""userIdentity":[{"invokedBy":"q.amazonaws.com"}]"#, read),
        (
            r#""userIdentity":{"sessionContext":"{invokedBy=q.amazonaws.com}"}"#,
            read,
        ),
        (
            r#""userIdentity":"by q.amazonaws.com""#,
            Err("userIdentity"),
        ),
        (
            r#""userIdentity":{"invokedBy":["q.amazonaws.com"]}"#,
            Err("userIdentity.invokedBy"),
        ),
        (
            r#""userIdentity":{"sessionContext":["q.amazonaws.com"]}"#,
            Err("userIdentity.sessionContext"),
        ),
        (
            r#""eventSource":{"a":"q.amazonaws.com"}"#,
            Err("eventSource"),
        ),
        (r#""userAgent":["AmazonQ-For-CLI"]"#, Err("userAgent")),
        (
            r#""eventSource":"q.amazonaws.com","userIdentity":"root""#,
            Err("userIdentity"),
        ),
        (
            r#""eventSource":"q.amazonaws.com","userIdentity":{"onBehalfOf":[{"userId":"a"},{"userId":"b"}]}"#,
            Err("userIdentity.onBehalfOf"),
        ),
        // Nothing in these could name a service of Amazon Q's.
        (
            r#""errorMessage":"q.amazonaws.com","userIdentity":"root""#,
            Ok(None),
        ),
        (
            r#""errorMessage":"q.amazonaws.com","eventSource":7"#,
            Ok(None),
        ),
    ] {
        assert_eq!(select(&standard(), fields), expected, "{fields}");
    }
    let all = Selector::new(Select::All, &Lists::default());
    assert_eq!(
        select(&all, r#""userIdentity":"root""#),
        Err("userIdentity")
    );
    assert_eq!(select(&all, r#""eventSource":7"#), Ok(Some(Class::Other)));
    assert_eq!(
        select(&all, r#""userIdentity":"None""#),
        Ok(Some(Class::Other))
    );
}

#[test]
fn the_documented_names_have_their_class() {
    use Class::*;
    for (class, names) in [
        (
            Conversation,
            "SendMessage StartConversation GetConversation ListConversations UpdateConversation \
             DeleteConversation StartTroubleshootingAnalysis GetTroubleshootingResults \
             StartTroubleshootingResolutionExplanation UpdateTroubleshootingCommandResult UsePlugin",
        ),
        (PassRequest, "PassRequest"),
        (Code, "GenerateCodeFromCommands"),
        (
            Administration,
            "GetIdentityMetadata CreateAssignment DeleteAssignment CreatePlugin SomethingNew",
        ),
    ] {
        for name in names.split_whitespace() {
            assert_eq!(class_of("q.amazonaws.com", name), class, "{name}");
        }
    }
    for (class, names) in [
        (
            Code,
            "GenerateCompletions GenerateRecommendations StartCodeAnalysis StartTransformation \
             StartTaskAssistCodeGeneration SomethingNew",
        ),
        (
            Conversation,
            "GenerateAssistantResponse CreateTaskAssistConversation",
        ),
        (Telemetry, "SendTelemetryEvent"),
        (Administration, "ListAvailableCustomizations CreateProfile"),
    ] {
        for name in names.split_whitespace() {
            assert_eq!(
                class_of("codewhisperer.amazonaws.com", name),
                class,
                "{name}"
            );
        }
    }
    assert_eq!(class_of("s3.amazonaws.com", "SendMessage"), Other);
}

#[test]
fn the_invoking_service_counts_in_either_place_and_behind_the_source() {
    for identity in [
        r#"{"invokedBy":"q.amazonaws.com"}"#,
        r#"{"sessionContext":{"invokedBy":"q.amazonaws.com"}}"#,
        r#"{"invokedBy":"AWS Internal","sessionContext":{"invokedBy":"q.amazonaws.com"}}"#,
    ] {
        let s3 = record(&format!(
            r#""eventSource":"s3.amazonaws.com","userIdentity":{identity}"#
        ));
        assert_eq!(event(&s3).class(), Class::OnBehalfOf);
        let q = record(&format!(
            r#""eventSource":"q.amazonaws.com","eventName":"PassRequest","userIdentity":{identity}"#
        ));
        assert_eq!(event(&q).class(), Class::PassRequest);
    }
}

#[test]
fn a_user_agent_of_amazon_q_makes_an_agent_call() {
    let text = record(
        r#""eventSource":"s3.amazonaws.com","userAgent":"aws-cli/2 exec-env/AmazonQ-For-CLI-Version-1.10.0""#,
    );
    assert!(standard().may_select(text.as_bytes()));
    let event = selected(&standard(), &text).expect("selected");
    assert_eq!(event.class(), Class::AgentCall);
}

#[test]
fn others_are_left_out_unless_all_is_asked_for() {
    let text = record(r#""eventSource":"s3.amazonaws.com""#);
    assert!(!standard().may_select(text.as_bytes()));
    assert!(selected(&standard(), &text).is_none());
    let all = Selector::new(Select::All, &Lists::default());
    assert!(all.may_select(text.as_bytes()));
    assert!(selected(&all, &text).is_some());
}

#[test]
fn a_name_inside_another_text_may_be_selected_but_is_not() {
    let text = record(r#""eventSource":"s3.amazonaws.com","errorMessage":"no q.amazonaws.com""#);
    assert!(standard().may_select(text.as_bytes()));
    assert!(selected(&standard(), &text).is_none());
}

#[test]
fn an_escaped_name_is_found() {
    for source in ["\\u0071.amazonaws.com", "q.\\u0061mazonaws.com"] {
        let text = record(&format!(r#""eventSource":"{source}""#));
        assert!(standard().may_select(text.as_bytes()), "{source}");
        assert!(selected(&standard(), &text).is_some(), "{source}");
    }
    let lists = Lists {
        services: vec![],
        user_agents: vec!["Q/2".to_owned()],
        agents: AgentLists::default(),
    };
    let text = record(r#""userAgent":"x Q\/2""#);
    let selector = Selector::new(Select::AmazonQ, &lists);
    assert!(selector.may_select(text.as_bytes()));
    assert!(selected(&selector, &text).is_some());
}

#[test]
fn a_time_that_is_none_costs_only_what_is_selected() {
    let all = Selector::new(Select::All, &Lists::default());
    for (fields, wanted) in [
        (r#""eventSource":"s3.amazonaws.com""#, false),
        (r#""userAgent":"cut \ud83d here""#, false),
        (r#""errorMessage":"no q.amazonaws.com""#, false),
        (r#""eventSource":"q.amazonaws.com""#, true),
        (r#""eventSource":"q\u002eamazonaws.com""#, true),
    ] {
        let text = format!(r#"{{"eventTime":"last Tuesday",{fields}}}"#);
        let bad_time = |selector: &Selector| match selector.select(text.as_bytes(), 64) {
            Ok(None) => false,
            Err(Reason::BadTime { .. }) => true,
            other => panic!("{text}: {other:?}"),
        };
        assert_eq!(bad_time(&standard()), wanted, "{text}");
        assert!(bad_time(&all), "{text}");
    }
}

#[test]
fn the_users_lists_replace_the_default_ones() {
    let lists = Lists {
        services: vec!["kiro.amazonaws.com".to_owned(), String::new()],
        user_agents: vec!["Kiro-".to_owned(), String::new()],
        agents: AgentLists::default(),
    };
    let selector = Selector::new(Select::AmazonQ, &lists);
    let class = |fields: &str| {
        let text = record(fields);
        assert_eq!(
            selector.may_select(text.as_bytes()),
            selected(&selector, &text).is_some()
        );
        selected(&selector, &text).map(|event| event.class())
    };
    assert_eq!(
        class(r#""eventSource":"kiro.amazonaws.com","eventName":"SendMessage""#),
        Some(Class::Conversation)
    );
    assert_eq!(class(r#""userAgent":"Kiro-CLI""#), Some(Class::AgentCall));
    assert_eq!(class(r#""eventSource":"q.amazonaws.com""#), None);
}

#[test]
fn class_names_are_read_back() {
    for class in Class::ALL {
        assert_eq!(class.as_str().parse(), Ok(class));
    }
    assert!("chat".parse::<Class>().is_err());
}
