//! The operators' socket of a sidecar (`DIR/sinks.sock`): one question, one answer.

use super::{Failure, print};
use crate::exit::Exit;
use serde::Deserialize;
use serde_json::Value;
use std::io::{BufRead, BufReader, Read, Write};
use std::os::fd::AsRawFd;
use std::os::unix::net::UnixStream;
use std::path::{Path, PathBuf};
use std::time::Duration;

/// A sink may have to wait for its receiver, and the sidecar for the sink.
const DEADLINE: Duration = Duration::from_secs(340);
/// The longest answer.
const MAX_ANSWER: u64 = 64 << 20;
/// A longer path does not fit into a socket's address.
const MAX_PATH: usize = 107;

/// Something that is done or refused, in one sentence.
///
/// # Errors
/// When the sidecar does not answer, or does not do it.
pub fn act(directory: &Path, request: &Value) -> Result<i32, Failure> {
    let said = question(directory, request)?;
    print(&format!("{}\n", said.as_str().unwrap_or_default()))?;
    Ok(Exit::Ok.code())
}

/// An answer that cannot be understood.
pub fn strange(error: &serde_json::Error) -> Failure {
    Failure::new(
        Exit::Unreadable,
        format!("the sidecar's answer cannot be read: {error}"),
    )
}

/// What the sidecar answers.
///
/// # Errors
/// When it does not, or answers with an error.
pub fn question(directory: &Path, request: &Value) -> Result<Value, Failure> {
    let path = directory.join("sinks.sock");
    let failed = |error: std::io::Error| {
        Failure::new(
            Exit::CannotRecord,
            format!(
                "{}: {error}; is a sidecar running there, and are you root or its user?",
                path.display()
            ),
        )
    };
    let mut stream = connect(directory, &path).map_err(failed)?;
    stream.set_read_timeout(Some(DEADLINE)).map_err(failed)?;
    stream.set_write_timeout(Some(DEADLINE)).map_err(failed)?;
    stream
        .write_all(format!("{request}\n").as_bytes())
        .map_err(failed)?;
    let mut line = String::new();
    BufReader::new(stream.take(MAX_ANSWER))
        .read_line(&mut line)
        .map_err(failed)?;
    #[derive(Deserialize)]
    struct Answer {
        ok: Option<Value>,
        error: Option<String>,
    }
    let answer: Answer = serde_json::from_str(&line).map_err(|error| strange(&error))?;
    match answer {
        Answer { error: Some(why), .. } => Err(Failure::new(Exit::Found, why)),
        Answer { ok, .. } => Ok(ok.unwrap_or_default()),
    }
}

fn connect(directory: &Path, path: &Path) -> std::io::Result<UnixStream> {
    if path.as_os_str().len() <= MAX_PATH {
        return UnixStream::connect(path);
    }
    let opened = std::fs::File::open(directory)?;
    UnixStream::connect(PathBuf::from(format!(
        "/proc/self/fd/{}/sinks.sock",
        opened.as_raw_fd()
    )))
}
