//! What the gate and the sidecar say to each other.
//!
//! A Unix stream socket. Each message is one frame: a 4-byte big-endian length, then that many bytes of
//! JSON, at most [`MAX_FRAME`]. The JSON is an object with `"v":1` and a `type`. The gate speaks
//! first; every request gets one answer, in order. The peer's identity is what the kernel says
//! (`SO_PEERCRED`), whatever the JSON says.
//!
//! The event inside `record` is kept as the bytes that were received: those are chained and stored.

use crate::event::EventId;
use serde::{Deserialize, Serialize};
use serde_json::value::RawValue;
use thiserror::Error;

/// The version of this protocol.
pub const VERSION: u32 = 1;
/// The longest frame, in bytes, without its length prefix.
pub const MAX_FRAME: usize = 1024 * 1024;

/// What the gate asks.
#[derive(Debug, Serialize, Deserialize)]
#[serde(tag = "type", rename_all = "snake_case")]
pub enum Request {
    /// Record a decision ([`crate::Event`]); answered by `recorded` once it is on disk.
    Record {
        /// The event's JSON, unchanged.
        event: Box<RawValue>,
    },
    /// Record how it ended ([`crate::Outcome`]); answered by `recorded` once it is on disk.
    Outcome {
        /// The outcome's JSON, unchanged.
        outcome: Box<RawValue>,
    },
    /// How are things? Answered by `status`.
    Status,
}

/// What the sidecar answers.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(tag = "type", rename_all = "snake_case")]
pub enum Response {
    /// It is durable.
    Recorded {
        /// Which event.
        event_id: EventId,
        /// Its place in the chain.
        seq: u64,
        /// Its hash in the chain, hex.
        hash: String,
    },
    /// The state of the sidecar.
    Status(Status),
    /// It was not recorded, and will not be.
    Error {
        /// Why, for programs.
        code: ErrorCode,
        /// Why, for people.
        message: String,
    },
}

/// The sidecar's own account of itself.
#[derive(Debug, Clone, Default, PartialEq, Eq, Serialize, Deserialize)]
pub struct Status {
    /// The last sequence number that is durable.
    pub seq: u64,
    /// The chain's head, hex.
    pub head: String,
    /// Where the ledger is.
    pub ledger: String,
    /// Decisions recorded since the start: allowed, blocked, escalated.
    pub allowed: u64,
    /// See `allowed`.
    pub blocked: u64,
    /// See `allowed`.
    pub escalated: u64,
    /// Whether new events can be recorded, and if not, why not.
    pub unavailable: Option<String>,
}

/// Why the sidecar did not record.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum ErrorCode {
    /// The frame or what is in it is malformed.
    BadRequest,
    /// The frame is longer than [`MAX_FRAME`].
    TooLarge,
    /// The protocol version is not spoken here.
    Version,
    /// Level, track, profile, policy or user are not the ones pinned for this socket.
    Identity,
    /// The ledger cannot be written: full disk, read-only, broken.
    Unavailable,
    /// Too many connections or too many requests from this user.
    Busy,
    /// The sidecar is shutting down.
    ShuttingDown,
    /// An operator has frozen this profile: nothing of it is recorded as allowed. The same event may come as `BLOCKED`.
    Frozen,
}

/// Why bytes are not a message.
#[derive(Debug, Error)]
pub enum FrameError {
    /// Longer than [`MAX_FRAME`].
    #[error("a frame of {0} bytes; at most {MAX_FRAME} are accepted")]
    TooLarge(u64),
    /// Not the expected JSON.
    #[error("the frame is not a message of this protocol: {0}")]
    Json(#[from] serde_json::Error),
    /// Another protocol version.
    #[error("protocol version {0} is not spoken here; this is version {VERSION}")]
    Version(u32),
}

#[derive(Deserialize)]
struct VersionOnly {
    v: u32,
}

#[derive(Serialize)]
struct Envelope<'a, T> {
    v: u32,
    #[serde(flatten)]
    body: &'a T,
}

/// The length that a frame's first four bytes announce.
///
/// # Errors
/// [`FrameError::TooLarge`] when it is more than [`MAX_FRAME`]; nothing need be read then.
pub fn announced_length(prefix: [u8; 4]) -> Result<usize, FrameError> {
    let length = u32::from_be_bytes(prefix);
    usize::try_from(length)
        .ok()
        .filter(|length| *length <= MAX_FRAME)
        .ok_or(FrameError::TooLarge(u64::from(length)))
}

/// A response as a whole frame, prefix included.
///
/// # Errors
/// When it is too long or cannot be written as JSON.
pub fn encode_response(response: &Response) -> Result<Vec<u8>, FrameError> {
    finish(serde_json::to_vec(&Envelope {
        v: VERSION,
        body: response,
    })?)
}

/// A request as a whole frame, prefix included. Written by hand around the event's own bytes,
/// because those must arrive unchanged.
///
/// # Errors
/// When it is too long.
pub fn encode_request(request: &Request) -> Result<Vec<u8>, FrameError> {
    let body = match request {
        Request::Record { event } => format!(r#"{{"v":{VERSION},"type":"record","event":{}}}"#, event.get()),
        Request::Outcome { outcome } => {
            format!(
                r#"{{"v":{VERSION},"type":"outcome","outcome":{}}}"#,
                outcome.get()
            )
        }
        Request::Status => format!(r#"{{"v":{VERSION},"type":"status"}}"#),
    };
    finish(body.into_bytes())
}

/// Reads a request from a frame's bytes (without prefix).
///
/// # Errors
/// When the version differs or the JSON is not a request.
pub fn decode_request(bytes: &[u8]) -> Result<Request, FrameError> {
    // `Request` is internally tagged, which would rebuild `RawValue` from buffered content; so the parts are
    // read by a plain struct that borrows nothing and keeps the raw bytes.
    #[derive(Deserialize)]
    struct Parts {
        v: u32,
        #[serde(rename = "type")]
        kind: String,
        event: Option<Box<RawValue>>,
        outcome: Option<Box<RawValue>>,
    }
    let parts: Parts = match serde_json::from_slice(bytes) {
        Ok(parts) => parts,
        // Another version may have other fields; then that is what is wrong.
        Err(error) => return Err(check_version(bytes).err().unwrap_or(error.into())),
    };
    if parts.v != VERSION {
        return Err(FrameError::Version(parts.v));
    }
    match (parts.kind.as_str(), parts.event, parts.outcome) {
        ("record", Some(event), None) => Ok(Request::Record { event }),
        ("outcome", None, Some(outcome)) => Ok(Request::Outcome { outcome }),
        ("status", None, None) => Ok(Request::Status),
        (kind, ..) => Err(FrameError::Json(serde::de::Error::custom(format!(
            "`{}` with these fields is not a request",
            kind.chars().take(64).collect::<String>()
        )))),
    }
}

/// Reads a response from a frame's bytes (without prefix).
///
/// # Errors
/// When the version differs or the JSON is not a response.
pub fn decode_response(bytes: &[u8]) -> Result<Response, FrameError> {
    check_version(bytes)?;
    Ok(serde_json::from_slice(bytes)?)
}

fn check_version(bytes: &[u8]) -> Result<(), FrameError> {
    let VersionOnly { v } = serde_json::from_slice(bytes)?;
    if v == VERSION {
        Ok(())
    } else {
        Err(FrameError::Version(v))
    }
}

fn finish(body: Vec<u8>) -> Result<Vec<u8>, FrameError> {
    if body.len() > MAX_FRAME {
        return Err(FrameError::TooLarge(body.len() as u64));
    }
    let mut frame = Vec::with_capacity(body.len().saturating_add(4));
    frame.extend_from_slice(
        &u32::try_from(body.len())
            .map_err(|_| FrameError::TooLarge(u64::MAX))?
            .to_be_bytes(),
    );
    frame.extend_from_slice(&body);
    Ok(frame)
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    #[test]
    fn the_events_bytes_arrive_unchanged() {
        let odd = r#"{"b":1.0,  "a":"\u0041"}"#;
        let request = Request::Record {
            event: RawValue::from_string(odd.to_owned()).unwrap(),
        };
        let frame = encode_request(&request).unwrap();
        match decode_request(&frame[4..]).unwrap() {
            Request::Record { event } => assert_eq!(event.get(), odd),
            other => panic!("{other:?}"),
        }
    }

    #[test]
    fn responses_round_trip() {
        let id: EventId = "0192f0c1-7b3e-7a10-8b1e-0123456789ab".parse().unwrap();
        for response in [
            Response::Recorded {
                event_id: id,
                seq: 7,
                hash: "ab".into(),
            },
            Response::Status(Status {
                seq: 3,
                ..Status::default()
            }),
            Response::Error {
                code: ErrorCode::Identity,
                message: "no".into(),
            },
        ] {
            let frame = encode_response(&response).unwrap();
            assert_eq!(decode_response(&frame[4..]).unwrap(), response);
        }
    }

    #[test]
    fn another_version_is_refused_by_number() {
        let fault = decode_request(br#"{"v":2,"type":"status"}"#).unwrap_err();
        assert_eq!(
            fault.to_string(),
            "protocol version 2 is not spoken here; this is version 1"
        );
    }

    #[test]
    fn a_length_beyond_the_limit_is_refused_before_reading() {
        assert!(announced_length([0x7f, 0xff, 0xff, 0xff]).is_err());
        assert_eq!(announced_length([0, 0, 1, 0]).unwrap(), 256);
    }

    proptest! {
        #[test]
        fn arbitrary_bytes_never_panic(bytes in proptest::collection::vec(any::<u8>(), 0..512)) {
            assert!(decode_request(&bytes).is_err() || !bytes.is_empty());
            assert!(decode_response(&bytes).is_err() || !bytes.is_empty());
        }
    }
}
