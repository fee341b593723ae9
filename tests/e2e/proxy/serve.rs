//! How one request passes through the proxy: record → fault before → forward → fault after → answer.
use std::pin::Pin;
use std::sync::Arc;
use std::task::{Context, Poll};

use http_body_util::{BodyExt, Full};
use hyper::body::{Body, Bytes, Frame, Incoming};
use hyper::header::{
    AUTHORIZATION, CONNECTION, CONTENT_TYPE, HeaderMap, RETRY_AFTER, TRANSFER_ENCODING, UPGRADE,
};
use hyper::service::service_fn;
use hyper::{Request, Response, StatusCode};
use hyper_util::rt::TokioIo;
use tokio::net::TcpStream;

use super::fault::{Fault, Faults, What, When};
use super::record::{Log, Recorded};
use crate::cluster::Upstream;
use crate::process::Group;

pub struct Shared {
    pub log: Log,
    pub faults: Faults,
    administrator: Upstream,
    nobody: Upstream,
    group: Group,
}

/// Why no (further) answer is given: the connection ends here.
#[derive(Debug, thiserror::Error)]
pub enum Cut {
    #[error("cut by a fault")]
    Fault,
    #[error("the API server did not answer: {0}")]
    Upstream(#[from] hyper_util::client::legacy::Error),
    #[error("the body broke off: {0}")]
    Body(#[from] hyper::Error),
}

impl Shared {
    pub fn new(administrator: Upstream, nobody: Upstream, group: Group) -> Shared {
        Shared { log: Log::default(), faults: Faults::default(), administrator, nobody, group }
    }

    /// Who brings an `Authorization` header is who it says; everybody else is the administrator.
    fn upstream(&self, headers: &HeaderMap) -> &Upstream {
        if headers.contains_key(AUTHORIZATION) { &self.nobody } else { &self.administrator }
    }
}

pub async fn connection(socket: TcpStream, shared: Arc<Shared>) {
    let Ok(socket) = socket.into_std() else { return };
    // A second handle on the same socket: the reset needs it while hyper owns the first.
    let (Ok(handle), Ok(socket)) = (socket.try_clone(), TcpStream::from_std(socket)) else { return };
    let handle = Arc::new(handle);
    let service = service_fn(move |request| answer(shared.clone(), handle.clone(), request));
    // Its error is the fault that was played, or a client that went away.
    let _ = hyper::server::conn::http1::Builder::new()
        .serve_connection(TokioIo::new(socket), service)
        .with_upgrades()
        .await;
}

type Handle = Arc<std::net::TcpStream>;

async fn answer(
    shared: Arc<Shared>,
    handle: Handle,
    request: Request<Incoming>,
) -> Result<Response<AnswerBody>, Cut> {
    let recorded = Recorded::new(request.method(), request.uri());
    let fault = shared.faults.meets(&recorded);
    let ending = Ending { number: shared.log.begin(recorded.clone()), shared: shared.clone() };
    let early = |fault: &Fault| fault.when == When::Before && !matches!(fault.what, What::HalfBody);
    let response = match fault {
        Some(fault) if early(&fault) => {
            shared.faults.note(&fault, &recorded);
            play(&shared, &handle, &fault.what, None).await?
        }
        Some(fault) => {
            let (head, body) = forward(&shared, request).await?.into_parts();
            // A watch has no end to wait for: its head shows that the server has acted.
            let bytes = if recorded.is_watch() { Bytes::new() } else { body.collect().await?.to_bytes() };
            shared.faults.note(&fault, &recorded);
            play(&shared, &handle, &fault.what, Some((head, bytes))).await?
        }
        None => forward(&shared, request).await?.map(Inner::Stream),
    };
    shared.log.update(ending.number, |recorded| recorded.status = Some(response.status().as_u16()));
    Ok(response.map(|inner| AnswerBody { inner, ending }))
}

/// Passes the request on and gives back the answer's beginning; ties the two ends of an upgrade together.
async fn forward(shared: &Shared, mut request: Request<Incoming>) -> Result<Response<Incoming>, Cut> {
    let upgrade = request.headers().contains_key(UPGRADE).then(|| hyper::upgrade::on(&mut request));
    let (mut head, body) = request.into_parts();
    let bytes = body.collect().await?.to_bytes();
    if upgrade.is_none() {
        // They concern one connection only, and the body is sent in one piece now.
        head.headers.remove(CONNECTION);
        head.headers.remove(TRANSFER_ENCODING);
    }
    let upstream = shared.upstream(&head.headers).clone();
    let mut forwarded = Request::from_parts(head, Full::from(bytes));
    forwarded.extensions_mut().clear();
    let mut response = upstream.send(forwarded).await?;
    if let (Some(client), StatusCode::SWITCHING_PROTOCOLS) = (upgrade, response.status()) {
        let server = hyper::upgrade::on(&mut response);
        tokio::spawn(async move {
            if let (Ok(client), Ok(server)) = tokio::join!(client, server) {
                let (mut client, mut server) = (TokioIo::new(client), TokioIo::new(server));
                let _ = tokio::io::copy_bidirectional(&mut client, &mut server).await;
            }
        });
    } else {
        response.headers_mut().remove(CONNECTION);
        response.headers_mut().remove(TRANSFER_ENCODING);
    }
    Ok(response)
}

type Head = http::response::Parts;

async fn play(
    shared: &Shared,
    handle: &std::net::TcpStream,
    what: &What,
    original: Option<(Head, Bytes)>,
) -> Result<Response<Inner>, Cut> {
    match what {
        What::Status(code, body) => return Ok(status(*code, body.as_ref())),
        What::HalfBody => {
            let (head, mut bytes) = original.ok_or(Cut::Fault)?;
            let whole = bytes.len();
            bytes.truncate(whole / 2);
            let mut response = Response::from_parts(head, Inner::Half(Half::Given(bytes)));
            // Promises the whole, so that the client can tell.
            response.headers_mut().insert(hyper::header::CONTENT_LENGTH, whole.into());
            return Ok(response);
        }
        What::Stall => shared.faults.cleared().await,
        // Closing a socket that lingers for no time sends RST instead of FIN.
        What::Reset => {
            let _ = rustix::net::sockopt::set_socket_linger(handle, Some(std::time::Duration::ZERO));
        }
        What::KillProvider => {
            shared.group.kill_providers();
        }
        What::KillCli => shared.group.kill_cli(),
    }
    Err(Cut::Fault)
}

fn status(code: u16, body: Option<&serde_json::Value>) -> Response<Inner> {
    let mut response = Response::builder().status(code);
    let (content_type, text) = match (body, code) {
        (Some(body), _) => ("application/json", body.to_string()),
        (None, 404) => ("text/plain; charset=utf-8", "404 page not found\n".to_owned()),
        (None, _) => ("text/plain; charset=utf-8", "Too many requests, please try again later.\n".to_owned()),
    };
    if body.is_none() && code != 404 {
        response = response.header(RETRY_AFTER, "1");
    }
    response
        .header(CONTENT_TYPE, content_type)
        .body(Inner::Whole(Full::from(text)))
        .expect("a code and a content type")
}

/// Notes when a request ended, however it ended.
struct Ending {
    shared: Arc<Shared>,
    number: usize,
}

impl Drop for Ending {
    fn drop(&mut self) {
        self.shared.log.update(self.number, |recorded| recorded.took = Some(recorded.started.elapsed()));
    }
}

enum Inner {
    Stream(Incoming),
    Whole(Full<Bytes>),
    Half(Half),
}

/// A body that breaks off.
enum Half {
    Given(Bytes),
    /// The server must have written the first half out before it learns of the end.
    Written,
    Over,
}

/// The answer's body on its way, counted.
pub struct AnswerBody {
    inner: Inner,
    ending: Ending,
}

impl Body for AnswerBody {
    type Data = Bytes;
    type Error = Cut;

    fn poll_frame(
        self: Pin<&mut Self>,
        context: &mut Context<'_>,
    ) -> Poll<Option<Result<Frame<Bytes>, Cut>>> {
        let AnswerBody { inner, ending } = self.get_mut();
        let frame = match inner {
            Inner::Stream(body) => Pin::new(body).poll_frame(context).map_err(Cut::Body),
            Inner::Whole(body) => Pin::new(body).poll_frame(context).map_err(|never| match never {}),
            Inner::Half(half) => match std::mem::replace(half, Half::Over) {
                Half::Given(bytes) => {
                    *half = Half::Written;
                    Poll::Ready(Some(Ok(Frame::data(bytes))))
                }
                Half::Written => {
                    context.waker().wake_by_ref();
                    Poll::Pending
                }
                Half::Over => Poll::Ready(Some(Err(Cut::Fault))),
            },
        };
        if let Poll::Ready(Some(Ok(frame))) = &frame {
            let length = frame.data_ref().map_or(0, Bytes::len) as u64;
            ending.shared.log.update(ending.number, |recorded| recorded.bytes += length);
        }
        frame
    }

    fn is_end_stream(&self) -> bool {
        match &self.inner {
            Inner::Stream(body) => body.is_end_stream(),
            Inner::Whole(body) => body.is_end_stream(),
            Inner::Half(_) => false,
        }
    }

    fn size_hint(&self) -> hyper::body::SizeHint {
        match &self.inner {
            Inner::Stream(body) => body.size_hint(),
            Inner::Whole(body) => body.size_hint(),
            Inner::Half(_) => hyper::body::SizeHint::default(),
        }
    }
}
