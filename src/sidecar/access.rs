//! Who may see the live page.
//!
//! Enters: a request's headers. Leaves: whether it is allowed, and the cookie of someone who showed a token. What must
//! hold: with tokens, each request shows one, in a header or as a cookie; without, the page is shown on a loopback
//! address alone, and to a browser that knows it by a loopback name, so that no other site reaches it (DNS
//! rebinding); a cookie holds no token, and is void once its token is gone or qtrail restarts.

use std::net::{IpAddr, SocketAddr};
use std::path::PathBuf;

use anyhow::anyhow;
use axum::http::header::{AUTHORIZATION, COOKIE, HOST};
use axum::http::uri::Authority;
use axum::http::{HeaderMap, HeaderValue, Uri};
use rustls::crypto::aws_lc_rs;
use sha2::{Digest, Sha256};

use crate::input::ingest::listen::auth::{Auth, digest};

/// The config key of the files of tokens.
pub(crate) const TOKEN_FILES: &str = "telemetry.token_files";
/// The name of the cookie.
const NAME: &str = "qtrail_session";

/// Who may see the page.
pub(super) struct Access {
    auth: Auth,
    is_loopback: bool,
    /// Makes the cookies of this process.
    secret: [u8; 32],
}

/// Why a request is refused.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Refusal {
    /// No token is configured, and other hosts can reach the address.
    NotConfigured,
    /// It shows no token, or a wrong one.
    NoToken,
    /// It names another host.
    ForeignHost,
}

impl Access {
    /// For a page that is served at this address.
    ///
    /// # Errors
    /// A file of tokens cannot be read or has none.
    pub(super) fn new(address: SocketAddr, token_files: &[PathBuf]) -> anyhow::Result<Self> {
        let mut secret = [0; 32];
        aws_lc_rs::default_provider()
            .secure_random
            .fill(&mut secret)
            .map_err(|_| anyhow!("the system gives no random bytes"))?;
        Ok(Access {
            auth: Auth::open(TOKEN_FILES, token_files)?,
            is_loopback: address.ip().to_canonical().is_loopback(),
            secret,
        })
    }

    /// Whether a request may see the page.
    ///
    /// # Errors
    /// It may not.
    pub(super) fn check(&self, uri: &Uri, headers: &HeaderMap) -> Result<(), Refusal> {
        if !self.auth.is_open() {
            let has_token = self.auth.check(headers).is_ok();
            return match has_token || self.has_session(headers) {
                true => Ok(()),
                false => Err(Refusal::NoToken),
            };
        }
        match (self.is_loopback, names_loopback(uri, headers)) {
            (false, _) => Err(Refusal::NotConfigured),
            (true, false) => Err(Refusal::ForeignHost),
            (true, true) => Ok(()),
        }
    }

    /// The cookie for a token, if that is valid.
    pub(super) fn cookie(&self, token: &[u8]) -> Option<HeaderValue> {
        let token = token.trim_ascii();
        let bearer = HeaderValue::from_bytes(&[b"Bearer ", token].concat()).ok()?;
        let headers = HeaderMap::from_iter([(AUTHORIZATION, bearer)]);
        // Without files, every token would be valid.
        let is_valid = !self.auth.is_open() && self.auth.check(&headers).is_ok();
        let session = hex::encode(self.session(&digest(token)));
        let cookie = format!("{NAME}={session}; Path=/; HttpOnly; SameSite=Strict");
        is_valid.then(|| cookie.parse().ok())?
    }

    fn has_session(&self, headers: &HeaderMap) -> bool {
        let cookies = headers.get_all(COOKIE).iter();
        let cookies = cookies.filter_map(|value| value.to_str().ok());
        let sent: Vec<[u8; 32]> = cookies
            .flat_map(|cookies| cookies.split(';'))
            .filter_map(|cookie| cookie.trim().strip_prefix(NAME)?.strip_prefix('='))
            .filter_map(|session| hex::decode(session).ok()?.try_into().ok())
            .collect();
        let session = |digest: &[u8; 32]| self.session(digest);
        self.auth.find(&sent, session).is_some()
    }

    /// The session that belongs to a token's digest.
    fn session(&self, digest: &[u8; 32]) -> [u8; 32] {
        Sha256::new()
            .chain_update(self.secret)
            .chain_update(digest)
            .finalize()
            .into()
    }
}

/// Whether a request names only loopback hosts, and at least one.
fn names_loopback(uri: &Uri, headers: &HeaderMap) -> bool {
    let parsed = |host: &HeaderValue| host.to_str().ok()?.parse::<Authority>().ok();
    let of_header = headers.get_all(HOST).iter().map(parsed);
    let of_uri = uri.authority().cloned().map(Some);
    let mut hosts = of_header.chain(of_uri).peekable();
    let is_loopback = |authority: Option<Authority>| authority.is_some_and(is_loopback);
    hosts.peek().is_some() && hosts.all(is_loopback)
}

fn is_loopback(authority: Authority) -> bool {
    if authority.as_str().contains('@') {
        return false;
    }
    let host = authority.host();
    let bare = host.trim_start_matches('[').trim_end_matches(']');
    match bare.parse::<IpAddr>() {
        Ok(ip) => ip.to_canonical().is_loopback(),
        Err(_) => host.eq_ignore_ascii_case("localhost"),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    const HERE: ([u8; 4], u16) = ([127, 0, 0, 1], 1);
    const BEYOND: ([u8; 4], u16) = ([0, 0, 0, 0], 1);

    fn headers(of: &[(axum::http::HeaderName, &str)]) -> HeaderMap {
        let parsed = |(name, value): &(axum::http::HeaderName, &str)| {
            (name.clone(), value.parse::<HeaderValue>().unwrap())
        };
        let mut headers = HeaderMap::new();
        for (name, value) in of.iter().map(parsed) {
            headers.append(name, value);
        }
        headers
    }

    fn access(address: ([u8; 4], u16), tokens: Option<&str>) -> (Access, tempfile::NamedTempFile) {
        let file = tempfile::NamedTempFile::new().unwrap();
        std::fs::write(file.path(), tokens.unwrap_or_default()).unwrap();
        let files: Vec<_> = tokens.iter().map(|_| file.path().to_owned()).collect();
        (Access::new(address.into(), &files).unwrap(), file)
    }

    fn check(access: &Access, of: &[(axum::http::HeaderName, &str)]) -> Result<(), Refusal> {
        access.check(&Uri::from_static("/"), &headers(of))
    }

    #[test]
    fn without_tokens_a_loopback_address_is_open_to_loopback_names() {
        let (access, _file) = access(HERE, None);
        for host in [
            "localhost",
            "LOCALHOST:9465",
            "127.0.0.1:1",
            "127.9.9.9",
            "[::1]:9465",
            "[::ffff:127.0.0.1]",
        ] {
            assert_eq!(check(&access, &[(HOST, host)]), Ok(()), "{host}");
        }
        for host in [
            "",
            "x",
            "evil.example",
            "localhost.evil.example",
            "10.0.0.1",
            "me@localhost",
            "127.0.0.1.evil.example",
            "0.0.0.0",
            "[::]",
            "a b",
        ] {
            assert_eq!(
                check(&access, &[(HOST, host)]),
                Err(Refusal::ForeignHost),
                "{host}"
            );
        }
        assert_eq!(check(&access, &[]), Err(Refusal::ForeignHost));
        let two = [(HOST, "localhost"), (HOST, "evil.example")];
        assert_eq!(check(&access, &two), Err(Refusal::ForeignHost));
        let uri = Uri::from_static("http://evil.example/");
        let local = headers(&[(HOST, "localhost")]);
        assert_eq!(access.check(&uri, &local), Err(Refusal::ForeignHost));
        assert_eq!(
            access.check(&Uri::from_static("http://localhost/"), &HeaderMap::new()),
            Ok(())
        );
        assert_eq!(access.cookie(b"anything"), None);
    }

    #[test]
    fn beyond_loopback_the_page_needs_tokens() {
        let (access, _file) = access(BEYOND, None);
        let local = [(HOST, "localhost"), (AUTHORIZATION, "Bearer x")];
        assert_eq!(check(&access, &local), Err(Refusal::NotConfigured));
        assert_eq!(access.cookie(b""), None);
    }

    #[test]
    fn with_tokens_every_request_shows_one_whatever_its_host() {
        for address in [HERE, BEYOND] {
            let (access, _file) = access(address, Some("one\ntwo\n"));
            assert_eq!(
                check(&access, &[(HOST, "localhost")]),
                Err(Refusal::NoToken)
            );
            let host = (HOST, "qtrail.example");
            for token in ["Bearer one", "bearer two"] {
                assert_eq!(
                    check(&access, &[host.clone(), (AUTHORIZATION, token)]),
                    Ok(())
                );
            }
            for token in ["Bearer three", "Bearer ", "Basic one", "one"] {
                let wrong = [host.clone(), (AUTHORIZATION, token)];
                assert_eq!(check(&access, &wrong), Err(Refusal::NoToken), "{token}");
            }
        }
    }

    #[test]
    fn a_cookie_stands_for_its_token_until_that_is_gone() {
        let (access, file) = access(BEYOND, Some("one\n"));
        assert_eq!(access.cookie(b"wrong"), None);
        assert_eq!(access.cookie(b"on\ne"), None);
        let cookie = access.cookie(b" one ").unwrap();
        let cookie = cookie.to_str().unwrap();
        assert!(
            cookie.ends_with("; Path=/; HttpOnly; SameSite=Strict"),
            "{cookie}"
        );
        assert!(!cookie.contains("one") && !cookie.contains(&hex::encode(digest(b"one"))));
        let session = cookie.split(';').next().unwrap();
        let beside = format!("a=b; {session}");
        assert_eq!(check(&access, &[(COOKIE, &beside)]), Ok(()));
        let other = format!("{NAME}={}", "0".repeat(64));
        for wrong in [
            &other,
            "qtrail_session=",
            "qtrail_session=one",
            &session[..session.len() - 1],
        ] {
            assert_eq!(
                check(&access, &[(COOKIE, wrong)]),
                Err(Refusal::NoToken),
                "{wrong}"
            );
        }
        let restarted = Access::new(BEYOND.into(), &[file.path().to_owned()]).unwrap();
        assert_eq!(
            check(&restarted, &[(COOKIE, session)]),
            Err(Refusal::NoToken)
        );
        std::fs::write(file.path(), "another\n").unwrap();
        assert_eq!(check(&access, &[(COOKIE, session)]), Err(Refusal::NoToken));
    }
}
