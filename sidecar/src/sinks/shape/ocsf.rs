//! OCSF 1.x, class Process Activity (1007): a decision is a Launch (`type_uid` 100701), an outcome a Terminate (100702),
//! everything else activity Other (100799). `metadata.uid` is the record's id, `.sequence` its place.

use super::view::{View, prune};
use crate::sinks::record::{Decision, Item};
use serde_json::{Value, json};

/// The stable schema that these numbers are from.
const VERSION: &str = "1.3.0";
/// The class.
const CLASS: u32 = 1007;

/// One event.
pub fn render(item: &Item) -> Value {
    let view = View::of(item);
    let is_exit = item.record.kind == "exit";
    let activity: u32 = match (item.decision, is_exit) {
        (Decision::None, true) => 2,
        (Decision::None, false) => 99,
        _ => 1,
    };
    // action, disposition, status, severity
    let (action, disposition, status, severity) = match item.decision {
        Decision::Allowed => (Some(1), Some(1), 1, 1),
        Decision::Blocked => (Some(2), Some(2), 2, 4),
        Decision::Escalated => (Some(0), Some(23), 0, 3),
        Decision::None => (None, None, u32::from(is_exit), 1),
    };
    let status = match view.number("exit_code") {
        Some(0) => 1,
        Some(_) => 2,
        None => status,
    };
    let host = match view.text("host") {
        "" => "unknown",
        host => host,
    };
    let mut value = json!({
        "activity_id": activity, "category_uid": 1, "class_uid": CLASS,
        "type_uid": CLASS.saturating_mul(100).saturating_add(activity),
        "severity_id": severity, "time": item.time_ns.div_euclid(1_000_000),
        "action_id": action, "disposition_id": disposition, "status_id": status,
        "is_alert": (item.decision == Decision::Blocked).then_some(true),
        "status_code": view.text("reason"), "status_detail": view.text("message"),
        "message": view.text("command"),
        "metadata": {
            "version": VERSION, "uid": item.id, "sequence": item.record.seq,
            "correlation_uid": view.text("event_id"), "profiles": ["security_control", "host"],
            "event_code": item.record.kind,
            "product": {"vendor_name": "Reeve", "name": "reeved", "version": env!("CARGO_PKG_VERSION")},
        },
        "policy": {"name": view.value("rule"), "uid": view.text("policy_digest")},
        "actor": {
            "user": {"uid": view.number("uid").map(|uid| uid.to_string()), "name": view.text("caller_profile")},
            "process": {"pid": view.value("ppid"), "name": view.text("parent")},
            "app_name": "reeve",
        },
        "device": {"type_id": 0, "hostname": host},
        "process": {
            "pid": view.value("pid"), "name": item.tool, "cmd_line": view.text("command"),
            "working_directory": view.text("cwd"), "file": file(&view),
            "parent_process": {"pid": view.value("ppid"), "name": view.text("parent")},
            "user": {"uid": view.number("uid").map(|uid| uid.to_string())},
        },
        "exit_code": view.value("exit_code"),
        "unmapped": {
            "hash": item.record.hash, "decision": item.decision.name(), "governance_level": item.level, "track": item.track,
            "caller_agent_run_id": view.text("caller_agent_run_id"), "operation": view.text("operation"),
            "hazards": view.value("hazards"), "request_id": view.text("request_id"),
            "record": (activity == 99).then(|| item.record.data.clone()),
        },
    });
    prune(&mut value);
    if let Some(process) = value.get("process").is_none().then(|| json!({"name": "reeved"}))
        && let Some(fields) = value.as_object_mut()
    {
        fields.insert("process".to_owned(), process); // required by the class
    }
    value
}

fn file(view: &View) -> Value {
    match view.text("binary") {
        "" => Value::Null,
        path => json!({"path": path, "name": path.rsplit('/').next(), "type_id": 1}),
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::sinks::record::examples;

    #[test]
    fn a_refusal_is_a_blocked_launch() {
        let value = render(&examples::event());
        let numbers: Vec<&Value> = [
            "class_uid",
            "type_uid",
            "action_id",
            "disposition_id",
            "status_id",
            "severity_id",
            "time",
        ]
        .iter()
        .map(|name| &value[*name])
        .collect();
        assert_eq!(
            json!(numbers),
            json!([1007, 100_701, 2, 2, 2, 4, 1_775_572_321_123_u64])
        );
        assert_eq!(value["is_alert"], true);
        assert_eq!(value["metadata"]["uid"], "0192f0c1-7b3e-7a10-8b1e-0123456789ab");
    }

    #[test]
    fn what_the_class_requires_is_always_there() {
        for item in [examples::event(), examples::exit(), examples::open()] {
            let value = render(&item);
            for name in [
                "activity_id",
                "category_uid",
                "class_uid",
                "type_uid",
                "severity_id",
                "time",
                "metadata",
                "actor",
                "device",
                "process",
            ] {
                assert!(!value[name].is_null(), "{name} in {value}");
            }
        }
        let exit = render(&examples::exit());
        assert_eq!(
            (&exit["type_uid"], &exit["exit_code"]),
            (&json!(100_702), &json!(1))
        );
    }
}
