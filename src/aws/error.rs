//! The remedy for an error of Amazon's services.
//!
//! Enters: an SDK's error. Leaves: an [`Error`]. What must hold: no error that may pass is reported as
//! permanent; no body of an answer is repeated, because some contain the signed request, tokens
//! included.

mod codes;
mod text;

use std::error::Error as StdError;
use std::fmt;
use std::io;

use aws_credential_types::provider::error::CredentialsError;
use aws_smithy_runtime_api::client::orchestrator::HttpResponse;
use aws_smithy_runtime_api::client::result::{ConnectorError, SdkError};
use aws_smithy_types::error::metadata::ProvideErrorMetadata;

use super::endpoint::is_region;
use super::route;
use codes::judge;
use text::{clean, clip, message, region_in, words};

/// The most causes of an error that are shown.
const CAUSES: usize = 8;

/// What can be done about an error.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Remedy {
    /// Another try: throttled, a server's error, a connection that broke.
    Retry,
    /// Another try once the set-up is corrected: credentials, signature, clock. The request itself is right.
    Setup,
    /// The same request in this region, if the answer names one.
    Region(Option<String>),
    /// Nothing: there is no such object, bucket or queue.
    Gone,
    /// Nothing, unless a policy is changed: it denies access to this object or its key.
    Denied,
    /// Nothing: it is larger than allowed.
    TooLarge,
}

/// An error of one of Amazon's services.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Error {
    /// What can be done about it.
    pub remedy: Remedy,
    /// The service's own words, with its error code and request id; no secrets.
    pub message: String,
}

impl fmt::Display for Error {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.message)
    }
}

impl StdError for Error {}

impl Error {
    /// The remedy for an error of the SDK, and its message.
    pub fn of<E>(error: &SdkError<E, HttpResponse>) -> Error
    where
        E: ProvideErrorMetadata + StdError + 'static,
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
        Error {
            remedy,
            message: message(&words, &seen, id, advice),
        }
    }

    /// An error of qtrail's own.
    pub(super) fn new(remedy: Remedy, message: impl Into<String>) -> Error {
        Error {
            remedy,
            message: message.into(),
        }
    }
}

/// How far the request came.
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

/// What the remedy depends on.
#[derive(Debug, Clone, Copy)]
struct Seen<'a> {
    kind: Kind,
    status: Option<u16>,
    code: Option<&'a str>,
    words: Option<&'a str>,
    region: Option<&'a str>,
}

fn kind<E: StdError + 'static>(error: &SdkError<E, HttpResponse>) -> Kind {
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

/// The cause of an error that the SDK does not classify.
fn behind(error: &ConnectorError) -> Kind {
    // The SDK classifies temporary errors so.
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

fn chain<'a>(
    error: &'a (dyn StdError + 'static),
) -> impl Iterator<Item = &'a (dyn StdError + 'static)> {
    std::iter::successors(Some(error), |&error| error.source()).take(CAUSES)
}

/// An error and its causes in one line.
pub(super) fn causes(error: &(dyn StdError + 'static)) -> String {
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

#[cfg(test)]
mod tests;
