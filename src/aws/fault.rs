//! What an error of Amazon's services asks for.
//!
//! Enters: an SDK's error. Leaves: a [`Fault`]. What must hold: no error that may pass is told as
//! one that will not; no body of an answer is repeated, since some hold what was signed, tokens
//! included.

use std::error::Error;
use std::fmt;
use std::io;

use aws_credential_types::provider::error::CredentialsError;
use aws_smithy_runtime_api::client::orchestrator::HttpResponse;
use aws_smithy_runtime_api::client::result::{ConnectorError, SdkError};
use aws_smithy_types::error::metadata::ProvideErrorMetadata;

use super::endpoint::is_region;
use super::route;

/// Letters of a service's words at most.
const LONGEST_WORDS: usize = 600;
/// Causes of an error that are told at most.
const CAUSES: usize = 8;

/// What an error asks for.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Remedy {
    /// Another try: throttled, a server's error, a connection that broke.
    Retry,
    /// Another try after the set-up was mended: credentials, signature, clock. Nothing is wrong with
    /// what was asked for.
    Mend,
    /// The same in this region, if it said which.
    Region(Option<String>),
    /// Nothing: there is no such object, bucket or queue.
    Gone,
    /// Nothing, unless a policy is changed: this object, or its key, is not for us.
    Denied,
    /// Nothing: it is larger than allowed.
    TooLarge,
}

/// An error of one of Amazon's services.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Fault {
    /// What it asks for.
    pub remedy: Remedy,
    /// The service's own words, with its error code and request id; no secrets.
    pub message: String,
}

impl fmt::Display for Fault {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.message)
    }
}

impl Error for Fault {}

impl Fault {
    /// What an error of the SDK asks for.
    pub fn of<E>(error: &SdkError<E, HttpResponse>) -> Fault
    where
        E: ProvideErrorMetadata + Error + 'static,
    {
        let raw = error.raw_response();
        let header = |name: &str| raw.and_then(|raw| raw.headers().get(name));
        let service = error.as_service_error();
        let body = raw.and_then(|raw| raw.body().bytes());
        let region = header("x-amz-bucket-region").or(body.and_then(region_in));
        let seen = Seen {
            kind: kind(error),
            status: raw.map(|raw| raw.status().as_u16()),
            code: service.and_then(|service| service.code()),
            words: service.and_then(|service| service.message()),
            region: region.filter(|region| is_region(region)),
        };
        let id = header("x-amzn-requestid").or(header("x-amz-request-id"));
        let words = match (seen.kind, service) {
            (Kind::Answer, Some(_)) => words(&seen),
            _ => causes(error),
        };
        let by_proxy = (seen.kind == Kind::Connection).then(|| route::refusal(&words));
        let (remedy, advice) = by_proxy.flatten().unwrap_or_else(|| judge(&seen));
        Fault {
            remedy,
            message: told(&words, &seen, id, advice),
        }
    }

    /// A fault that is none of the SDK's.
    pub(super) fn new(remedy: Remedy, message: impl Into<String>) -> Fault {
        Fault {
            remedy,
            message: message.into(),
        }
    }
}

/// How far it came.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Kind {
    /// The service answered.
    Answer,
    /// Something answered, but not in the service's terms.
    Unclear,
    /// Nothing answered in time.
    Timeout,
    /// There was no connection, or it broke.
    Connection,
    /// There were no credentials to sign with.
    Credentials,
    /// Nothing could be sent.
    Setup,
}

/// What decides about an error.
#[derive(Debug, Clone, Copy)]
struct Seen<'a> {
    kind: Kind,
    status: Option<u16>,
    code: Option<&'a str>,
    words: Option<&'a str>,
    region: Option<&'a str>,
}

const NONE: &str = "";
const GRANT: &str = "grant it (s3:GetObject and kms:Decrypt for objects, sqs: and cloudtrail: rights \
                     as in deploy/); an object that does not exist looks like this too where \
                     s3:ListBucket is not granted";
const KEY: &str =
    "let qtrail use the KMS key: kms:Decrypt in its policy and ours, and the key enabled";
const INVALID: &str = "S3 says so of an object that is encrypted with a key that the customer provides, too: \
                       qtrail cannot read such";
const ARCHIVED: &str = "it is archived: restore it, then announce it again";
const CREDENTIALS: &str = "check the credentials: their source (environment, profile, role of the pod \
                           or the instance), their age, aws.assume_role and the role's trust policy";
const CLOCK: &str = "set the clock of this machine";
const ENDPOINT: &str =
    "check aws.endpoint_url, aws.region and proxies: this is no answer of the service's";
const REGION: &str = "it is in another region";

/// What is asked for, and the advice for who mends it.
fn judge(seen: &Seen<'_>) -> (Remedy, &'static str) {
    match seen.kind {
        Kind::Timeout | Kind::Connection => return (Remedy::Retry, NONE),
        Kind::Credentials => return (Remedy::Mend, CREDENTIALS),
        Kind::Setup => {
            return (
                Remedy::Mend,
                "check aws.region (or AWS_REGION), aws.endpoint_url and the credentials",
            );
        }
        Kind::Answer | Kind::Unclear => {}
    }
    let code = seen.code.unwrap_or_default();
    // JSON services name a code with its namespace.
    let code = code.rsplit_once('#').map_or(code, |(_, code)| code);
    by_code(code, seen).unwrap_or_else(|| by_status(code, seen))
}

fn by_code(code: &str, seen: &Seen<'_>) -> Option<(Remedy, &'static str)> {
    let kms = |text: &str| text.to_ascii_lowercase().contains("kms");
    Some(match code {
        _ if code.contains("Throttl") || code.contains("TooManyRequests") => (Remedy::Retry, NONE),
        "SlowDown"
        | "ServiceUnavailable"
        | "InternalError"
        | "InternalFailure"
        | "InternalServerError"
        | "RequestLimitExceeded"
        | "BandwidthLimitExceeded"
        | "RequestTimeout"
        | "RequestTimeoutException"
        | "OperationAborted"
        | "IncompleteBody"
        | "ConditionalRequestConflict"
        | "OverLimit"
        | "Busy"
        | "PreconditionFailed"
        | "InvalidRange" => (Remedy::Retry, NONE),
        "KMS.KMSInternalException"
        | "KMS.DependencyTimeoutException"
        | "KMS.KeyUnavailableException" => (Remedy::Retry, NONE),
        "RequestTimeTooSkewed" | "RequestExpired" | "RequestInTheFuture" => (Remedy::Mend, CLOCK),
        "ExpiredToken"
        | "ExpiredTokenException"
        | "TokenRefreshRequired"
        | "InvalidToken"
        | "InvalidAccessKeyId"
        | "SignatureDoesNotMatch"
        | "InvalidSignatureException"
        | "InvalidClientTokenId"
        | "UnrecognizedClientException"
        | "MissingAuthenticationToken"
        | "MissingAuthenticationTokenException"
        | "IncompleteSignature"
        | "IncompleteSignatureException"
        | "InvalidSecurity"
        | "InvalidSecurityToken"
        | "AuthFailure"
        | "MissingSecurityHeader"
        | "NotSignedUp"
        | "OptInRequired"
        | "AccountProblem" => (Remedy::Mend, CREDENTIALS),
        "PermanentRedirect"
        | "TemporaryRedirect"
        | "Redirect"
        | "IllegalLocationConstraint"
        | "IllegalLocationConstraintException" => (Remedy::Region(owned(seen.region)), REGION),
        "AuthorizationHeaderMalformed" => match seen.region {
            Some(region) => (Remedy::Region(Some(region.to_owned())), REGION),
            None => (Remedy::Mend, CREDENTIALS),
        },
        "NoSuchKey"
        | "NoSuchBucket"
        | "NoSuchVersion"
        | "NotFound"
        | "QueueDoesNotExist"
        | "NonExistentQueue"
        | "AWS.SimpleQueueService.NonExistentQueue"
        | "KeyTooLongError"
        | "InvalidBucketName"
        | "InvalidURI" => (Remedy::Gone, NONE),
        "InvalidObjectState" => (Remedy::Denied, ARCHIVED),
        _ if kms(code) => (Remedy::Denied, KEY),
        "AccessDenied" | "AccessDeniedException" | "AllAccessDisabled" | "UnauthorizedAccess" => {
            (Remedy::Denied, GRANT)
        }
        "InvalidRequest" => (Remedy::Denied, INVALID),
        _ => return None,
    })
}

/// What has no code that is known. Another try costs little; an object given up is lost.
fn by_status(code: &str, seen: &Seen<'_>) -> (Remedy, &'static str) {
    match seen.status {
        Some(301 | 302 | 307 | 308) if seen.region.is_some() || !code.is_empty() => {
            (Remedy::Region(owned(seen.region)), REGION)
        }
        Some(404) if !code.is_empty() => (Remedy::Gone, NONE),
        Some(408 | 409 | 412 | 416 | 425 | 429 | 500..) => (Remedy::Retry, NONE),
        // A proxy or a page for people: S3 names a code.
        Some(300..) if code.is_empty() => (Remedy::Mend, ENDPOINT),
        Some(400..) => (
            Remedy::Denied,
            "the service refuses it for a reason of its own",
        ),
        // An answer that broke off.
        _ => (Remedy::Retry, NONE),
    }
}

fn owned(region: Option<&str>) -> Option<String> {
    region.map(str::to_owned)
}

fn kind<E: Error + 'static>(error: &SdkError<E, HttpResponse>) -> Kind {
    match error {
        SdkError::ServiceError(_) => Kind::Answer,
        SdkError::ResponseError(_) => Kind::Unclear,
        SdkError::TimeoutError(_) => Kind::Timeout,
        SdkError::ConstructionFailure(_) => Kind::Setup,
        SdkError::DispatchFailure(failure) => match failure.as_connector_error() {
            Some(connector) if connector.is_timeout() => Kind::Timeout,
            Some(connector) if connector.is_io() => Kind::Connection,
            Some(connector) => behind(connector),
            None => Kind::Connection,
        },
        _ => Kind::Connection,
    }
}

/// What is behind an error that the SDK has no word for.
fn behind(error: &ConnectorError) -> Kind {
    // It says so of errors that may pass.
    if error.as_other().is_some() {
        return Kind::Connection;
    }
    for cause in chain(error) {
        match cause.downcast_ref::<CredentialsError>() {
            Some(CredentialsError::ProviderTimedOut(_)) => return Kind::Timeout,
            Some(_) => return Kind::Credentials,
            None => {}
        }
        let of_connection = cause.is::<hyper::Error>()
            || cause.is::<hyper_util::client::legacy::Error>()
            || cause.is::<io::Error>();
        if of_connection {
            return Kind::Connection;
        }
    }
    // Nothing was sent: there is no endpoint, no region, or nothing to sign with.
    Kind::Setup
}

fn chain<'a>(error: &'a (dyn Error + 'static)) -> impl Iterator<Item = &'a (dyn Error + 'static)> {
    std::iter::successors(Some(error), |&error| error.source()).take(CAUSES)
}

/// An error and its causes in one line.
pub(super) fn causes(error: &(dyn Error + 'static)) -> String {
    let mut out = String::new();
    for cause in chain(error) {
        let text = clean(&cause.to_string());
        // Many repeat their cause.
        if !out.contains(&text) {
            if !out.is_empty() {
                out.push_str(": ");
            }
            out.push_str(&text);
        }
    }
    clip(&out)
}

/// A service's words, where they cannot hold what was signed or a handle.
fn words(seen: &Seen<'_>) -> String {
    let code = seen.code.unwrap_or_default();
    let quiet = [
        "Signature",
        "Token",
        "Authorization",
        "Security",
        "ReceiptHandle",
    ];
    if quiet.iter().any(|part| code.contains(part)) {
        return "refused".to_owned();
    }
    match seen.words {
        // SQS repeats a handle that it refuses.
        Some(words)
            if words
                .to_ascii_lowercase()
                .replace(' ', "")
                .contains("receipthandle") =>
        {
            "refused".to_owned()
        }
        Some(words) if !words.is_empty() => clip(&clean(words)),
        _ => "refused without words".to_owned(),
    }
}

fn told(words: &str, seen: &Seen<'_>, id: Option<&str>, advice: &str) -> String {
    let mut facts = Vec::new();
    facts.extend(seen.code.map(clean));
    facts.extend(seen.status.map(|status| format!("HTTP {status}")));
    facts.extend(seen.region.map(|region| format!("region {region}")));
    facts.extend(id.map(|id| format!("request {}", clip(&clean(id)))));
    let mut out = words.trim_end_matches('.').to_owned();
    if !facts.is_empty() {
        out += &format!(" ({})", facts.join(", "));
    }
    if !advice.is_empty() {
        out += &format!(": {advice}");
    }
    out
}

/// One line, without what was signed and without ids of access keys.
fn clean(text: &str) -> String {
    let signed = ["Canonical String", "String-to-Sign", "AWS4-HMAC", "X-Amz-"];
    let cut = signed.iter().filter_map(|part| text.find(part)).min();
    let text = &text[..cut.unwrap_or(text.len())];
    let line = text.replace(|c: char| c.is_control(), " ");
    let is_key = |word: &str| {
        word.len() >= 16
            && ["AKIA", "ASIA"].iter().any(|start| word.starts_with(start))
            && word
                .bytes()
                .all(|b| b.is_ascii_uppercase() || b.is_ascii_digit())
    };
    line.split_inclusive(|c: char| !c.is_ascii_alphanumeric())
        .map(|piece| {
            let word = piece.trim_end_matches(|c: char| !c.is_ascii_alphanumeric());
            match is_key(word) {
                true => piece.replace(word, "…"),
                false => piece.to_owned(),
            }
        })
        .collect()
}

fn clip(text: &str) -> String {
    match text.char_indices().nth(LONGEST_WORDS) {
        Some((end, _)) => format!("{}…", &text[..end]),
        None => text.to_owned(),
    }
}

/// The region that S3 names in the body of its answer.
fn region_in(body: &[u8]) -> Option<&str> {
    let body = std::str::from_utf8(body).ok()?;
    let (_, rest) = body.split_once("<Region>")?;
    Some(rest.split_once("</Region>")?.0)
}

#[cfg(test)]
mod tests;
