//! The identity that a socket's callers have, whatever they say of themselves.
//!
//! The operator pins it: in a session the file is written by `reeve run`, on a host it is owned by root. The gate
//! judges by it, and the sidecar checks every event against it, so a gate that was tricked into another
//! level cannot get that recorded, and what is not recorded does not run.

use crate::event::Event;
use serde::{Deserialize, Serialize};
use std::collections::BTreeMap;
use thiserror::Error;

/// Everyone who may use one socket.
#[derive(Debug, Clone, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Pins {
    /// One entry per user.
    pub identities: Vec<Pin>,
}

/// One user's pinned identity.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Pin {
    /// The user id, as the kernel gives it for the peer.
    pub uid: u32,
    /// The profile's name: a metric label, so at most 64 of `A-Za-z0-9._-`.
    pub profile: String,
    /// The highest level: `L1` to `L4`.
    pub level: String,
    /// The track, empty for none.
    #[serde(default)]
    pub track: String,
    /// The digest of the policy for each level that may be used; empty means that the sidecar does not check.
    #[serde(default)]
    pub policies: BTreeMap<String, String>,
}

/// An event that its sender may not send.
#[derive(Debug, Clone, PartialEq, Eq, Error)]
pub enum Mismatch {
    /// No entry for this user.
    #[error("user {0} has no identity on this socket")]
    Stranger(u32),
    /// The event claims another user.
    #[error("the event is from user {claimed}, but the connection is from user {actual}")]
    User {
        /// What the event says.
        claimed: u32,
        /// What the kernel says.
        actual: u32,
    },
    /// Another profile, track or policy than pinned.
    #[error("the event has {what} `{claimed}`, but `{pinned}` is pinned")]
    Differs {
        /// Which field.
        what: &'static str,
        /// What the event says.
        claimed: String,
        /// What is pinned.
        pinned: String,
    },
    /// A level above the pinned one.
    #[error("the event has level `{claimed}`, above the pinned `{pinned}`")]
    LevelAbove {
        /// What the event says.
        claimed: String,
        /// What is pinned.
        pinned: String,
    },
}

impl Pins {
    /// The entry for a user.
    pub fn of(&self, uid: u32) -> Option<&Pin> {
        self.identities.iter().find(|pin| pin.uid == uid)
    }

    /// Whether `event`, received from `uid`, is one that this user's gate may send.
    ///
    /// # Errors
    /// Names the field that differs.
    pub fn check(&self, uid: u32, event: &Event) -> Result<&Pin, Mismatch> {
        let pin = self.of(uid).ok_or(Mismatch::Stranger(uid))?;
        if event.uid != uid {
            return Err(Mismatch::User {
                claimed: event.uid,
                actual: uid,
            });
        }
        same("profile", &event.caller_profile, &pin.profile)?;
        same("track", &event.track, &pin.track)?;
        let above = !is_level(&event.governance_level) || event.governance_level > pin.level;
        if above {
            return Err(Mismatch::LevelAbove {
                claimed: short(&event.governance_level),
                pinned: pin.level.clone(),
            });
        }
        if !pin.policies.is_empty() {
            let pinned = pin
                .policies
                .get(&event.governance_level)
                .map_or("none", String::as_str);
            same("policy", &event.policy_digest, pinned)?;
        }
        Ok(pin)
    }
}

/// `L1` to `L4`; these sort as text in the order of their power.
fn is_level(text: &str) -> bool {
    matches!(text, "L1" | "L2" | "L3" | "L4")
}

fn same(what: &'static str, claimed: &str, pinned: &str) -> Result<(), Mismatch> {
    if claimed == pinned {
        Ok(())
    } else {
        Err(Mismatch::Differs {
            what,
            claimed: short(claimed),
            pinned: pinned.to_owned(),
        })
    }
}

fn short(text: &str) -> String {
    text.chars().take(80).collect()
}
