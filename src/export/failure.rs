//! What an error means that came instead of an answer.
//!
//! Enters: an error of the connection. Leaves: an [`Answer`]. What must hold: types and codes decide,
//! never words, which a library changes as it likes; what may pass is tried again.

use std::error::Error;
use std::io;

use hyper_util::client::legacy;

use super::classify::{Answer, clean};
use super::{proxy, resolve};

/// What an error that came instead of an answer means.
pub(super) fn failure(error: &(dyn Error + 'static)) -> Answer {
    if find::<legacy::Error>(error).is_some_and(shares_a_failure) {
        return Answer::retry(ANOTHERS.to_owned());
    }
    let reason = chain(error);
    if let Some(answer) = find::<proxy::Error>(error).and_then(|error| error.answer(&reason)) {
        return answer;
    }
    let remedy = if let Some(tls) = find::<rustls::Error>(error) {
        remedy_for_tls(tls)
    } else if find::<resolve::Failed>(error).is_some_and(|failed| failed.no_such_host) {
        Some("no host has this name: correct the endpoint's URL")
    } else {
        None
    };
    match remedy {
        Some(remedy) => Answer::Blocked {
            reason: format!("{reason}; {remedy}"),
        },
        None => Answer::retry(reason),
    }
}

/// The reason of a request that waited for the connection of another one. Only that one's error says why it failed.
pub(super) const ANOTHERS: &str = "the connection of another request failed";

/// Whether a request waited for the connection of another one.
fn shares_a_failure(error: &legacy::Error) -> bool {
    let source = error.source();
    error.is_connect() && source.is_some_and(|source| source.is::<legacy::Error>())
}

/// The same over HTTP/2 and TLS. TLS 1.3 refuses a client after the handshake, and HTTP/2 keeps of that
/// the kind of an error alone; no other error of a connection is of this kind.
pub(super) fn failure_over_tls(error: &(dyn Error + 'static)) -> Answer {
    match failure(error) {
        Answer::Retry { reason, .. }
            if find::<rustls::Error>(error).is_none()
                && find::<io::Error>(error)
                    .is_some_and(|error| error.kind() == io::ErrorKind::InvalidData) =>
        {
            Answer::Blocked {
                reason: format!("{reason}; {REFUSED_BY_ALERT}"),
            }
        }
        answer => answer,
    }
}

const REFUSED_BY_ALERT: &str = "the collector refuses our TLS: correct export.tls.cert_file and \
     export.tls.key_file, or its own set-up";

/// The remedy for a TLS error that the set-up causes; `None` for one that may pass.
fn remedy_for_tls(error: &rustls::Error) -> Option<&'static str> {
    use rustls::Error as Tls;
    match error {
        Tls::InvalidCertificate(_) => Some(
            "the collector's certificate is not trusted: correct export.tls.ca_file, the certificate or the \
             host name in the endpoint's URL",
        ),
        Tls::AlertReceived(_) => Some(REFUSED_BY_ALERT),
        Tls::InvalidMessage(_) => Some("does the port speak TLS? If not, use http://"),
        Tls::PeerIncompatible(_) | Tls::NoApplicationProtocol => {
            Some("the collector speaks another TLS or application protocol: is it the right port?")
        }
        Tls::NoCertificatesPresented | Tls::UnsupportedNameType => {
            Some("correct the collector's certificate or the endpoint's URL")
        }
        _ => None,
    }
}

/// Finds an error of a type among the causes; an [`io::Error`] hides one that its `source` skips.
pub(super) fn find<'e, E: Error + 'static>(error: &'e (dyn Error + 'static)) -> Option<&'e E> {
    let mut next = Some(error);
    while let Some(error) = next {
        if let Some(found) = error.downcast_ref::<E>() {
            return Some(found);
        }
        next = match error.downcast_ref::<io::Error>().and_then(|e| e.get_ref()) {
            Some(inner) => Some(inner),
            None => error.source(),
        };
    }
    None
}

/// An error with its causes, in one line, without repetitions.
fn chain(error: &(dyn Error + 'static)) -> String {
    let mut text = error.to_string();
    let mut next = error.source();
    while let Some(error) = next {
        let cause = error.to_string();
        if !text.contains(&cause) {
            text.push_str(": ");
            text.push_str(&cause);
        }
        next = error.source();
    }
    clean(&text)
}

#[cfg(test)]
mod tests {
    use super::*;

    fn nested(error: rustls::Error) -> io::Error {
        io::Error::other(io::Error::new(io::ErrorKind::InvalidData, error))
    }

    #[test]
    fn a_certificate_that_is_not_trusted_is_the_set_ups_fault() {
        let error = nested(rustls::CertificateError::UnknownIssuer.into());
        assert!(matches!(failure(&error), Answer::Blocked { .. }));
    }

    #[test]
    fn a_broken_connection_is_not() {
        for error in [
            io::Error::from(io::ErrorKind::ConnectionReset),
            io::Error::from(io::ErrorKind::ConnectionRefused),
            nested(rustls::Error::DecryptError),
        ] {
            assert!(matches!(failure(&error), Answer::Retry { .. }), "{error}");
        }
    }

    #[test]
    fn an_alert_of_which_http2_kept_the_kind_alone_is_the_set_ups_fault_where_there_is_tls() {
        let alert = io::Error::new(io::ErrorKind::InvalidData, "in any words");
        assert!(matches!(failure(&alert), Answer::Retry { .. }));
        let answer = failure_over_tls(&alert);
        assert!(matches!(answer, Answer::Blocked { .. }), "{answer:?}");
        for broken in [
            io::Error::new(io::ErrorKind::ConnectionReset, "received fatal alert: X"),
            nested(rustls::Error::DecryptError),
            io::Error::new(io::ErrorKind::InvalidData, rustls::Error::DecryptError),
        ] {
            let answer = failure_over_tls(&broken);
            assert!(matches!(answer, Answer::Retry { .. }), "{answer:?}");
        }
    }

    #[test]
    fn words_decide_nothing() {
        for words in [
            "dns error: failed to lookup address information: Name or service not known",
            "received fatal alert: CertificateRequired",
            "tunnel error: proxy authorization required",
            "http2 error: connection error detected: frame with invalid size",
        ] {
            let answer = failure(&io::Error::other(words));
            assert_eq!(answer, Answer::retry(words), "{words}");
        }
    }
}
