//! Certificates, read from files and read again when the files change.
//!
//! What must hold: a running exporter never loses working certificates to a replacement that cannot
//! be read; it logs that once, and tries again at the next change.

use std::sync::Arc;

use hyper_rustls::ConfigBuilderExt;
use rustls::ClientConfig;

use super::Tls;
use crate::runtime::pem;
use crate::runtime::reload::Reloaded;

/// Why certificates cannot be used.
#[derive(Debug, thiserror::Error)]
pub(super) enum Error {
    #[error(transparent)]
    File(#[from] pem::Error),
    #[error(
        "no certificate authority of the system was found; name one with export.tls.ca_file: {0}"
    )]
    NoSystemRoots(std::io::Error),
    #[error("export.tls.cert_file and export.tls.key_file are needed together")]
    Half,
    #[error("TLS cannot be set up: {0}")]
    Setup(#[from] rustls::Error),
}

/// The TLS configuration of new connections.
#[derive(Debug)]
pub(super) struct Certificates {
    tls: Tls,
    alpn: &'static [u8],
    config: Reloaded<ClientConfig>,
}

impl Certificates {
    /// Reads the files; connections will offer the application protocol `alpn`.
    pub(super) fn load(tls: &Tls, alpn: &'static [u8]) -> Result<Self, Error> {
        let files = [&tls.ca_file, &tls.cert_file, &tls.key_file];
        let files = files.into_iter().flatten().cloned().collect();
        let config = Reloaded::load("the exporter's certificates", files, || {
            configure(tls, alpn)
        })?;
        Ok(Certificates {
            tls: tls.clone(),
            alpn,
            config,
        })
    }

    /// The configuration for a new connection: from the files as they are now, if they can be used.
    pub(super) fn current(&self) -> Arc<ClientConfig> {
        self.config.current(|| configure(&self.tls, self.alpn))
    }
}

fn configure(tls: &Tls, alpn: &'static [u8]) -> Result<ClientConfig, Error> {
    let provider = Arc::new(rustls::crypto::aws_lc_rs::default_provider());
    let builder =
        ClientConfig::builder_with_provider(provider).with_safe_default_protocol_versions()?;
    let builder = match &tls.ca_file {
        Some(path) => builder.with_root_certificates(pem::authorities(path)?),
        None => builder.with_native_roots().map_err(Error::NoSystemRoots)?,
    };
    let mut config = match (&tls.cert_file, &tls.key_file) {
        (None, None) => builder.with_no_client_auth(),
        (Some(chain), Some(key)) => builder
            .with_client_auth_cert(pem::certificates(chain)?, pem::private_key(key)?)
            .map_err(|source| pem::refused(chain, source))?,
        _ => return Err(Error::Half),
    };
    config.alpn_protocols = vec![alpn.to_vec()];
    Ok(config)
}

#[cfg(test)]
mod tests {
    use std::path::Path;

    use super::*;

    fn authority() -> String {
        let key = rcgen::KeyPair::generate().unwrap();
        let params = rcgen::CertificateParams::new(vec!["localhost".to_owned()]).unwrap();
        params.self_signed(&key).unwrap().pem()
    }

    fn with_ca(path: &Path) -> Tls {
        Tls {
            ca_file: Some(path.to_owned()),
            ..Tls::default()
        }
    }

    #[test]
    fn a_changed_file_is_read_again_and_an_unusable_one_is_not_taken() {
        let folder = tempfile::tempdir().unwrap();
        let path = folder.path().join("ca.pem");
        std::fs::write(&path, authority()).unwrap();
        let certificates = Certificates::load(&with_ca(&path), b"h2").unwrap();
        let first = certificates.current();
        assert!(Arc::ptr_eq(&first, &certificates.current()));

        std::fs::write(&path, "half a certif").unwrap();
        assert!(Arc::ptr_eq(&first, &certificates.current()));

        std::fs::write(&path, authority()).unwrap();
        assert!(!Arc::ptr_eq(&first, &certificates.current()));
    }

    #[test]
    fn what_cannot_be_used_at_start_is_an_error_that_names_the_file() {
        let folder = tempfile::tempdir().unwrap();
        let missing = folder.path().join("missing.pem");
        let error = Certificates::load(&with_ca(&missing), b"h2").unwrap_err();
        assert!(error.to_string().contains("missing.pem"), "{error}");

        let empty = folder.path().join("empty.pem");
        std::fs::write(&empty, "").unwrap();
        let error = Certificates::load(&with_ca(&empty), b"h2").unwrap_err();
        assert!(
            matches!(error, Error::File(pem::Error::NoCertificate { .. })),
            "{error}"
        );
    }

    #[test]
    fn a_certificate_without_its_key_is_refused() {
        let folder = tempfile::tempdir().unwrap();
        let path = folder.path().join("ca.pem");
        std::fs::write(&path, authority()).unwrap();
        let tls = Tls {
            cert_file: Some(path.clone()),
            ..with_ca(&path)
        };
        let error = Certificates::load(&tls, b"h2").unwrap_err();
        assert!(matches!(error, Error::Half), "{error}");
    }
}
