//! ArcSight's Common Event Format, version 0: one line, for syslog's MSG.
//!
//! Header fields escape `\` and `|`, and have spaces for line breaks; extension values escape `\`, `=`, LF and CR.

use super::view::View;
use crate::sinks::record::{Decision, Item};
use std::fmt::Write;

/// The longest `msg`, in characters.
const MAX_MSG: usize = 1023;

/// One line.
pub fn render(item: &Item) -> String {
    let view = View::of(item);
    let (severity, name) = match item.decision {
        Decision::Allowed => (1, "command allowed"),
        Decision::Escalated => (5, "command held"),
        Decision::Blocked => (8, "command refused"),
        Decision::None if item.record.kind == "exit" => (1, "command ended"),
        Decision::None => (1, "ledger record"),
    };
    let rule = match (view.text("rule"), view.text("reason")) {
        ("", "") => item.record.kind.as_str(),
        ("", reason) => reason,
        (rule, _) => rule,
    };
    let mut out = format!(
        "CEF:0|Reeve|reeved|{}|{}|{name}|{severity}|",
        env!("CARGO_PKG_VERSION"),
        header(rule)
    );
    let outcome = match (item.decision, view.number("exit_code")) {
        (_, Some(0)) | (Decision::Allowed, None) => "success",
        (_, Some(_)) | (Decision::Blocked, None) => "failure",
        (Decision::Escalated | Decision::None, None) => "unknown",
    };
    let msg: String = match view.text("command") {
        "" => item.record.data.chars().take(MAX_MSG).collect(),
        command => command.chars().take(MAX_MSG).collect(),
    };
    let exit_code = view.number("exit_code").map(|code| code.to_string());
    let fields = [
        ("rt", item.time_ns.div_euclid(1_000_000).to_string()),
        ("externalId", item.id.clone()),
        ("act", item.decision.name().to_owned()),
        ("outcome", outcome.to_owned()),
        ("reason", view.text("message").to_owned()),
        ("suser", view.text("caller_profile").to_owned()),
        ("dvchost", view.text("host").to_owned()),
        ("dproc", item.tool.clone()),
        ("msg", msg),
        (
            "cn1Label",
            exit_code
                .as_ref()
                .map_or(String::new(), |_| "exitCode".to_owned()),
        ),
        ("cn1", exit_code.unwrap_or_default()),
        ("cn2Label", "seq".to_owned()),
        ("cn2", item.record.seq.to_string()),
        ("cs1Label", label(view.text("rule"), "rule")),
        ("cs1", view.text("rule").to_owned()),
        ("cs2Label", label(view.text("caller_agent_run_id"), "agent")),
        ("cs2", view.text("caller_agent_run_id").to_owned()),
        ("cs3Label", "hash".to_owned()),
        ("cs3", item.record.hash.clone()),
    ];
    let mut is_first = true;
    for (key, value) in fields.iter().filter(|(_, value)| !value.is_empty()) {
        let space = if is_first { "" } else { " " };
        is_first = false;
        // Writing to a String cannot fail.
        let _infallible = write!(out, "{space}{key}={}", extension(value)).is_ok();
    }
    out
}

fn label(value: &str, name: &str) -> String {
    if value.is_empty() {
        String::new()
    } else {
        name.to_owned()
    }
}

fn header(text: &str) -> String {
    text.replace('\\', "\\\\")
        .replace('|', "\\|")
        .replace(['\n', '\r'], " ")
}

fn extension(text: &str) -> String {
    text.replace('\\', "\\\\")
        .replace('=', "\\=")
        .replace('\n', "\\n")
        .replace('\r', "\\r")
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::sinks::record::examples;

    #[test]
    fn vector() {
        let version = env!("CARGO_PKG_VERSION");
        assert_eq!(
            render(&examples::event()),
            format!(
                "CEF:0|Reeve|reeved|{version}|no_rule|command refused|8|rt=1775572321123 \
                 externalId=0192f0c1-7b3e-7a10-8b1e-0123456789ab act=BLOCKED outcome=failure reason=no rule allows it \
                 suser=sre dvchost=node-1 dproc=kubectl msg=kubectl delete pod web -n prod cn2Label=seq cn2=7 \
                 cs2Label=agent cs2=run-1 cs3Label=hash cs3={}",
                "ab".repeat(32)
            )
        );
    }

    #[test]
    fn each_part_has_its_own_escapes() {
        assert_eq!(header("a|b\\c\nd=e"), "a\\|b\\\\c d=e");
        assert_eq!(extension("a|b\\c\nd=e\r"), "a|b\\\\c\\nd\\=e\\r");
    }
}
