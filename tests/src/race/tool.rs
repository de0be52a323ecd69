//! A kubectl that costs nearly nothing: `get configmap NAME` and `apply -f FILE`, one request each, with the file's bytes as
//! they are. Called from a file named `other`, it leaves a mark: that program must never run.

use serde_json::Value;
use std::io::{Read, Write};
use std::net::TcpStream;
use std::time::Duration;

/// Does it; returns the exit status.
///
/// # Panics
/// When anything is not as it should be: the exit status says so then.
pub fn run(words: &[String]) -> i32 {
    let file = std::env::current_exe().expect("the program knows its file");
    if file.file_name().is_some_and(|name| name == "other") {
        let mark = file.with_file_name("marked");
        std::fs::write(mark, format!("{words:?}\n")).expect("a mark can be left");
        return 9;
    }
    let kubeconfig = std::env::var("KUBECONFIG").expect("there is a kubeconfig");
    let kubeconfig = std::fs::read(kubeconfig).expect("it can be read");
    let kubeconfig: Value = serde_json::from_slice(&kubeconfig).expect("it is JSON");
    let server = kubeconfig["clusters"][0]["cluster"]["server"]
        .as_str()
        .expect("a server");
    let (method, path, body) = match words.iter().map(String::as_str).collect::<Vec<_>>()[..] {
        [_, "get", "configmap", name] => (
            "GET",
            format!("/api/v1/namespaces/dev/configmaps/{name}"),
            Vec::new(),
        ),
        [_, "apply", "-f", file] => {
            let body = std::fs::read(file).expect("the manifest can be read");
            ("POST", "/api/v1/namespaces/dev/configmaps".to_owned(), body)
        }
        _ => return 64,
    };
    let address = server.trim_start_matches("http://");
    let mut stream = TcpStream::connect(address).expect("the server listens");
    let limit = Some(Duration::from_secs(20));
    stream.set_read_timeout(limit).expect("a socket can be set");
    let head = format!(
        "{method} {path} HTTP/1.1\r\nHost: x\r\nContent-Length: {}\r\nConnection: close\r\n\r\n",
        body.len()
    );
    let request = [head.as_bytes(), &body].concat();
    stream.write_all(&request).expect("the request can be sent");
    let mut answer = [0; 12];
    stream.read_exact(&mut answer).expect("there is an answer");
    i32::from(!answer.starts_with(b"HTTP/1.1 20"))
}
