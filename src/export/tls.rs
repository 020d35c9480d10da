//! Certificates, read from files and read again when the files change.
//!
//! What must hold: a running exporter never loses working certificates to a replacement that cannot
//! be read; it says so once, and tries again at the next change.

use std::fs::Metadata;
use std::os::unix::fs::MetadataExt;
use std::path::{Path, PathBuf};
use std::sync::{Arc, Mutex, PoisonError};

use hyper_rustls::ConfigBuilderExt;
use rustls::pki_types::pem::PemObject;
use rustls::pki_types::{CertificateDer, PrivateKeyDer};
use rustls::{ClientConfig, RootCertStore};
use tracing::{info, warn};

use super::Tls;

/// Why certificates cannot be used.
#[derive(Debug, thiserror::Error)]
pub(super) enum Error {
    #[error("cannot read {}: {detail}", path.display())]
    Unreadable { path: PathBuf, detail: String },
    #[error("{} holds no PEM certificate", path.display())]
    NoCertificate { path: PathBuf },
    #[error(
        "no certificate authority of the system was found; name one with export.tls.ca_file: {0}"
    )]
    NoSystemRoots(std::io::Error),
    #[error("export.tls.cert_file and export.tls.key_file are needed together")]
    Half,
    #[error("{} cannot be used: {source}", path.display())]
    Refused {
        path: PathBuf,
        source: rustls::Error,
    },
    #[error("TLS cannot be set up: {0}")]
    Setup(#[from] rustls::Error),
}

/// What tells one version of a file from another: a replaced file has another inode, a rewritten
/// one another time or size.
type Stamp = Option<(u64, i64, i64, u64)>;

/// The TLS configuration of new connections.
#[derive(Debug)]
pub(super) struct Certificates {
    tls: Tls,
    alpn: &'static [u8],
    loaded: Mutex<Loaded>,
}

#[derive(Debug)]
struct Loaded {
    config: Arc<ClientConfig>,
    stamps: [Stamp; 3],
}

impl Certificates {
    /// Reads the files; connections will offer the application protocol `alpn`.
    pub(super) fn load(tls: &Tls, alpn: &'static [u8]) -> Result<Self, Error> {
        let stamps = stamps(tls);
        let config = Arc::new(configure(tls, alpn)?);
        Ok(Certificates {
            tls: tls.clone(),
            alpn,
            loaded: Mutex::new(Loaded { config, stamps }),
        })
    }

    /// The configuration for a new connection: from the files as they are now, if they can be used.
    pub(super) fn current(&self) -> Arc<ClientConfig> {
        let mut loaded = self.loaded.lock().unwrap_or_else(PoisonError::into_inner);
        let stamps = stamps(&self.tls);
        if stamps != loaded.stamps {
            loaded.stamps = stamps;
            match configure(&self.tls, self.alpn) {
                Ok(config) => {
                    loaded.config = Arc::new(config);
                    info!("the exporter's certificates changed and were read again");
                }
                Err(e) => {
                    warn!("the exporter's certificates changed, and the old ones stay in use: {e}");
                }
            }
        }
        Arc::clone(&loaded.config)
    }
}

fn stamps(tls: &Tls) -> [Stamp; 3] {
    [&tls.ca_file, &tls.cert_file, &tls.key_file].map(|path| {
        let meta: Metadata = path.as_ref()?.metadata().ok()?;
        Some((meta.ino(), meta.mtime(), meta.mtime_nsec(), meta.len()))
    })
}

fn configure(tls: &Tls, alpn: &'static [u8]) -> Result<ClientConfig, Error> {
    let provider = Arc::new(rustls::crypto::aws_lc_rs::default_provider());
    let builder =
        ClientConfig::builder_with_provider(provider).with_safe_default_protocol_versions()?;
    let builder = match &tls.ca_file {
        Some(path) => {
            let mut roots = RootCertStore::empty();
            for certificate in certificates(path)? {
                roots.add(certificate).map_err(|source| Error::Refused {
                    path: path.clone(),
                    source,
                })?;
            }
            builder.with_root_certificates(roots)
        }
        None => builder.with_native_roots().map_err(Error::NoSystemRoots)?,
    };
    let mut config = match (&tls.cert_file, &tls.key_file) {
        (None, None) => builder.with_no_client_auth(),
        (Some(chain), Some(key)) => {
            let private = PrivateKeyDer::from_pem_file(key).map_err(|e| unreadable(key, &e))?;
            builder
                .with_client_auth_cert(certificates(chain)?, private)
                .map_err(|source| Error::Refused {
                    path: chain.clone(),
                    source,
                })?
        }
        _ => return Err(Error::Half),
    };
    config.alpn_protocols = vec![alpn.to_vec()];
    Ok(config)
}

fn certificates(path: &Path) -> Result<Vec<CertificateDer<'static>>, Error> {
    let certificates: Vec<_> = CertificateDer::pem_file_iter(path)
        .and_then(Iterator::collect)
        .map_err(|e| unreadable(path, &e))?;
    if certificates.is_empty() {
        return Err(Error::NoCertificate {
            path: path.to_owned(),
        });
    }
    Ok(certificates)
}

fn unreadable(path: &Path, error: &rustls::pki_types::pem::Error) -> Error {
    Error::Unreadable {
        path: path.to_owned(),
        detail: error.to_string(),
    }
}

#[cfg(test)]
mod tests {
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
        assert!(matches!(error, Error::NoCertificate { .. }), "{error}");
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
