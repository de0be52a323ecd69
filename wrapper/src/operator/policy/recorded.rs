//! Decisions that a record holds, as commands that can be judged again: from the operations and hazards that were recorded,
//! so neither redaction nor files that have changed since stand in the way.

use super::super::ledger::{Lines, segments};
use super::super::{Failure, audit};
use crate::exit::Exit;
use argv::{Effect, Hazard, Invocation, Operation, Resource, Scope, Tool, Workload};
use audit_event::chain::{Kind, Line};
use audit_event::{Event, redact};
use policies::{Level, Track};
use serde::Deserialize;
use std::path::Path;

/// Events carry no more operations than this; a longer list was cut.
const MAX_OPERATIONS: usize = 256;

/// One decision of a record.
#[derive(Debug)]
pub struct Recorded {
    /// Its place in the chain.
    pub seq: u64,
    /// The command line as recorded.
    pub command: String,
    /// What was decided.
    pub decision: &'static str,
    /// At which level.
    pub level: Level,
    /// For which track.
    pub track: Option<Track>,
    /// What the command does; `None` when it was not understood, or not everything was recorded.
    pub invocation: Option<Invocation>,
}

/// An operation as events carry it.
#[derive(Debug, Deserialize)]
struct Stored {
    effect: Effect,
    verb: String,
    #[serde(default)]
    resource: Option<String>,
    #[serde(default)]
    name: Option<String>,
    #[serde(default)]
    scope: Scope,
    #[serde(default)]
    workload: Workload,
}

/// Every decision of a record, in order.
///
/// # Errors
/// When the record cannot be read, or a line is not one of a record; `reeve audit verify` says more then.
pub fn read(record: Option<&Path>) -> Result<Vec<Recorded>, Failure> {
    let record = audit::record(record)?;
    let mut found = Vec::new();
    for file in segments(&record)? {
        let mut lines = Lines::open(&file)?;
        while let Some(bytes) = lines.next()? {
            let bad = |why: String| Failure::new(Exit::Unreadable, format!("{}: {why}", file.display()));
            let line = Line::read(bytes).map_err(|error| bad(error.to_string()))?;
            if line.kind == Kind::Event {
                let event: Event =
                    serde_json::from_str(line.data.get()).map_err(|error| bad(error.to_string()))?;
                found.push(of(line.seq, event).map_err(bad)?);
            }
        }
    }
    Ok(found)
}

fn of(seq: u64, event: Event) -> Result<Recorded, String> {
    let level: Level = event
        .governance_level
        .parse()
        .map_err(|error| format!("record {seq}: {error}"))?;
    let track = match event.track.as_str() {
        "" => None,
        track => Some(track.parse().map_err(|error| format!("record {seq}: {error}"))?),
    };
    Ok(Recorded {
        seq,
        decision: event.decision.name(),
        level,
        track,
        invocation: invocation(&event),
        command: event.command,
    })
}

fn invocation(event: &Event) -> Option<Invocation> {
    let tool = Tool::named(&event.wrapper)?;
    let operations: Option<Vec<Operation>> = event
        .operations
        .iter()
        .map(|value| operation(tool, value))
        .collect();
    let operations = operations.filter(|all| !all.is_empty() && all.len() < MAX_OPERATIONS)?;
    let mut invocation = Invocation {
        tool,
        command: event.operation.clone(),
        operations,
        hazards: Vec::new(),
        files: Vec::new(),
    };
    for name in &event.hazards {
        let hazard = Hazard::ALL.into_iter().find(|hazard| hazard.name() == name)?;
        invocation.add_hazard(hazard, "as recorded");
    }
    Some(invocation)
}

fn operation(tool: Tool, value: &serde_json::Value) -> Option<Operation> {
    let stored = Stored::deserialize(value).ok()?;
    // What was a secret is not known any more.
    let mask = redact::MASK.trim_end_matches(']');
    if value.to_string().contains(mask) {
        return None;
    }
    let resource = stored.resource.map(|text| match text.split_once('/') {
        Some((kind, sub)) if tool == Tool::Kubectl => Resource {
            kind: kind.to_owned(),
            subresource: Some(sub.to_owned()),
        },
        _ => Resource::kind(text),
    });
    Some(Operation {
        effect: stored.effect,
        verb: stored.verb,
        resource,
        name: stored.name,
        scope: stored.scope,
        workload: stored.workload,
    })
}
