//! `reeve sinks` and `reeve dlq`: what the sidecar's sinks do, asked over its operator's socket (`DIR/sinks.sock`).

use super::cli::{DlqCommand, SinkDirectory, SinksCommand};
use super::{Failure, print};
use crate::exit::Exit;
use serde::Deserialize;
use serde_json::{Value, json};
use std::io::{BufRead, BufReader, Read, Write};
use std::os::unix::net::UnixStream;
use std::path::Path;
use std::time::Duration;

/// A sink may have to wait for its receiver, and the sidecar for the sink.
const DEADLINE: Duration = Duration::from_secs(340);
/// The longest answer.
const MAX_ANSWER: u64 = 64 << 20;

#[derive(Deserialize)]
struct Sink {
    name: String,
    to: String,
    state: String,
    cursor: Option<i64>,
    lag: i64,
    delivered: u64,
    dead_letters: i64,
    why: Option<String>,
}

#[derive(Deserialize)]
struct Letter {
    seq: u64,
    id: String,
    at: String,
    reason: String,
}

/// `reeve sinks` and `reeve sinks test NAME`.
///
/// # Errors
/// When the sidecar does not answer.
pub fn sinks(command: Option<&SinksCommand>, at: &SinkDirectory, as_json: bool) -> Result<i32, Failure> {
    if let Some(SinksCommand::Test { name }) = command {
        return act(at, &json!({"do": "test", "sink": name}));
    }
    let answer = match ask(&at.dir, &json!({"do": "sinks"}))? {
        Ok(answer) => answer,
        Err(why) => return Err(refused(&why)),
    };
    if as_json {
        print(&format!("{answer}\n"))?;
        return Ok(Exit::Ok.code());
    }
    let list: Vec<Sink> = serde_json::from_value(answer).map_err(|error| strange(&error))?;
    let mut text = String::new();
    for sink in list {
        let cursor = sink.cursor.map_or_else(|| "-".to_owned(), |at| at.to_string());
        text.push_str(&format!(
            "{:16} {:9}  at {cursor}, {} behind, {} delivered, {} dead letters  {}\n",
            sink.name, sink.state, sink.lag, sink.delivered, sink.dead_letters, sink.to
        ));
        if let Some(why) = sink.why {
            text.push_str(&format!("{:16} {why}\n", ""));
        }
    }
    print(&text)?;
    Ok(Exit::Ok.code())
}

/// `reeve dlq list|replay|drop`.
///
/// # Errors
/// When the sidecar does not answer.
pub fn dlq(command: &DlqCommand, at: &SinkDirectory) -> Result<i32, Failure> {
    let request = |what: &str, sink: &str, seqs: &[u64], all: bool| {
        let seqs = if all { Value::Null } else { json!(seqs) };
        json!({"do": what, "sink": sink, "seqs": seqs})
    };
    match command {
        DlqCommand::Replay { sink, seqs } => act(at, &request("dlq-replay", sink, seqs, seqs.is_empty())),
        DlqCommand::Drop { sink, seqs, all } => act(at, &request("dlq-drop", sink, seqs, *all)),
        DlqCommand::List { sink, json: as_json } => {
            let answer = match ask(&at.dir, &request("dlq-list", sink, &[], true))? {
                Ok(answer) => answer,
                Err(why) => return Err(refused(&why)),
            };
            if *as_json {
                print(&format!("{answer}\n"))?;
                return Ok(Exit::Ok.code());
            }
            let list: Vec<Letter> = serde_json::from_value(answer).map_err(|error| strange(&error))?;
            let lines = list.iter().map(|letter| {
                format!(
                    "{}  {}  {}  {}\n",
                    letter.seq, letter.at, letter.id, letter.reason
                )
            });
            print(&lines.collect::<String>())?;
            Ok(Exit::Ok.code())
        }
    }
}

/// Something that is done or refused, in one sentence.
fn act(at: &SinkDirectory, request: &Value) -> Result<i32, Failure> {
    match ask(&at.dir, request)? {
        Ok(said) => {
            print(&format!("{}\n", said.as_str().unwrap_or_default()))?;
            Ok(Exit::Ok.code())
        }
        Err(why) => Err(refused(&why)),
    }
}

fn refused(why: &str) -> Failure {
    Failure::new(Exit::Found, why)
}

fn strange(error: &serde_json::Error) -> Failure {
    Failure::new(
        Exit::Unreadable,
        format!("the sidecar's answer cannot be read: {error}"),
    )
}

/// One question, one answer.
fn ask(directory: &Path, request: &Value) -> Result<Result<Value, String>, Failure> {
    let path = directory.join("sinks.sock");
    let failed = |error: std::io::Error| {
        Failure::new(
            Exit::CannotRecord,
            format!(
                "{}: {error}; is a sidecar with sinks running there, and are you root or its user?",
                path.display()
            ),
        )
    };
    let mut stream = UnixStream::connect(&path).map_err(failed)?;
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
    Ok(match answer {
        Answer { error: Some(why), .. } => Err(why),
        Answer { ok, .. } => Ok(ok.unwrap_or_default()),
    })
}
