//! A stream to a port of a pod, through the API server: what `kubectl port-forward` does, without a local port.
//!
//! The server says "connected" before anybody has connected inside the pod. That nothing listens there, or that
//! the pod went away, comes later, on a channel of its own: the next read then fails with an [`Error`] inside the
//! `io::Error`, where a plain stream would only have ended.

use std::future::Future;
use std::io;
use std::pin::Pin;
use std::sync::Arc;
use std::task::{Context, Poll};

use kube::api::Portforwarder;
use tokio::io::{AsyncRead, AsyncWrite, DuplexStream, ReadBuf};
use tokio::time::Instant;

use super::Cluster;
use super::error::{Attempt, Cause, Error, Verb};
use super::object::ObjectRef;
use super::upgrade::quoted;

/// A connection to a port of a pod. Dropped, it is closed at once: what was written and not answered may be lost.
pub struct Forward {
    stream: DuplexStream,
    /// Ends with words if the port cannot be used (any longer). `None` once it has ended.
    refusal: Option<Pin<Box<dyn Future<Output = Option<String>> + Send>>>,
    forwarder: Portforwarder,
    port: u16,
    attempt: Attempt,
    server: Arc<str>,
}

impl Cluster {
    /// Connects to a port of a pod, on its loopback address. Success says that the API server agreed; whether
    /// somebody listens, the first read tells ([`Cause::PortClosed`], by [`Error::from_stream`]).
    ///
    /// # Errors
    /// `NotFound` where the pod is gone; `Forbidden` without the right to `pods/portforward`; `Rejected` or
    /// `Unavailable` where the pod does not run or its node does not answer.
    pub async fn forward(&self, pod: &ObjectRef, port: u16, deadline: Instant) -> Result<Forward, Error> {
        let attempt = Attempt::on(Verb::PortForward, pod);
        let open = async |pods: kube::Api<_>| pods.portforward(&pod.name, &[port]).await;
        let (mut forwarder, server) = self.upgraded(&attempt, pod, deadline, open).await?;
        let refusal = forwarder.take_error(port).map(|refusal| Box::pin(refusal) as _);
        let Some(stream) = forwarder.take_stream(port) else {
            let cause = Cause::BadRequest(format!("port {port} was not forwarded"));
            return Err(Error::new(&attempt, Some(&server), cause));
        };
        Ok(Forward { stream, refusal, forwarder, port, attempt, server })
    }
}

impl Forward {
    /// What the other side has said against the port, if anything, as an error of this stream.
    fn refused(&mut self, context: &mut Context<'_>) -> Option<io::Error> {
        let told = match self.refusal.as_mut()?.as_mut().poll(context) {
            Poll::Ready(told) => told,
            Poll::Pending => return None,
        };
        self.refusal = None;
        let cause = Cause::PortClosed { port: self.port, message: quoted(&told?) };
        let error = Error::new(&self.attempt, Some(&self.server), cause);
        Some(io::Error::new(io::ErrorKind::ConnectionRefused, error))
    }
}

impl Drop for Forward {
    fn drop(&mut self) {
        self.forwarder.abort();
    }
}

impl AsyncRead for Forward {
    fn poll_read(
        mut self: Pin<&mut Self>,
        context: &mut Context<'_>,
        buffer: &mut ReadBuf<'_>,
    ) -> Poll<io::Result<()>> {
        let before = buffer.filled().len();
        let read = Pin::new(&mut self.stream).poll_read(context, buffer);
        if matches!(read, Poll::Ready(Ok(()))) && buffer.filled().len() > before {
            return read;
        }
        // Nothing came, or nothing more will: perhaps the other side has said why.
        match self.refused(context) {
            Some(error) => Poll::Ready(Err(error)),
            None => read,
        }
    }
}

impl AsyncWrite for Forward {
    fn poll_write(
        mut self: Pin<&mut Self>,
        context: &mut Context<'_>,
        bytes: &[u8],
    ) -> Poll<io::Result<usize>> {
        Pin::new(&mut self.stream).poll_write(context, bytes)
    }

    fn poll_flush(mut self: Pin<&mut Self>, context: &mut Context<'_>) -> Poll<io::Result<()>> {
        Pin::new(&mut self.stream).poll_flush(context)
    }

    fn poll_shutdown(mut self: Pin<&mut Self>, context: &mut Context<'_>) -> Poll<io::Result<()>> {
        Pin::new(&mut self.stream).poll_shutdown(context)
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::kubernetes::test_server::{POD, Reply, TestServer, patience};
    use crate::kubernetes::{Cluster, Settings};
    use serde_json::json;
    use std::time::Duration;
    use tokio::io::{AsyncReadExt as _, AsyncWriteExt as _};

    const PORT: u16 = 6379;

    fn pod() -> ObjectRef {
        ObjectRef::namespaced(&POD, "redis", "cache-0")
    }

    fn soon() -> Instant {
        Instant::now() + Duration::from_secs(10)
    }

    /// What the server says on a channel; the first on each is the port.
    fn frame(channel: u8, payload: &[u8]) -> Vec<u8> {
        [&[channel], payload].concat()
    }

    fn forwarding(each: Vec<Vec<u8>>, then_close: bool) -> Reply {
        let first = vec![frame(0, &PORT.to_le_bytes()), frame(1, &PORT.to_le_bytes())];
        Reply::WebSocket { first, each, then_close }
    }

    #[tokio::test]
    async fn bytes_go_both_ways_with_our_credential() {
        let server = TestServer::start(|_| async { forwarding(vec![frame(0, b"+PONG\r\n")], true) }).await;
        let settings = Settings { token: Some("t".into()), ..server.settings() };
        let cluster = Cluster::with_patience(settings, patience());
        let mut stream = cluster.forward(&pod(), PORT, soon()).await.unwrap();
        stream.write_all(b"PING\r\n").await.unwrap();
        let mut answer = String::new();
        stream.read_to_string(&mut answer).await.unwrap();
        assert_eq!(answer, "+PONG\r\n", "and then it ends, as the server does");
        let seen = server.seen();
        assert_eq!(seen[0].path(), "/api/v1/namespaces/redis/pods/cache-0/portforward");
        assert_eq!(seen[0].header("authorization"), Some("Bearer t"));
        assert_eq!((seen[1].method.as_str(), seen[1].target.as_str()), ("FRAME", "\0PING\r\n"));
    }

    #[tokio::test]
    async fn a_port_where_nothing_listens_is_told_by_the_next_read() {
        let refusal =
            b"error forwarding port 6379 to pod cache-0, uid : failed to execute portforward:\n dial tcp4 \
                        127.0.0.1:6379: connect: connection refused";
        for then_close in [true, false] {
            let server =
                TestServer::start(move |_| async move { forwarding(vec![frame(1, refusal)], then_close) })
                    .await;
            let mut stream = server.cluster().forward(&pod(), PORT, soon()).await.unwrap();
            stream.write_all(b"PING\r\n").await.unwrap();
            let error = Error::from_stream(stream.read_u8().await.unwrap_err()).unwrap();
            assert!(matches!(error.cause, Cause::PortClosed { port: PORT, .. }) && error.cause.may_pass());
            let text = error.to_string();
            assert!(text.starts_with("could not forward a port of Pod redis/cache-0 on http://"), "{text}");
            assert!(
                text.contains("nothing answers on port 6379 in the pod: error forwarding port"),
                "{text}"
            );
            assert!(text.contains("portforward: dial tcp4"), "on one line: {text}");
        }
    }

    #[tokio::test]
    async fn refusals_are_told_at_once() {
        let forbidden = "pods \"cache-0\" is forbidden: User \"u\" cannot get resource \"pods/portforward\" in API \
                         group \"\" in the namespace \"redis\"";
        let gone = json!({"name": "cache-0", "kind": "pods"});
        let server = TestServer::start(move |request| {
            let gone = gone.clone();
            async move {
                match request.count {
                    0 => Reply::status(403, "Forbidden", forbidden, &json!({})),
                    1 => Reply::status(404, "NotFound", "pods \"cache-0\" not found", &gone),
                    2 => Reply::status(500, "InternalError", "error dialing backend", &json!({})),
                    3 => Reply::json(200, &json!({})),
                    _ => Reply::Stall,
                }
            }
        })
        .await;
        let cluster = server.cluster();
        let mut causes = Vec::new();
        for _ in 0..4 {
            causes.push(cluster.forward(&pod(), PORT, soon()).await.err().unwrap());
        }
        let text = causes[0].to_string();
        assert!(text.contains("u may not get pods/portforward in namespace \"redis\". Grant it"), "{text}");
        assert!(matches!(causes[1].cause, Cause::NotFound), "{}", causes[1]);
        assert!(matches!(causes[2].cause, Cause::Unavailable { status: 500, .. }), "{}", causes[2]);
        assert!(matches!(causes[3].cause, Cause::NotKubernetes { status: 200, .. }), "{}", causes[3]);
        let slash = ObjectRef::namespaced(&POD, "redis", "a/b");
        let error = cluster.forward(&slash, PORT, soon()).await.err().unwrap();
        assert!(matches!(error.cause, Cause::BadRequest(_)), "{error}");
    }

    #[tokio::test]
    async fn an_overloaded_server_is_asked_again_until_the_deadline() {
        let server = TestServer::start(|request| async move {
            match request.count {
                0 => {
                    Reply::status(429, "TooManyRequests", "slow down", &json!({})).header("retry-after", "0")
                }
                1 => Reply::Close,
                _ => forwarding(vec![], false),
            }
        })
        .await;
        server.cluster().forward(&pod(), PORT, soon()).await.unwrap();
        assert_eq!(server.seen().len(), 3);
        let silent = TestServer::start(|_| async {
            tokio::time::sleep(Duration::from_secs(60)).await;
            Reply::Close
        })
        .await;
        let shortly = Instant::now() + Duration::from_millis(300);
        let error = silent.patient_cluster().forward(&pod(), PORT, shortly).await.err().unwrap();
        assert!(matches!(error.cause, Cause::Timeout(_)), "{error}");
    }
}
