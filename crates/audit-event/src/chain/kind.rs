//! What a record is about, and its name in the line.

use serde::{Deserialize, Serialize};

/// What a record is about.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, Serialize, Deserialize)]
#[serde(rename_all = "lowercase")]
pub enum Kind {
    /// A decision.
    Event,
    /// How an allowed command ended.
    Exit,
    /// An approval or a refusal by a person.
    Approval,
    /// The writer started.
    #[serde(rename = "OPEN")]
    Open,
    /// The writer stopped in order; the ledger ends here until the next OPEN.
    #[serde(rename = "SEAL")]
    Seal,
    /// A torn last line was cut at the start; its bytes' length and hash are in the data.
    #[serde(rename = "RECOVER")]
    Recover,
    /// The tree so far, signed ([`crate::records`]).
    #[serde(rename = "CHECKPOINT")]
    Checkpoint,
    /// Old segments were removed lawfully; signed.
    #[serde(rename = "PRUNE")]
    Prune,
    /// What the sidecar was told at its start.
    #[serde(rename = "CONFIG")]
    Config,
    /// Something is known to be missing: records of a spool that were never delivered.
    #[serde(rename = "GAP")]
    Gap,
    /// A spool was taken in up to a number.
    #[serde(rename = "SPOOL")]
    Spool,
}

impl Kind {
    /// The name in the line.
    pub fn name(self) -> &'static str {
        match self {
            Kind::Event => "event",
            Kind::Exit => "exit",
            Kind::Approval => "approval",
            Kind::Open => "OPEN",
            Kind::Seal => "SEAL",
            Kind::Recover => "RECOVER",
            Kind::Checkpoint => "CHECKPOINT",
            Kind::Prune => "PRUNE",
            Kind::Config => "CONFIG",
            Kind::Gap => "GAP",
            Kind::Spool => "SPOOL",
        }
    }

    /// The kind with this name in the line.
    pub fn from_name(name: &str) -> Option<Kind> {
        KINDS.into_iter().find(|kind| kind.name() == name)
    }
}

const KINDS: [Kind; 11] = [
    Kind::Event,
    Kind::Exit,
    Kind::Approval,
    Kind::Open,
    Kind::Seal,
    Kind::Recover,
    Kind::Checkpoint,
    Kind::Prune,
    Kind::Config,
    Kind::Gap,
    Kind::Spool,
];
