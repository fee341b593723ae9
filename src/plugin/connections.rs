//! Connections from core: they are accepted, decrypted and counted.
//!
//! The count shows when core is gone. Core holds one connection from its first call to its last, so when the
//! last connection closes nobody is left to receive an answer. Only connections that passed TLS count: no
//! stranger can keep the provider alive, or end it, by connecting and disconnecting.

use std::io;
use std::pin::Pin;
use std::task::{Context, Poll};
use std::time::Duration;

use futures::{Stream, StreamExt, stream};
use tokio::io::{AsyncRead, AsyncWrite, ReadBuf};
use tokio::net::{UnixListener, UnixStream};
use tokio::sync::watch;
use tokio::time::{sleep, timeout};
use tokio_rustls::TlsAcceptor;
use tokio_rustls::server::TlsStream;
use tonic::transport::server::Connected;
use tracing::{debug, warn};

/// How long a client may take for TLS. Core needs a few milliseconds.
const TLS_PATIENCE: Duration = Duration::from_secs(10);

/// How many clients may be in the middle of the TLS handshake. Core is one client.
const TLS_AT_ONCE: usize = 16;

/// Pause after a failed accept. It fails if there are no file descriptors, and would fail again at once.
const ACCEPT_PAUSE: Duration = Duration::from_millis(50);

/// How many connections exist and have existed.
#[derive(Clone, Copy, Debug, Default)]
struct Count {
    open: usize,
    ever: usize,
}

/// Counts connections.
#[derive(Clone, Debug, Default)]
pub struct Connections(watch::Sender<Count>);

impl Connections {
    /// Returns when the first connection is made.
    pub async fn first(&self) {
        self.reached(|count| count.ever > 0).await;
    }

    /// Returns when connections have existed and none is left.
    pub async fn all_closed(&self) {
        self.reached(|count| count.ever > 0 && count.open == 0).await;
    }

    async fn reached(&self, condition: impl Fn(&Count) -> bool) {
        // It cannot fail: we hold the sender.
        let _ = self.0.subscribe().wait_for(condition).await;
    }

    /// Accepts forever; with `tls`, only clients that pass it.
    pub fn accept<'a>(
        &'a self,
        listener: &'a UnixListener,
        tls: Option<&'a TlsAcceptor>,
    ) -> impl Stream<Item = io::Result<Connection>> + 'a {
        stream::repeat(())
            .then(move |()| accept_one(listener))
            .map(move |stream| self.admit(stream, tls))
            .buffer_unordered(TLS_AT_ONCE)
            .filter_map(async |connection| connection.map(Ok))
    }

    /// The connection, if the client proves that it is the one that we may talk to.
    async fn admit(&self, stream: UnixStream, tls: Option<&TlsAcceptor>) -> Option<Connection> {
        let io = match tls {
            None => Io::Plain(stream),
            Some(tls) => match timeout(TLS_PATIENCE, tls.accept(stream)).await {
                Ok(Ok(stream)) => Io::Tls(Box::new(stream)),
                Ok(Err(error)) => {
                    warn!(%error, "refused a connection");
                    return None;
                }
                Err(_elapsed) => {
                    warn!("refused a connection that did not speak TLS in time");
                    return None;
                }
            },
        };
        self.0.send_modify(|count| {
            count.open += 1;
            count.ever += 1;
        });
        Some(Connection { io, _counted: Counted(self.0.clone()) })
    }
}

async fn accept_one(listener: &UnixListener) -> UnixStream {
    loop {
        match listener.accept().await {
            Ok((stream, _address)) => return stream,
            Err(error) => {
                debug!(%error, "accept failed");
                sleep(ACCEPT_PAUSE).await;
            }
        }
    }
}

/// Removes a connection from the count when it is dropped.
#[derive(Debug)]
struct Counted(watch::Sender<Count>);

impl Drop for Counted {
    fn drop(&mut self) {
        self.0.send_modify(|count| count.open -= 1);
    }
}

/// One connection, as tonic reads and writes it.
#[derive(Debug)]
pub struct Connection {
    io: Io,
    _counted: Counted,
}

#[derive(Debug)]
enum Io {
    Plain(UnixStream),
    Tls(Box<TlsStream<UnixStream>>),
}

impl Connected for Connection {
    type ConnectInfo = ();

    fn connect_info(&self) {}
}

impl AsyncRead for Connection {
    fn poll_read(
        self: Pin<&mut Self>,
        context: &mut Context<'_>,
        buffer: &mut ReadBuf<'_>,
    ) -> Poll<io::Result<()>> {
        match &mut self.get_mut().io {
            Io::Plain(stream) => Pin::new(stream).poll_read(context, buffer),
            Io::Tls(stream) => Pin::new(stream).poll_read(context, buffer),
        }
    }
}

impl AsyncWrite for Connection {
    fn poll_write(self: Pin<&mut Self>, context: &mut Context<'_>, bytes: &[u8]) -> Poll<io::Result<usize>> {
        match &mut self.get_mut().io {
            Io::Plain(stream) => Pin::new(stream).poll_write(context, bytes),
            Io::Tls(stream) => Pin::new(stream).poll_write(context, bytes),
        }
    }

    fn poll_write_vectored(
        self: Pin<&mut Self>,
        context: &mut Context<'_>,
        slices: &[io::IoSlice<'_>],
    ) -> Poll<io::Result<usize>> {
        match &mut self.get_mut().io {
            Io::Plain(stream) => Pin::new(stream).poll_write_vectored(context, slices),
            Io::Tls(stream) => Pin::new(stream).poll_write_vectored(context, slices),
        }
    }

    fn is_write_vectored(&self) -> bool {
        match &self.io {
            Io::Plain(stream) => stream.is_write_vectored(),
            Io::Tls(stream) => stream.is_write_vectored(),
        }
    }

    fn poll_flush(self: Pin<&mut Self>, context: &mut Context<'_>) -> Poll<io::Result<()>> {
        match &mut self.get_mut().io {
            Io::Plain(stream) => Pin::new(stream).poll_flush(context),
            Io::Tls(stream) => Pin::new(stream).poll_flush(context),
        }
    }

    fn poll_shutdown(self: Pin<&mut Self>, context: &mut Context<'_>) -> Poll<io::Result<()>> {
        match &mut self.get_mut().io {
            Io::Plain(stream) => Pin::new(stream).poll_shutdown(context),
            Io::Tls(stream) => Pin::new(stream).poll_shutdown(context),
        }
    }
}
