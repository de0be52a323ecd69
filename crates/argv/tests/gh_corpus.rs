//! Our reading of gh against what the real gh did on the wire, for every line of the corpus.
//!
//! The question is that of a read-only gate: is every operation a read (or local), and is there no hazard? Lines whose harm
//! or harmlessness lies in the environment or in files (extensions, aliases, documents) are counted apart, by a computed
//! criterion: their entry has an environment, or files that gh reads by itself or by `@file`.

#![allow(
    clippy::unwrap_used,
    reason = "a corpus that is not as described fails the test, wherever that shows"
)]

use argv::{Effect, Surroundings, Tool};
use serde_json::Value;
use std::ffi::OsString;

fn corpus() -> Vec<Value> {
    let path = concat!(env!("CARGO_MANIFEST_DIR"), "/../../tests/corpora/wire_gh.json");
    serde_json::from_str(&std::fs::read_to_string(path).unwrap()).unwrap()
}

fn words(entry: &Value) -> Vec<String> {
    entry["argv"]
        .as_array()
        .unwrap()
        .iter()
        .skip(1)
        .map(|word| word.as_str().unwrap().to_owned())
        .collect()
}

fn understood(entry: &Value) -> Result<argv::Invocation, argv::Unreadable> {
    let words: Vec<OsString> = words(entry).into_iter().map(Into::into).collect();
    let environment = entry["env"]
        .as_object()
        .unwrap()
        .iter()
        .map(|(k, v)| (k.clone(), v.as_str().unwrap_or_default().to_owned()))
        .collect();
    argv::parse(
        Tool::Gh,
        &words,
        &Surroundings {
            environment,
            ..Surroundings::default()
        },
    )
}

fn is_allowed(entry: &Value) -> bool {
    understood(entry)
        .is_ok_and(|i| i.hazards.is_empty() && i.operations.iter().all(|o| o.effect <= Effect::Read))
}

/// Whether something outside of the words decides.
fn lies_elsewhere(entry: &Value) -> bool {
    let files = entry["files"].as_object().unwrap();
    let names_a_file = words(entry)
        .iter()
        .any(|word| files.keys().any(|file| word.contains(file.as_str())));
    !entry["env"].as_object().unwrap().is_empty()
        || files.keys().any(|file| file.starts_with("~/"))
        || names_a_file
}

#[test]
fn nothing_harmful_is_allowed_and_nearly_nothing_harmless_is_refused() {
    let (mut harmful, mut bypasses, mut harmless, mut refused, mut elsewhere) =
        (0, Vec::new(), 0, Vec::new(), Vec::new());
    for entry in corpus() {
        let line = words(&entry).join(" ");
        let harms = !entry["harm_any_version"].as_array().unwrap().is_empty();
        let allowed = is_allowed(&entry);
        if harms {
            harmful += 1;
            if allowed && lies_elsewhere(&entry) {
                elsewhere.push(line);
            } else if allowed {
                bypasses.push(line);
            }
        } else if entry["class"] == "harmless" {
            harmless += 1;
            if !allowed && lies_elsewhere(&entry) {
                elsewhere.push(line);
            } else if !allowed {
                refused.push(format!("{line}: {:?}", understood(&entry).map(|i| i.hazards)));
            }
        }
    }
    println!(
        "harmful {harmful}, allowed {}; harmless {harmless}, refused {}; decided elsewhere: {elsewhere:#?}",
        bypasses.len(),
        refused.len()
    );
    assert!(bypasses.is_empty(), "{bypasses:#?}");
    assert!(refused.len() * 100 <= harmless, "{refused:#?}");
}

#[test]
fn method_and_path_of_api_calls_are_those_of_the_wire() {
    let (mut compared, mut misses) = (0, Vec::new());
    for entry in corpus() {
        let words = words(&entry);
        let Some(request) = entry["truth"]["requests"].as_array().unwrap().first() else {
            continue;
        };
        let Ok(invocation) = understood(&entry) else {
            continue;
        };
        if invocation.command != "api" || lies_elsewhere(&entry) {
            continue;
        }
        compared += 1;
        let operation = &invocation.operations[0];
        let method = operation.verb.strip_prefix("api ").unwrap().to_ascii_uppercase();
        let path = operation.resource.as_ref().unwrap().kind.clone();
        let filled = path
            .replace("{owner}", "octo")
            .replace("{repo}", "app")
            .replace("{branch}", "feature");
        let there = request["path"]
            .as_str()
            .unwrap()
            .split('?')
            .next()
            .unwrap()
            .trim_matches('/')
            .trim_start_matches("api/v3/")
            .to_owned();
        if method != request["method"].as_str().unwrap().to_ascii_uppercase() || filled != there {
            misses.push(format!(
                "{}: {method} {filled}, on the wire {} {there}",
                words.join(" "),
                request["method"]
            ));
        }
    }
    println!("api calls compared {compared}, missed {}", misses.len());
    assert!(compared > 40 && misses.len() * 200 <= compared, "{misses:#?}");
}
