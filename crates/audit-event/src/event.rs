//! The audit event. The first nine fields are the published minimum, with their published names.

mod fields;

use serde::{Deserialize, Serialize};
use std::collections::BTreeMap;
use std::fmt;
use std::str::FromStr;

/// The version of the event's own fields, in every event as `schema`.
pub const SCHEMA: u32 = 1;

/// What was decided.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, Serialize, Deserialize)]
#[serde(rename_all = "UPPERCASE")]
pub enum Decision {
    /// It may run.
    Allowed,
    /// It may not run.
    Blocked,
    /// It is held for a person.
    Escalated,
}

impl Decision {
    /// The name in events and metrics.
    pub fn name(self) -> &'static str {
        match self {
            Decision::Allowed => "ALLOWED",
            Decision::Blocked => "BLOCKED",
            Decision::Escalated => "ESCALATED",
        }
    }
}

impl fmt::Display for Decision {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(self.name())
    }
}

/// A UUID in its usual text form, chosen by the gate (version 7, so ids sort by time).
#[derive(Debug, Clone, PartialEq, Eq, Hash, PartialOrd, Ord, Serialize, Deserialize)]
#[serde(try_from = "String", into = "String")]
pub struct EventId(String);

/// Not a UUID in lower-case text form.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
#[error("`{0}` is not an event id: 36 characters, lower-case hexadecimal with four hyphens, were expected")]
pub struct BadEventId(String);

impl EventId {
    /// The id as text.
    pub fn as_str(&self) -> &str {
        &self.0
    }
}

impl FromStr for EventId {
    type Err = BadEventId;

    fn from_str(text: &str) -> Result<Self, BadEventId> {
        let hyphen = |i: usize| matches!(i, 8 | 13 | 18 | 23);
        let well_formed = text.len() == 36
            && text.bytes().enumerate().all(|(i, b)| {
                if hyphen(i) {
                    b == b'-'
                } else {
                    b.is_ascii_digit() || (b'a'..=b'f').contains(&b)
                }
            });
        if well_formed {
            Ok(EventId(text.to_owned()))
        } else {
            Err(BadEventId(text.chars().take(64).collect()))
        }
    }
}

impl TryFrom<String> for EventId {
    type Error = BadEventId;
    fn try_from(text: String) -> Result<Self, BadEventId> {
        text.parse()
    }
}

impl From<EventId> for String {
    fn from(id: EventId) -> String {
        id.0
    }
}

impl fmt::Display for EventId {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.0)
    }
}

/// One decision about one command, recorded before anything runs.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
#[serde(remote = "Self")]
pub struct Event {
    /// When it was decided: RFC 3339, UTC.
    pub ts: String,
    /// The name the gate was called by: `kubectl`, `aws`, `gh`.
    pub wrapper: String,
    /// The command line as a shell would need it, secrets replaced.
    pub command: String,
    /// The level that was in force: `L1` to `L4`.
    pub governance_level: String,
    /// The track, empty when there is none.
    pub track: String,
    /// Whether an allow rule covered it.
    pub allowlist_hit: bool,
    /// What was decided.
    pub decision: Decision,
    /// The profile of the agent, from the pinned identity.
    pub caller_profile: String,
    /// The agent's own name for its run; as the caller gave it, so never a metric label.
    pub caller_agent_run_id: String,

    /// [`SCHEMA`].
    pub schema: u32,
    /// This event's id.
    pub event_id: EventId,
    /// One request through logs, events and child processes.
    pub request_id: String,
    /// The words, secrets replaced; cut when very long (then `argv_bytes` says how long).
    pub argv: Vec<String>,
    /// Bytes in the whole command line as typed.
    pub argv_bytes: u64,
    /// SHA-256 (hex) over all words, secrets replaced, each followed by a NUL byte.
    pub argv_sha256: String,
    /// The canonical command (`ec2 describe-instances`), empty when not understood.
    pub operation: String,
    /// Each operation as `effect verb resource name @scope`, for reading; machine fields follow with the schema.
    pub operations: Vec<serde_json::Value>,
    /// Names of the hazards that were found.
    pub hazards: Vec<String>,
    /// Why, from a closed set: `allowed`, `no_rule`, `denied_by_rule`, `unreadable`, …
    pub reason: String,
    /// The sentence the agent was shown, secrets replaced.
    pub message: String,
    /// The rule that decided, if one did; for several, joined by commas.
    pub rule: Option<String>,
    /// SHA-256 (hex) of the merged policy that judged it.
    pub policy_digest: String,
    /// The real tool's resolved path, when one was found.
    pub binary: Option<String>,
    /// Environment variables that were removed or put back, by name only.
    pub environment_changed: Vec<String>,
    /// The working directory.
    pub cwd: String,
    /// The caller's real user id.
    pub uid: u32,
    /// The caller's real group id.
    pub gid: u32,
    /// The gate's process id, in its own namespace.
    pub pid: i32,
    /// The parent's process id.
    pub ppid: i32,
    /// The parent's name, as the kernel has it.
    pub parent: String,
    /// The host's name.
    pub host: String,
    /// What later versions add; kept, never interpreted.
    #[serde(flatten, skip_deserializing)]
    pub more: BTreeMap<String, serde_json::Value>,
}

/// How a command that was allowed to run ended.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Outcome {
    /// When it ended: RFC 3339, UTC.
    pub ts: String,
    /// The event that allowed it.
    pub event_id: EventId,
    /// Exit status, when it exited.
    pub exit_code: Option<i32>,
    /// The signal that ended it, when one did.
    pub signal: Option<i32>,
    /// Why it never started, when it did not.
    pub not_started: Option<String>,
    /// How long it ran, in microseconds.
    pub duration_us: u64,
    /// Set by the ledger itself when nobody is left who could say how it ended, with the reason. The true outcome may
    /// follow it.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub incomplete: Option<String>,
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn event_ids_are_checked() {
        assert!("0192f0c1-7b3e-7a10-8b1e-0123456789ab".parse::<EventId>().is_ok());
        for bad in [
            "",
            "0192f0c17b3e7a108b1e0123456789ab",
            "0192F0C1-7B3E-7A10-8B1E-0123456789AB",
            "../../etc/passwd",
        ] {
            assert!(bad.parse::<EventId>().is_err(), "{bad}");
        }
    }
}
