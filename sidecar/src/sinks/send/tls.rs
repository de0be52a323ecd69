//! TLS by rustls: the receiver's certificate is always checked.

use crate::sinks::config::TlsConfig;
use crate::sinks::verdict::SendError;
use std::path::Path;
use std::sync::Arc;
use tokio_rustls::TlsConnector;
use tokio_rustls::rustls::crypto::ring;
use tokio_rustls::rustls::pki_types::pem::PemObject;
use tokio_rustls::rustls::pki_types::{CertificateDer, PrivateKeyDer, ServerName};
use tokio_rustls::rustls::{ClientConfig, Error, RootCertStore};

/// What a handshake needs.
pub struct Tls {
    /// rustls, set up.
    pub connector: TlsConnector,
    /// The name that the certificate must have.
    pub name: ServerName<'static>,
}

impl Tls {
    /// Reads what the configuration names.
    ///
    /// # Errors
    /// Names the file and the remedy.
    pub fn new(config: &TlsConfig, host: &str) -> Result<Tls, SendError> {
        let roots = match &config.ca {
            Some(path) => from_file(path)?,
            None => from_system()?,
        };
        let builder = ClientConfig::builder_with_provider(Arc::new(ring::default_provider()))
            .with_safe_default_protocol_versions()
            .map_err(|error| SendError::alarm(format!("TLS: {error}")))?
            .with_root_certificates(roots);
        let config_of = match (&config.certificate, &config.key) {
            (Some(certificate), Some(key)) => {
                let chain = certificates(certificate)?;
                let private = PrivateKeyDer::from_pem_file(key)
                    .map_err(|error| unusable("tls.key", key, &error.to_string()))?;
                builder
                    .with_client_auth_cert(chain, private)
                    .map_err(|error| unusable("tls.certificate", certificate, &error.to_string()))?
            }
            _ => builder.with_no_client_auth(),
        };
        let name = config.server_name.clone().unwrap_or_else(|| host.to_owned());
        let name = ServerName::try_from(name)
            .map_err(|_| SendError::alarm("`tls.server_name` is not a host name or an IP address"))?;
        Ok(Tls {
            connector: TlsConnector::from(Arc::new(config_of)),
            name,
        })
    }
}

fn from_file(path: &Path) -> Result<RootCertStore, SendError> {
    let mut roots = RootCertStore::empty();
    for certificate in certificates(path)? {
        roots
            .add(certificate)
            .map_err(|error| unusable("tls.ca", path, &error.to_string()))?;
    }
    Ok(roots)
}

fn from_system() -> Result<RootCertStore, SendError> {
    let found = rustls_native_certs::load_native_certs();
    let mut roots = RootCertStore::empty();
    roots.add_parsable_certificates(found.certs);
    if roots.is_empty() {
        return Err(SendError::alarm(
            "this system has no certificate authorities; install ca-certificates, or name `tls.ca`",
        ));
    }
    Ok(roots)
}

fn certificates(path: &Path) -> Result<Vec<CertificateDer<'static>>, SendError> {
    let read: Result<Vec<_>, _> = CertificateDer::pem_file_iter(path).and_then(Iterator::collect);
    match read {
        Ok(list) if list.is_empty() => Err(unusable("tls", path, "holds no certificate in PEM")),
        Ok(list) => Ok(list),
        Err(error) => Err(unusable("tls", path, &error.to_string())),
    }
}

fn unusable(key: &str, path: &Path, why: &str) -> SendError {
    SendError::alarm(format!(
        "`{key}`, {}: {why}; a readable PEM file is expected",
        path.display()
    ))
}

/// Whether it says something of TLS itself, and not only that a connection broke.
pub fn is_word(error: &std::io::Error) -> bool {
    error.get_ref().is_some_and(|inner| inner.is::<Error>())
}

/// What a failed handshake means.
pub fn failed(error: &std::io::Error) -> SendError {
    let inner = error.get_ref().and_then(|inner| inner.downcast_ref::<Error>());
    match inner {
        Some(Error::InvalidCertificate(why)) => SendError::alarm(format!(
            "the receiver's certificate is not accepted: {why}; check its dates and names, and `tls.ca`"
        )),
        Some(Error::InvalidMessage(_)) => {
            SendError::alarm("the receiver does not speak TLS; check the scheme and the port")
        }
        Some(Error::AlertReceived(alert)) => SendError::alarm(format!(
            "the receiver refuses the handshake ({alert:?}); check `tls.certificate` and `tls.key`"
        )),
        Some(other) => SendError::alarm(format!("TLS: {other}")),
        None => SendError::retry(format!("TLS: {error}")),
    }
}
