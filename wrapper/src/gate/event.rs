//! Composes the audit event of a judged command, and the outcome that follows it.

use super::environment::Child;
use super::judge::Judgement;
use super::snapshot::Snapshot;
use crate::configuration::Identity;
use crate::digest;
use crate::shell;
use crate::supervise::Ended;
use audit_event::event::SCHEMA;
use audit_event::redact::{self, Redactor};
use audit_event::{Decision, Event, EventId, Outcome};
use policies::Verdict;
use std::collections::BTreeMap;
use std::path::Path;
use std::time::Duration;

/// The most bytes of argv that an event carries; the digest covers all of it.
const MAX_ARGV: usize = 64 * 1024;
/// The most operations that an event carries.
const MAX_OPERATIONS: usize = 256;

/// The event of this call, complete.
pub fn compose(
    call: &Snapshot,
    identity: &Identity,
    judgement: &Judgement,
    child: &Child<'_>,
    binary: Option<&Path>,
    redactor: &Redactor,
) -> Event {
    let said = Said::of(&judgement.verdict);
    let words: Vec<String> = call
        .args
        .iter()
        .map(|word| word.to_string_lossy().into_owned())
        .collect();
    let masked = redactor.words(&words);
    let argv_sha256 = argv_digest(&masked);
    let secrets = Secrets::of(&words, &masked);
    let argv = cut(masked);
    let event_id = new_id();
    Event {
        ts: now(),
        wrapper: call.tool.name().to_owned(),
        command: shell::join(&argv),
        governance_level: identity.level.to_string(),
        track: identity
            .track
            .as_ref()
            .map(ToString::to_string)
            .unwrap_or_default(),
        allowlist_hit: said.decision == Decision::Allowed,
        decision: said.decision,
        caller_profile: identity.profile.clone(),
        caller_agent_run_id: run_id(call, redactor),
        schema: SCHEMA,
        request_id: event_id.to_string(),
        event_id,
        argv,
        argv_bytes: call.args.iter().map(|word| word.len() as u64).sum(),
        argv_sha256,
        operation: judgement
            .invocation
            .as_ref()
            .map(|i| i.command.clone())
            .unwrap_or_default(),
        operations: operations(judgement, redactor, &secrets),
        hazards: hazards(judgement),
        reason: said.reason.to_owned(),
        message: redactor.text(&said.message),
        rule: said.rule,
        policy_digest: judgement.policy_digest.clone(),
        binary: binary.map(|path| path.display().to_string()),
        environment_changed: child.changed.clone(),
        cwd: redactor.text(&call.cwd),
        uid: call.uid,
        gid: call.gid,
        pid: call.pid,
        ppid: call.ppid,
        parent: call.parent.clone(),
        host: call.host.clone(),
        more: files(judgement, redactor),
    }
}

/// What was read, by path, size and digest.
fn files(judgement: &Judgement, redactor: &Redactor) -> BTreeMap<String, serde_json::Value> {
    let files: Vec<serde_json::Value> = judgement
        .inputs
        .files
        .iter()
        .map(|file| {
            serde_json::json!({
                "path": redactor.text(&file.path),
                "sha256": file.sha256,
                "bytes": file.bytes,
            })
        })
        .collect();
    if files.is_empty() {
        return BTreeMap::new();
    }
    BTreeMap::from([("files".to_owned(), files.into())])
}

/// How it ended.
pub fn outcome(event: &Event, ended: Ended, duration: Duration) -> Outcome {
    let (exit_code, signal) = match ended {
        Ended::Exited(status) => (Some(status), None),
        Ended::Killed(signal) => (None, Some(signal)),
    };
    Outcome {
        ts: now(),
        event_id: event.event_id.clone(),
        exit_code,
        signal,
        not_started: None,
        duration_us: u64::try_from(duration.as_micros()).unwrap_or(u64::MAX),
        incomplete: None,
    }
}

/// It was allowed, but nothing ran.
pub fn not_started(event: &Event, why: &str) -> Outcome {
    Outcome {
        ts: now(),
        event_id: event.event_id.clone(),
        exit_code: None,
        signal: None,
        not_started: Some(why.to_owned()),
        duration_us: 0,
        incomplete: None,
    }
}

struct Said {
    decision: Decision,
    reason: &'static str,
    message: String,
    rule: Option<String>,
}

impl Said {
    fn of(verdict: &Verdict) -> Said {
        match verdict {
            Verdict::Allow(permit) => Said {
                decision: Decision::Allowed,
                reason: "allowed",
                message: String::new(),
                rule: Some(permit.rules().join(",")),
            },
            Verdict::Escalate(hold) => Said {
                decision: Decision::Escalated,
                reason: "held",
                message: hold.message.clone(),
                rule: hold.rule.clone(),
            },
            Verdict::Deny(denial) => Said {
                decision: Decision::Blocked,
                reason: denial.reason.label(),
                message: denial.message.clone(),
                rule: denial.rule.clone(),
            },
        }
    }
}

/// As many of the words as fit; the last one kept may be cut itself. Secrets are replaced by then: half a token would not be
/// known for one.
fn cut(mut words: Vec<String>) -> Vec<String> {
    let mut left = MAX_ARGV;
    let mut kept: usize = 0;
    for word in &mut words {
        if left == 0 {
            break;
        }
        if word.len() > left {
            let end = word.floor_char_boundary(left);
            word.truncate(end);
            word.push('…');
        }
        left = left.saturating_sub(word.len().saturating_add(1));
        kept = kept.saturating_add(1);
    }
    words.truncate(kept);
    words
}

/// Over the words with their secrets replaced: a digest of a weak secret beside known words would give it away.
fn argv_digest(masked: &[String]) -> String {
    let mut words = Vec::with_capacity(masked.iter().map(|word| word.len().saturating_add(1)).sum());
    for word in masked {
        words.extend_from_slice(word.as_bytes());
        words.push(0);
    }
    digest::hex(&words)
}

/// The secrets that were found in the words by where they stand: they may stand among the names of things too.
struct Secrets(Vec<String>);

impl Secrets {
    fn of(words: &[String], masked: &[String]) -> Secrets {
        let mark = redact::MASK.trim_end_matches(']');
        let found = words.iter().zip(masked).filter_map(|(word, masked)| {
            let (before, rest) = masked.split_once(mark)?;
            let behind = rest.rsplit_once(']').map_or("", |(_, behind)| behind);
            let secret = word.strip_prefix(before)?.strip_suffix(behind)?;
            (!secret.is_empty()).then(|| secret.to_owned())
        });
        Secrets(found.collect())
    }

    /// The text without them, nor anything else that looks like one.
    fn replaced(&self, text: &str, redactor: &Redactor) -> String {
        let mut text = text.to_owned();
        for secret in &self.0 {
            // A short one inside of another word is no secret.
            if text == *secret || secret.len() >= 6 && text.contains(secret.as_str()) {
                text = text.replace(secret.as_str(), &redactor.mask(secret));
            }
        }
        redactor.text(&text)
    }

    fn replaced_in(&self, value: serde_json::Value, redactor: &Redactor) -> serde_json::Value {
        use serde_json::Value;
        match value {
            Value::String(text) => Value::String(self.replaced(&text, redactor)),
            Value::Array(items) => items
                .into_iter()
                .map(|item| self.replaced_in(item, redactor))
                .collect(),
            Value::Object(map) => map
                .into_iter()
                .map(|(key, value)| (key, self.replaced_in(value, redactor)))
                .collect(),
            other => other,
        }
    }
}

fn operations(judgement: &Judgement, redactor: &Redactor, secrets: &Secrets) -> Vec<serde_json::Value> {
    let Some(invocation) = &judgement.invocation else {
        return Vec::new();
    };
    invocation
        .operations
        .iter()
        .take(MAX_OPERATIONS)
        .map(|operation| {
            let mut object = serde_json::Map::new();
            object.insert("effect".into(), operation.effect.name().into());
            object.insert("verb".into(), operation.verb.clone().into());
            if let Some(resource) = &operation.resource {
                object.insert("resource".into(), resource.to_string().into());
            }
            if let Some(name) = &operation.name {
                object.insert("name".into(), name.clone().into());
            }
            if let Ok(scope) = serde_json::to_value(&operation.scope) {
                object.insert("scope".into(), without_nulls(scope));
            }
            if !operation.workload.is_nothing()
                && let Ok(workload) = serde_json::to_value(&operation.workload)
            {
                object.insert("workload".into(), workload);
            }
            secrets.replaced_in(object.into(), redactor)
        })
        .collect()
}

fn without_nulls(value: serde_json::Value) -> serde_json::Value {
    match value {
        serde_json::Value::Object(map) => {
            serde_json::Value::Object(map.into_iter().filter(|(_, value)| !value.is_null()).collect())
        }
        other => other,
    }
}

fn hazards(judgement: &Judgement) -> Vec<String> {
    let mut names: Vec<String> = judgement
        .invocation
        .iter()
        .flat_map(|invocation| {
            invocation
                .hazards
                .iter()
                .map(|fact| fact.hazard.name().to_owned())
        })
        .collect();
    names.sort();
    names.dedup();
    names
}

/// As the agent says; bounded, and never trusted for anything.
fn run_id(call: &Snapshot, redactor: &Redactor) -> String {
    ["HERMES_AGENT_RUN_ID", "REEVE_AGENT_RUN_ID", "REEVE_SESSION"]
        .iter()
        .find_map(|name| call.variable(name))
        .map(|id| redactor.text(&id.chars().take(128).collect::<String>()))
        .unwrap_or_default()
}

fn new_id() -> EventId {
    // A UUID's hyphenated form is always a well-formed id, so the fallback is never taken.
    let text = uuid::Uuid::now_v7().hyphenated().to_string();
    text.parse().unwrap_or_else(|_| unreachable!("{text}"))
}

/// RFC 3339 in UTC, microseconds always written: syslog takes no more, and equal lengths sort as text.
pub fn now() -> String {
    format!("{:.6}", jiff::Timestamp::now())
}
