//! The life of a serving process: what it serves, and how it ends.
//!
//! However the process ends, calls in flight are asked to stop and get time to leave things in order: a call
//! that has paused a controller must be able to unpause it. Without a call in flight the process ends at
//! once.

use std::io;
use std::pin::pin;
use std::sync::Arc;
use std::time::Duration;

use futures::Stream;
use tokio::signal::unix::{Signal, SignalKind, signal};
use tokio::time::timeout;
use tokio_util::sync::CancellationToken;
use tracing::{info, warn};

use super::calls::Calls;
use super::connections::{Connection, Connections};
use super::go_plugin::GoPlugin;
use super::proto::go_plugin::grpc_broker_server::GrpcBrokerServer;
use super::proto::go_plugin::grpc_controller_server::GrpcControllerServer;
use super::proto::go_plugin::grpc_stdio_server::GrpcStdioServer;
use super::proto::tfplugin6::provider_server::ProviderServer;
use super::service::ProviderService;
use super::{Error, Mode};
use crate::terraform::Server;

/// The largest message in both directions, in bytes; Go's providers use the same limit. tonic's own limit, 4
/// MiB, is smaller than a state may be.
const LARGEST_MESSAGE: usize = 256 << 20;

/// How long core may take to connect after our line. It takes milliseconds; if it does not connect, it died
/// in between.
const CONNECT_PATIENCE: Duration = Duration::from_secs(60);

/// How long calls may take to stop after Shutdown: core waits two seconds, then kills the process.
const SHUTDOWN_PATIENCE: Duration = Duration::from_millis(1500);

/// How long calls may take to stop when core is gone: the process must be gone within a second, on a busy
/// machine too.
const ABANDONED_PATIENCE: Duration = Duration::from_millis(600);

/// How long the last answers may take to be sent. They take a millisecond.
const FLUSH_PATIENCE: Duration = Duration::from_millis(150);

/// Why serving ended in the regular way.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Ended {
    /// Core sent Shutdown. Core is done; nothing is in flight unless its user pressed Ctrl-C twice.
    Shutdown,
    /// SIGTERM, or Ctrl-C in [`Mode::Debug`]. Calls in flight were waited for, however long they took.
    Signal,
    /// Core's last connection closed without Shutdown: core was killed.
    Abandoned,
}

/// What is served, and what decides when to end.
pub struct Life {
    server: Arc<Server>,
    mode: Mode,
    signals: Signals,
    connections: Connections,
    calls: Calls,
    /// Cancelled by Shutdown.
    shutdown: CancellationToken,
}

impl Life {
    /// Serves `server` to `connections`.
    pub fn new(server: Arc<Server>, mode: Mode, signals: Signals, connections: Connections) -> Life {
        Life {
            server,
            mode,
            signals,
            connections,
            calls: Calls::default(),
            shutdown: CancellationToken::new(),
        }
    }

    /// Serves until the end. When it returns, all answers have been sent and the process should exit.
    pub async fn serve(
        mut self,
        incoming: impl Stream<Item = io::Result<Connection>>,
    ) -> Result<Ended, Error> {
        let ending = CancellationToken::new();
        let go_plugin = GoPlugin::new(self.shutdown.clone(), ending.clone());
        let provider = ProviderService::new(self.server.clone(), self.calls.clone());
        let mut serving = pin!(
            tonic::transport::Server::builder()
                .add_service(
                    ProviderServer::new(provider)
                        .max_decoding_message_size(LARGEST_MESSAGE)
                        .max_encoding_message_size(LARGEST_MESSAGE),
                )
                .add_service(GrpcControllerServer::new(go_plugin.clone()))
                .add_service(GrpcStdioServer::new(go_plugin.clone()))
                .add_service(GrpcBrokerServer::new(go_plugin))
                .serve_with_incoming_shutdown(incoming, ending.cancelled())
        );

        let ended = tokio::select! {
            // It accepts forever, so it ends only with an error.
            Err(error) = &mut serving => return Err(Error::Serve(error)),
            ended = self.end() => ended?,
        };
        info!(?ended, "ending");
        // The open streams end now, and the last answers are sent.
        ending.cancel();
        let _ = timeout(FLUSH_PATIENCE, serving).await;
        Ok(ended)
    }

    /// Returns when it is time to end and the calls in flight are finished.
    async fn end(&mut self) -> Result<Ended, Error> {
        let reason = tokio::select! {
            // First: core may close its connection right after it sent Shutdown.
            biased;
            () = self.shutdown.cancelled() => Ended::Shutdown,
            () = self.signals.end(self.mode) => Ended::Signal,
            reason = abandoned(&self.connections, CONNECT_PATIENCE), if self.mode == Mode::Core => reason?,
        };
        let patience = match reason {
            Ended::Shutdown => SHUTDOWN_PATIENCE,
            Ended::Abandoned => ABANDONED_PATIENCE,
            Ended::Signal => Duration::MAX,
        };
        self.server.stop();
        if timeout(patience, self.calls.idle()).await.is_err() {
            warn!(?patience, "calls in flight did not stop in time and are dropped");
        }
        Ok(reason)
    }
}

/// Returns when core is gone without Shutdown, or does not connect within `patience`.
async fn abandoned(connections: &Connections, patience: Duration) -> Result<Ended, Error> {
    timeout(patience, connections.first()).await.map_err(|_elapsed| Error::NobodyConnected)?;
    connections.all_closed().await;
    Ok(Ended::Abandoned)
}

/// The signals we listen to.
pub struct Signals {
    interrupt: Signal,
    terminate: Signal,
}

impl Signals {
    /// From here on, neither of them kills the process.
    pub fn new() -> io::Result<Signals> {
        Ok(Signals {
            interrupt: signal(SignalKind::interrupt())?,
            terminate: signal(SignalKind::terminate())?,
        })
    }

    /// Returns at a signal that means the end.
    async fn end(&mut self, mode: Mode) {
        loop {
            tokio::select! {
                _ = self.terminate.recv() => return,
                _ = self.interrupt.recv() => match mode {
                    // Ctrl-C reaches every process of the terminal. Core decides, and sends StopProvider.
                    Mode::Core => {}
                    Mode::Debug => return,
                },
            }
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[tokio::test]
    async fn a_core_that_never_comes_is_not_waited_for() {
        let abandoned = abandoned(&Connections::default(), Duration::from_millis(1)).await;
        assert!(matches!(abandoned, Err(Error::NobodyConnected)));
    }
}
