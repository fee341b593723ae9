//! THE WIRE: how core starts the provider, talks to it and ends it. The only module that names a prost or
//! tonic type.
//!
//! The life of a process, one module for each step:
//!
//! 1. `handshake`: core starts the executable with a cookie and a client certificate in the environment; we
//!    listen (`socket`), make a certificate (`tls`) and say where, in one line on stdout.
//! 2. `connections`: core connects, once, and both sides prove who they are.
//! 3. `service` takes each RPC, `calls` gives it a task of its own, `rpc` finds the handler in
//!    [`terraform::Server`](crate::terraform::Server), decodes the request (`decode`), calls the handler and
//!    encodes the answer (`encode`).
//! 4. `go_plugin`: core sends Shutdown, and we answer and exit. `life` handles this and the other ways to
//!    end.
//!
//! Beside these: `logging` and `panics`, for what core shows besides answers. `proto` is generated.

mod calls;
mod connections;
mod decode;
mod encode;
mod go_plugin;
mod handshake;
mod life;
mod logging;
mod panics;
mod proto;
mod rpc;
mod service;
mod socket;
mod tls;

pub use life::Ended;

use std::io;
use std::sync::Arc;

use tracing::{debug, warn};

use crate::terraform::Server;
use connections::Connections;
use handshake::Environment;
use life::{Life, Signals};
use socket::Socket;
use tls::ServerTls;

/// Who starts us.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Mode {
    /// Core, for one command.
    Core,
    /// A person, perhaps with a debugger: no TLS, and the process serves command after command until Ctrl-C.
    Debug,
}

/// Why the provider could not serve.
#[derive(Debug, thiserror::Error)]
pub enum Error {
    /// A person started the executable.
    #[error(
        "this is a provider for Terraform and OpenTofu, and is not meant to be started by hand.\n\
         Name it in `required_providers`: `terraform init` installs it, and `terraform apply` starts it. See \
         --help."
    )]
    NotStartedByCore,
    /// There is nowhere to listen.
    #[error("no socket to listen on")]
    Socket(#[source] socket::Error),
    /// Core wants TLS, and there is none.
    #[error("no TLS")]
    Tls(#[source] tls::Error),
    /// Signals cannot be handled.
    #[error("cannot listen to signals")]
    Signals(#[source] io::Error),
    /// Standard output is closed.
    #[error("cannot write the handshake line to standard output")]
    Announce(#[source] io::Error),
    /// Core did not connect.
    #[error("core did not connect in time after the handshake")]
    NobodyConnected,
    /// gRPC could not be served.
    #[error("cannot serve gRPC")]
    Serve(#[source] tonic::transport::Error),
}

/// Serves the provider until core, or a signal, ends it. The caller should then end the process at once,
/// because core waits.
pub async fn serve(server: Arc<Server>, mode: Mode) -> Result<Ended, Error> {
    let environment = Environment::read();
    if mode == Mode::Core && !environment.cookie_matches {
        return Err(Error::NotStartedByCore);
    }
    panics::report_to_core();
    logging::start();

    // Before the handshake line, so that no signal is lost after it.
    let signals = Signals::new().map_err(Error::Signals)?;
    let socket = Socket::listen(&environment).map_err(Error::Socket)?;
    let tls = match &environment.client_certificate {
        Some(certificate) if mode == Mode::Core => {
            Some(ServerTls::for_client(certificate).map_err(Error::Tls)?)
        }
        _ => None,
    };
    if !environment.speaks_our_protocol() {
        warn!(versions = ?environment.protocol_versions, "core does not speak protocol 6");
    }
    let line = match mode {
        Mode::Core => handshake::handshake_line(socket.path(), tls.as_ref().map(|tls| &tls.certificate)),
        Mode::Debug => handshake::reattach_line(socket.path(), std::process::id()),
    };
    handshake::announce(&line).map_err(Error::Announce)?;
    debug!(socket = %socket.path().display(), tls = tls.is_some(), "serving");

    let connections = Connections::default();
    let incoming = connections.accept(&socket.listener, tls.as_ref().map(|tls| &tls.acceptor));
    Life::new(server, mode, signals, connections.clone()).serve(incoming).await
}
