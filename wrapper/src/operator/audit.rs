//! `reeve audit`: checks and shows the record, without the sidecar.

use super::cli::{Tail, Verify};
use super::ledger::{self, LedgerError};
use super::{Failure, print, session};
use crate::exit::Exit;
use audit_event::chain::{Kind, Line};
use audit_event::verify::{Report, State};
use audit_event::{Event, Outcome};
use std::collections::VecDeque;
use std::path::{Path, PathBuf};
use std::time::Duration;

/// How often `tail -f` looks for more.
const LOOK_EVERY: Duration = Duration::from_millis(200);

/// `reeve audit verify`.
///
/// # Errors
/// When there is nothing to read (exit 3).
pub fn verify(options: &Verify) -> Result<i32, Failure> {
    let record = record(options.record.as_deref())?;
    let findings = ledger::verify(&record, &options.anchor)?;
    if options.json {
        let json = serde_json::to_string(&findings)
            .map_err(|error| Failure::new(Exit::Unreadable, error.to_string()))?;
        print(&format!("{json}\n"))?;
    } else {
        print(&words(&record, &findings))?;
    }
    Ok(exit_of(&findings).code())
}

/// The exit status that says what was found.
pub fn exit_of(report: &Report) -> Exit {
    match report.verify {
        State::Sealed => Exit::Ok,
        State::Unsealed => Exit::Unsealed,
        State::Tampered => Exit::Tampered,
        State::Unreadable => Exit::Unreadable,
    }
}

fn words(record: &Path, report: &Report) -> String {
    let state = match report.verify {
        State::Sealed => "sealed",
        State::Unsealed => "unsealed",
        State::Tampered => "tampered",
        State::Unreadable => "unreadable",
    };
    let mut text = format!(
        "{}: {state} ({} records, {} decisions, epoch {}, head {}, anchors compared: {})\n",
        record.display(),
        report.records,
        report.events,
        report.epoch,
        report.head.chars().take(16).collect::<String>(),
        report.anchors,
    );
    if let Some(fault) = &report.fault {
        text.push_str(&format!("{}:{}: {}\n", fault.file, fault.line, fault.what));
    }
    text
}

/// `reeve audit tail`.
///
/// # Errors
/// When there is nothing to read, or the output cannot be written.
pub fn tail(options: &Tail) -> Result<i32, Failure> {
    let record = record(options.record.as_deref())?;
    let mut last: VecDeque<String> = VecDeque::new();
    let mut newest = None;
    for file in &ledger::segments(&record)? {
        let mut lines = ledger::Lines::open(file)?;
        while let Some(line) = lines.next()? {
            let Some(text) = shown(line, options.json) else {
                continue;
            };
            if last.len() >= options.lines {
                last.pop_front();
            }
            if options.lines > 0 {
                last.push_back(text);
            }
        }
        newest = Some(lines);
    }
    print(&last.into_iter().collect::<String>())?;
    match newest.filter(|_| options.follow) {
        Some(lines) => follow(&record, lines, options.json),
        None => Ok(Exit::Ok.code()),
    }
}

/// Prints what is added, until the caller is interrupted or the reader goes away. Goes on with the next segment when there
/// is one.
fn follow(record: &Path, mut lines: ledger::Lines, as_json: bool) -> Result<i32, Failure> {
    loop {
        let later = ledger::segments(record)?
            .into_iter()
            .find(|other| other.as_path() > lines.path());
        // A segment that another follows is whole by now.
        while let Some(line) = lines.next()? {
            if let Some(text) = shown(line, as_json) {
                print(&text)?;
            }
        }
        match later {
            Some(next) => lines = ledger::Lines::open(&next)?,
            None => std::thread::sleep(LOOK_EVERY),
        }
    }
}

/// One record as it is shown; `None` for what is not a decision or an outcome, and for a line that cannot be read
/// (`verify` is the command that says so).
pub fn shown(line: &[u8], as_json: bool) -> Option<String> {
    let line = Line::read(line).ok()?;
    if as_json {
        return matches!(line.kind, Kind::Event | Kind::Exit).then(|| format!("{}\n", line.data.get()));
    }
    match line.kind {
        Kind::Event => {
            let event: Event = serde_json::from_str(line.data.get()).ok()?;
            let rule = event.rule.as_deref().unwrap_or(event.reason.as_str());
            Some(format!(
                "{}  {:9}  {}  {}  [{rule}]\n",
                event.ts,
                event.decision.name(),
                event.governance_level,
                event.command
            ))
        }
        Kind::Exit => {
            let outcome: Outcome = serde_json::from_str(line.data.get()).ok()?;
            if let Some(why) = &outcome.incomplete {
                return Some(format!(
                    "{}  {:9}  {why}  {}\n",
                    outcome.ts, "INCOMPLETE", outcome.event_id
                ));
            }
            let how = match (outcome.exit_code, outcome.signal, outcome.not_started) {
                (Some(status), ..) => format!("exit {status}"),
                (None, Some(signal), _) => format!("signal {signal}"),
                (None, None, why) => format!("not started: {}", why.unwrap_or_default()),
            };
            Some(format!(
                "{}  {:9}  {how} after {} ms  {}\n",
                outcome.ts,
                "ended",
                outcome.duration_us / 1000,
                outcome.event_id
            ))
        }
        _ => None,
    }
}

/// The record that is meant.
pub fn record(named: Option<&Path>) -> Result<PathBuf, Failure> {
    match named {
        Some(path) => Ok(path.to_owned()),
        None => session::newest_record().ok_or_else(|| {
            Failure::new(
                Exit::Unreadable,
                "no session has left a record yet; name the record's directory",
            )
        }),
    }
}

impl From<LedgerError> for Failure {
    fn from(error: LedgerError) -> Failure {
        Failure::new(Exit::Unreadable, error.to_string())
    }
}
