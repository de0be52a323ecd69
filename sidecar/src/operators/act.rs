//! An operator's act as an event of the tool `reeve`: durable in the ledger before anything is done.

use crate::ledger::{Command, Content, OPERATOR, Origin, Submission, Submit};
use audit_event::chain::Peer;
use audit_event::event::SCHEMA;
use audit_event::{Decision, Event, Pin, Response};
use serde_json::Value;
use std::collections::BTreeMap;
use tokio::sync::oneshot;

/// What an operator does.
pub struct Act {
    /// The operation, in words: `dlq replay`.
    pub what: &'static str,
    /// Its further words.
    pub words: Vec<String>,
    /// What it is, for people.
    pub message: &'static str,
    /// What else is to be kept of it.
    pub more: BTreeMap<String, Value>,
    /// Who asks, as the kernel says.
    pub peer: Peer,
}

/// Makes it durable.
///
/// # Errors
/// When it cannot be; then it must not be done.
pub async fn record(act: Act, submit: &Submit) -> Result<(), String> {
    let peer = act.peer;
    let event = event(act)?;
    let raw = serde_json::to_string(&event).map_err(|error| error.to_string())?;
    let (tell, told) = oneshot::channel();
    let submission = Submission {
        peer,
        pin: operator(peer),
        raw,
        content: Content::Decision(Box::new(event)),
        origin: Origin::Operator,
        answer: tell,
    };
    let gone = || "the sidecar is stopping; nothing was recorded, so nothing was done".to_owned();
    submit
        .send(Command::Record(Box::new(submission)))
        .await
        .map_err(|_| gone())?;
    let answer = told.await.map_err(|_| gone())?;
    submit.ship();
    match answer {
        Response::Recorded { .. } => Ok(()),
        Response::Error { message, .. } => {
            Err(format!("this cannot be recorded, so it was not done: {message}"))
        }
        Response::Status(_) => Err(gone()),
    }
}

fn operator(peer: Peer) -> Pin {
    Pin {
        uid: peer.uid,
        profile: "operator".to_owned(),
        level: "L4".to_owned(),
        track: String::new(),
        policies: BTreeMap::new(),
    }
}

/// Its event.
///
/// # Errors
/// When no id can be made.
pub fn event(act: Act) -> Result<Event, String> {
    let id = uuid::Uuid::now_v7().to_string();
    let argv: Vec<String> = act.what.split(' ').map(str::to_owned).chain(act.words).collect();
    Ok(Event {
        ts: format!("{:.6}", jiff::Timestamp::now()),
        wrapper: OPERATOR.to_owned(),
        command: format!("reeve {}", argv.join(" ")),
        governance_level: "L4".to_owned(),
        track: String::new(),
        allowlist_hit: false,
        decision: Decision::Allowed,
        caller_profile: "operator".to_owned(),
        caller_agent_run_id: String::new(),
        schema: SCHEMA,
        request_id: id.clone(),
        event_id: id.parse().map_err(|error| format!("{error}"))?,
        argv_bytes: argv.iter().map(|word| word.len() as u64).sum(),
        argv_sha256: String::new(),
        argv,
        operation: act.what.to_owned(),
        operations: Vec::new(),
        hazards: Vec::new(),
        reason: "allowed".to_owned(),
        message: act.message.to_owned(),
        rule: None,
        policy_digest: String::new(),
        binary: None,
        environment_changed: Vec::new(),
        cwd: String::new(),
        uid: act.peer.uid,
        gid: act.peer.gid,
        pid: act.peer.pid,
        ppid: 0,
        parent: String::new(),
        host: crate::sinks::host_name(),
        more: act.more,
    })
}
