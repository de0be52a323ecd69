//! Elastic Common Schema. `event.id` is the record's id, `event.hash` the chain's hash, `event.sequence` its place.

use super::view::{View, prune};
use crate::sinks::record::{Decision, Item};
use serde_json::{Value, json};

/// The schema's version that these fields are from.
const VERSION: &str = "8.11.0";

/// One document.
pub fn render(item: &Item) -> Value {
    let view = View::of(item);
    let is_exit = item.record.kind == "exit";
    let (kinds, outcome) = match (item.decision, is_exit) {
        (Decision::Allowed, _) => (vec!["start", "allowed"], "success"),
        (Decision::Blocked, _) => (vec!["denied"], "failure"),
        (Decision::Escalated, _) => (vec!["info"], "unknown"),
        (Decision::None, true) => (
            vec!["end"],
            if view.number("exit_code") == Some(0) {
                "success"
            } else {
                "failure"
            },
        ),
        (Decision::None, false) => (vec!["info"], "unknown"),
    };
    let is_process = item.decision != Decision::None || is_exit;
    let category = if is_process {
        vec!["process", "api"]
    } else {
        vec!["configuration"]
    };
    let action = match (item.tool.as_str(), view.text("operation")) {
        ("", _) => format!("reeve.{}", item.record.kind),
        (tool, "") => tool.to_owned(),
        (tool, operation) => format!("{tool}.{}", operation.replace(' ', ".")),
    };
    let orchestrator = if item.tool == "kubectl" { "kubernetes" } else { "" };
    let uid = view.number("uid").map(|uid| uid.to_string());
    let mut value = json!({
        "@timestamp": item.rfc3339(),
        "ecs": {"version": VERSION},
        "message": if is_process { view.text("message").to_owned() } else { item.record.data.clone() },
        "event": {
            "id": item.id, "sequence": item.record.seq, "hash": item.record.hash, "kind": "event",
            "category": category, "type": kinds, "action": action, "outcome": outcome,
            "reason": view.text("message"), "code": view.text("reason"),
            "duration": view.number("duration_us").map(|us| us.saturating_mul(1000)),
            "dataset": "reeve.audit", "module": "reeve", "provider": item.record.kind,
        },
        "rule": {"id": view.value("rule"), "ruleset": view.text("policy_digest")},
        "process": {
            "pid": view.value("pid"), "executable": view.value("binary"), "name": item.tool,
            "args": view.value("argv"), "args_count": view.value("argv").as_array().map(Vec::len),
            "command_line": view.text("command"), "exit_code": view.value("exit_code"),
            "working_directory": view.text("cwd"),
            "parent": {"pid": view.value("ppid"), "name": view.text("parent")},
        },
        "user": {"id": uid, "group": {"id": view.number("gid").map(|gid| gid.to_string())}},
        "related": {"user": uid.iter().collect::<Vec<_>>()},
        "orchestrator": {"type": orchestrator, "namespace": if orchestrator.is_empty() { "" } else { view.of_operation("scope") }},
        "host": {"name": view.text("host")},
        "observer": {"vendor": "Reeve", "product": "reeved", "version": env!("CARGO_PKG_VERSION")},
        "labels": {
            "decision": item.decision.name(), "governance_level": item.level, "track": item.track,
            "caller_profile": view.text("caller_profile"), "caller_agent_run_id": view.text("caller_agent_run_id"),
            "request_id": view.text("request_id"), "event_id": view.text("event_id"),
        },
    });
    prune(&mut value);
    value
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::sinks::record::examples;

    #[test]
    fn a_refusal() {
        let value = render(&examples::event());
        assert_eq!(value["@timestamp"], "2026-04-07T14:32:01.123456Z");
        assert_eq!(
            value["event"],
            json!({"id": "0192f0c1-7b3e-7a10-8b1e-0123456789ab", "sequence": 7, "hash": "ab".repeat(32), "kind": "event",
                "category": ["process", "api"], "type": ["denied"], "action": "kubectl.delete", "outcome": "failure",
                "reason": "no rule allows it", "code": "no_rule", "dataset": "reeve.audit", "module": "reeve",
                "provider": "event"})
        );
        assert_eq!(
            value["process"]["args"],
            json!(["delete", "pod", "web", "-n", "prod"])
        );
        assert_eq!(
            value["orchestrator"],
            json!({"type": "kubernetes", "namespace": "prod"})
        );
        assert!(value["rule"].get("id").is_none(), "null is absent");
    }

    #[test]
    fn an_end() {
        let value = render(&examples::exit());
        assert_eq!(value["event"]["type"], json!(["end"]));
        assert_eq!(value["event"]["outcome"], "failure");
        assert_eq!(value["event"]["duration"], 1_500_000);
        assert_eq!(value["process"]["exit_code"], 1);
    }
}
