//! `reeve audit query`, `export`, `show`, `find-secret`: what the record says. Whether it is whole is `verify`'s matter.

use super::audit::{record, shown};
use super::cli::{Export, FindSecret, Query, Show};
use super::ledger::{self, LedgerError};
use super::session::REDACTION_KEY;
use super::{Failure, print};
use crate::exit::Exit;
use audit_event::chain::{Fields, Kind};
use audit_event::redact::Redactor;
use audit_event::{Decision, Event};
use std::collections::HashSet;
use std::io::Read;
use std::path::Path;

/// The longest secret that is looked for, in bytes.
const MAX_SECRET: u64 = 64 * 1024;

/// Calls `act` with every record that can be read, in order, until it says stop.
///
/// # Errors
/// When a file cannot be read, or `act` fails.
pub fn each(
    record: &Path,
    mut act: impl FnMut(&Fields<'_>, &[u8]) -> Result<(), Failure>,
) -> Result<(), Failure> {
    for file in ledger::segments(record)? {
        let mut lines = ledger::Lines::open(&file)?;
        while let Some(line) = lines.next()? {
            let fields = Fields::read(line).map_err(|broken| {
                let message = format!("{}: {broken}; run `reeve audit verify`", file.display());
                Failure::new(Exit::Tampered, message)
            })?;
            act(&fields, line)?;
        }
    }
    Ok(())
}

/// `reeve audit query`: the decisions that fit every condition, and with them their outcomes.
///
/// # Errors
/// When there is nothing to read, or the output cannot be written.
pub fn query(options: &Query) -> Result<i32, Failure> {
    let since = options.since.as_deref().map(moment).transpose()?;
    let until = options.until.as_deref().map(moment).transpose()?;
    let mut found = HashSet::new();
    each(&record(options.record.as_deref())?, |line, bytes| {
        let fits = match line.kind {
            Kind::Event => {
                let event: Event = parse(line)?;
                let when = moment(&event.ts)?;
                let in_time =
                    since.is_none_or(|since| when >= since) && until.is_none_or(|until| when < until);
                let fits = in_time && matches(options, &event, line.data);
                if fits {
                    found.insert(event.event_id.to_string());
                }
                fits
            }
            Kind::Exit => id_of(line).is_some_and(|id| found.remove(&id)),
            _ => false,
        };
        if fits {
            print(&line_of(line, bytes, options.json))
        } else {
            Ok(())
        }
    })?;
    Ok(Exit::Ok.code())
}

fn matches(options: &Query, event: &Event, text: &str) -> bool {
    let is = |wanted: &Option<String>, found: &str| wanted.as_deref().is_none_or(|wanted| wanted == found);
    let touches = |wanted: &String| {
        event.operations.iter().any(|operation| {
            let field = |name: &str| {
                operation
                    .get(name)
                    .and_then(|value| value.as_str())
                    .unwrap_or_default()
            };
            field("resource").contains(wanted.as_str()) || field("name").contains(wanted.as_str())
        })
    };
    options
        .decision
        .is_none_or(|wanted| Decision::from(wanted) == event.decision)
        && is(&options.tool, &event.wrapper)
        && is(&options.profile, &event.caller_profile)
        && is(&options.run, &event.caller_agent_run_id)
        && options.resource.as_ref().is_none_or(touches)
        && options.text.as_deref().is_none_or(|wanted| text.contains(wanted))
}

fn line_of(line: &Fields<'_>, bytes: &[u8], as_json: bool) -> String {
    if as_json {
        flat(line)
    } else {
        shown(bytes, false).unwrap_or_default()
    }
}

/// The event's JSON with its place in front, as `events.ndjson` has it.
fn flat(line: &Fields<'_>) -> String {
    let body = line.data.strip_prefix('{').unwrap_or(line.data);
    let comma = if body == "}" { "" } else { "," };
    format!(
        "{{\"kind\":\"{}\",\"seq\":{},\"hash\":\"{}\"{comma}{body}\n",
        line.kind.name(),
        line.seq,
        line.hash
    )
}

fn parse<T: for<'de> serde::Deserialize<'de>>(line: &Fields<'_>) -> Result<T, Failure> {
    serde_json::from_str(line.data).map_err(|error| {
        Failure::new(
            Exit::Unreadable,
            format!("record {} cannot be read: {error}", line.seq),
        )
    })
}

fn id_of(line: &Fields<'_>) -> Option<String> {
    let value: serde_json::Value = serde_json::from_str(line.data).ok()?;
    value.get("event_id")?.as_str().map(str::to_owned)
}

/// RFC 3339, with any offset.
fn moment(text: &str) -> Result<jiff::Timestamp, Failure> {
    text.parse().map_err(|_| {
        Failure::new(
            Exit::Usage,
            format!("`{text}` is not a time; one like 2026-04-07T14:32:01Z is expected"),
        )
    })
}

/// `reeve audit export`: every record, flat, one line each.
///
/// # Errors
/// As [`query`].
pub fn export(options: &Export) -> Result<i32, Failure> {
    each(&record(options.record.as_deref())?, |line, bytes| {
        let wanted = line.seq >= options.from && options.to.is_none_or(|to| line.seq <= to);
        match (wanted, options.raw) {
            (false, _) => Ok(()),
            (true, true) => print(&format!("{}\n", String::from_utf8_lossy(bytes))),
            (true, false) => print(&flat(line)),
        }
    })?;
    Ok(Exit::Ok.code())
}

/// `reeve audit show`: everything about one request.
///
/// # Errors
/// As [`query`]; exit 3 when there is no such event.
pub fn show(options: &Show) -> Result<i32, Failure> {
    let mut shown = 0_u64;
    each(&record(options.record.as_deref())?, |line, _| {
        if !matches!(line.kind, Kind::Event | Kind::Exit | Kind::Approval)
            || !line.data.contains(&options.event)
        {
            return Ok(());
        }
        let value: serde_json::Value = parse(line)?;
        let is = |name: &str| value.get(name).and_then(|id| id.as_str()) == Some(options.event.as_str());
        if !is("event_id") && !is("request_id") {
            return Ok(());
        }
        shown = shown.saturating_add(1);
        if options.json {
            return print(&flat(line));
        }
        let pretty = serde_json::to_string_pretty(&value).unwrap_or_default();
        let sender = line.peer.map_or_else(
            || "the ledger itself".to_owned(),
            |peer| format!("user {}, process {}", peer.uid, peer.pid),
        );
        print(&format!(
            "record {} ({}) at {} from {sender}\n  hash {}\n{pretty}\n",
            line.seq,
            line.kind.name(),
            line.wall,
            line.hash
        ))
    })?;
    if shown == 0 {
        let message = format!("no event or request `{}` in this record", options.event);
        return Err(Failure::new(Exit::Unreadable, message));
    }
    Ok(Exit::Ok.code())
}

/// `reeve audit find-secret`: where a secret stood. It is read from standard input, so that it is in no process list.
///
/// # Errors
/// As [`query`]; and without the record's redaction key.
pub fn find_secret(options: &FindSecret) -> Result<i32, Failure> {
    let record = record(options.record.as_deref())?;
    let key = options.key.clone().unwrap_or_else(|| record.join(REDACTION_KEY));
    let text = std::fs::read_to_string(&key).map_err(|cause| LedgerError::Io {
        path: key.clone(),
        cause,
    })?;
    let redactor = Redactor::from_hex(&text).ok_or_else(|| {
        Failure::new(
            Exit::Unreadable,
            format!("{}: not a key of 64 hex digits", key.display()),
        )
    })?;
    let mut secret = String::new();
    std::io::stdin()
        .take(MAX_SECRET)
        .read_to_string(&mut secret)
        .map_err(|error| Failure::new(Exit::Usage, format!("standard input: {error}")))?;
    let secret = secret.strip_suffix('\n').unwrap_or(&secret);
    if secret.is_empty() {
        return Err(Failure::new(
            Exit::Usage,
            "the secret is expected on standard input",
        ));
    }
    let tag = redactor.mask(secret);
    let mut found = 0_u64;
    each(&record, |line, bytes| {
        if !line.data.contains(&tag) {
            return Ok(());
        }
        found = found.saturating_add(1);
        print(&line_of(line, bytes, options.json))
    })?;
    if !options.json {
        print(&format!("{found} records with {tag}\n"))?;
    }
    Ok(Exit::Ok.code())
}
