//! One endpoint before real servers: what is for SQS goes to the one, all else to the other. It
//! counts requests by operation and, on demand, answers as AWS does when something is wrong.

use std::collections::{BTreeMap, HashMap, VecDeque};
use std::convert::Infallible;
use std::net::SocketAddr;
use std::pin::Pin;
use std::sync::{Arc, Mutex, MutexGuard};
use std::task::{Context, Poll};

use bytes::Bytes;
use http::{HeaderMap, Method, Request, Response, Uri};
use http_body_util::combinators::BoxBody;
use http_body_util::{BodyExt, Full};
use hyper::body::{Body, Frame, Incoming};
use hyper::service::service_fn;
use hyper_util::client::legacy::{Client, connect::HttpConnector};
use hyper_util::rt::{TokioExecutor, TokioIo};
use hyper_util::server::conn::auto;
use tokio::net::TcpListener;
use tokio::sync::watch;
use tokio_util::sync::CancellationToken;

use super::PATIENCE;

type Error = Box<dyn std::error::Error + Send + Sync>;

/// How a request is answered.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Answer {
    /// By the server.
    Pass,
    /// By the server, but the connection breaks after so many bytes of the body.
    CutAfter(usize),
    /// Never.
    Stall,
    /// 503: too many requests.
    SlowDown,
    /// The session's credentials are no longer valid.
    ExpiredToken,
    /// 403: by policy.
    AccessDenied,
    /// 403: for want of the right to use the key that the object is encrypted with.
    KeyDenied,
    /// 301: the bucket is in this region.
    OtherRegion(&'static str),
}

/// A request, as it came in.
#[derive(Debug, Clone)]
pub struct Call {
    /// The API's name of it, such as `GetObject`, `ListObjectsV2`, `ReceiveMessage`.
    pub operation: String,
    /// Without the query.
    pub path: String,
    /// The access key that it is signed with.
    pub access_key: String,
    /// The region that it is signed for.
    pub region: String,
    pub headers: HeaderMap,
}

type Rule = Box<dyn Fn(&Call) -> Answer + Send>;

#[derive(Default)]
struct State {
    /// Answers to the next requests of an operation; after them, the rule decides.
    next: HashMap<String, VecDeque<Answer>>,
    rule: Option<Rule>,
    counts: BTreeMap<String, usize>,
}

struct Shared {
    state: Mutex<State>,
    changed: watch::Sender<()>,
    client: Client<HttpConnector, BoxBody<Bytes, Error>>,
    s3: SocketAddr,
    sqs: SocketAddr,
}

/// The endpoint.
pub struct FaultProxy {
    pub address: SocketAddr,
    shared: Arc<Shared>,
    open: CancellationToken,
}

impl FaultProxy {
    /// Passes everything on to these servers.
    pub async fn start(s3: SocketAddr, sqs: SocketAddr) -> Self {
        let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
        let proxy = FaultProxy {
            address: listener.local_addr().unwrap(),
            shared: Arc::new(Shared {
                state: Mutex::default(),
                changed: watch::Sender::new(()),
                client: Client::builder(TokioExecutor::new()).build_http(),
                s3,
                sqs,
            }),
            open: CancellationToken::new(),
        };
        let (shared, open) = (Arc::clone(&proxy.shared), proxy.open.clone());
        tokio::spawn(open.run_until_cancelled_owned(accept(listener, shared)));
        proxy
    }

    /// What `AWS_ENDPOINT_URL` takes.
    pub fn url(&self) -> String {
        format!("http://{}", self.address)
    }

    /// The next requests of an operation are answered so, one after the other.
    pub fn answer_next(&self, operation: &str, answers: impl IntoIterator<Item = Answer>) {
        let mut state = self.state();
        let next = state.next.entry(operation.to_owned()).or_default();
        next.extend(answers);
    }

    /// All other requests are answered so.
    pub fn answer_with(&self, rule: impl Fn(&Call) -> Answer + Send + 'static) {
        self.state().rule = Some(Box::new(rule));
    }

    /// How many requests of an operation came in.
    pub fn count(&self, operation: &str) -> usize {
        self.state().counts.get(operation).copied().unwrap_or(0)
    }

    /// How many came in of each operation.
    pub fn counts(&self) -> BTreeMap<String, usize> {
        self.state().counts.clone()
    }

    /// Forgets what came in.
    pub fn forget(&self) {
        self.state().counts.clear();
    }

    /// Waits until at least so many requests of an operation came in.
    pub async fn until(&self, operation: &str, requests: usize) {
        let mut changed = self.shared.changed.subscribe();
        let waiting = async {
            while self.count(operation) < requests {
                changed.changed().await.unwrap();
            }
        };
        if tokio::time::timeout(PATIENCE, waiting).await.is_err() {
            let counts = self.counts();
            panic!("waited in vain for {requests} requests of {operation}: {counts:?}");
        }
    }

    fn state(&self) -> MutexGuard<'_, State> {
        self.shared.state.lock().unwrap()
    }
}

impl Drop for FaultProxy {
    fn drop(&mut self) {
        self.open.cancel();
    }
}

async fn accept(listener: TcpListener, shared: Arc<Shared>) {
    loop {
        let Ok((stream, _)) = listener.accept().await else {
            continue;
        };
        let shared = Arc::clone(&shared);
        tokio::spawn(async move {
            let handler = service_fn(move |request| {
                let shared = Arc::clone(&shared);
                async move { Ok::<_, Infallible>(shared.handle(request).await) }
            });
            // A client that goes away is nothing to complain about.
            let _ = auto::Builder::new(TokioExecutor::new())
                .serve_connection(TokioIo::new(stream), handler)
                .await;
        });
    }
}

impl Shared {
    async fn handle(&self, request: Request<Incoming>) -> Response<BoxBody<Bytes, Error>> {
        let call = Call::of(&request);
        let sqs = request.headers().contains_key("x-amz-target");
        let answer = {
            let mut state = self.state.lock().unwrap();
            *state.counts.entry(call.operation.clone()).or_default() += 1;
            let scripted = state.next.get_mut(&call.operation);
            scripted
                .and_then(VecDeque::pop_front)
                .or_else(|| state.rule.as_ref().map(|rule| rule(&call)))
                .unwrap_or(Answer::Pass)
        };
        self.changed.send_replace(());
        let (status, code) = match answer {
            Answer::Pass => return self.pass(request, sqs, usize::MAX).await,
            Answer::CutAfter(bytes) => return self.pass(request, sqs, bytes).await,
            Answer::Stall => std::future::pending().await,
            Answer::SlowDown if sqs => (400, "ThrottlingException"),
            Answer::SlowDown => (503, "SlowDown"),
            Answer::ExpiredToken if sqs => (403, "ExpiredTokenException"),
            Answer::ExpiredToken => (400, "ExpiredToken"),
            Answer::AccessDenied | Answer::KeyDenied if sqs => (403, "AccessDeniedException"),
            Answer::AccessDenied | Answer::KeyDenied => (403, "AccessDenied"),
            Answer::OtherRegion(_) => (301, "PermanentRedirect"),
        };
        let message = match answer {
            Answer::KeyDenied => {
                "User: arn:aws:sts::111122223333:assumed-role/qtrail/1 is not authorized to perform: \
                 kms:Decrypt on the resource associated with this ciphertext because no \
                 identity-based policy allows the kms:Decrypt action"
            }
            _ => "made by a test",
        };
        let (kind, body) = if sqs {
            let body = format!(r#"{{"__type":"com.amazonaws.sqs#{code}","message":"{message}"}}"#);
            ("application/x-amz-json-1.0", body)
        } else {
            let body = format!(
                "<?xml version=\"1.0\" encoding=\"UTF-8\"?><Error><Code>{code}</Code><Message>{message}</Message><RequestId>EXAMPLE</RequestId></Error>"
            );
            ("application/xml", body)
        };
        let mut response = Response::builder()
            .status(status)
            .header("content-type", kind)
            .header("x-amz-request-id", "EXAMPLE");
        if let Answer::OtherRegion(region) = answer {
            response = response.header("x-amz-bucket-region", region);
        }
        response.body(boxed(Full::from(body))).unwrap()
    }

    /// The server's answer, of whose body at most so many bytes arrive.
    async fn pass(
        &self,
        request: Request<Incoming>,
        sqs: bool,
        bytes: usize,
    ) -> Response<BoxBody<Bytes, Error>> {
        let (mut head, body) = request.into_parts();
        let server = if sqs { self.sqs } else { self.s3 };
        let path = head.uri.path_and_query().map_or("/", |path| path.as_str());
        // The Host header stays what was signed.
        head.uri = format!("http://{server}{path}").parse::<Uri>().unwrap();
        let request = Request::from_parts(head, body.map_err(Into::into).boxed());
        match self.client.request(request).await {
            Ok(response) => response.map(|body| {
                if bytes == usize::MAX {
                    body.map_err(Into::into).boxed()
                } else {
                    BoxBody::new(Cut { body, left: bytes })
                }
            }),
            Err(error) => {
                let mut response = Response::new(boxed(Full::from(error.to_string())));
                *response.status_mut() = http::StatusCode::BAD_GATEWAY;
                response
            }
        }
    }
}

fn boxed(body: Full<Bytes>) -> BoxBody<Bytes, Error> {
    body.map_err(|never| match never {}).boxed()
}

/// A body that breaks off.
struct Cut {
    body: Incoming,
    left: usize,
}

impl Body for Cut {
    type Data = Bytes;
    type Error = Error;

    fn poll_frame(
        mut self: Pin<&mut Self>,
        cx: &mut Context<'_>,
    ) -> Poll<Option<Result<Frame<Bytes>, Error>>> {
        if self.left == 0 {
            return Poll::Ready(Some(Err("cut by a test".into())));
        }
        let frame = std::task::ready!(Pin::new(&mut self.body).poll_frame(cx));
        let Some(frame) = frame else {
            return Poll::Ready(None);
        };
        Poll::Ready(Some(frame.map_err(Into::into).map(
            |frame| match frame.into_data() {
                Ok(mut data) => {
                    data.truncate(self.left);
                    self.left -= data.len();
                    Frame::data(data)
                }
                Err(trailers) => trailers,
            },
        )))
    }
}

impl Call {
    fn of<B>(request: &Request<B>) -> Self {
        let header = |name: &str| {
            let value = request.headers().get(name);
            value.and_then(|value| value.to_str().ok()).unwrap_or("")
        };
        // AWS4-HMAC-SHA256 Credential=KEY/DATE/REGION/SERVICE/aws4_request, …
        let credential = header("authorization").split_once("Credential=");
        let mut scope = credential.map_or("", |(_, rest)| rest).split('/');
        Call {
            operation: operation(
                header("x-amz-target"),
                request.method(),
                request.uri(),
                request.headers(),
            ),
            path: request.uri().path().to_owned(),
            access_key: scope.next().unwrap_or("").to_owned(),
            region: scope.nth(1).unwrap_or("").to_owned(),
            headers: request.headers().clone(),
        }
    }
}

/// The API's name of a request. S3's are those that tests make; buckets are named in the path.
fn operation(target: &str, method: &Method, uri: &Uri, headers: &HeaderMap) -> String {
    if let Some((_, operation)) = target.split_once('.') {
        return operation.to_owned();
    }
    let (path, query) = (uri.path(), uri.query().unwrap_or(""));
    let object = path
        .trim_start_matches('/')
        .split_once('/')
        .is_some_and(|(_, key)| !key.is_empty());
    let form = headers.get("content-type");
    let form = form.is_some_and(|kind| {
        kind.as_bytes()
            .starts_with(b"application/x-www-form-urlencoded")
    });
    match (method.as_str(), object) {
        // STS speaks the query protocol.
        ("POST", _) if form => "Query".to_owned(),
        ("GET", true) => "GetObject".to_owned(),
        ("HEAD", true) => "HeadObject".to_owned(),
        ("PUT", true) => "PutObject".to_owned(),
        ("GET", false) if query.contains("list-type=2") => "ListObjectsV2".to_owned(),
        ("GET", false) if query.starts_with("location") => "GetBucketLocation".to_owned(),
        ("HEAD", false) => "HeadBucket".to_owned(),
        (method, _) => format!("{method} {query}"),
    }
}
