//! go-plugin's three services beside the provider's: how core ends the provider, and two streams that it
//! expects to stay open.

use futures::StreamExt;
use futures::stream::{self, BoxStream};
use tokio_util::sync::CancellationToken;
use tonic::{Request, Response, Status, Streaming};
use tracing::debug;

use super::proto::go_plugin::grpc_broker_server::GrpcBroker;
use super::proto::go_plugin::grpc_controller_server::GrpcController;
use super::proto::go_plugin::grpc_stdio_server::GrpcStdio;
use super::proto::go_plugin::{ConnInfo, Empty, StdioData};

/// A stream without messages.
type Silence<T> = BoxStream<'static, Result<T, Status>>;

/// All three.
#[derive(Clone, Debug)]
pub struct GoPlugin {
    shutdown: CancellationToken,
    ending: CancellationToken,
}

impl GoPlugin {
    /// `shutdown` is cancelled when core asks for the end; the open streams end when `ending` is cancelled.
    pub fn new(shutdown: CancellationToken, ending: CancellationToken) -> GoPlugin {
        GoPlugin { shutdown, ending }
    }

    /// Sends nothing until the end, and then ends.
    fn silence<T: Send + 'static>(&self) -> Silence<T> {
        stream::pending().take_until(self.ending.clone().cancelled_owned()).boxed()
    }
}

#[tonic::async_trait]
impl GrpcController for GoPlugin {
    /// Core is done. It waits two seconds for the process to end, several times in each command.
    async fn shutdown(&self, _request: Request<Empty>) -> Result<Response<Empty>, Status> {
        debug!("core asks for the end");
        self.shutdown.cancel();
        Ok(Response::new(Empty {}))
    }
}

#[tonic::async_trait]
impl GrpcStdio for GoPlugin {
    /// The stream stays open, because it keeps core's connection from going idle. It stays silent, because
    /// each byte becomes a warning in core's log. The log goes to stderr, which core reads anyway.
    async fn stream_stdio(&self, _request: Request<()>) -> Result<Response<Silence<StdioData>>, Status> {
        Ok(Response::new(self.silence()))
    }
}

#[tonic::async_trait]
impl GrpcBroker for GoPlugin {
    /// For plugins that call their host back. Core opens it and never uses it; nor do we.
    async fn start_stream(
        &self,
        _request: Request<Streaming<ConnInfo>>,
    ) -> Result<Response<Silence<ConnInfo>>, Status> {
        Ok(Response::new(self.silence()))
    }
}

#[cfg(test)]
mod tests {
    use futures::FutureExt;

    use super::*;

    #[tokio::test]
    async fn streams_are_silent_until_the_end() {
        let plugin = GoPlugin::new(CancellationToken::new(), CancellationToken::new());
        let mut stdio = plugin.stream_stdio(Request::new(())).await.unwrap().into_inner();
        assert!(stdio.next().now_or_never().is_none(), "open and silent");

        plugin.shutdown(Request::new(Empty {})).await.unwrap();
        assert!(plugin.shutdown.is_cancelled());
        assert!(stdio.next().now_or_never().is_none(), "calls in flight may still be answered");

        plugin.ending.cancel();
        assert!(stdio.next().await.is_none(), "ended");
    }
}
