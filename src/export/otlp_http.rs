//! OTLP over HTTP: protobuf or JSON in a POST, the answer bounded.

use std::time::{Duration, SystemTime};

use anyhow::Context as _;
use bytes::Bytes;
use http::{HeaderMap, HeaderName, HeaderValue, Method, Request, header};
use http_body_util::Full;
use hyper_util::client::legacy::Client;
use hyper_util::rt::{TokioExecutor, TokioTimer};

use super::body::{self, Body};
use super::classify::{self, Answer, AnswerCode};
use super::connect::{Connector, USER_AGENT};
use super::failure::failure;
use super::otlp_grpc::peer;
use super::request::RequestBody;
use super::transport::{Answering, Transport};
use super::{Endpoint, Protocol};
use qtrail_core::otlp::Payload;

/// Carries one signal by HTTP.
pub(super) struct Http {
    client: Client<Connector, Full<RequestBody>>,
    endpoint: Endpoint,
    headers: HeaderMap,
}

impl Http {
    /// # Errors
    /// A certificate or a header that cannot be used.
    pub(super) fn new(endpoint: &Endpoint) -> anyhow::Result<Self> {
        let client = Client::builder(TokioExecutor::new())
            .timer(TokioTimer::new())
            .pool_timer(TokioTimer::new())
            .pool_idle_timeout(Duration::from_secs(60))
            .build(Connector::new(endpoint, b"http/1.1")?);
        Ok(Http {
            client,
            endpoint: endpoint.clone(),
            headers: headers(endpoint)?,
        })
    }

    async fn call(&self, body: RequestBody) -> (AnswerCode, Answer) {
        let mut request = Request::new(Full::new(body));
        *request.method_mut() = Method::POST;
        *request.uri_mut() = self.endpoint.url.clone();
        *request.headers_mut() = self.headers.clone();
        let response = match self.client.request(request).await {
            Ok(response) => response,
            Err(error) => return (AnswerCode::unanswered(error.is_connect()), failure(&error)),
        };
        let (head, body) = response.into_parts();
        let body = match body::read(body).await {
            Ok((body, _)) => body::inflated(body),
            Err(error) if head.status.is_success() => {
                return (AnswerCode::Connection, failure(error.as_ref()));
            }
            // The status is enough.
            Err(_) => Body::Whole(Bytes::new()),
        };
        let (protocol, now) = (self.endpoint.protocol, SystemTime::now());
        let answer = classify::http(protocol, head.status, &head.headers, &body, now);
        (AnswerCode::Http(head.status), answer)
    }
}

impl Transport for Http {
    fn body(&self, payload: &Payload) -> RequestBody {
        let body: RequestBody = match self.endpoint.protocol {
            Protocol::HttpJson => payload.to_json().into(),
            _ => payload.encode_parts().into(),
        };
        if self.endpoint.gzip {
            body.deflated().into()
        } else {
            body
        }
    }

    fn transcodes(&self) -> bool {
        self.endpoint.gzip || self.endpoint.protocol == Protocol::HttpJson
    }

    fn send(&self, body: RequestBody) -> Answering<'_> {
        Box::pin(async move {
            let timeout = self.endpoint.timeout;
            tokio::time::timeout(timeout, self.call(body))
                .await
                .unwrap_or_else(|_| {
                    let answer = Answer::retry(format!("no answer within {timeout:?}"));
                    (AnswerCode::Timeout, answer)
                })
        })
    }

    fn peer(&self) -> String {
        peer(&self.endpoint)
    }
}

fn headers(endpoint: &Endpoint) -> anyhow::Result<HeaderMap> {
    let mut headers = HeaderMap::new();
    for (name, value) in &endpoint.headers {
        // The value is secret: errors name the header alone.
        let key = HeaderName::from_bytes(name.as_bytes())
            .with_context(|| format!("{name:?} is no name of an HTTP header"))?;
        let mut value = HeaderValue::from_str(value)
            .with_context(|| format!("the value of header {name:?} cannot be sent"))?;
        value.set_sensitive(true);
        headers.insert(key, value);
    }
    let content_type = match endpoint.protocol {
        Protocol::HttpJson => "application/json",
        _ => "application/x-protobuf",
    };
    headers.insert(header::CONTENT_TYPE, HeaderValue::from_static(content_type));
    headers.insert(header::ACCEPT_ENCODING, HeaderValue::from_static("gzip"));
    if endpoint.gzip {
        headers.insert(header::CONTENT_ENCODING, HeaderValue::from_static("gzip"));
    }
    headers
        .entry(header::USER_AGENT)
        .or_insert(HeaderValue::from_static(USER_AGENT));
    Ok(headers)
}
