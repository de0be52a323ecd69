//! `reeve sinks` and `reeve dlq`: what the sidecar's sinks do, asked over its operators' socket.

use super::cli::{DlqCommand, SinkDirectory, SinksCommand};
use super::office::{act, question, strange};
use super::{Failure, print};
use crate::exit::Exit;
use serde::Deserialize;
use serde_json::{Value, json};

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
        return act(&at.dir, &json!({"do": "test", "sink": name}));
    }
    let answer = question(&at.dir, &json!({"do": "sinks"}))?;
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
        DlqCommand::Replay { sink, seqs } => {
            act(&at.dir, &request("dlq-replay", sink, seqs, seqs.is_empty()))
        }
        DlqCommand::Drop { sink, seqs, all } => act(&at.dir, &request("dlq-drop", sink, seqs, *all)),
        DlqCommand::List { sink, json: as_json } => {
            let answer = question(&at.dir, &request("dlq-list", sink, &[], true))?;
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
