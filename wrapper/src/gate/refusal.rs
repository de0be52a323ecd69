//! What the caller is told when the tool does not run: one short block for people and language models, or one JSON object.

use super::judge::Judgement;
use super::sidecar::CannotRecord;
use crate::configuration::ConfigurationError;
use crate::exit::Exit;
use crate::tool_path::NoTool;
use audit_event::Event;
use policies::{Denial, Hold, Verdict};
use serde::Serialize;
use std::io::Write;
use std::path::Path;

/// Why the pipeline ended without running the tool to its end.
#[derive(Debug)]
pub enum Stop {
    /// Refused or held.
    Told(Box<Report>, Exit),
    /// Nothing could be judged.
    Configuration(ConfigurationError),
    /// Judged, but the record could not be made.
    Unrecorded(Box<Report>),
    /// The tool is not there or does not start.
    NoTool(String, Exit),
    /// The system refuses something basic.
    System(std::io::Error),
}

/// What is said of one command.
#[derive(Debug, Serialize)]
pub struct Report {
    decision: &'static str,
    reason: String,
    message: String,
    rule: Option<String>,
    command: String,
    level: String,
    track: String,
    profile: String,
    nearest: Vec<String>,
    event_id: String,
    exit_code: i32,
}

impl Report {
    /// The words for a refusal.
    pub fn refused(event: &Event, denial: &Denial) -> Box<Report> {
        Report::about(
            event,
            denial.message.clone(),
            denial.nearest.clone(),
            Exit::Refused,
        )
    }

    /// The words for a command of a profile that an operator has frozen; the event says why.
    pub fn frozen(event: &Event) -> Box<Report> {
        Report::about(event, event.message.clone(), Vec::new(), Exit::Refused)
    }

    /// The words for a hold.
    pub fn held(event: &Event, hold: &Hold) -> Box<Report> {
        Report::about(event, hold.message.clone(), hold.nearest.clone(), Exit::Held)
    }

    fn about(event: &Event, message: String, nearest: Vec<String>, exit: Exit) -> Box<Report> {
        Box::new(Report {
            decision: event.decision.name(),
            reason: event.reason.clone(),
            message: audit_event::redact::text(&message),
            rule: event.rule.clone(),
            command: event.command.chars().take(400).collect(),
            level: event.governance_level.clone(),
            track: event.track.clone(),
            profile: event.caller_profile.clone(),
            nearest,
            event_id: event.event_id.to_string(),
            exit_code: exit.code(),
        })
    }

    fn text(&self) -> String {
        let what = if self.decision == "ESCALATED" {
            "held for a person"
        } else {
            "refused"
        };
        let mut lines = vec![format!("reeve: {what}: {}", self.command)];
        lines.push(format!("  why:     {}", self.message));
        lines.push(match &self.rule {
            Some(rule) => format!("  rule:    {rule}"),
            None if self.reason == super::frozen::REASON => {
                "  rule:    none counts while it is frozen".to_owned()
            }
            None => "  rule:    none allows it".to_owned(),
        });
        let track = if self.track.is_empty() {
            String::new()
        } else {
            format!(", {}", self.track)
        };
        lines.push(format!(
            "  level:   {}{track} (profile {})",
            self.level, self.profile
        ));
        if !self.nearest.is_empty() {
            lines.push(format!("  allowed: {}", self.nearest.join("; ")));
        }
        lines.push(format!("  event:   {}", self.event_id));
        lines.join("\n")
    }
}

impl Stop {
    /// Something the operating system would not do.
    pub fn system(error: std::io::Error) -> Stop {
        Stop::System(error)
    }

    /// There is nothing to run.
    pub fn no_tool(no_tool: NoTool) -> Stop {
        let exit = match no_tool {
            NoTool::NotFound { .. } => Exit::NotFound,
            NoTool::NotExecutable { .. } | NoTool::Replaced { .. } => Exit::NotExecutable,
        };
        Stop::NoTool(no_tool.to_string(), exit)
    }

    /// The kernel would not execute it.
    pub fn not_executable(path: &Path, errno: nix::errno::Errno) -> Stop {
        Stop::NoTool(
            format!("{}: {}", path.display(), errno.desc()),
            Exit::NotExecutable,
        )
    }

    /// The record could not be made, whatever the verdict was; so nothing ran.
    pub fn unrecorded(event: &Event, judgement: &Judgement, error: CannotRecord) -> Stop {
        let verdict = match &judgement.verdict {
            Verdict::Allow(_) => "it would have been allowed".to_owned(),
            Verdict::Escalate(hold) => format!("it would have been held: {}", hold.message),
            Verdict::Deny(denial) => format!("it would have been refused: {}", denial.message),
        };
        let message = format!("the decision cannot be recorded, so nothing ran: {error} ({verdict})");
        let mut report = Report::about(event, message, Vec::new(), Exit::CannotRecord);
        report.decision = "BLOCKED";
        report.reason = "unrecorded".to_owned();
        Stop::Unrecorded(report)
    }

    /// Says why, and gives the exit status.
    pub fn report(self) -> i32 {
        let (report, exit) = match self {
            Stop::Told(report, exit) => (Ok(report), exit),
            Stop::Unrecorded(report) => (Ok(report), Exit::CannotRecord),
            Stop::Configuration(error) => (Err(("configuration", error.to_string())), Exit::Configuration),
            Stop::NoTool(message, exit) => (Err(("tool_not_found", message)), exit),
            Stop::System(error) => (Err(("system", error.to_string())), Exit::CannotRecord),
        };
        let as_json = std::env::var_os("REEVE_OUTPUT").is_some_and(|value| value == "json");
        let text = match (report, as_json) {
            (Ok(report), true) => serde_json::to_string(&report).unwrap_or_else(|_| report.text()),
            (Ok(report), false) => report.text(),
            (Err((reason, message)), true) => serde_json::json!({
                "decision": "BLOCKED", "reason": reason, "message": message, "exit_code": exit.code(),
            })
            .to_string(),
            (Err((_, message)), false) => message
                .lines()
                .map(|line| format!("reeve: {line}"))
                .collect::<Vec<_>>()
                .join("\n"),
        };
        say(&text);
        exit.code()
    }
}

/// One line on stderr about something that did not stop the tool.
pub fn warn(message: &str) {
    say(&format!("reeve: {message}"));
}

/// Writes to stderr in one piece. When even that fails there is nobody left to tell, and the exit status still says it.
fn say(text: &str) {
    let _nobody_left = std::io::stderr().write_all(format!("{text}\n").as_bytes());
}

impl From<ConfigurationError> for Stop {
    fn from(error: ConfigurationError) -> Stop {
        Stop::Configuration(error)
    }
}

impl From<CannotRecord> for Stop {
    fn from(error: CannotRecord) -> Stop {
        Stop::System(std::io::Error::other(error))
    }
}
