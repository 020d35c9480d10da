//! The live page, `/status.json`, `/metrics`, `/livez` and `/readyz`.
//!
//! Enters: an address, who may see the page, and what it is made of. Leaves: answers. What must hold: the error for a port
//! in use names the key that changes it; clients take few of the process's files, and a probe is answered; only
//! the page and its data are restricted; no browser keeps them, frames them or runs anything but the page's own script.

use std::net::SocketAddr;
use std::path::PathBuf;
use std::sync::Arc;
use std::time::Duration;

use anyhow::Context;
use axum::Router;
use axum::body::{Body, to_bytes};
use axum::extract::{Request, State};
use axum::http::header::{
    CACHE_CONTROL, CONTENT_SECURITY_POLICY, CONTENT_TYPE, HeaderName, LOCATION, REFERRER_POLICY,
    SET_COOKIE, WWW_AUTHENTICATE, X_CONTENT_TYPE_OPTIONS,
};
use axum::http::{HeaderValue, StatusCode};
use axum::response::{IntoResponse, Response};
use axum::routing::get;
use percent_encoding::percent_decode;
use tokio::task::JoinHandle;
use tokio_util::sync::CancellationToken;

use super::access::{Access, Refusal};
use super::page;
use super::status::{INTERVAL, Rates, Source, Status};
use crate::input::ingest::Limits;
use crate::input::ingest::listen::{Listener, Peer};
use crate::telemetry::log_throttle::LogThrottle;
use crate::telemetry::prometheus_text;

/// Connections at a time. Beyond it, the one that has been idle for longest is closed for a new one.
const CONNECTIONS: usize = 64;
/// Questions at a time on one connection.
const STREAMS: u32 = 8;
/// How long the headers of a request may take, and how long a connection is kept between requests.
const HEADER_TIMEOUT: Duration = Duration::from_secs(10);
/// How long a token may take to arrive, and how long the form with it may be.
const FORM_TIMEOUT: Duration = Duration::from_secs(10);
const FORM_BYTES: usize = 8 << 10;

const CROSS_ORIGIN_RESOURCE_POLICY: HeaderName =
    HeaderName::from_static("cross-origin-resource-policy");
const NOTHING_HERE: &str = "Nothing is served here. The live page is at /, the same for programs at /status.json; /metrics, /livez and /readyz are for monitoring.\n";
const NOT_CONFIGURED: &str = "Other hosts can reach this address, so the live page needs a token: name a file of tokens in telemetry.token_files, and restart qtrail. /metrics, /livez and /readyz need none.\n";
const FOREIGN_HOST: &str = "The live page is shown to this machine alone: open it as http://localhost or http://127.0.0.1, with the same port. To show it under another name, name a file of tokens in telemetry.token_files, and restart qtrail.\n";
const NO_TOKEN: &str = "This needs a token of telemetry.token_files: Authorization: Bearer TOKEN\n";

/// What the answers are made of.
struct Shared {
    source: Source,
    rates: Rates,
    access: Access,
    log_throttle: LogThrottle,
}

/// The running server.
pub struct Server {
    /// Where it listens: the port that was chosen, where 0 was asked for.
    pub address: SocketAddr,
    stop: CancellationToken,
    task: JoinHandle<()>,
}

impl Server {
    /// Starts to answer. When the source stops, qtrail is not ready, but answers go on.
    ///
    /// # Errors
    /// The address cannot be listened on, or a file of tokens cannot be used.
    pub async fn start(
        address: SocketAddr,
        token_files: &[PathBuf],
        source: Source,
    ) -> anyhow::Result<Self> {
        let limits = Limits {
            connections: CONNECTIONS,
            streams: STREAMS,
            header_timeout: HEADER_TIMEOUT,
            ..Limits::default()
        };
        let access = Access::new(address, token_files)?;
        let listener = Listener::bind_open("telemetry.http", address, limits).await?;
        let address = listener.address().parse()?;
        let shared = Arc::new(Shared {
            rates: Rates::new(&source.metrics),
            source,
            access,
            log_throttle: LogThrottle::default(),
        });
        let stop = CancellationToken::new();
        let task = tokio::spawn(serve(listener, shared, stop.clone()));
        tracing::info!(
            "http://{address}/metrics, /livez and /readyz are served, and at http://{address}/ a page for people"
        );
        Ok(Server {
            address,
            stop,
            task,
        })
    }

    /// Stops; answers under way are finished, within a second.
    pub async fn shutdown(self) {
        self.stop.cancel();
        let mut task = self.task;
        if tokio::time::timeout(Duration::from_secs(1), &mut task)
            .await
            .is_err()
        {
            task.abort();
        }
    }
}

async fn serve(listener: Listener, shared: Arc<Shared>, stop: CancellationToken) {
    let router = Router::new()
        .route("/", get(live_page).post(login))
        .route("/status.json", get(status_json))
        .route("/metrics", get(metrics))
        .route("/livez", get(async || "ok\n"))
        .route("/readyz", get(readyz))
        .fallback(async || (StatusCode::NOT_FOUND, NOTHING_HERE))
        .with_state(Arc::clone(&shared));
    let keep_rates = async {
        loop {
            tokio::time::sleep(INTERVAL).await;
            shared.rates.keep(&shared.source.metrics);
        }
    };
    tokio::select! {
        () = listener.serve(router, stop) => {}
        () = keep_rates => {}
    }
}

async fn metrics(State(shared): State<Arc<Shared>>) -> impl IntoResponse {
    shared.source.letters.look();
    let (content_type, text) = prometheus_text(&shared.source.metrics);
    ([(CONTENT_TYPE, content_type)], text)
}

async fn readyz(State(shared): State<Arc<Shared>>) -> impl IntoResponse {
    shared.source.letters.look();
    match shared.source.metrics.not_ready() {
        None => (StatusCode::OK, "ok\n".to_owned()),
        Some(reason) => (StatusCode::SERVICE_UNAVAILABLE, format!("{reason}\n")),
    }
}

async fn live_page(State(shared): State<Arc<Shared>>, request: Request) -> Response {
    restricted(match shared.admit(&request) {
        Err(Refusal::NoToken) => login_form(false),
        Err(refusal) => refused(refusal),
        Ok(()) => match shared.status().await {
            Ok(status) => html(StatusCode::OK, page::page(&status)),
            Err(error) => failed(&error),
        },
    })
}

async fn status_json(State(shared): State<Arc<Shared>>, request: Request) -> Response {
    restricted(match shared.admit(&request) {
        Err(refusal) => refused(refusal),
        Ok(()) => match shared.status().await {
            Ok(status) => json(&status),
            Err(error) => failed(&error),
        },
    })
}

/// Takes the token of the form, and gives a cookie for it.
async fn login(State(shared): State<Arc<Shared>>, request: Request) -> Response {
    let admitted = shared.access.check(request.uri(), request.headers());
    if let Err(refusal @ (Refusal::NotConfigured | Refusal::ForeignHost)) = admitted {
        return restricted(refused(refusal));
    }
    let peer = request.extensions().get::<Peer>().cloned();
    let body = to_bytes(request.into_body(), FORM_BYTES);
    let body = match tokio::time::timeout(FORM_TIMEOUT, body).await {
        Ok(Ok(body)) => body,
        _ => return restricted(login_form(true)),
    };
    restricted(match shared.access.cookie(&token_of_form(&body)) {
        Some(cookie) => {
            let to_the_page = [
                (LOCATION, HeaderValue::from_static("./")),
                (SET_COOKIE, cookie),
            ];
            (StatusCode::SEE_OTHER, to_the_page).into_response()
        }
        None if admitted.is_ok() => {
            let to_the_page = [(LOCATION, HeaderValue::from_static("./"))];
            (StatusCode::SEE_OTHER, to_the_page).into_response()
        }
        None => {
            shared.log_refusal(peer.as_ref());
            login_form(true)
        }
    })
}

impl Shared {
    fn admit(&self, request: &Request) -> Result<(), Refusal> {
        let (uri, headers) = (request.uri(), request.headers());
        let checked = self.access.check(uri, headers);
        if checked == Err(Refusal::NoToken) && headers.contains_key("authorization") {
            self.log_refusal(request.extensions().get());
        }
        checked
    }

    fn log_refusal(&self, peer: Option<&Peer>) {
        if let Some(left_out) = self.log_throttle.due("token") {
            let peer = peer.map(|peer| &*peer.address);
            tracing::warn!(
                peer,
                left_out,
                "the live page refused a wrong token (telemetry.token_files)"
            );
        }
    }

    /// Reads files, so on a thread that may block.
    async fn status(self: &Arc<Self>) -> anyhow::Result<Status> {
        let this = Arc::clone(self);
        let status = tokio::task::spawn_blocking(move || this.source.status(&this.rates));
        status.await.context("the status cannot be made")
    }
}

/// `token=…`, as a browser sends a form.
fn token_of_form(body: &[u8]) -> Vec<u8> {
    let mut fields = body.split(|byte| *byte == b'&');
    let value = fields.find_map(|field| field.strip_prefix(b"token="));
    let spaces = |byte: &u8| if *byte == b'+' { b' ' } else { *byte };
    let value: Vec<u8> = value.unwrap_or_default().iter().map(spaces).collect();
    percent_decode(&value).collect()
}

/// The headers of all that shows what qtrail does.
fn restricted(mut answer: Response) -> Response {
    let headers = answer.headers_mut();
    for (name, value) in [
        (CACHE_CONTROL, "no-store"),
        (CONTENT_SECURITY_POLICY, page::POLICY.as_str()),
        (REFERRER_POLICY, "no-referrer"),
        (X_CONTENT_TYPE_OPTIONS, "nosniff"),
        (CROSS_ORIGIN_RESOURCE_POLICY, "same-origin"),
    ] {
        // All are ASCII.
        if let Ok(value) = HeaderValue::from_str(value) {
            headers.insert(name, value);
        }
    }
    answer
}

fn html(status: StatusCode, text: String) -> Response {
    let content_type = [(CONTENT_TYPE, "text/html; charset=utf-8")];
    (status, content_type, Body::from(text)).into_response()
}

fn json(status: &Status) -> Response {
    match serde_json::to_vec(status) {
        Ok(text) => ([(CONTENT_TYPE, "application/json")], text).into_response(),
        Err(error) => failed(&error.into()),
    }
}

fn login_form(is_wrong: bool) -> Response {
    let mut answer = html(StatusCode::UNAUTHORIZED, page::login(is_wrong));
    let scheme = HeaderValue::from_static("Bearer");
    answer.headers_mut().insert(WWW_AUTHENTICATE, scheme);
    answer
}

fn refused(refusal: Refusal) -> Response {
    match refusal {
        Refusal::NotConfigured => (StatusCode::FORBIDDEN, NOT_CONFIGURED).into_response(),
        Refusal::ForeignHost => (StatusCode::FORBIDDEN, FOREIGN_HOST).into_response(),
        Refusal::NoToken => {
            let scheme = [(WWW_AUTHENTICATE, "Bearer")];
            (StatusCode::UNAUTHORIZED, scheme, NO_TOKEN).into_response()
        }
    }
}

fn failed(error: &anyhow::Error) -> Response {
    (StatusCode::INTERNAL_SERVER_ERROR, format!("{error:#}\n")).into_response()
}

#[cfg(test)]
mod tests {
    use tokio::io::{AsyncReadExt, AsyncWriteExt};
    use tokio::net::{TcpListener, TcpStream};

    use super::super::status::tests::source;
    use super::*;
    use crate::telemetry::stalls::Cause;

    async fn get(address: SocketAddr, path: &str) -> String {
        ask(address, &format!("GET {path}"), "host: x\r\n", "").await
    }

    async fn ask(address: SocketAddr, what: &str, headers: &str, body: &str) -> String {
        let mut stream = TcpStream::connect(address).await.unwrap();
        let length = body.len();
        let request = format!(
            "{what} HTTP/1.1\r\n{headers}content-length: {length}\r\nconnection: close\r\n\r\n{body}"
        );
        stream.write_all(request.as_bytes()).await.unwrap();
        let mut answer = String::new();
        stream.read_to_string(&mut answer).await.unwrap();
        answer
    }

    fn loopback() -> SocketAddr {
        ([127, 0, 0, 1], 0).into()
    }

    #[tokio::test]
    async fn metrics_and_health_are_answered() {
        let source = source();
        let (metrics, stopping) = (Arc::clone(&source.metrics), CancellationToken::new());
        metrics.stopping.set(stopping.clone()).unwrap();
        metrics.exported.add(7);
        let server = Server::start(loopback(), &[], source).await.unwrap();
        let address = server.address;
        let text = get(address, "/metrics").await;
        assert!(text.contains("qtrail_events_exported_total 7"), "{text}");
        assert!(
            text.to_lowercase().contains("text/plain; version=0.0.4"),
            "{text}"
        );
        assert!(get(address, "/livez").await.starts_with("HTTP/1.1 200"));
        assert!(get(address, "/readyz").await.starts_with("HTTP/1.1 200"));
        let cause = Cause::CollectorBlocked;
        metrics
            .stalls
            .set(cause, "", "correct the token".to_owned());
        let blocked = get(address, "/readyz").await;
        assert!(blocked.starts_with("HTTP/1.1 503") && blocked.contains("correct the token"));
        let text = get(address, "/metrics").await;
        let series = "qtrail_stalled{reason=\"collector_blocked\"} 1";
        assert!(text.contains(series), "{text}");
        metrics.stalls.clear(cause, "");
        assert!(get(address, "/readyz").await.starts_with("HTTP/1.1 200"));
        let ready = |text: &str, value: u8| text.contains(&format!("\nqtrail_ready {value}\n"));
        assert!(ready(&get(address, "/metrics").await, 1));
        stopping.cancel();
        assert!(ready(&get(address, "/metrics").await, 0));
        let stops = get(address, "/readyz").await;
        assert!(stops.starts_with("HTTP/1.1 503") && stops.contains("stopping"));
        server.shutdown().await;
        assert!(TcpStream::connect(address).await.is_err());
    }

    #[tokio::test]
    async fn a_port_that_is_taken_is_told_by_its_key() {
        let taken = TcpListener::bind(loopback()).await.unwrap();
        let address = taken.local_addr().unwrap();
        let started = Server::start(address, &[], source()).await;
        let error = started.err().unwrap();
        let text = format!("{error:#}");
        assert!(
            text.contains("telemetry.http") && text.contains(&address.to_string()),
            "{text}"
        );
    }

    const LOCAL: &str = "host: localhost\r\n";

    #[tokio::test]
    async fn the_page_and_its_data_are_for_this_machine_and_are_not_kept_or_framed() {
        let server = Server::start(loopback(), &[], source()).await.unwrap();
        let address = server.address;
        for path in ["/", "/status.json"] {
            let answer = ask(address, &format!("GET {path}"), LOCAL, "").await;
            assert!(answer.starts_with("HTTP/1.1 200"), "{answer}");
            for header in [
                "cache-control: no-store",
                "content-security-policy: default-src 'none'",
                "frame-ancestors 'none'",
                "referrer-policy: no-referrer",
                "x-content-type-options: nosniff",
                "cross-origin-resource-policy: same-origin",
            ] {
                assert!(answer.contains(header), "{header}: {answer}");
            }
            let head = ask(address, &format!("HEAD {path}"), LOCAL, "").await;
            assert!(
                head.starts_with("HTTP/1.1 200") && head.ends_with("\r\n\r\n"),
                "{head}"
            );
            let foreign = get(address, path).await;
            assert!(foreign.starts_with("HTTP/1.1 403"), "{foreign}");
            assert!(foreign.contains("telemetry.token_files"), "{foreign}");
        }
        let form = ask(address, "POST /", LOCAL, "token=any").await;
        assert!(form.starts_with("HTTP/1.1 303"), "{form}");
        assert!(!form.contains("set-cookie"), "{form}");
        let data = ask(address, "GET /status.json", LOCAL, "").await;
        let json = data.split_once("\r\n\r\n").unwrap().1;
        let status: Status = serde_json::from_str(json).unwrap();
        assert!(status.ready && status.balance.holds, "{json}");
        let missing = ask(address, "GET /%3Cscript%3E", LOCAL, "").await;
        assert!(missing.starts_with("HTTP/1.1 404"), "{missing}");
        assert!(missing.contains("text/plain"), "{missing}");
        assert!(missing.contains("/status.json") && !missing.contains("script"));
    }

    #[tokio::test]
    async fn a_token_opens_the_page_by_a_header_or_by_the_form() {
        let tokens = tempfile::NamedTempFile::new().unwrap();
        std::fs::write(tokens.path(), "a b&c\n").unwrap();
        let files = [tokens.path().to_owned()];
        let everywhere = ([0, 0, 0, 0], 0).into();
        let server = Server::start(everywhere, &files, source()).await.unwrap();
        let address = ([127, 0, 0, 1], server.address.port()).into();
        let form = ask(address, "GET /", LOCAL, "").await;
        assert!(
            form.starts_with("HTTP/1.1 401") && form.contains("<form"),
            "{form}"
        );
        assert!(form.contains("www-authenticate: Bearer"), "{form}");
        let data = ask(address, "GET /status.json", LOCAL, "").await;
        assert!(
            data.starts_with("HTTP/1.1 401") && !data.contains("<form"),
            "{data}"
        );
        let bearer = "host: q.example\r\nauthorization: Bearer a b&c\r\n";
        let shown = ask(address, "GET /status.json", bearer, "").await;
        assert!(shown.starts_with("HTTP/1.1 200"), "{shown}");
        for body in [
            "",
            "token=",
            "token=a",
            "token=a+b%26c%00",
            &"x".repeat(FORM_BYTES + 1),
        ] {
            let wrong = ask(address, "POST /", LOCAL, body).await;
            assert!(wrong.starts_with("HTTP/1.1 401") && wrong.contains("none of the tokens"));
            assert!(!wrong.contains("set-cookie"), "{wrong}");
        }
        let right = ask(address, "POST /", LOCAL, "token=a+b%26c").await;
        assert!(
            right.starts_with("HTTP/1.1 303") && right.contains("location: ./"),
            "{right}"
        );
        let cookie = right.split_once("set-cookie: ").unwrap().1;
        let cookie = cookie.split(';').next().unwrap();
        let with_cookie = format!("{LOCAL}cookie: {cookie}\r\n");
        let shown = ask(address, "GET /", &with_cookie, "").await;
        assert!(
            shown.starts_with("HTTP/1.1 200") && shown.contains("Last events"),
            "{shown}"
        );
    }

    #[tokio::test]
    async fn beyond_loopback_without_tokens_only_probes_and_metrics_are_answered() {
        let everywhere = ([0, 0, 0, 0], 0).into();
        let server = Server::start(everywhere, &[], source()).await.unwrap();
        let address = ([127, 0, 0, 1], server.address.port()).into();
        for path in ["/", "/status.json"] {
            let refused = ask(address, &format!("GET {path}"), LOCAL, "").await;
            assert!(refused.starts_with("HTTP/1.1 403"), "{refused}");
            assert!(refused.contains("telemetry.token_files"), "{refused}");
        }
        let form = ask(address, "POST /", LOCAL, "token=").await;
        assert!(form.starts_with("HTTP/1.1 403"), "{form}");
        for path in ["/metrics", "/livez", "/readyz"] {
            assert!(
                get(address, path).await.starts_with("HTTP/1.1 200"),
                "{path}"
            );
        }
    }
}
