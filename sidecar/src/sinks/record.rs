//! A record as sinks see it, and where records come from.
//!
//! Each record has one id for ever, from which every sink derives its key: the event's own `event_id` for a decision,
//! `EVENT_ID.exit` for its outcome, `EVENT_ID.incomplete` for the ledger's word that there is none (the true outcome may
//! still follow, and receivers that know an id drop what comes under it again), and `EVENT_ID.KIND.SEQ` or `KIND.SEQ.HASH16` for everything else.

use serde::Deserialize;
use serde::de::IgnoredAny;
use std::borrow::Cow;
use std::io;

/// One record of the ledger.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct Record {
    /// Sequence number.
    pub seq: u64,
    /// Its hash in the chain, 64 hex digits.
    pub hash: String,
    /// `event`, `exit`, `OPEN` …
    pub kind: String,
    /// When the writer stored it, RFC 3339.
    pub wall: String,
    /// The JSON as it was received: an object on one line.
    pub data: String,
}

/// Where records are read, in order.
pub trait Source: Send {
    /// The records after `after` (from the first one when that is `None`), durable ones only; at most so many, and when
    /// more than one, at most so many bytes of data. Empty when there is nothing new.
    ///
    /// # Errors
    /// When the ledger cannot be read, or has a hole after `after`.
    fn read(&mut self, after: Option<u64>, most_records: usize, most_bytes: usize)
    -> io::Result<Vec<Record>>;
}

/// A record with what every sink needs to know of it.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Item {
    /// The record.
    pub record: Record,
    /// Its id for ever.
    pub id: String,
    /// Nanoseconds since 1970, from `ts`; the writer's clock where there is none.
    pub time_ns: i64,
    /// What was decided, for decisions.
    pub decision: Decision,
    /// `kubectl` …; empty when it says none.
    pub tool: String,
    /// `L1` …; empty when it says none.
    pub level: String,
    /// Empty when it says none.
    pub track: String,
    /// Whether the data's fields may stand beside ours: it has an `event_id` of its own.
    pub is_flat: bool,
    /// An allowed command that only reads, without hazards.
    pub is_harmless: bool,
}

/// What was decided.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub enum Decision {
    /// It may run.
    Allowed,
    /// It may not run.
    Blocked,
    /// Held for a person.
    Escalated,
    /// Not a decision.
    #[default]
    None,
}

impl Decision {
    /// The name in events; empty for none.
    pub fn name(self) -> &'static str {
        match self {
            Decision::Allowed => "ALLOWED",
            Decision::Blocked => "BLOCKED",
            Decision::Escalated => "ESCALATED",
            Decision::None => "",
        }
    }
}

/// The fields that are looked at; anything else is skipped unread.
#[derive(Deserialize, Default)]
struct Head<'a> {
    #[serde(borrow, default)]
    event_id: Option<Cow<'a, str>>,
    #[serde(borrow, default)]
    ts: Option<Cow<'a, str>>,
    #[serde(borrow, default)]
    decision: Option<Cow<'a, str>>,
    #[serde(borrow, default)]
    wrapper: Cow<'a, str>,
    #[serde(borrow, default)]
    governance_level: Cow<'a, str>,
    #[serde(borrow, default)]
    track: Cow<'a, str>,
    #[serde(borrow, default)]
    operations: Vec<Effect<'a>>,
    #[serde(borrow, default)]
    hazards: Vec<Cow<'a, str>>,
    /// Only the ledger itself writes it; see `audit_event::event::Outcome`.
    #[serde(default)]
    incomplete: Option<IgnoredAny>,
}

#[derive(Deserialize)]
struct Effect<'a> {
    #[serde(borrow, default)]
    effect: Cow<'a, str>,
}

impl Item {
    /// Looks into a record. Data that is not what it should be is still a record: it is sent, wrapped; and as a text, where
    /// it is not JSON at all.
    pub fn new(mut record: Record) -> Item {
        let seen = serde_json::from_str(&record.data).map(|head| Item::seen(&record, head));
        let mut item = match seen {
            // The data is JSON then, and need not be read for that alone.
            Ok(item) => item,
            Err(_) => Item::seen(&record, Head::default()),
        };
        if !item.is_flat && serde_json::from_str::<IgnoredAny>(&record.data).is_err() {
            record.data = serde_json::Value::from(record.data).to_string();
        }
        item.record = record;
        item
    }

    /// Everything but the record itself.
    fn seen(record: &Record, head: Head<'_>) -> Item {
        let time = head.ts.as_deref().and_then(nanoseconds);
        let time_ns = time.or_else(|| nanoseconds(&record.wall)).unwrap_or(0);
        let decision = match head.decision.as_deref() {
            Some("ALLOWED") => Decision::Allowed,
            Some("BLOCKED") => Decision::Blocked,
            Some("ESCALATED") => Decision::Escalated,
            _ => Decision::None,
        };
        let only_reads = !head.operations.is_empty()
            && head.operations.iter().all(|operation| operation.effect == "read")
            && head.hazards.is_empty();
        Item {
            id: id(record, head.event_id.as_deref(), head.incomplete.is_some()),
            time_ns,
            decision,
            tool: head.wrapper.into_owned(),
            level: head.governance_level.into_owned(),
            track: head.track.into_owned(),
            is_flat: head.event_id.is_some(),
            is_harmless: decision == Decision::Allowed && only_reads,
            record: Record::default(),
        }
    }

    /// Seconds and nanoseconds since 1970.
    pub fn time(&self) -> (u32, u32) {
        let seconds = self.time_ns.div_euclid(1_000_000_000);
        let rest = self.time_ns.rem_euclid(1_000_000_000);
        (
            u32::try_from(seconds).unwrap_or_default(),
            u32::try_from(rest).unwrap_or_default(),
        )
    }

    /// The time as RFC 3339 in UTC with microseconds.
    pub fn rfc3339(&self) -> String {
        jiff::Timestamp::from_nanosecond(i128::from(self.time_ns))
            .map(|time| format!("{time:.6}"))
            .unwrap_or_else(|_| "1970-01-01T00:00:00.000000Z".to_owned())
    }
}

fn id(record: &Record, event_id: Option<&str>, is_incomplete: bool) -> String {
    let short = record.hash.get(..16).unwrap_or(&record.hash);
    match (event_id, record.kind.as_str()) {
        (Some(id), "event") => id.to_owned(),
        (Some(id), "exit") if is_incomplete => format!("{id}.incomplete"),
        (Some(id), "exit") => format!("{id}.exit"),
        (Some(id), kind) => format!("{id}.{kind}.{}", record.seq),
        (None, kind) => format!("{kind}.{}.{short}", record.seq),
    }
}

fn nanoseconds(text: &str) -> Option<i64> {
    let time: jiff::Timestamp = text.parse().ok()?;
    i64::try_from(time.as_nanosecond()).ok()
}

#[cfg(test)]
pub mod examples {
    //! Records for the tests of the encoders.

    use super::*;

    /// A decision as the gate sends it.
    pub const EVENT: &str = r#"{"ts":"2026-04-07T14:32:01.123456Z","wrapper":"kubectl","command":"kubectl delete pod web -n prod","governance_level":"L2","track":"track-c","allowlist_hit":false,"decision":"BLOCKED","caller_profile":"sre","caller_agent_run_id":"run-1","schema":1,"event_id":"0192f0c1-7b3e-7a10-8b1e-0123456789ab","request_id":"r-1","argv":["delete","pod","web","-n","prod"],"argv_bytes":20,"argv_sha256":"00","operation":"delete","operations":[{"effect":"delete","verb":"delete","resource":"pods","name":"web","scope":"prod"}],"hazards":[],"reason":"no_rule","message":"no rule allows it","rule":null,"policy_digest":"ab","binary":"/usr/bin/kubectl","environment_changed":[],"cwd":"/work","uid":1000,"gid":1000,"pid":42,"ppid":41,"parent":"bash","host":"node-1"}"#;

    /// An outcome.
    pub const EXIT: &str = r#"{"ts":"2026-04-07T14:32:02Z","event_id":"0192f0c1-7b3e-7a10-8b1e-0123456789ab","exit_code":1,"signal":null,"not_started":null,"duration_us":1500}"#;

    /// A record around `data`.
    pub fn item(kind: &str, seq: u64, data: &str) -> Item {
        Item::new(Record {
            seq,
            hash: "ab".repeat(32),
            kind: kind.to_owned(),
            wall: "2026-04-07T14:32:03Z".to_owned(),
            data: data.to_owned(),
        })
    }

    /// The decision.
    pub fn event() -> Item {
        item("event", 7, EVENT)
    }

    /// Its outcome.
    pub fn exit() -> Item {
        item("exit", 8, EXIT)
    }

    /// The writer's own.
    pub fn open() -> Item {
        item("OPEN", 0, r#"{"format":"audit-chain/1","pid":1}"#)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn ids_are_for_ever_and_differ() {
        let ids = [examples::event().id, examples::exit().id, examples::open().id];
        assert_eq!(
            ids,
            [
                "0192f0c1-7b3e-7a10-8b1e-0123456789ab",
                "0192f0c1-7b3e-7a10-8b1e-0123456789ab.exit",
                "OPEN.0.abababababababab"
            ]
        );
    }

    #[test]
    fn a_true_outcome_is_no_repeat_of_the_incomplete_one() {
        let said = examples::EXIT.replace(
            r#""duration_us":1500"#,
            r#""duration_us":0,"incomplete":"the gate is gone""#,
        );
        let incomplete = examples::item("exit", 8, &said);
        assert_eq!(incomplete.id, "0192f0c1-7b3e-7a10-8b1e-0123456789ab.incomplete");
        assert_ne!(incomplete.id, examples::exit().id);
    }

    #[test]
    fn only_reads_are_harmless() {
        let allowed = examples::EVENT.replace("BLOCKED", "ALLOWED");
        assert!(!examples::item("event", 1, &allowed).is_harmless);
        let read = allowed.replace(r#""effect":"delete""#, r#""effect":"read""#);
        assert!(examples::item("event", 1, &read).is_harmless);
        let hazard = read.replace(r#""hazards":[]"#, r#""hazards":["reveals-credentials"]"#);
        assert!(!examples::item("event", 1, &hazard).is_harmless);
    }

    #[test]
    fn data_of_any_kind_is_still_an_item() {
        for data in ["{}", "[]", "null", "{\"ts\":5}", "\"x\""] {
            let item = examples::item("event", 3, data);
            assert!(!item.is_flat, "{data}");
            assert_eq!(item.rfc3339(), "2026-04-07T14:32:03.000000Z");
            assert_eq!(item.record.data, data);
        }
        let item = examples::item("event", 3, r#"{"event_id":"x""#);
        assert!(!item.is_flat);
        assert_eq!(item.record.data, r#""{\"event_id\":\"x\"""#);
    }
}
