//! Builds the wire to one API server: connector, proxy, TLS, base URL, `User-Agent`.
//!
//! The parts are kube's (`rustls_https_connector_with_connector`, `base_uri_layer`), the stack is ours, because
//! that of `ClientBuilder::try_from` retries without bound, never times out and runs plugins on the runtime's
//! thread. HTTP/1 only: each watch is a connection of its own, and a stalled one stalls nobody else.

use std::time::Duration;

use base64::Engine as _;
use base64::engine::general_purpose::STANDARD as BASE64;
use http::header::USER_AGENT;
use http::{HeaderValue, Request, Uri};
use hyper_util::client::legacy::Client;
use hyper_util::client::legacy::connect::proxy::{SocksV5, Tunnel};
use hyper_util::client::legacy::connect::{Connection, HttpConnector};
use hyper_util::client::proxy::matcher::{Intercept, Matcher};
use hyper_util::rt::TokioExecutor;
use kube::client::{Body, ConfigExt as _};
use secrecy::{ExposeSecret as _, SecretString};
use tokio_rustls::rustls::pki_types::CertificateDer;
use tokio_rustls::rustls::pki_types::pem::PemObject as _;
use tower::util::BoxCloneSyncService;
use tower::{BoxError, ServiceBuilder, ServiceExt as _};

use super::config::{ConfigError, Identity, Proxy, Resolved};
use super::transport::{TransportError, Wire};

/// What we call ourselves.
const AGENT: &str = concat!("terraform-provider-redis/", env!("CARGO_PKG_VERSION"));

/// How long one attempt to connect may take.
const CONNECT: Duration = Duration::from_secs(10);
/// When a silent connection is asked whether it still lives, how often, and how many questions it may miss: a
/// watch notices within 30 s that its peer is gone.
const KEEPALIVE: Duration = Duration::from_secs(15);
const KEEPALIVE_INTERVAL: Duration = Duration::from_secs(5);
const KEEPALIVE_MISSES: u32 = 3;

/// Why the wire could not be built.
#[derive(Debug)]
pub(super) enum BuildError {
    Config(ConfigError),
    Transport(TransportError),
}

/// Builds the wire. Nothing is sent yet.
pub(super) fn wire(resolved: &Resolved, identity: Option<&Identity>) -> Result<Wire, BuildError> {
    // kube's TLS takes the process' default provider of cryptography. An error only says that there is one.
    let _ = tokio_rustls::rustls::crypto::aws_lc_rs::default_provider().install_default();

    let config = kube_config(resolved, identity)?;
    let connector = tcp_connector();
    match proxy(&resolved.proxy, &resolved.server)? {
        None => over(&config, connector),
        Some(proxy) if proxy.uri().scheme_str().is_some_and(|scheme| scheme.starts_with("socks5")) => {
            let mut socks = SocksV5::new(proxy.uri().clone(), connector);
            if let Some((user, password)) = proxy.raw_auth() {
                socks = socks.with_auth(user.to_owned(), password.to_owned());
            }
            over(&config, socks)
        }
        Some(proxy) => {
            // The way to the proxy itself: our certificates are for the API server, not for the proxy.
            let mut plain = kube::Config::new(proxy.uri().clone());
            plain.root_cert = no_roots_needed(proxy.uri(), false);
            let to_proxy = plain.rustls_https_connector_with_connector(connector).map_err(setup)?;
            let mut tunnel = Tunnel::new(proxy.uri().clone(), to_proxy);
            if let Some(authorization) = proxy.basic_auth() {
                tunnel = tunnel.with_auth(authorization.clone());
            }
            over(&config, tunnel)
        }
    }
}

fn tcp_connector() -> HttpConnector {
    let mut connector = HttpConnector::new();
    connector.enforce_http(false);
    connector.set_nodelay(true);
    connector.set_connect_timeout(Some(CONNECT));
    connector.set_keepalive(Some(KEEPALIVE));
    connector.set_keepalive_interval(Some(KEEPALIVE_INTERVAL));
    connector.set_keepalive_retries(Some(KEEPALIVE_MISSES));
    connector
}

fn over<C>(config: &kube::Config, connector: C) -> Result<Wire, BuildError>
where
    C: tower::Service<Uri> + Clone + Send + Sync + 'static,
    C::Response: hyper::rt::Read + hyper::rt::Write + Connection + Send + Unpin + 'static,
    C::Future: Send + 'static,
    C::Error: Into<BoxError>,
{
    let https = config.rustls_https_connector_with_connector(connector).map_err(setup)?;
    let client: Client<_, Body> = Client::builder(TokioExecutor::new()).build(https);
    let service = ServiceBuilder::new()
        .layer(config.base_uri_layer())
        .layer(config.extra_headers_layer().map_err(setup)?)
        .map_request(|mut request: Request<Body>| {
            request.headers_mut().insert(USER_AGENT, HeaderValue::from_static(AGENT));
            request
        })
        .service(client)
        .map_err(BoxError::from);
    Ok(BoxCloneSyncService::new(service))
}

/// The part of kube's configuration that makes TLS. Without credentials: those with a plugin would be run here.
fn kube_config(resolved: &Resolved, identity: Option<&Identity>) -> Result<kube::Config, BuildError> {
    let mut config = kube::Config::new(resolved.server.clone());
    config.accept_invalid_certs = resolved.insecure;
    config.tls_server_name.clone_from(&resolved.tls_server_name);
    config.root_cert = match &resolved.certificate_authority {
        Some(pem) => Some(certificates(pem, resolved).map_err(BuildError::Config)?),
        None => no_roots_needed(&resolved.server, resolved.insecure),
    };
    if let Some(identity) = identity {
        let key = BASE64.encode(identity.key.expose_secret());
        config.auth_info.client_certificate_data = Some(BASE64.encode(&identity.certificate));
        config.auth_info.client_key_data = Some(SecretString::from(key));
    }
    let whom = &resolved.impersonate;
    config.auth_info.impersonate.clone_from(&whom.user);
    config.auth_info.impersonate_uid.clone_from(&whom.uid);
    config.auth_info.impersonate_groups.clone_from(&whom.groups);
    config.auth_info.impersonate_user_extra.clone_from(&whom.extra);
    Ok(config)
}

/// An empty list where no certificate will be checked; else `None`: the operating system's, which cost milliseconds
/// to read.
fn no_roots_needed(url: &Uri, insecure: bool) -> Option<Vec<Vec<u8>>> {
    (insecure || url.scheme_str() != Some("https")).then(Vec::new)
}

fn certificates(pem: &str, resolved: &Resolved) -> Result<Vec<Vec<u8>>, ConfigError> {
    let bad = || ConfigError::BadData {
        what: "the certificate authority",
        origin: resolved.origin.clone(),
        expected: "one or more certificates in PEM",
    };
    let parsed: Result<Vec<_>, _> = CertificateDer::pem_slice_iter(pem.as_bytes()).collect();
    let parsed = parsed.map_err(|_| bad())?;
    if parsed.is_empty() { Err(bad()) } else { Ok(parsed.iter().map(|der| der.to_vec()).collect()) }
}

/// Where requests go first, if not to the server itself.
pub(super) fn proxy_of(resolved: &Resolved) -> Option<Uri> {
    Some(proxy(&resolved.proxy, &resolved.server).ok()??.uri().clone())
}

/// The proxy to use for this server, if any.
fn proxy(proxy: &Proxy, server: &Uri) -> Result<Option<Intercept>, BuildError> {
    if let Some(chosen) = &proxy.chosen {
        let matcher = Matcher::builder().all(chosen.expose_secret().to_owned()).build();
        let intercept = matcher.intercept(server).filter(|intercept| supported(intercept.uri()));
        return match intercept {
            Some(intercept) => Ok(Some(intercept)),
            None => Err(BuildError::Config(ConfigError::BadUrl {
                what: "the proxy",
                origin: "`proxy_url`, KUBE_PROXY_URL or the kubeconfig".to_owned(),
                example: "http://10.0.0.1:3128, https://… or socks5://…",
            })),
        };
    }
    let text = |secret: &Option<SecretString>| {
        secret.as_ref().map_or(String::new(), |text| text.expose_secret().to_owned())
    };
    let matcher =
        Matcher::builder().https(text(&proxy.https)).http(text(&proxy.http)).no(proxy.except.clone()).build();
    Ok(matcher.intercept(server).filter(|intercept| supported(intercept.uri())))
}

fn supported(proxy: &Uri) -> bool {
    matches!(proxy.scheme_str(), Some("http" | "https" | "socks5" | "socks5h"))
}

fn setup(error: kube::Error) -> BuildError {
    BuildError::Transport(match error {
        kube::Error::RustlsTls(error) => TransportError::Tls(error.to_string()),
        kube::Error::InferKubeconfig(_) => {
            TransportError::Tls("the client certificate or its key is not PEM".to_owned())
        }
        error => TransportError::Client(error.to_string()),
    })
}
