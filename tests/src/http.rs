//! A small HTTP/1.1 server for stand-ins: threads, loopback TCP or a Unix socket, every request recorded.

use std::io::{self, BufRead, BufReader, Read, Write};
use std::net::{TcpListener, TcpStream};
use std::os::unix::net::{UnixListener, UnixStream};
use std::path::Path;
use std::sync::atomic::{AtomicBool, Ordering};
use std::sync::{Arc, Mutex, PoisonError};
use std::thread::JoinHandle;
use std::time::Duration;

/// A request as it came.
#[derive(Debug, Clone)]
pub struct Request {
    /// `GET` …
    pub method: String,
    /// Path and query.
    pub target: String,
    /// The head's lines, names in lower case.
    pub headers: Vec<(String, String)>,
    /// The body, or its first mebibyte.
    pub body: Vec<u8>,
    /// The body's whole length.
    pub body_length: u64,
    /// SHA-256 of the whole body.
    pub body_sha256: String,
}

impl Request {
    /// A header's value; empty when it is not there.
    pub fn header(&self, name: &str) -> &str {
        self.headers
            .iter()
            .find(|(key, _)| key == name)
            .map_or("", |(_, value)| value)
    }

    /// The JSON values of the body, one behind the other, as in NDJSON.
    ///
    /// # Panics
    /// When the body is something else.
    pub fn objects(&self) -> Vec<serde_json::Value> {
        serde_json::Deserializer::from_slice(&self.body)
            .into_iter()
            .map(|value| value.expect("the body is JSON"))
            .collect()
    }

    /// The path without the query.
    pub fn path(&self) -> &str {
        self.target.split('?').next().unwrap_or_default()
    }
}

/// An answer.
#[derive(Debug)]
pub struct Response {
    /// 200 …
    pub status: u16,
    /// `application/json` …
    pub content_type: &'static str,
    /// What.
    pub body: Body,
}

/// An answer's body.
#[derive(Debug)]
pub enum Body {
    /// These bytes.
    Bytes(Vec<u8>),
    /// So many bytes of [`pattern`], sent in pieces.
    Pattern(u64),
}

impl Response {
    /// JSON with status 200.
    pub fn json(value: &serde_json::Value) -> Response {
        Response {
            status: 200,
            content_type: "application/json",
            body: Body::Bytes(value.to_string().into_bytes()),
        }
    }

    /// JSON with another status.
    pub fn error(status: u16, value: &serde_json::Value) -> Response {
        Response {
            status,
            ..Response::json(value)
        }
    }
}

/// Byte number `at` of a stream that holds every value in no simple order.
pub fn pattern(at: u64) -> u8 {
    let mixed = at.wrapping_mul(0x9e37_79b9_7f4a_7c15);
    (mixed >> 56) as u8
}

/// A server that ends when it is dropped.
pub struct Server {
    requests: Arc<Mutex<Vec<Request>>>,
    stop: Arc<AtomicBool>,
    accepting: Option<JoinHandle<()>>,
    /// The port, for TCP.
    pub port: u16,
}

type Handler = Arc<dyn Fn(&Request) -> Response + Send + Sync>;

impl Server {
    /// Listens on a free port of 127.0.0.1.
    pub fn tcp(handler: impl Fn(&Request) -> Response + Send + Sync + 'static) -> Server {
        let listener = TcpListener::bind("127.0.0.1:0").expect("loopback has a free port");
        let port = listener
            .local_addr()
            .expect("a bound socket has an address")
            .port();
        listener.set_nonblocking(true).expect("a socket can be set");
        Server::start(port, Arc::new(handler), move || match listener.accept() {
            Ok((stream, _)) => {
                stream.set_nonblocking(false)?;
                stream.set_read_timeout(Some(Duration::from_secs(30)))?;
                Ok(Box::new(Duplex(stream.try_clone()?, stream)) as Box<dyn Stream>)
            }
            Err(error) => Err(error),
        })
    }

    /// Listens on a Unix socket.
    pub fn unix(path: &Path, handler: impl Fn(&Request) -> Response + Send + Sync + 'static) -> Server {
        let listener = UnixListener::bind(path).expect("the socket's place is free");
        listener.set_nonblocking(true).expect("a socket can be set");
        Server::start(0, Arc::new(handler), move || match listener.accept() {
            Ok((stream, _)) => {
                stream.set_nonblocking(false)?;
                stream.set_read_timeout(Some(Duration::from_secs(30)))?;
                Ok(Box::new(DuplexUnix(stream.try_clone()?, stream)) as Box<dyn Stream>)
            }
            Err(error) => Err(error),
        })
    }

    fn start(
        port: u16,
        handler: Handler,
        accept: impl Fn() -> io::Result<Box<dyn Stream>> + Send + 'static,
    ) -> Server {
        let requests = Arc::new(Mutex::new(Vec::new()));
        let stop = Arc::new(AtomicBool::new(false));
        let (kept, told) = (Arc::clone(&requests), Arc::clone(&stop));
        let accepting = std::thread::spawn(move || {
            while !told.load(Ordering::Relaxed) {
                match accept() {
                    Ok(stream) => {
                        let (handler, kept) = (Arc::clone(&handler), Arc::clone(&kept));
                        std::thread::spawn(move || converse(stream, &handler, &kept));
                    }
                    Err(_) => std::thread::sleep(Duration::from_millis(2)),
                }
            }
        });
        Server {
            requests,
            stop,
            accepting: Some(accepting),
            port,
        }
    }

    /// Everything that was asked so far.
    pub fn requests(&self) -> Vec<Request> {
        self.requests
            .lock()
            .unwrap_or_else(PoisonError::into_inner)
            .clone()
    }

    /// Forgets what was asked so far.
    pub fn forget(&self) {
        self.requests
            .lock()
            .unwrap_or_else(PoisonError::into_inner)
            .clear();
    }
}

impl Drop for Server {
    fn drop(&mut self) {
        self.stop.store(true, Ordering::Relaxed);
        if let Some(thread) = self.accepting.take() {
            thread.join().expect("the accepting thread does not panic");
        }
    }
}

trait Stream: Send {
    fn parts(&mut self) -> (&mut dyn Read, &mut dyn Write);
}
struct Duplex(TcpStream, TcpStream);
struct DuplexUnix(UnixStream, UnixStream);
impl Stream for Duplex {
    fn parts(&mut self) -> (&mut dyn Read, &mut dyn Write) {
        (&mut self.0, &mut self.1)
    }
}
impl Stream for DuplexUnix {
    fn parts(&mut self) -> (&mut dyn Read, &mut dyn Write) {
        (&mut self.0, &mut self.1)
    }
}

/// Requests and answers until the client goes. An error ends the conversation, as a client that goes does.
fn converse(mut stream: Box<dyn Stream>, handler: &Handler, kept: &Mutex<Vec<Request>>) {
    let (reader, writer) = stream.parts();
    let mut reader = BufReader::new(reader);
    while let Ok(Some(request)) = read_request(&mut reader, writer) {
        kept.lock()
            .unwrap_or_else(PoisonError::into_inner)
            .push(request.clone());
        let response = handler(&request);
        if write_response(writer, &request, response).is_err() {
            return;
        }
    }
}

fn read_request(reader: &mut impl BufRead, writer: &mut dyn Write) -> io::Result<Option<Request>> {
    let mut line = String::new();
    if reader.read_line(&mut line)? == 0 {
        return Ok(None);
    }
    let mut words = line.split_whitespace().map(str::to_owned);
    let (method, target) = (words.next().unwrap_or_default(), words.next().unwrap_or_default());
    let mut headers = Vec::new();
    loop {
        let mut line = String::new();
        reader.read_line(&mut line)?;
        match line.trim_end().split_once(':') {
            Some((name, value)) => headers.push((name.to_ascii_lowercase(), value.trim().to_owned())),
            None => break,
        }
    }
    let mut request = Request {
        method,
        target,
        headers,
        body: Vec::new(),
        body_length: 0,
        body_sha256: String::new(),
    };
    if request.header("expect") == "100-continue" {
        writer.write_all(b"HTTP/1.1 100 Continue\r\n\r\n")?;
    }
    read_body(reader, &mut request)?;
    Ok(Some(request))
}

fn read_body(reader: &mut impl BufRead, request: &mut Request) -> io::Result<()> {
    use sha2::Digest;
    let mut hasher = sha2::Sha256::new();
    let mut piece = |reader: &mut dyn Read, request: &mut Request, mut left: u64| -> io::Result<()> {
        let mut buffer = vec![0_u8; 1 << 16];
        while left > 0 {
            let want = buffer.len().min(usize::try_from(left).unwrap_or(usize::MAX));
            let read = reader.read(&mut buffer[..want])?;
            if read == 0 {
                return Err(io::ErrorKind::UnexpectedEof.into());
            }
            hasher.update(&buffer[..read]);
            let room = (1_usize << 20).saturating_sub(request.body.len()).min(read);
            request.body.extend_from_slice(&buffer[..room]);
            request.body_length += read as u64;
            left -= read as u64;
        }
        Ok(())
    };
    if request
        .header("transfer-encoding")
        .eq_ignore_ascii_case("chunked")
    {
        loop {
            let mut size = String::new();
            reader.read_line(&mut size)?;
            let size = u64::from_str_radix(size.trim().split(';').next().unwrap_or_default(), 16)
                .map_err(io::Error::other)?;
            if size > 0 {
                piece(reader, request, size)?;
            }
            reader.read_line(&mut String::new())?;
            if size == 0 {
                break;
            }
        }
    } else if let Ok(length) = request.header("content-length").parse() {
        piece(reader, request, length)?;
    }
    request.body_sha256 = hasher
        .finalize()
        .iter()
        .map(|byte| format!("{byte:02x}"))
        .collect();
    Ok(())
}

fn write_response(writer: &mut dyn Write, request: &Request, response: Response) -> io::Result<()> {
    let length = match &response.body {
        Body::Bytes(bytes) => bytes.len() as u64,
        Body::Pattern(length) => *length,
    };
    let head = format!(
        "HTTP/1.1 {} Answer\r\nContent-Type: {}\r\nContent-Length: {length}\r\n\r\n",
        response.status, response.content_type
    );
    writer.write_all(head.as_bytes())?;
    if request.method == "HEAD" {
        return Ok(());
    }
    match response.body {
        Body::Bytes(bytes) => writer.write_all(&bytes),
        Body::Pattern(length) => {
            let mut at = 0;
            while at < length {
                let end = length.min(at + (1 << 16));
                let piece: Vec<u8> = (at..end).map(pattern).collect();
                writer.write_all(&piece)?;
                at = end;
            }
            Ok(())
        }
    }
}
