//! The gate's protocol by hand, well formed or not, for tests of what the sidecar does with it.

use audit_event::frame::{announced_length, decode_response, encode_request};
use audit_event::{Request, Response};
use std::io::{Read, Write};
use std::os::unix::net::UnixStream;
use std::path::Path;
use std::time::Duration;

/// Connects with deadlines.
pub fn connect(socket: &Path) -> UnixStream {
    let stream = UnixStream::connect(socket).expect("the sidecar listens");
    stream
        .set_read_timeout(Some(Duration::from_secs(20)))
        .expect("a socket can be set");
    stream
        .set_write_timeout(Some(Duration::from_secs(20)))
        .expect("a socket can be set");
    stream
}

/// Sends one frame.
pub fn send(stream: &mut UnixStream, body: &[u8]) -> std::io::Result<()> {
    let length = u32::try_from(body.len()).expect("test frames are short");
    stream.write_all(&length.to_be_bytes())?;
    stream.write_all(body)
}

/// Receives one frame as JSON; `None` when the peer closed.
pub fn receive(stream: &mut UnixStream) -> Option<serde_json::Value> {
    let mut prefix = [0; 4];
    stream.read_exact(&mut prefix).ok()?;
    let mut body = vec![0; usize::try_from(u32::from_be_bytes(prefix)).expect("a length")];
    stream.read_exact(&mut body).ok()?;
    Some(serde_json::from_slice(&body).expect("answers are JSON"))
}

/// Sends one request, well formed, and receives the answer.
pub fn exchange(stream: &mut UnixStream, request: &Request) -> std::io::Result<Response> {
    let frame = encode_request(request).map_err(std::io::Error::other)?;
    stream.write_all(&frame)?;
    let mut prefix = [0; 4];
    stream.read_exact(&mut prefix)?;
    let mut bytes = vec![0; announced_length(prefix).map_err(std::io::Error::other)?];
    stream.read_exact(&mut bytes)?;
    decode_response(&bytes).map_err(std::io::Error::other)
}

/// One request over a connection of its own.
pub fn ask(socket: &Path, body: &[u8]) -> Option<serde_json::Value> {
    let mut stream = connect(socket);
    send(&mut stream, body).ok()?;
    receive(&mut stream)
}

/// A path of an HTTP server on loopback.
pub fn get(base: &str, path: &str) -> (u16, String) {
    let address = base.trim_start_matches("http://");
    let mut stream = std::net::TcpStream::connect(address).expect("the address listens");
    stream
        .set_read_timeout(Some(Duration::from_secs(20)))
        .expect("a socket can be set");
    write!(
        stream,
        "GET {path} HTTP/1.1\r\nHost: x\r\nConnection: close\r\n\r\n"
    )
    .expect("the request can be sent");
    let mut text = String::new();
    stream.read_to_string(&mut text).expect("the answer is text");
    let status = text
        .split(' ')
        .nth(1)
        .and_then(|code| code.parse().ok())
        .unwrap_or(0);
    (
        status,
        text.split_once("\r\n\r\n")
            .map(|(_, body)| body.to_owned())
            .unwrap_or_default(),
    )
}
