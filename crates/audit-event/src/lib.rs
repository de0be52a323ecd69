//! What Reeve records, and how it travels.
//!
//! - [`event`]: the audit event, one per decision; the outcome that follows it.
//! - [`frame`]: what the gate and the sidecar say to each other over the Unix socket.
//! - [`chain`]: the ledger's line format and its hash chain, with a verifier over bytes.
//! - [`room`]: where a segment's records end, and what may stand behind them.
//! - [`tree`]: the Merkle tree over those lines; inclusion and consistency proofs.
//! - [`note`]: signed checkpoints of the tree.
//! - [`records`]: what the writer's own records say: OPEN, CHECKPOINT, SEAL, PRUNE.
//! - [`verify`]: the walk over a whole ledger that names what was done to it.
//! - [`pin`]: whose events a socket accepts.
//! - [`redact`]: secrets are replaced before anything is stored.
//!
//! Pure: no files, sockets, environment, clock or logging.

#![forbid(unsafe_code)]

pub mod chain;
pub mod event;
pub mod frame;
pub mod note;
pub mod pin;
pub mod records;
pub mod redact;
pub mod room;
pub mod tree;
pub mod verify;

pub use chain::{Kind, Line};
pub use event::{Decision, Event, EventId, Outcome};
pub use frame::{ErrorCode, Request, Response};
pub use pin::{Mismatch, Pin, Pins};
