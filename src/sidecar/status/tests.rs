use tokio_util::sync::CancellationToken;

use super::*;
use crate::config::{Environment, Flags, load};

/// A source before anything happened.
pub(in crate::sidecar) fn source() -> Source {
    let loaded = load(None, &Environment::default(), Flags::default()).unwrap();
    Source {
        about: About::new(&loaded.config),
        metrics: Arc::default(),
        health: watch::Sender::new(Health::Up).subscribe(),
        recent: Recent::default(),
        conversion: Conversion::new(crate::sidecar::conversion(&loaded.config)),
        letters: DeadLetters::none(),
    }
}

/// A status all of whose texts are hostile.
pub(crate) fn hostile() -> Status {
    let text =
        || "<script>alert(1)</script><img src=x onerror=\"alert(2)\">\u{202e}\x1b[2J'".to_owned();
    Status {
        version: text(),
        now: text(),
        started: text(),
        summary: text(),
        inputs: vec![text()],
        destination: text(),
        state: text(),
        collector: Collector {
            state: text(),
            reason: Some(text()),
        },
        blocked: vec![Blocked {
            cause: text(),
            title: text(),
            of: text(),
            reason: text(),
            remedy: text(),
            needs_you: true,
            seconds: None,
        }],
        events: vec![Event {
            time: text(),
            what: text(),
            person: text(),
            agent: text(),
            service: text(),
            conversation: text(),
            access: text(),
            outcome: text(),
            reason: text(),
        }],
        dead_letters: Letters {
            are_there: true,
            path: text(),
            replay: vec![text()],
            newest: vec![Letter {
                reason: text(),
                message: text(),
                source: text(),
                event_id: text(),
                ..Letter::default()
            }],
            ..Letters::default()
        },
        ..Status::default()
    }
}

fn status(source: &Source) -> Status {
    source.status(&Rates::new(&source.metrics))
}

#[test]
fn a_status_that_is_read_again_is_the_same() {
    let json = serde_json::to_string(&hostile()).unwrap();
    assert_eq!(serde_json::from_str::<Status>(&json).unwrap(), hostile());
}

#[test]
fn what_happens_is_said_in_a_sentence() {
    let source = source();
    let metrics = &source.metrics;
    let says = |words: &str| {
        let summary = status(&source).summary;
        assert!(summary.contains(words), "{summary}");
    };
    says("Nothing has arrived yet");
    metrics.read.add(2);
    metrics.in_flight.add(2);
    says("on their way");
    metrics.in_flight.sub(2);
    metrics.exported.add(2);
    says("All is well");
    let blocked = crate::telemetry::stalls::Cause::CollectorBlocked;
    metrics
        .stalls
        .set(blocked, "", "correct the token".to_owned());
    says("waits for you");
    assert!(!status(&source).ready);
    let stopping = CancellationToken::new();
    metrics.stopping.set(stopping.clone()).unwrap();
    stopping.cancel();
    says("stopping");
}

#[test]
fn a_balance_that_does_not_hold_claims_nothing() {
    let balance = |read| Balance {
        read,
        exported: 1,
        holds: read == 1,
        ..Balance::default()
    };
    assert!(balance_sentence(&balance(1)).starts_with("Nothing is missing"));
    assert!(!balance_sentence(&balance(2)).contains("Nothing is missing"));
}

#[test]
fn long_texts_are_shortened_between_characters() {
    assert_eq!(shortened("é"), "é");
    let long = "é".repeat(TEXT + 1);
    assert_eq!(shortened(&long), format!("{}…", "é".repeat(TEXT)));
    assert_eq!(shortened(&long[2..]), long[2..]);
}
