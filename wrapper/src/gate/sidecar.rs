//! The gate's side of the socket: one request, one answer, within a deadline.

use audit_event::frame::{self, FrameError};
use audit_event::{ErrorCode, Event, EventId, Outcome, Request, Response};
use nix::sys::socket::{
    AddressFamily, MsgFlags, SockFlag, SockType, UnixAddr, connect, recv, setsockopt, socket, sockopt,
};
use nix::sys::time::TimeVal;
use serde::Serialize;
use serde_json::value::RawValue;
use std::io::{ErrorKind, Write};
use std::os::fd::{AsRawFd, RawFd};
use std::os::unix::net::UnixStream;
use std::path::{Path, PathBuf};
use std::time::{Duration, Instant};
use thiserror::Error;

/// How long a sidecar that is not there may take to come back: its supervisor restarts it at once, and a command
/// should not fail because of those milliseconds.
const PATIENCE: Duration = Duration::from_secs(1);

/// Bytes before a frame that say how long it is.
const PREFIX: usize = 4;
/// Most answers are no longer, with their prefix.
const ANSWER: usize = 1024;

/// A connection to the sidecar.
#[derive(Debug)]
pub struct Sidecar {
    stream: UnixStream,
    socket: PathBuf,
    deadline: Duration,
}

/// A decision on its way into the ledger.
#[derive(Debug)]
pub struct Submitted {
    sidecar: Sidecar,
    request: Request,
    id: EventId,
    sent: std::io::Result<()>,
    until: Option<Instant>,
}

impl Submitted {
    /// The connection's descriptor.
    pub fn descriptor(&self) -> RawFd {
        self.sidecar.descriptor()
    }

    /// Returns when it is durable. Over a connection that broke it is sent again.
    pub fn confirm(mut self) -> Result<Sidecar, CannotRecord> {
        let response = self.sidecar.response(self.sent, self.until);
        match response.and_then(|response| is_recorded(response, self.id.as_str())) {
            Err(CannotRecord::Unreachable { .. }) => self.sidecar.insist(&self.request, self.id.as_str())?,
            other => other?,
        }
        Ok(self.sidecar)
    }
}

/// Why something was not recorded. Nothing may run then.
#[derive(Debug, Error)]
pub enum CannotRecord {
    /// Nobody answers there.
    #[error("no sidecar at {socket}: {cause}")]
    Unreachable {
        /// Where.
        socket: PathBuf,
        /// Why.
        cause: std::io::Error,
    },
    /// It took too long.
    #[error("the sidecar at {socket} did not answer within {} ms", deadline.as_millis())]
    TooLate {
        /// Where.
        socket: PathBuf,
        /// How long we waited.
        deadline: Duration,
    },
    /// An operator has frozen this profile, with what to say.
    #[error("{0}")]
    Frozen(String),
    /// It says no.
    #[error("the sidecar refuses: {0}")]
    Refused(String),
    /// It answers something else.
    #[error("the sidecar's answer is not understood: {0}")]
    Garbled(String),
    /// The event is too long.
    #[error("{0}")]
    Frame(#[from] FrameError),
    /// Nobody answers, and the spool does not take it either.
    #[error("no sidecar, and {0}")]
    Spool(#[from] super::spool::CannotSpool),
    /// The event cannot be written as JSON.
    #[error("the event cannot be written: {0}")]
    Json(#[from] serde_json::Error),
}

impl Sidecar {
    /// Connects; a sidecar that accepts nobody counts as late.
    pub fn connect(socket: &Path, deadline: Duration) -> Result<Sidecar, CannotRecord> {
        match Sidecar::connect_once(socket, deadline) {
            Err(unreachable @ CannotRecord::Unreachable { .. }) => {
                let until = Instant::now().checked_add(PATIENCE.min(deadline));
                reconnect(socket, deadline, until).ok_or(unreachable)
            }
            other => other,
        }
    }

    fn connect_once(socket: &Path, deadline: Duration) -> Result<Sidecar, CannotRecord> {
        let stream = open(socket, deadline).map_err(|cause| classify(cause, socket, deadline))?;
        Ok(Sidecar {
            stream,
            socket: socket.to_owned(),
            deadline,
        })
    }

    /// Our descriptor, to be kept open while the tool runs: its end tells the sidecar that we died.
    pub fn descriptor(&self) -> RawFd {
        self.stream.as_raw_fd()
    }

    /// Sends the decision, to be made durable; [`Submitted::confirm`] waits for that.
    pub fn submit(mut self, event: &Event) -> Result<Submitted, CannotRecord> {
        let request = Request::Record { event: raw(event)? };
        let frame = frame::encode_request(&request)?;
        let until = Instant::now().checked_add(self.deadline);
        let sent = self.stream.write_all(&frame);
        Ok(Submitted {
            sidecar: self,
            request,
            id: event.event_id.clone(),
            sent,
            until,
        })
    }

    /// Makes the decision durable; returns when it is.
    pub fn record(&mut self, event: &Event) -> Result<(), CannotRecord> {
        self.insist(&Request::Record { event: raw(event)? }, event.event_id.as_str())
    }

    /// Makes the outcome durable.
    pub fn record_outcome(&mut self, outcome: &Outcome) -> Result<(), CannotRecord> {
        self.insist(
            &Request::Outcome {
                outcome: raw(outcome)?,
            },
            outcome.event_id.as_str(),
        )
    }

    /// Asks again over a new connection when the old one broke: the sidecar may just be restarting, and it
    /// knows a repeated event by its id, so asking twice records once.
    fn insist(&mut self, request: &Request, id: &str) -> Result<(), CannotRecord> {
        let until = Instant::now().checked_add(PATIENCE.min(self.deadline));
        loop {
            let broken = match self.recorded(request, id) {
                Err(broken @ CannotRecord::Unreachable { .. }) => broken,
                other => return other,
            };
            *self = reconnect(&self.socket, self.deadline, until).ok_or(broken)?;
        }
    }

    fn recorded(&mut self, request: &Request, id: &str) -> Result<(), CannotRecord> {
        is_recorded(self.ask(request)?, id)
    }

    /// One request, one answer.
    pub fn ask(&mut self, request: &Request) -> Result<Response, CannotRecord> {
        let frame = frame::encode_request(request)?;
        let until = Instant::now().checked_add(self.deadline);
        let sent = self.stream.write_all(&frame);
        self.response(sent, until)
    }

    /// The answer to what was sent.
    fn response(
        &mut self,
        sent: std::io::Result<()>,
        until: Option<Instant>,
    ) -> Result<Response, CannotRecord> {
        let bytes = sent
            .and_then(|()| self.receive(until))
            .map_err(|cause| classify(cause, &self.socket, self.deadline))?;
        frame::decode_response(&bytes).map_err(|error| CannotRecord::Garbled(error.to_string()))
    }

    /// One frame's body. There is one answer to one request, so whatever comes is of it, and most come whole in one piece.
    fn receive(&mut self, until: Option<Instant>) -> std::io::Result<Vec<u8>> {
        let mut buffer = vec![0; ANSWER];
        let mut filled = 0;
        let mut whole = PREFIX;
        while filled < whole {
            filled = self.read_more(&mut buffer, filled, until)?;
            if let Some(prefix) = buffer.first_chunk().filter(|_| filled >= PREFIX) {
                let length = frame::announced_length(*prefix).map_err(std::io::Error::other)?;
                whole = PREFIX.saturating_add(length);
                buffer.resize(whole.max(ANSWER), 0);
            }
        }
        if filled > whole {
            return Err(std::io::Error::other("the sidecar said more than was asked"));
        }
        buffer.truncate(whole);
        buffer.drain(..PREFIX);
        Ok(buffer)
    }

    /// Reads once behind what is `filled`, or fails by `until`: a peer that sends a byte now and then must not hold us for ever. What
    /// has come by then counts, for we may have been elsewhere.
    fn read_more(
        &mut self,
        buffer: &mut [u8],
        filled: usize,
        until: Option<Instant>,
    ) -> std::io::Result<usize> {
        loop {
            let is_late = until.is_some_and(|until| Instant::now() >= until);
            let rest = buffer.get_mut(filled..).unwrap_or_default();
            let how = if is_late {
                MsgFlags::MSG_DONTWAIT
            } else {
                MsgFlags::empty()
            };
            match recv(self.stream.as_raw_fd(), rest, how).map_err(std::io::Error::from) {
                Ok(0) => return Err(ErrorKind::UnexpectedEof.into()),
                Ok(count) => return Ok(filled.saturating_add(count)),
                Err(error) if error.kind() == ErrorKind::Interrupted => {}
                Err(error) if is_late && error.kind() == ErrorKind::WouldBlock => {
                    return Err(ErrorKind::TimedOut.into());
                }
                Err(error) => return Err(error),
            }
        }
    }
}

/// Whether this answer says that `id` is durable.
fn is_recorded(response: Response, id: &str) -> Result<(), CannotRecord> {
    match response {
        Response::Recorded { event_id, .. } if event_id.as_str() == id => Ok(()),
        Response::Error {
            code: ErrorCode::Frozen,
            message,
        } => Err(CannotRecord::Frozen(message)),
        Response::Error { message, .. } => Err(CannotRecord::Refused(message)),
        other => Err(CannotRecord::Garbled(format!("{other:?}"))),
    }
}

/// Tries to connect, with pauses, until `until`.
fn reconnect(socket: &Path, deadline: Duration, until: Option<Instant>) -> Option<Sidecar> {
    while until.is_some_and(|until| Instant::now() < until) {
        if let Ok(sidecar) = Sidecar::connect_once(socket, deadline) {
            return Some(sidecar);
        }
        std::thread::sleep(Duration::from_millis(20));
    }
    None
}

/// A connected socket whose every operation, the connecting included, ends by `deadline`.
fn open(path: &Path, deadline: Duration) -> std::io::Result<UnixStream> {
    let descriptor = socket(
        AddressFamily::Unix,
        SockType::Stream,
        SockFlag::SOCK_CLOEXEC,
        None,
    )?;
    let limit = TimeVal::new(
        i64::try_from(deadline.as_secs()).unwrap_or(i64::MAX),
        i64::from(deadline.subsec_micros()),
    );
    setsockopt(&descriptor, sockopt::SendTimeout, &limit)?;
    setsockopt(&descriptor, sockopt::ReceiveTimeout, &limit)?;
    connect(descriptor.as_raw_fd(), &UnixAddr::new(path)?)?;
    Ok(UnixStream::from(descriptor))
}

fn classify(cause: std::io::Error, socket: &Path, deadline: Duration) -> CannotRecord {
    match cause.kind() {
        ErrorKind::WouldBlock | ErrorKind::TimedOut => CannotRecord::TooLate {
            socket: socket.to_owned(),
            deadline,
        },
        _ => CannotRecord::Unreachable {
            socket: socket.to_owned(),
            cause,
        },
    }
}

fn raw<T: Serialize>(value: &T) -> Result<Box<RawValue>, CannotRecord> {
    Ok(serde_json::value::to_raw_value(value)?)
}

#[cfg(test)]
mod tests {
    use super::*;

    /// A connection, and its peer's end.
    fn connected() -> (Sidecar, UnixStream) {
        let (stream, peer) = UnixStream::pair().unwrap();
        let sidecar = Sidecar {
            stream,
            socket: PathBuf::from("/s"),
            deadline: Duration::from_secs(5),
        };
        (sidecar, peer)
    }

    fn framed(body: &[u8]) -> Vec<u8> {
        let length = u32::try_from(body.len()).unwrap();
        [&length.to_be_bytes(), body].concat()
    }

    fn soon() -> Option<Instant> {
        Instant::now().checked_add(Duration::from_secs(5))
    }

    #[test]
    fn an_answer_is_whole_whatever_pieces_it_comes_in() {
        for length in [0, 1, 200, ANSWER - PREFIX, ANSWER - PREFIX + 1, 3 * ANSWER] {
            let body: Vec<u8> = (0..length).map(|i| (i % 251) as u8).collect();
            for piece in [1, 3, PREFIX, 700, usize::MAX] {
                let (mut sidecar, mut peer) = connected();
                let bytes = framed(&body);
                let sending = std::thread::spawn(move || {
                    for part in bytes.chunks(piece.min(bytes.len())) {
                        peer.write_all(part).unwrap();
                    }
                    peer
                });
                assert_eq!(sidecar.receive(soon()).unwrap(), body, "{length} by {piece}");
                drop(sending.join().unwrap());
            }
        }
    }

    #[test]
    fn an_answer_that_is_cut_too_long_or_followed_by_more_is_none() {
        let said = |bytes: &[u8]| {
            let (mut sidecar, mut peer) = connected();
            peer.write_all(bytes).unwrap();
            drop(peer);
            sidecar.receive(soon()).unwrap_err().to_string()
        };
        let whole = framed(b"{}");
        assert!(said(&whole[..whole.len() - 1]).contains("unexpected end"));
        assert!(said(&whole[..2]).contains("unexpected end"));
        assert!(said(&[&whole[..], b"x"].concat()).contains("said more than was asked"));
        assert!(said(&u32::MAX.to_be_bytes()).contains("at most"));
    }

    #[test]
    fn a_peer_that_says_nothing_in_time_is_late() {
        let (mut sidecar, _peer) = connected();
        let late = sidecar.receive(Some(Instant::now())).unwrap_err();
        assert_eq!(late.kind(), ErrorKind::TimedOut);
    }

    #[test]
    fn what_has_come_in_time_counts_whenever_it_is_looked_for() {
        let (mut sidecar, mut peer) = connected();
        peer.write_all(&framed(b"{}")).unwrap();
        assert_eq!(sidecar.receive(Some(Instant::now())).unwrap(), b"{}");
        peer.write_all(&framed(b"{}")[..5]).unwrap();
        let late = sidecar.receive(Some(Instant::now())).unwrap_err();
        assert_eq!(late.kind(), ErrorKind::TimedOut, "half of it is not enough");
    }
}
