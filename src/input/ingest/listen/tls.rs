//! TLS to senders.
//!
//! Enters: a stream. Leaves: the same, encrypted, with the name in the client's certificate. What
//! must hold: certificates that cannot be used do not replace working ones; with
//! `ingest.tls.client_ca_file`, nobody comes in without a certificate that is valid now.

use std::fmt;
use std::io;
use std::sync::Arc;

use rustls::ServerConfig;
use rustls::pki_types::CertificateDer;
use rustls::server::{NoServerSessionStorage, WebPkiClientVerifier};
use tokio_rustls::TlsAcceptor;
use tokio_rustls::server::TlsStream;
use x509_cert::certificate::{CertificateInner, Raw};
use x509_cert::der::asn1::ObjectIdentifier;
use x509_cert::der::{Decode, Tag, Tagged};
use x509_cert::ext::pkix::SubjectAltName;
use x509_cert::ext::pkix::name::GeneralName;

use super::socket::Io;
use crate::input::ingest::ServerTls;
use crate::runtime::pem;
use crate::runtime::reload::Reloaded;

/// Characters of a certificate's name that are kept.
const NAME: usize = 200;
/// `id-at-commonName` (RFC 5280, appendix A.1).
const COMMON_NAME: ObjectIdentifier = ObjectIdentifier::new_unwrap("2.5.4.3");

/// Why certificates cannot be used.
#[derive(Debug, thiserror::Error)]
pub(super) enum Error {
    #[error(transparent)]
    File(#[from] pem::Error),
    #[error("{} cannot be used: {source}", path.display())]
    Authorities {
        path: std::path::PathBuf,
        source: rustls::server::VerifierBuilderError,
    },
    #[error("TLS cannot be set up: {0}")]
    Setup(#[from] rustls::Error),
}

/// Why a handshake failed.
#[derive(Debug)]
pub(super) enum Failure {
    /// The peer did not speak TLS.
    NotTls,
    /// The client's certificate is missing or invalid.
    Certificate(rustls::Error),
    /// The two do not understand each other.
    Handshake(rustls::Error),
    /// The peer went away.
    Gone,
}

/// The server's certificates.
pub(super) struct Certificates {
    tls: ServerTls,
    config: Reloaded<ServerConfig>,
}

impl Certificates {
    /// Reads the files.
    pub(super) fn load(tls: &ServerTls) -> Result<Self, Error> {
        let files = [
            Some(&tls.cert_file),
            Some(&tls.key_file),
            tls.client_ca_file.as_ref(),
        ];
        let files = files.into_iter().flatten().cloned().collect();
        Ok(Certificates {
            config: Reloaded::load("the certificates of ingest.tls", files, || configure(tls))?,
            tls: tls.clone(),
        })
    }

    /// Whether every client shows a certificate.
    pub(super) fn names_clients(&self) -> bool {
        self.tls.client_ca_file.is_some()
    }

    /// Encrypts a stream, with the certificates as they are now.
    pub(super) async fn accept(
        &self,
        stream: Box<dyn Io>,
    ) -> Result<TlsStream<Box<dyn Io>>, Failure> {
        let config = self.config.current(|| configure(&self.tls));
        TlsAcceptor::from(config)
            .accept(stream)
            .await
            .map_err(|e| failure(&e))
    }
}

/// The name in the client's certificate, where it showed one.
pub(super) fn name(stream: &TlsStream<Box<dyn Io>>) -> Option<Arc<str>> {
    let (_, session) = stream.get_ref();
    let name = certificate_name(session.peer_certificates()?.first()?)?;
    // It ends in log lines.
    let printable = name.chars().filter(|c| !c.is_control()).take(NAME);
    Some(printable.collect::<String>().into())
}

/// The subject's common name, else the first alternative name of the subject that is a text.
fn certificate_name(certificate: &CertificateDer<'_>) -> Option<String> {
    let parsed = CertificateInner::<Raw>::from_der(certificate)
        .ok()?
        .tbs_certificate;
    let mut subject = parsed.subject.0.iter().flat_map(|names| names.0.iter());
    let common = subject.find_map(|name| match name.value.tag() {
        Tag::NumericString | Tag::PrintableString | Tag::Utf8String | Tag::Ia5String
            if name.oid == COMMON_NAME =>
        {
            std::str::from_utf8(name.value.value()).ok()
        }
        _ => None,
    });
    if let Some(name) = common.filter(|name| !name.is_empty()) {
        return Some(name.to_owned());
    }
    let (_, SubjectAltName(others)) = parsed.get().ok()??;
    others.iter().find_map(|name| match name {
        GeneralName::DnsName(text)
        | GeneralName::UniformResourceIdentifier(text)
        | GeneralName::Rfc822Name(text) => Some(text.to_string()),
        _ => None,
    })
}

fn configure(tls: &ServerTls) -> Result<ServerConfig, Error> {
    let provider = Arc::new(rustls::crypto::aws_lc_rs::default_provider());
    let builder = ServerConfig::builder_with_provider(Arc::clone(&provider))
        .with_safe_default_protocol_versions()?;
    let builder = match &tls.client_ca_file {
        Some(path) => {
            let roots = Arc::new(pem::authorities(path)?);
            let verifier = WebPkiClientVerifier::builder_with_provider(roots, provider)
                .build()
                .map_err(|source| Error::Authorities {
                    path: path.clone(),
                    source,
                })?;
            builder.with_client_cert_verifier(verifier)
        }
        None => builder.with_no_client_auth(),
    };
    let mut config = builder
        .with_single_cert(
            pem::certificates(&tls.cert_file)?,
            pem::private_key(&tls.key_file)?,
        )
        .map_err(|source| pem::refused(&tls.cert_file, source))?;
    config.alpn_protocols = vec![b"h2".to_vec(), b"http/1.1".to_vec()];
    if tls.client_ca_file.is_some() {
        // A session that is resumed shows no certificate: it may have expired since.
        config.session_storage = Arc::new(NoServerSessionStorage {});
        config.send_tls13_tickets = 0;
    }
    Ok(config)
}

fn failure(error: &io::Error) -> Failure {
    let Some(tls) = error
        .get_ref()
        .and_then(|e| e.downcast_ref::<rustls::Error>())
    else {
        return Failure::Gone;
    };
    match tls {
        rustls::Error::InvalidMessage(_) => Failure::NotTls,
        rustls::Error::NoCertificatesPresented | rustls::Error::InvalidCertificate(_) => {
            Failure::Certificate(tls.clone())
        }
        _ => Failure::Handshake(tls.clone()),
    }
}

impl Failure {
    /// The kind of refusal; `None` where nobody was refused.
    pub(super) fn kind(&self) -> Option<&'static str> {
        match self {
            Failure::NotTls => Some("not_tls"),
            Failure::Certificate(_) => Some("certificate"),
            Failure::Handshake(_) => Some("handshake"),
            Failure::Gone => None,
        }
    }
}

impl fmt::Display for Failure {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Failure::NotTls => f.write_str("no TLS (plain text to a port with ingest.tls?)"),
            Failure::Certificate(e) => write!(f, "the client's certificate: {e}"),
            Failure::Handshake(e) => write!(f, "the TLS handshake failed: {e}"),
            Failure::Gone => f.write_str("the peer went away"),
        }
    }
}

#[cfg(test)]
mod tests {
    use rcgen::{CertificateParams, DistinguishedName, DnType, KeyPair, SanType};

    use super::*;

    #[test]
    fn a_certificates_name_is_its_common_name_else_its_first_text() {
        let email = || SanType::Rfc822Name("a@example.com".try_into().unwrap());
        let uri = || SanType::URI("spiffe://example.com/a".try_into().unwrap());
        let dns = || SanType::DnsName("a.example.com".try_into().unwrap());
        let ip = || SanType::IpAddress([127, 0, 0, 1].into());
        for (common, others, expected) in [
            (Some("client ä"), vec![dns()], Some("client ä")),
            (
                Some(""),
                vec![ip(), uri(), dns()],
                Some("spiffe://example.com/a"),
            ),
            (None, vec![email(), dns()], Some("a@example.com")),
            (None, vec![dns(), uri()], Some("a.example.com")),
            (None, vec![ip()], None),
            (None, vec![], None),
        ] {
            let mut params = CertificateParams::default();
            params.distinguished_name = DistinguishedName::new();
            params
                .distinguished_name
                .push(DnType::OrganizationName, "x");
            if let Some(common) = common {
                params.distinguished_name.push(DnType::CommonName, common);
            }
            params.subject_alt_names = others;
            let signed = params.self_signed(&KeyPair::generate().unwrap()).unwrap();
            assert_eq!(certificate_name(signed.der()).as_deref(), expected);
        }
        assert_eq!(certificate_name(&CertificateDer::from_slice(b"none")), None);
    }
}
