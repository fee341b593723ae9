//! AutoMTLS: core and provider each create a certificate for this one process, and each trusts only the
//! other's.
//!
//! Core puts its certificate into our environment, and we put ours into the handshake line. Two facts make
//! this hard:
//!
//! - Core's certificate is ECDSA on P-521. Only if our CertificateRequest offers that scheme does Go present
//!   it, and only aws-lc can verify it; hence aws-lc-rs and not ring.
//! - Core's certificate is marked as a certificate authority, which webpki refuses from a client. So the
//!   stock verifier can never accept it, and tonic's own TLS, which supports no other verifier, cannot be
//!   used: tokio-rustls does TLS here.
//!
//! The check itself is simpler than webpki's, and stricter: exactly the same bytes, and proof of the private
//! key.

use std::sync::Arc;

use rcgen::{CertificateParams, DnType, ExtendedKeyUsagePurpose, IsCa, KeyPair, date_time_ymd};
use tokio_rustls::TlsAcceptor;
use tokio_rustls::rustls::client::danger::HandshakeSignatureValid;
use tokio_rustls::rustls::crypto::{
    CryptoProvider, WebPkiSupportedAlgorithms, aws_lc_rs, verify_tls12_signature, verify_tls13_signature,
};
use tokio_rustls::rustls::pki_types::pem::{self, PemObject};
use tokio_rustls::rustls::pki_types::{CertificateDer, PrivateKeyDer, UnixTime};
use tokio_rustls::rustls::server::danger::{ClientCertVerified, ClientCertVerifier};
use tokio_rustls::rustls::{
    self, CertificateError, DigitallySignedStruct, DistinguishedName, ServerConfig, SignatureScheme,
};

/// The name core expects in our certificate.
const SERVER_NAME: &str = "localhost";

/// HTTP/2, which Go insists on negotiating.
const ALPN: &[u8] = b"h2";

/// Why TLS cannot be set up.
#[derive(Debug, thiserror::Error)]
pub enum Error {
    /// Core's certificate is not a certificate.
    #[error("PLUGIN_CLIENT_CERT does not hold a PEM certificate")]
    ClientCertificate(#[source] pem::Error),
    /// Our certificate cannot be created.
    #[error("cannot make the certificate of this process")]
    ServerCertificate(#[source] rcgen::Error),
    /// rustls refuses our configuration.
    #[error("cannot configure TLS")]
    Configuration(#[source] rustls::Error),
}

/// Our end of AutoMTLS.
pub struct ServerTls {
    /// Ends TLS on accepted connections.
    pub acceptor: TlsAcceptor,
    /// The certificate that core must trust, for the handshake line.
    pub certificate: CertificateDer<'static>,
}

impl ServerTls {
    /// Creates our certificate, and accepts only the holder of `client_certificate` (PEM) as a client.
    pub fn for_client(client_certificate: &str) -> Result<ServerTls, Error> {
        let client = CertificateDer::from_pem_slice(client_certificate.as_bytes())
            .map_err(Error::ClientCertificate)?;
        let (certificate, key) = self_signed().map_err(Error::ServerCertificate)?;

        let crypto = Arc::new(aws_lc_rs::default_provider());
        let verifier = Arc::new(OnlyClient::new(client, &crypto));
        let mut config = ServerConfig::builder_with_provider(crypto)
            .with_safe_default_protocol_versions()
            .and_then(|builder| {
                builder.with_client_cert_verifier(verifier).with_single_cert(vec![certificate.clone()], key)
            })
            .map_err(Error::Configuration)?;
        config.alpn_protocols = vec![ALPN.to_vec()];
        Ok(ServerTls { acceptor: TlsAcceptor::from(Arc::new(config)), certificate })
    }
}

fn self_signed() -> Result<(CertificateDer<'static>, PrivateKeyDer<'static>), rcgen::Error> {
    // P-256 is the quickest to create, and one is created at every start.
    let key = KeyPair::generate_for(&rcgen::PKCS_ECDSA_P256_SHA256)?;
    let mut parameters = CertificateParams::new([SERVER_NAME.to_owned()])?;
    parameters.distinguished_name.push(DnType::CommonName, SERVER_NAME);
    parameters.is_ca = IsCa::ExplicitNoCa;
    parameters.extended_key_usages = vec![ExtendedKeyUsagePurpose::ServerAuth];
    // The certificate lives as long as this process, whatever its dates say. Wide dates make a wrong clock
    // harmless.
    parameters.not_before = date_time_ymd(2000, 1, 1);
    parameters.not_after = date_time_ymd(2100, 1, 1);
    let certificate = parameters.self_signed(&key)?;
    Ok((certificate.into(), PrivateKeyDer::Pkcs8(key.serialize_der().into())))
}

/// Accepts exactly one client: the one that presents this certificate and proves that it holds the key.
#[derive(Debug)]
struct OnlyClient {
    certificate: CertificateDer<'static>,
    algorithms: WebPkiSupportedAlgorithms,
}

impl OnlyClient {
    fn new(certificate: CertificateDer<'static>, crypto: &CryptoProvider) -> OnlyClient {
        OnlyClient { certificate, algorithms: crypto.signature_verification_algorithms }
    }
}

impl ClientCertVerifier for OnlyClient {
    fn client_auth_mandatory(&self) -> bool {
        true
    }

    /// No hints: Go presents its certificate to a server that names no authorities.
    fn root_hint_subjects(&self) -> &[DistinguishedName] {
        &[]
    }

    fn verify_client_cert(
        &self,
        end_entity: &CertificateDer<'_>,
        _intermediates: &[CertificateDer<'_>],
        _now: UnixTime,
    ) -> Result<ClientCertVerified, rustls::Error> {
        if *end_entity == self.certificate {
            Ok(ClientCertVerified::assertion())
        } else {
            Err(CertificateError::ApplicationVerificationFailure.into())
        }
    }

    fn verify_tls12_signature(
        &self,
        message: &[u8],
        certificate: &CertificateDer<'_>,
        signature: &DigitallySignedStruct,
    ) -> Result<HandshakeSignatureValid, rustls::Error> {
        verify_tls12_signature(message, certificate, signature, &self.algorithms)
    }

    fn verify_tls13_signature(
        &self,
        message: &[u8],
        certificate: &CertificateDer<'_>,
        signature: &DigitallySignedStruct,
    ) -> Result<HandshakeSignatureValid, rustls::Error> {
        verify_tls13_signature(message, certificate, signature, &self.algorithms)
    }

    fn supported_verify_schemes(&self) -> Vec<SignatureScheme> {
        self.algorithms.supported_schemes()
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn offers_the_scheme_of_gos_certificate() {
        let client = OnlyClient::new(CertificateDer::from(vec![1]), &aws_lc_rs::default_provider());
        assert!(client.supported_verify_schemes().contains(&SignatureScheme::ECDSA_NISTP521_SHA512));
        assert!(client.offer_client_auth() && client.client_auth_mandatory());
    }

    #[test]
    fn accepts_the_same_bytes_only() {
        let client = OnlyClient::new(CertificateDer::from(vec![1, 2]), &aws_lc_rs::default_provider());
        let verify =
            |der: Vec<u8>| client.verify_client_cert(&CertificateDer::from(der), &[], UnixTime::now());
        assert!(verify(vec![1, 2]).is_ok());
        assert!(verify(vec![1]).is_err());
        assert!(verify(vec![1, 2, 3]).is_err());
    }

    #[test]
    fn says_what_is_wrong_with_the_environment() {
        let error = ServerTls::for_client("not a certificate").err().unwrap();
        assert!(matches!(error, Error::ClientCertificate(_)), "{error}");
    }
}
