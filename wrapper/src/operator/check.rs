//! `reeve check` and `reeve explain`: the gate's judgement without its consequences.

use super::cli::Check;
use super::{Failure, print, run};
use crate::configuration;
use crate::exit::Exit;
use crate::gate;
use crate::governance::{Source, now};
use crate::inputs::Purpose;
use crate::shell;
use crate::tool_files;
use crate::understand::{Builder, NotUnderstood, Whose, understand};
use argv::{Invocation, Surroundings, Tool, Unreadable, environment};
use policies::{Denial, Governance, Verdict};
use std::path::Path;

/// What was judged.
struct Judged {
    command: String,
    tool: Tool,
    governance: Governance,
    understood: Result<Invocation, Unreadable>,
    verdict: Verdict,
}

/// `reeve check`: exit 0 allowed, 77 refused, 75 held.
///
/// # Errors
/// When the policy is faulty or the command is for another tool.
pub fn check(options: &Check) -> Result<i32, Failure> {
    let judged = judge(options)?;
    if options.json {
        print(&format!("{}\n", judged.json()))?;
    } else {
        print(&judged.words())?;
    }
    Ok(judged.exit().code())
}

/// `reeve explain`: the same, with every rule that was considered.
///
/// # Errors
/// As [`check`].
pub fn explain(options: &Check) -> Result<i32, Failure> {
    let judged = judge(options)?;
    let explanation = judged
        .understood
        .as_ref()
        .ok()
        .map(|invocation| judged.governance.explain(invocation));
    if options.json {
        let mut json = judged.json();
        if let Some(object) = json.as_object_mut() {
            let explanation = serde_json::to_value(&explanation)
                .map_err(|error| Failure::new(Exit::Usage, error.to_string()))?;
            object.insert("explanation".into(), explanation);
        }
        print(&format!("{json}\n"))?;
    } else {
        let rules = explanation
            .map(|explanation| explanation.to_string())
            .unwrap_or_default();
        print(&format!("{}{rules}", judged.words()))?;
    }
    Ok(judged.exit().code())
}

fn judge(options: &Check) -> Result<Judged, Failure> {
    let words = &options.command;
    let name = words
        .first()
        .map(Path::new)
        .and_then(Path::file_name)
        .and_then(|name| name.to_str());
    let tool = name.and_then(Tool::of_name).ok_or_else(|| {
        Failure::new(
            Exit::Usage,
            format!(
                "`{}` is not governed; kubectl, aws, gh and psql are",
                name.unwrap_or_default()
            ),
        )
    })?;
    let governance = governance(options)?;
    let environment = std::env::vars()
        .filter(|(name, _)| environment::is_pinned(name))
        .chain(
            environment::forced(tool)
                .iter()
                .map(|(name, value)| ((*name).to_owned(), (*value).to_owned())),
        )
        .collect();
    let args = words.get(1..).unwrap_or_default();
    let files = tool_files::read(tool_files::paths(tool, |name| std::env::var(name).ok()));
    let around = Surroundings {
        environment,
        description: governance.description(tool),
        ..Surroundings::default()
    };
    // In a session the gate puts the operator's environment in place; anywhere else it is what it is.
    let whose = match configuration::session_file() {
        Ok(Some(_)) => Whose::Operator,
        _ => Whose::Anybody,
    };
    // Outside of a session nobody has said which kubectl is the real one, and a question should start no program from PATH.
    let orders = match whose {
        Whose::Operator => configuration::Configuration::find().ok(),
        Whose::Anybody => None,
    };
    let place = orders
        .as_ref()
        .map(|(file, orders)| gate::place_for_copies(file, orders));
    let is_worth_it = |invocation: &Invocation| governance.might_allow(invocation);
    let is_allowed = |invocation: &Invocation| !matches!(governance.evaluate(invocation), Verdict::Deny(_));
    let real_tool = || match &orders {
        Some((_, orders)) => gate::tool_in_force(tool, orders),
        None => Err("there is no session".to_owned()),
    };
    let builder = place.as_deref().map(|place| Builder {
        is_worth_it: &is_worth_it,
        is_allowed: &is_allowed,
        tool: &real_tool,
        place,
        is_in_session: true,
    });
    let understood = match understand(tool, args, around, &files, Purpose::Ask, whose, builder.as_ref()) {
        Ok(understood) => Ok(understood.invocation),
        Err(NotUnderstood::Unreadable(unreadable)) => Err(unreadable),
        Err(NotUnderstood::System(error)) => {
            return Err(Failure::new(Exit::CannotCreate, error.to_string()));
        }
    };
    let verdict = match &understood {
        Ok(invocation) => governance.evaluate(invocation),
        Err(unreadable) => Verdict::Deny(governance.refuse_unreadable(tool, unreadable)),
    };
    let verdict = match (&understood, &orders, verdict) {
        (Ok(invocation), Some((_, orders)), allowed @ (Verdict::Allow(_) | Verdict::Escalate(_))) => {
            let astray = gate::astray(tool, invocation, orders)
                .map_err(|error| Failure::new(Exit::CannotCreate, error.to_string()))?;
            astray.map_or(allowed, Verdict::Deny)
        }
        (_, _, verdict) => verdict,
    };
    let shown: Vec<String> = words
        .iter()
        .map(|word| word.to_string_lossy().into_owned())
        .collect();
    Ok(Judged {
        command: shell::join(&audit_event::redact::words(&shown)),
        tool,
        governance,
        understood,
        verdict,
    })
}

/// Inside a session, and with no other wish, the session's own policy; else what the flags name.
fn governance(options: &Check) -> Result<Governance, Failure> {
    let fail =
        |error: configuration::ConfigurationError| Failure::new(Exit::Configuration, error.to_string());
    let judged = &options.judged;
    let asks_for_nothing = judged.level.is_none() && judged.track.is_none() && judged.governance.is_none();
    if asks_for_nothing && configuration::session_file().map_err(fail)?.is_some() {
        return gate::governance_in_force().map_err(fail);
    }
    let (level, track) = run::wanted(judged)?;
    let governance = Source::from_option(judged.governance.as_deref())
        .load(level, track.as_ref())
        .map_err(fail)?;
    Ok(governance.at(now()))
}

impl Judged {
    fn exit(&self) -> Exit {
        match self.verdict {
            Verdict::Allow(_) => Exit::Ok,
            Verdict::Escalate(_) => Exit::Held,
            Verdict::Deny(_) => Exit::Refused,
        }
    }

    fn parts(&self) -> (&'static str, &'static str, Option<String>, String, &[String]) {
        match &self.verdict {
            Verdict::Allow(permit) => (
                "ALLOWED",
                "allowed",
                Some(permit.rules().join(",")),
                String::new(),
                &[],
            ),
            Verdict::Escalate(hold) => (
                "ESCALATED",
                "held",
                hold.rule.clone(),
                hold.message.clone(),
                &hold.nearest,
            ),
            Verdict::Deny(Denial {
                reason,
                rule,
                message,
                nearest,
            }) => ("BLOCKED", reason.label(), rule.clone(), message.clone(), nearest),
        }
    }

    fn json(&self) -> serde_json::Value {
        let (decision, reason, rule, message, nearest) = self.parts();
        let invocation = self.understood.as_ref().ok();
        serde_json::json!({
            "decision": decision,
            "reason": reason,
            "rule": rule,
            "message": audit_event::redact::text(&message),
            "nearest": nearest,
            "command": self.command,
            "tool": self.tool,
            "level": self.governance.level().to_string(),
            "track": self.governance.track().map(ToString::to_string),
            "operation": invocation.map(|invocation| invocation.command.clone()),
            "operations": invocation.map(|invocation| &invocation.operations),
            "hazards": invocation.map(|invocation| &invocation.hazards),
            "files": invocation.map(|invocation| &invocation.files),
            "unreadable": self.understood.as_ref().err(),
        })
    }

    fn words(&self) -> String {
        let (decision, _, rule, message, nearest) = self.parts();
        let track = self
            .governance
            .track()
            .map(|track| format!(", {track}"))
            .unwrap_or_default();
        let mut text = format!(
            "{decision} at {}{track}: {}\n",
            self.governance.level(),
            self.command
        );
        if !message.is_empty() {
            text.push_str(&format!("  why:     {}\n", audit_event::redact::text(&message)));
        }
        text.push_str(&format!(
            "  rule:    {}\n",
            rule.as_deref().unwrap_or("none allows it")
        ));
        if !nearest.is_empty() {
            text.push_str(&format!("  allowed: {}\n", nearest.join("; ")));
        }
        if let Ok(invocation) = &self.understood {
            for operation in &invocation.operations {
                let resource = operation
                    .resource
                    .as_ref()
                    .map(|resource| format!(" {resource}"))
                    .unwrap_or_default();
                let name = operation
                    .name
                    .as_ref()
                    .map(|name| format!(" {name}"))
                    .unwrap_or_default();
                text.push_str(&format!(
                    "  does:    {} {}{resource}{name}\n",
                    operation.effect, operation.verb
                ));
            }
            for fact in &invocation.hazards {
                text.push_str(&format!("  hazard:  {}: {}\n", fact.hazard, fact.because));
            }
        }
        text
    }
}
