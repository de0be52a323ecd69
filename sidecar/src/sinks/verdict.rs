//! What a receiver made of what it was sent.

use std::time::Duration;
use thiserror::Error;

/// One record's fate.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Verdict {
    /// The receiver has it.
    Done,
    /// Not yet; send it again.
    Again(String),
    /// It will never take it: to the dead letters, with the reason.
    Dead(String),
}

/// Why a whole batch has no verdicts.
#[derive(Debug, Clone, PartialEq, Eq, Error)]
pub enum SendError {
    /// Nothing is known to have arrived; try later.
    #[error("{why}")]
    Retry {
        /// What happened.
        why: String,
        /// The receiver asked for so much time.
        after: Option<Duration>,
    },
    /// Only an operator can mend it: credentials, a wrong address, a certificate. Tried again now and then.
    #[error("{why}")]
    Alarm {
        /// What happened, and what to do.
        why: String,
    },
    /// The receiver refuses the batch without saying which record: send less at once, and a single one is dead.
    #[error("{why}")]
    Halve {
        /// What it said.
        why: String,
    },
}

impl SendError {
    /// Try later.
    pub fn retry(why: impl Into<String>) -> SendError {
        SendError::Retry {
            why: why.into(),
            after: None,
        }
    }

    /// An operator is needed.
    pub fn alarm(why: impl Into<String>) -> SendError {
        SendError::Alarm { why: why.into() }
    }
}

/// All of a batch.
pub fn all_done(count: usize) -> Vec<Verdict> {
    vec![Verdict::Done; count]
}
