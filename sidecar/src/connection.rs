//! One connection: frames in, answers out, each within a deadline. A client that stalls is dropped, not waited for.

use crate::ledger::{Command, Content, OPERATOR, Origin, Submission, Submit};
use crate::shared::Shared;
use crate::stop::Stop;
use audit_event::chain::Peer;
use audit_event::frame::{self, FrameError, encode_response};
use audit_event::{Decision, ErrorCode, Event, EventId, Outcome, Request, Response};
use serde_json::value::RawValue;
use std::collections::BTreeMap;
use std::convert::Infallible;
use std::io;
use std::time::Duration;
use tokio::io::{AsyncReadExt, AsyncWriteExt, BufReader};
use tokio::net::UnixStream;
use tokio::sync::oneshot;
use tokio::time::{Instant, sleep_until, timeout};

/// For the first request, for the rest of a frame that has begun, and for taking an answer.
const DEADLINE: Duration = Duration::from_secs(5);
/// Bytes that are read at once: most requests come whole.
const AT_ONCE: usize = 4096;
/// The log shippers' copy of a decision waits for the outcome, but no longer than this. On ext4 without a journal a write to it makes the
/// next sync of the ledger write inodes, too, where both have theirs in one block.
const SHIP_AFTER: Duration = Duration::from_millis(20);
/// A gate runs one command; whoever runs more over one connection must say first how some of them ended.
const MAX_RUNNING: usize = 64;
/// What an outcome may say. Its kind, number and hash are the ledger's to say, and so is anything else.
const OUTCOME: [&str; 6] = [
    "ts",
    "event_id",
    "exit_code",
    "signal",
    "not_started",
    "duration_us",
];
/// So many characters of a message that quotes its sender are kept.
const MAX_MESSAGE: usize = 200;
/// Keys that `events.ndjson` adds; an event that brings them could pretend to be another record.
const RESERVED: [&str; 3] = ["kind", "seq", "hash"];

/// Why a connection ends with an error that its peer is told.
pub type Refusal = (ErrorCode, String);

/// Serves until the peer goes, errs or stalls, or the sidecar stops. When the peer went, the writer is told what it was
/// for: nobody else will say how that ended.
pub async fn serve(stream: UnixStream, shared: &Shared, submit: Submit, mut stop: Stop) {
    let peer = match peer(&stream) {
        Ok(peer) => peer,
        Err(error) => {
            tracing::warn!(%error, "a peer without credentials was dropped");
            return;
        }
    };
    let mut running = Vec::new();
    let mut stream = BufReader::with_capacity(AT_ONCE, stream);
    converse(&mut stream, peer, shared, &submit, &mut stop, &mut running).await;
    if !running.is_empty() && !stop.is_stopping() {
        // A writer that has ended has closed them already.
        let _ended = submit.send(Command::Gone(running)).await;
    }
}

async fn converse(
    stream: &mut BufReader<UnixStream>,
    peer: Peer,
    shared: &Shared,
    submit: &Submit,
    stop: &mut Stop,
    running: &mut Vec<EventId>,
) {
    let mut is_first = true;
    // When the log shippers' copy of something must be written.
    let mut due: Option<Instant> = None;
    loop {
        let frame = tokio::select! {
            frame = next_frame(stream, is_first) => frame,
            () = stop.wait() => return,
            never = ship_at(submit, due) => match never {},
        };
        let answer = match frame {
            Ok(Some(bytes)) => handle(&bytes, peer, shared, submit, running).await,
            Ok(None) => return,
            Err(refusal) => Err(refusal),
        };
        is_first = false;
        let must_end = answer.is_err();
        let response = answer.unwrap_or_else(|(code, message)| {
            tracing::warn!(uid = peer.uid, pid = peer.pid, ?code, %message, "a request was refused");
            Response::Error { code, message }
        });
        if let Response::Error { code, .. } = &response {
            shared.metrics.rejected(*code);
        }
        let is_gone = send(stream.get_mut(), &response).await.is_err();
        if running.is_empty() || due.is_some_and(|due| due <= Instant::now()) {
            submit.ship();
            due = None;
        } else {
            due = due.or_else(|| Instant::now().checked_add(SHIP_AFTER));
        }
        if is_gone || must_end {
            return;
        }
    }
}

/// Gives the log shippers their copy when it is due, if there is something to give.
async fn ship_at(submit: &Submit, due: Option<Instant>) -> Infallible {
    if let Some(due) = due {
        sleep_until(due).await;
        submit.ship();
    }
    std::future::pending().await
}

/// Says that there is no room.
pub async fn turn_away(mut stream: UnixStream, shared: &Shared) {
    shared.metrics.rejected(ErrorCode::Busy);
    let message = "too many connections; try again".to_owned();
    let _gone = send(
        &mut stream,
        &Response::Error {
            code: ErrorCode::Busy,
            message,
        },
    )
    .await;
}

/// The kernel's word on who is there.
fn peer(stream: &UnixStream) -> io::Result<Peer> {
    let credentials = stream.peer_cred()?;
    Ok(Peer {
        uid: credentials.uid(),
        gid: credentials.gid(),
        pid: credentials.pid().unwrap_or(0),
    })
}

/// The next frame's bytes; `None` when the peer went, or had nothing to say in time. An idle connection may stay once
/// it has been used: its gate is waiting for its tool.
async fn next_frame(stream: &mut BufReader<UnixStream>, is_first: bool) -> Result<Option<Vec<u8>>, Refusal> {
    let mut first = [0_u8; 1];
    let began = if is_first {
        timeout(DEADLINE, stream.read(&mut first)).await.unwrap_or(Ok(0))
    } else {
        stream.read(&mut first).await
    };
    if !matches!(began, Ok(1)) {
        return Ok(None);
    }
    let body = async {
        let mut rest = [0_u8; 3];
        stream.read_exact(&mut rest).await?;
        let ([a], [b, c, d]) = (first, rest);
        let length = frame::announced_length([a, b, c, d]).map_err(io::Error::other)?;
        let mut bytes = vec![0; length];
        stream.read_exact(&mut bytes).await?;
        Ok::<_, io::Error>(bytes)
    };
    match timeout(DEADLINE, body).await {
        Ok(Ok(bytes)) => Ok(Some(bytes)),
        Ok(Err(error)) => match error
            .get_ref()
            .and_then(|inner| inner.downcast_ref::<FrameError>())
        {
            Some(FrameError::TooLarge(_)) => Err((ErrorCode::TooLarge, error.to_string())),
            _ => Ok(None), // half a frame, and then nobody
        },
        Err(_) => Err((
            ErrorCode::BadRequest,
            format!(
                "a frame was begun and not finished within {} s",
                DEADLINE.as_secs()
            ),
        )),
    }
}

async fn handle(
    bytes: &[u8],
    peer: Peer,
    shared: &Shared,
    submit: &Submit,
    running: &mut Vec<EventId>,
) -> Result<Response, Refusal> {
    let request = frame::decode_request(bytes).map_err(|error| {
        let code = if matches!(error, FrameError::Version(_)) {
            ErrorCode::Version
        } else {
            ErrorCode::BadRequest
        };
        (code, error.to_string())
    })?;
    let pin = shared.pins.of(peer.uid).ok_or_else(|| {
        (
            ErrorCode::Identity,
            format!("user {} has no identity on this socket", peer.uid),
        )
    })?;
    if !shared.rate.admits(peer.uid) {
        return Ok(Response::Error {
            code: ErrorCode::Busy,
            message: "too many requests; slow down".to_owned(),
        });
    }
    let mut begun = None;
    let (raw, content) = match request {
        Request::Status => return Ok(Response::Status(shared.status())),
        Request::Record { event } => {
            let parsed = decision(event.get(), peer, shared)?;
            let raw = one_line(event)?;
            let runs = parsed.decision == Decision::Allowed && parsed.wrapper != OPERATOR;
            if runs && !running.contains(&parsed.event_id) {
                if running.len() >= MAX_RUNNING {
                    let message = format!(
                        "{MAX_RUNNING} commands of this connection have no outcome yet; say first how one ended"
                    );
                    return Ok(Response::Error {
                        code: ErrorCode::Busy,
                        message,
                    });
                }
                running.push(parsed.event_id.clone());
                begun = Some(parsed.event_id.clone());
            }
            (raw, Content::Decision(Box::new(parsed)))
        }
        Request::Outcome { outcome } => {
            let parsed = self::outcome(outcome.get())?;
            running.retain(|id| *id != parsed.event_id);
            (one_line(outcome)?, Content::Outcome(parsed))
        }
    };
    let (answer, answered) = oneshot::channel();
    let submission = Submission {
        peer,
        pin: pin.clone(),
        raw,
        content,
        origin: Origin::Gate,
        answer,
    };
    let gone = || {
        (
            ErrorCode::ShuttingDown,
            "the sidecar is stopping; nothing was recorded".to_owned(),
        )
    };
    let command = Command::Record(Box::new(submission));
    submit.send(command).await.map_err(|_| gone())?;
    let response = answered.await.map_err(|_| gone())?;
    if matches!(response, Response::Error { .. }) {
        running.retain(|id| Some(id) != begun.as_ref());
    }
    Ok(response)
}

/// Reads an outcome that a gate may send.
///
/// # Errors
/// When it is not one.
pub fn outcome(raw: &str) -> Result<Outcome, Refusal> {
    let bad = |message: &str| (ErrorCode::BadRequest, short(message));
    let not_one = |error: serde_json::Error| bad(&format!("the outcome is not one: {error}"));
    let parsed: Outcome = serde_json::from_str(raw).map_err(not_one)?;
    if parsed.incomplete.is_some() {
        let message = "only the ledger itself says that an outcome is incomplete".to_owned();
        return Err((ErrorCode::BadRequest, message));
    }
    let keys: BTreeMap<String, serde::de::IgnoredAny> = serde_json::from_str(raw).map_err(not_one)?;
    match keys.keys().find(|key| !OUTCOME.contains(&key.as_str())) {
        Some(key) => Err(bad(&format!("an outcome has no key `{key}`"))),
        None => Ok(parsed),
    }
}

/// The beginning of a message. Parsers quote what they were given, which is as long as its sender likes.
pub fn short(message: &str) -> String {
    match message.char_indices().nth(MAX_MESSAGE) {
        Some((end, _)) => format!("{}…", message.get(..end).unwrap_or_default()),
        None => message.to_owned(),
    }
}

/// Reads an event that this peer's gate may send.
///
/// # Errors
/// When it is not one, or not this peer's.
pub fn decision(raw: &str, peer: Peer, shared: &Shared) -> Result<Event, Refusal> {
    let bad = |message: String| (ErrorCode::BadRequest, short(&message));
    let event: Event =
        serde_json::from_str(raw).map_err(|error| bad(format!("the event is not one: {error}")))?;
    if let Some(key) = RESERVED.into_iter().find(|key| event.more.contains_key(*key)) {
        return Err(bad(format!(
            "the event has the key `{key}`, which is the ledger's own"
        )));
    }
    shared
        .pins
        .check(peer.uid, &event)
        .map_err(|mismatch| (ErrorCode::Identity, short(&mismatch.to_string())))?;
    Ok(event)
}

/// A record is one line; JSON needs no raw line breaks.
fn one_line(raw: Box<RawValue>) -> Result<String, Refusal> {
    let text = String::from(Box::<str>::from(raw));
    check_line(&text)?;
    Ok(text)
}

/// Checks that this can stand in a record: one object, one line, no longer than a frame.
///
/// # Errors
/// When it cannot.
pub fn check_line(text: &str) -> Result<(), Refusal> {
    let bad = |message: &str| Err((ErrorCode::BadRequest, message.to_owned()));
    // Where a zero stands the records end (`audit_event::room`). JSON has none, and this does not rely on its reader.
    if text.contains(['\n', '\r', '\0']) || !text.starts_with('{') || !text.ends_with('}') {
        return bad("the event must be a JSON object on one line");
    }
    if text.len() > frame::MAX_FRAME {
        return bad("the event is longer than a frame may be");
    }
    Ok(())
}

async fn send(stream: &mut UnixStream, response: &Response) -> io::Result<()> {
    let frame = encode_response(response).map_err(io::Error::other)?;
    timeout(DEADLINE, stream.write_all(&frame))
        .await
        .map_err(io::Error::other)?
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_record_is_one_object_on_one_line_without_zeros() {
        assert!(check_line(r#"{"a":"b"}"#).is_ok());
        for text in ["", "[]", "{\"a\":1}\n", "{\"a\":\r1}", "{\"a\":\"\0\"}"] {
            assert!(check_line(text).is_err(), "{text:?}");
        }
    }
}
