//! What differs between two observations of one situation, apart from what `docs/transparency.md` says cannot be equal.

use super::Observed;
use serde_json::{Map, Value, json};
use std::collections::{BTreeMap, BTreeSet};

/// Variables that the session sets around the agent, or the gate for the tool.
const OURS: &[&str] = &[
    "REEVE_SESSION",
    "REEVE_SOCKET",
    "REEVE_METRICS",
    "REEVE_SIDECAR_PID",
    "HERMES_LAB_GOVERNANCE",
    "HERMES_LAB_TRACK",
    "REEVE_REQUEST_ID",
    "KUBECTL_KUBERC",
    "KUBERC",
    // The shell's: the file that it executed, which is the shim.
    "_",
];

/// One line for each difference.
pub fn all(direct: &BTreeMap<String, Observed>, through: &BTreeMap<String, Observed>) -> Vec<String> {
    let mut found = Vec::new();
    for (name, direct) in direct {
        let Some(through) = through.get(name) else {
            found.push(format!("{name}: was not run through the gate"));
            continue;
        };
        found.extend(
            one(direct, through)
                .into_iter()
                .map(|what| format!("{name}: {what}")),
        );
    }
    found
}

fn one(direct: &Observed, through: &Observed) -> Vec<String> {
    let mut found = Vec::new();
    if direct.ended != through.ended {
        found.push(format!(
            "{} became {}\n    {}",
            direct.ended,
            through.ended,
            through.stderr.trim()
        ));
    }
    let is_terminal = direct.stderr.contains("> ") && direct.stderr.contains("\r\n");
    if !is_terminal && without_ids(&direct.stderr) != without_ids(&through.stderr) {
        found.push(format!(
            "stderr `{}` became `{}`",
            direct.stderr.trim(),
            through.stderr.trim()
        ));
    }
    let (lines, others) = (direct.stdout.lines().count(), through.stdout.lines().count());
    if lines != others {
        found.push(format!(
            "stdout\n    {}\n  became\n    {}\n    {}",
            direct.stdout.trim(),
            through.stdout.trim(),
            through.stderr.trim()
        ));
        return found;
    }
    for (line, other) in direct.stdout.lines().zip(through.stdout.lines()) {
        match (view(line), view(other)) {
            (Some(line), Some(other)) => {
                differences("", &comparable(line, false), &comparable(other, true), &mut found)
            }
            _ if line == other => {}
            _ => found.push(format!("`{line}` became `{other}`")),
        }
    }
    found
}

fn view(line: &str) -> Option<Value> {
    let value: Value = serde_json::from_str(line.trim_end()).ok()?;
    value.get("descriptors").is_some().then_some(value)
}

/// What must be equal of a view. What differs by its nature is left out, once it is as it should be.
fn comparable(mut view: Value, is_through: bool) -> Value {
    let entries: Vec<String> = serde_json::from_value(view["environment"].take()).expect("a list of texts");
    let is_strict = entries.iter().any(|entry| entry.starts_with("STRICT="));
    // Of what is no variable, or named twice, the tool gets only what programs take.
    let mut seen = BTreeSet::new();
    let mut entries: Vec<String> = entries
        .into_iter()
        .filter(|entry| entry.find('=').is_some_and(|at| at > 0))
        .filter(|entry| seen.insert(entry.split('=').next().unwrap_or_default().to_owned()))
        .filter(|entry| !OURS.contains(&entry.split('=').next().unwrap_or_default()))
        .collect();
    if !is_strict {
        entries.sort();
    }
    view["environment"] = json!(entries);
    // The tool dies when the gate is killed.
    let death = view["prctl"]["parent_death_signal"].take();
    assert!(!is_through || death == 9, "the tool dies with the gate");
    // A gate that leads its group, or its session, has a tool that does not.
    for leads in ["leads_its_group", "leads_its_session"] {
        let leads = view["process"][leads].take();
        assert!(!is_through || leads == false, "the tool is in the gate's group");
    }
    // It is executed by its descriptor; kernels before 6.14 name it by that too.
    let executed_as = view["auxiliary"]["executed_as"].take();
    if is_through
        && executed_as
            .as_str()
            .is_some_and(|name| name.starts_with("/dev/fd/"))
    {
        let comm = &mut view["files"]["comm"];
        if comm.as_str().is_some_and(|name| name.parse::<u32>().is_ok()) {
            *comm = "kubectl".into();
        }
    }
    view
}

fn differences(path: &str, direct: &Value, through: &Value, found: &mut Vec<String>) {
    let empty = Map::new();
    match (direct, through) {
        (Value::Object(one), other) => {
            let other = other.as_object().unwrap_or(&empty);
            let names: BTreeSet<&String> = one.keys().chain(other.keys()).collect();
            for name in names {
                let value = |map: &Map<String, Value>| map.get(name.as_str()).cloned().unwrap_or(Value::Null);
                differences(&format!("{path}/{name}"), &value(one), &value(other), found);
            }
        }
        _ if direct == through => {}
        _ => found.push(format!("{path}: {direct} became {through}")),
    }
}

/// Numbers of three digits and more are process ids; messages are padded to their length.
fn without_ids(text: &str) -> String {
    let mut plain = String::new();
    let mut digits = String::new();
    for character in text.chars().chain(['\n']) {
        if character.is_ascii_digit() {
            digits.push(character);
            continue;
        }
        plain.push_str(if digits.len() < 3 { &digits } else { "N" });
        digits.clear();
        plain.push(character);
    }
    plain.split_whitespace().collect::<Vec<_>>().join(" ")
}
