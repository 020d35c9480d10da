//! `POST /v1/events`: events in any container.
//!
//! Enters: a body in any of CloudTrail's containers, gzip or not. Leaves: the counts of its events, once all have
//! settled. EventBridge's API destinations use this endpoint too: their event is a container, their API key a
//! token.

use axum::body::Body;
use axum::extract::{Request, State};
use axum::http::request::Parts;
use axum::response::Response;
use percent_encoding::percent_decode_str;

use super::answer;
use super::error::Error;
use super::{Service, body, log_error, name};
use crate::dead_letter::OnDamage;
use crate::input::ingest;
use crate::pipeline::{Content, Report};

/// Answers a request.
pub(super) async fn deliver(State(service): State<Service>, request: Request) -> Response {
    let (head, body) = request.into_parts();
    match service.events(&head, body).await {
        Ok(report) => answer::settled(&report),
        Err(error) => {
            log_error(&head, &error);
            error.json()
        }
    }
}

impl Service {
    async fn events(&self, head: &Parts, body: Body) -> Result<Report, Error> {
        let (sender, _active) = self.admit(head)?;
        // The pipeline recognizes gzip by its first bytes; this rejects other encodings.
        body::is_gzip(&head.headers)?;
        let (bytes, reserved) = body::read(&self.ingest, body).await?;
        let request = ingest::Request {
            input: "http",
            name: name(head),
            source: source(head.uri.query().unwrap_or_default()),
            content: Content::Bytes(bytes),
            on_damage: OnDamage::Refuse,
            reserved: reserved.sent_by(sender),
        };
        Ok(self.ingest.deliver(request).await?)
    }
}

/// The value of `source=` in a query.
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
