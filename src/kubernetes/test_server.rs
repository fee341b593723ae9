//! A tiny HTTP server for tests: each test says what it answers, and may break off, stall or count.
//!
//! What it plays is checked against a real API server in `tests/cluster_api/`.

use std::future::Future;
use std::sync::{Arc, Mutex};
use std::time::Duration;

use aws_lc_rs::digest;
use base64::Engine as _;
use base64::engine::general_purpose::STANDARD as BASE64;
use serde_json::{Value, json};
use tokio::io::{AsyncReadExt as _, AsyncWriteExt as _};
use tokio::net::{TcpListener, TcpStream};

use super::transport::Patience;
use super::{Cluster, Resource, Settings};

pub(super) static POD: Resource =
    Resource { group: "", version: "v1", kind: "Pod", plural: "pods", namespaced: true };
pub(super) static SECRET: Resource =
    Resource { group: "", version: "v1", kind: "Secret", plural: "secrets", namespaced: true };

/// A request as it arrived.
#[derive(Debug, Clone)]
pub(super) struct Seen {
    pub method: String,
    /// Path and query.
    pub target: String,
    /// Header lines, names in lower case.
    pub headers: Vec<(String, String)>,
    pub body: Value,
    /// How many came before it.
    pub count: usize,
}

impl Seen {
    pub(super) fn header(&self, name: &str) -> Option<&str> {
        self.headers.iter().find(|(header, _)| header == name).map(|(_, value)| value.as_str())
    }

    pub(super) fn path(&self) -> &str {
        self.target.split('?').next().unwrap_or_default()
    }
}

/// What the server does with a request.
pub(super) enum Reply {
    /// Answers.
    Answer { status: u16, headers: Vec<(&'static str, String)>, body: String },
    /// Closes the connection without a word.
    Close,
    /// Sends a head, half of a body, and closes.
    Half,
    /// Sends a head, half of a body, and then nothing.
    Stall,
    /// Sends these lines, each after its pause, and keeps the connection open.
    Stream(Vec<(Duration, Value)>),
    /// Becomes a WebSocket: sends `first`, one of `each` for every frame that comes, and then closes, or stays.
    /// A frame that comes is seen as a request of method `FRAME`.
    WebSocket { first: Vec<Vec<u8>>, each: Vec<Vec<u8>>, then_close: bool },
}

impl Reply {
    pub(super) fn json(status: u16, body: &Value) -> Reply {
        let headers = vec![("content-type", "application/json".to_owned()), ("audit-id", "a".to_owned())];
        Reply::Answer { status, headers, body: body.to_string() }
    }

    /// A Kubernetes `Status`.
    pub(super) fn status(code: u16, reason: &str, message: &str, details: &Value) -> Reply {
        let body = json!({"kind": "Status", "apiVersion": "v1", "status": "Failure", "code": code,
            "reason": reason, "message": message, "details": details});
        Reply::json(code, &body)
    }

    pub(super) fn header(self, name: &'static str, value: &str) -> Reply {
        match self {
            Reply::Answer { status, mut headers, body } => {
                headers.push((name, value.to_owned()));
                Reply::Answer { status, headers, body }
            }
            other => other,
        }
    }
}

pub(super) struct TestServer {
    pub url: String,
    seen: Arc<Mutex<Vec<Seen>>>,
}

impl TestServer {
    pub(super) async fn start<F>(answer: impl Fn(Seen) -> F + Send + Sync + 'static) -> TestServer
    where
        F: Future<Output = Reply> + Send,
    {
        let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
        let url = format!("http://{}", listener.local_addr().unwrap());
        let seen: Arc<Mutex<Vec<Seen>>> = Arc::default();
        let (answer, record) = (Arc::new(answer), Arc::clone(&seen));
        tokio::spawn(async move {
            while let Ok((stream, _)) = listener.accept().await {
                let (answer, record) = (Arc::clone(&answer), Arc::clone(&record));
                tokio::spawn(async move { serve(stream, &*answer, &record).await });
            }
        });
        TestServer { url, seen }
    }

    pub(super) fn seen(&self) -> Vec<Seen> {
        self.seen.lock().unwrap().clone()
    }

    pub(super) fn settings(&self) -> Settings {
        Settings { host: Some(self.url.clone()), ..Settings::default() }
    }

    /// A cluster that loses patience after a second.
    pub(super) fn cluster(&self) -> Cluster {
        Cluster::with_patience(self.settings(), patience())
    }

    /// A cluster as patient as users have it.
    pub(super) fn patient_cluster(&self) -> Cluster {
        Cluster::new(self.settings())
    }
}

pub(super) fn patience() -> Patience {
    let second = Duration::from_secs(1);
    Patience { answer: second, first_connection: second, connection: 3 * second, refusal: second }
}

async fn serve<F: Future<Output = Reply>>(
    mut stream: TcpStream,
    answer: impl Fn(Seen) -> F,
    record: &Mutex<Vec<Seen>>,
) -> Option<()> {
    let request = read(&mut stream, record).await?;
    let key = request.header("sec-websocket-key").unwrap_or_default().to_owned();
    let head = "HTTP/1.1 200 OK\r\ncontent-type: application/json\r\n";
    let text = match answer(request).await {
        Reply::Close => return None,
        Reply::Half => format!("{head}content-length: 100\r\n\r\n{{\"kind\":"),
        Reply::Stall => {
            stream
                .write_all(format!("{head}content-length: 100\r\n\r\n{{\"kind\":").as_bytes())
                .await
                .ok()?;
            tokio::time::sleep(Duration::from_secs(60)).await;
            return None;
        }
        Reply::Stream(lines) => {
            stream.write_all(format!("{head}connection: close\r\n\r\n").as_bytes()).await.ok()?;
            for (pause, line) in lines {
                tokio::time::sleep(pause).await;
                stream.write_all(format!("{line}\n").as_bytes()).await.ok()?;
            }
            tokio::time::sleep(Duration::from_secs(60)).await;
            return None;
        }
        Reply::WebSocket { first, each, then_close } => {
            return web_socket(stream, &key, first, each, then_close, record).await;
        }
        Reply::Answer { status, headers, body } => {
            let lines: String = headers.iter().map(|(name, value)| format!("{name}: {value}\r\n")).collect();
            let length = body.len();
            format!(
                "HTTP/1.1 {status} X\r\n{lines}content-length: {length}\r\nconnection: close\r\n\r\n{body}"
            )
        }
    };
    stream.write_all(text.as_bytes()).await.ok()
}

/// As RFC 6455 has it, for frames of up to 64 KiB.
async fn web_socket(
    mut stream: TcpStream,
    key: &str,
    first: Vec<Vec<u8>>,
    each: Vec<Vec<u8>>,
    then_close: bool,
    record: &Mutex<Vec<Seen>>,
) -> Option<()> {
    const CLOSE: u8 = 8;
    let accept = format!("{key}258EAFA5-E914-47DA-95CA-C5AB0DC85B11");
    let accept = digest::digest(&digest::SHA1_FOR_LEGACY_USE_ONLY, accept.as_bytes());
    let accept = BASE64.encode(accept.as_ref());
    let head = format!(
        "HTTP/1.1 101 Switching Protocols\r\nupgrade: websocket\r\nconnection: Upgrade\r\n\
         sec-websocket-protocol: v5.channel.k8s.io\r\nsec-websocket-accept: {accept}\r\n\r\n"
    );
    stream.write_all(head.as_bytes()).await.ok()?;
    for frame in first {
        send_frame(&mut stream, &frame).await?;
    }
    let mut each = each.into_iter().peekable();
    while each.peek().is_some() || !then_close {
        let (kind, payload) = read_frame(&mut stream).await?;
        if kind == CLOSE {
            return None;
        }
        let target = String::from_utf8_lossy(&payload).into_owned();
        {
            let mut record = record.lock().unwrap();
            let count = record.len();
            let (method, headers) = ("FRAME".to_owned(), Vec::new());
            record.push(Seen { method, target, headers, body: Value::Null, count });
        }
        if let Some(frame) = each.next() {
            send_frame(&mut stream, &frame).await?;
        }
    }
    stream.write_all(&[0x80 | CLOSE, 0]).await.ok()
}

async fn send_frame(stream: &mut TcpStream, payload: &[u8]) -> Option<()> {
    let length = u16::try_from(payload.len()).unwrap().to_be_bytes();
    stream.write_all(&[&[0x82, 126], length.as_slice(), payload].concat()).await.ok()
}

/// What a client sends is masked.
async fn read_frame(stream: &mut TcpStream) -> Option<(u8, Vec<u8>)> {
    let kind = stream.read_u8().await.ok()? & 0xf;
    let length = match stream.read_u8().await.ok()? & 0x7f {
        126 => usize::from(stream.read_u16().await.ok()?),
        short => usize::from(short),
    };
    let mut mask = [0; 4];
    stream.read_exact(&mut mask).await.ok()?;
    let mut payload = vec![0; length];
    stream.read_exact(&mut payload).await.ok()?;
    payload.iter_mut().enumerate().for_each(|(index, byte)| *byte ^= mask[index % 4]);
    Some((kind, payload))
}

async fn read(stream: &mut TcpStream, record: &Mutex<Vec<Seen>>) -> Option<Seen> {
    let mut bytes = Vec::new();
    let head_end = loop {
        let mut piece = [0; 4096];
        let length = stream.read(&mut piece).await.ok().filter(|length| *length > 0)?;
        bytes.extend_from_slice(&piece[..length]);
        if let Some(end) = bytes.windows(4).position(|window| window == b"\r\n\r\n") {
            break end;
        }
    };
    let head = String::from_utf8(bytes[..head_end].to_vec()).unwrap();
    let mut lines = head.lines();
    let mut first = lines.next()?.split(' ');
    let (method, target) = (first.next()?.to_owned(), first.next()?.to_owned());
    let headers: Vec<(String, String)> = lines
        .filter_map(|line| line.split_once(": "))
        .map(|(name, value)| (name.to_ascii_lowercase(), value.to_owned()))
        .collect();
    let mut body = bytes.split_off(head_end + 4);
    let length =
        headers.iter().find(|(name, _)| name == "content-length").map(|(_, value)| value.parse().unwrap());
    while body.len() < length.unwrap_or(0) {
        let mut piece = [0; 4096];
        let length = stream.read(&mut piece).await.ok().filter(|length| *length > 0)?;
        body.extend_from_slice(&piece[..length]);
    }
    let body = serde_json::from_slice(&body).unwrap_or(Value::Null);
    let mut record = record.lock().unwrap();
    let seen = Seen { method, target, headers, body, count: record.len() };
    record.push(seen.clone());
    Some(seen)
}

/// A proxy of either kind, which carries one connection and remembers what it was asked for.
pub(super) mod test_proxy {
    use super::{Arc, Mutex, TcpListener, TcpStream};
    use tokio::io::{AsyncReadExt as _, AsyncWriteExt as _};

    pub(in crate::kubernetes) async fn start(socks: bool) -> (String, Arc<Mutex<String>>) {
        let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
        let address = listener.local_addr().unwrap().to_string();
        let asked: Arc<Mutex<String>> = Arc::default();
        let record = Arc::clone(&asked);
        tokio::spawn(async move {
            let (mut stream, _) = listener.accept().await.unwrap();
            let target = if socks { socks5(&mut stream).await } else { connect(&mut stream, &record).await };
            *record.lock().unwrap() += if socks { &target } else { "" };
            let mut onward = TcpStream::connect(target).await.unwrap();
            let _ = tokio::io::copy_bidirectional(&mut stream, &mut onward).await;
        });
        (address, asked)
    }

    async fn connect(stream: &mut TcpStream, record: &Mutex<String>) -> String {
        let mut head = String::new();
        while !head.ends_with("\r\n\r\n") {
            head.push(char::from(stream.read_u8().await.unwrap()));
        }
        stream.write_all(b"HTTP/1.1 200 OK\r\n\r\n").await.unwrap();
        record.lock().unwrap().push_str(&head);
        head.split(' ').nth(1).unwrap().to_owned()
    }

    async fn socks5(stream: &mut TcpStream) -> String {
        let mut greeting = [0; 2];
        stream.read_exact(&mut greeting).await.unwrap();
        let mut methods = vec![0; usize::from(greeting[1])];
        stream.read_exact(&mut methods).await.unwrap();
        stream.write_all(&[5, 0]).await.unwrap();
        let mut request = [0; 4];
        stream.read_exact(&mut request).await.unwrap();
        let host = match request[3] {
            1 => std::net::Ipv4Addr::from(stream.read_u32().await.unwrap()).to_string(),
            _ => {
                let mut name = vec![0; usize::from(stream.read_u8().await.unwrap())];
                stream.read_exact(&mut name).await.unwrap();
                String::from_utf8(name).unwrap()
            }
        };
        let port = stream.read_u16().await.unwrap();
        stream.write_all(&[5, 0, 0, 1, 0, 0, 0, 0, 0, 0]).await.unwrap();
        format!("{host}:{port}")
    }
}
