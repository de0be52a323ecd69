//! What the ledger's desk is asked, by gates, spools and operators.

use crate::window::Key;
use audit_event::chain::{Kind, Peer};
use audit_event::{Event, EventId, Outcome, Pin, Response};
use tokio::sync::oneshot;

/// What the writer is asked.
#[derive(Debug)]
pub enum Command {
    /// Record this.
    Record(Box<Submission>),
    /// A connection ended; these are the commands it was for, which may have no outcome yet.
    Gone(Vec<EventId>),
    /// Answer when everything that was asked before is settled.
    Settle(oneshot::Sender<()>),
}

/// Where the answer comes back.
type Answer = oneshot::Sender<Response>;

/// A request whose sender was checked.
#[derive(Debug)]
pub struct Submission {
    /// Who sent it, as the kernel says.
    pub peer: Peer,
    /// The identity that is pinned for that user.
    pub pin: Pin,
    /// The JSON as received, one line.
    pub raw: String,
    /// What is in it.
    pub content: Content,
    /// How it came.
    pub origin: Origin,
    /// Where the answer goes.
    pub answer: Answer,
}

/// How a request came.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Origin {
    /// From a gate that holds a connection for it, and has not acted on it yet.
    Gate,
    /// Out of a spool: nobody holds a connection for it, and it has happened.
    Spool,
    /// From the operators' socket.
    Operator,
}

/// What a request carries.
#[derive(Debug)]
pub enum Content {
    /// A decision.
    Decision(Box<Event>),
    /// An outcome.
    Outcome(Outcome),
}

impl Content {
    pub(super) fn id(&self) -> &EventId {
        match self {
            Content::Decision(event) => &event.event_id,
            Content::Outcome(outcome) => &outcome.event_id,
        }
    }

    pub(super) fn key(&self) -> Key {
        match self {
            Content::Decision(event) => Key::decision(&event.event_id),
            Content::Outcome(outcome) => Key::outcome(&outcome.event_id),
        }
    }

    pub(super) fn kind(&self) -> &'static str {
        match self {
            Content::Decision(_) => Kind::Event.name(),
            Content::Outcome(_) => Kind::Exit.name(),
        }
    }
}
