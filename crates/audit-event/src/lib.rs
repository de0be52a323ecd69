//! What Reeve records, and how it travels.
//!
//! - [`event`]: the audit event, one per decision; the outcome that follows it.
//! - [`frame`]: what the gate and the sidecar say to each other over the Unix socket.
//! - [`chain`]: the ledger's line format and its hash chain, with a verifier over bytes.
//! - [`pin`]: whose events a socket accepts.
//! - [`redact`]: secrets are replaced before anything is stored.
//!
//! Pure: no files, sockets, environment, clock or logging.

#![forbid(unsafe_code)]

pub mod chain;
pub mod event;
pub mod frame;
pub mod pin;
pub mod redact;

pub use chain::{Kind, Line};
pub use event::{Decision, Event, EventId, Outcome};
pub use frame::{ErrorCode, Request, Response};
pub use pin::{Mismatch, Pin, Pins};
