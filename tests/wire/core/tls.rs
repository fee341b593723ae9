//! The connection to a provider: TLS as Go does it on the other side.

use std::path::Path;
use std::sync::Arc;

use hyper_util::rt::TokioIo;
use rcgen::{BasicConstraints, CertificateParams, ExtendedKeyUsagePurpose, IsCa, KeyPair};
use tokio::io::{AsyncRead, AsyncWrite};
use tokio::net::UnixStream;
use tokio_rustls::TlsConnector;
use tokio_rustls::rustls::client::danger::{HandshakeSignatureValid, ServerCertVerified, ServerCertVerifier};
use tokio_rustls::rustls::crypto::{
    CryptoProvider, aws_lc_rs, verify_tls12_signature, verify_tls13_signature,
};
use tokio_rustls::rustls::pki_types::{CertificateDer, PrivateKeyDer, ServerName, UnixTime};
use tokio_rustls::rustls::{
    self, CertificateError, ClientConfig, DigitallySignedStruct, SignatureScheme, version,
};
use tonic::transport::{Channel, Endpoint};

use super::process::Handshake;

/// A certificate and its key, as go-plugin makes them: ECDSA on P-521, an authority, for localhost.
pub struct Identity {
    pub certificate: CertificateDer<'static>,
    pub pem: String,
    key: KeyPair,
}

impl Identity {
    pub fn new() -> Identity {
        let key = KeyPair::generate_for(&rcgen::PKCS_ECDSA_P521_SHA512).unwrap();
        let mut parameters = CertificateParams::new(["localhost".to_owned()]).unwrap();
        parameters.is_ca = IsCa::Ca(BasicConstraints::Unconstrained);
        parameters.extended_key_usages =
            vec![ExtendedKeyUsagePurpose::ClientAuth, ExtendedKeyUsagePurpose::ServerAuth];
        let certificate = parameters.self_signed(&key).unwrap();
        Identity { pem: certificate.pem(), certificate: certificate.into(), key }
    }

    fn key(&self) -> PrivateKeyDer<'static> {
        PrivateKeyDer::Pkcs8(self.key.serialize_der().into())
    }
}

/// Which TLS a client does.
pub enum Tls<'identity> {
    /// As Go: presents this certificate.
    As(&'identity Identity),
    /// The same, in TLS 1.2.
    Tls12(&'identity Identity),
    /// Presents none.
    Anonymous,
}

/// Connects to a provider's socket, with TLS.
pub async fn connect(handshake: &Handshake, tls: Tls<'_>) -> Result<Channel, tonic::transport::Error> {
    let crypto = Arc::new(aws_lc_rs::default_provider());
    let verifier =
        Arc::new(OnlyServer { certificate: handshake.certificate.clone(), crypto: crypto.clone() });
    let builder = ClientConfig::builder_with_provider(crypto);
    let builder = match tls {
        Tls::Tls12(_) => builder.with_protocol_versions(&[&version::TLS12]).unwrap(),
        _ => builder.with_safe_default_protocol_versions().unwrap(),
    };
    let builder = builder.dangerous().with_custom_certificate_verifier(verifier);
    let mut config = match tls {
        Tls::As(identity) | Tls::Tls12(identity) => {
            builder.with_client_auth_cert(vec![identity.certificate.clone()], identity.key()).unwrap()
        }
        Tls::Anonymous => builder.with_no_client_auth(),
    };
    config.alpn_protocols = vec![b"h2".to_vec()];
    let connector = TlsConnector::from(Arc::new(config));
    let socket = handshake.socket.clone();
    channel(move || {
        let (connector, socket) = (connector.clone(), socket.clone());
        async move {
            let stream = UnixStream::connect(socket).await?;
            connector.connect(ServerName::try_from("localhost").unwrap(), stream).await
        }
    })
    .await
}

/// Connects to a provider's socket, without TLS.
pub async fn connect_plain(socket: &Path) -> Result<Channel, tonic::transport::Error> {
    let socket = socket.to_owned();
    channel(move || UnixStream::connect(socket.clone())).await
}

async fn channel<Connecting, Io>(
    connect: impl Fn() -> Connecting + Send + 'static,
) -> Result<Channel, tonic::transport::Error>
where
    Connecting: Future<Output = std::io::Result<Io>> + Send + 'static,
    Io: AsyncRead + AsyncWrite + Send + Unpin + 'static,
{
    let connector = tower::service_fn(move |_| {
        let connecting = connect();
        async move { connecting.await.map(TokioIo::new) }
    });
    Endpoint::from_static("http://localhost").connect_with_connector(connector).await
}

/// Trusts exactly the certificate of the handshake line, and its key.
#[derive(Debug)]
struct OnlyServer {
    certificate: CertificateDer<'static>,
    crypto: Arc<CryptoProvider>,
}

impl ServerCertVerifier for OnlyServer {
    fn verify_server_cert(
        &self,
        end_entity: &CertificateDer<'_>,
        _intermediates: &[CertificateDer<'_>],
        _name: &ServerName<'_>,
        _ocsp: &[u8],
        _now: UnixTime,
    ) -> Result<ServerCertVerified, rustls::Error> {
        if *end_entity == self.certificate {
            Ok(ServerCertVerified::assertion())
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
        verify_tls12_signature(
            message,
            certificate,
            signature,
            &self.crypto.signature_verification_algorithms,
        )
    }

    fn verify_tls13_signature(
        &self,
        message: &[u8],
        certificate: &CertificateDer<'_>,
        signature: &DigitallySignedStruct,
    ) -> Result<HandshakeSignatureValid, rustls::Error> {
        verify_tls13_signature(
            message,
            certificate,
            signature,
            &self.crypto.signature_verification_algorithms,
        )
    }

    fn supported_verify_schemes(&self) -> Vec<SignatureScheme> {
        self.crypto.signature_verification_algorithms.supported_schemes()
    }
}
