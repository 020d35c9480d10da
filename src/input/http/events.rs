//! `POST /v1/events`: events in any container.
//!
//! Enters: a body in any of CloudTrail's containers, gzip or not. Leaves: what became of its events,
//! once all have settled. EventBridge's API destinations send here too: an event is one more
//! container, and its key is one more token.

use std::io::Cursor;

use axum::extract::{Request, State};
use axum::response::Response;
use percent_encoding::percent_decode_str;

use super::answer::{self, Problem};
use super::{Service, body, name};
use crate::input::ingest;
use crate::pipeline::{Content, Report};

/// Answers a request.
pub(super) async fn deliver(State(service): State<Service>, request: Request) -> Response {
    match service.events(request).await {
        Ok(report) => answer::settled(&report),
        Err(problem) => {
            service.ingest.count_refused();
            problem.into_json()
        }
    }
}

impl Service {
    async fn events(&self, request: Request) -> Result<Report, Problem> {
        let (head, body) = request.into_parts();
        let sender = self.admit(&head.headers)?;
        // The pipeline knows gzip by its first bytes.
        body::is_gzip(&head.headers)?;
        let (bytes, reserved) = body::read(&self.ingest, body).await?;
        let name = name(&head.extensions);
        let request = ingest::Request {
            input: "http",
            name: name.clone(),
            source: source(head.uri.query().unwrap_or_default()),
            content: Content::Whole(Box::new(Cursor::new(bytes))),
            reserved,
        };
        let report = self.ingest.deliver(request).await?;
        tracing::debug!(peer = name, sender = sender.as_deref(), "events delivered");
        Ok(report)
    }
}

/// What `source=` in a query says.
fn source(query: &str) -> Option<String> {
    let value = query
        .split('&')
        .find_map(|pair| pair.strip_prefix("source="))?;
    let spaced = value.replace('+', " ");
    let text = percent_decode_str(&spaced).decode_utf8_lossy();
    (!text.is_empty()).then(|| text.into_owned())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_source_is_decoded_as_a_form_is() {
        for (query, expected) in [
            ("", None),
            ("source=", None),
            ("resource=a", None),
            ("source=a.json.gz", Some("a.json.gz")),
            (
                "x=1&source=AWSLogs%2F1%2Fa+b.json&y",
                Some("AWSLogs/1/a b.json"),
            ),
            ("source=%ff", Some("\u{fffd}")),
        ] {
            assert_eq!(source(query).as_deref(), expected, "{query}");
        }
    }
}
