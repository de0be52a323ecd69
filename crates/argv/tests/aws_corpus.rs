//! The reading of aws command lines against what the real tool sent, on the vendored corpus.
//!
//! The policy tried is the simplest read-only one: every operation reads or stays local, and there is no hazard.
//! Run with `--nocapture` for the counts.

#![allow(
    clippy::unwrap_used,
    clippy::expect_used,
    clippy::indexing_slicing,
    reason = "a test fails by panicking, in its helpers too"
)]

use argv::{Effect, Hazard, Invocation, Surroundings, Tool, environment};
use serde_json::Value;
use std::collections::BTreeSet;
use std::ffi::OsString;

const CORPUS: &str = concat!(env!("CARGO_MANIFEST_DIR"), "/../../tests/corpora/wire_aws.json");

struct Entry {
    line: String,
    class: String,
    harm: Vec<String>,
    /// Environment or files in HOME take part: other layers pin the one and read the other.
    surrounded: bool,
    truth: Value,
    reading: Result<Invocation, argv::Unreadable>,
}

fn corpus() -> Vec<Entry> {
    let text = std::fs::read_to_string(CORPUS).unwrap();
    let entries: Vec<Value> = serde_json::from_str(&text).unwrap();
    entries.iter().map(entry).collect()
}

fn entry(entry: &Value) -> Entry {
    let words: Vec<&str> = entry["argv"]
        .as_array()
        .unwrap()
        .iter()
        .map(|word| word.as_str().unwrap())
        .collect();
    let args: Vec<OsString> = words.iter().skip(1).map(OsString::from).collect();
    let mut around = Surroundings::default();
    let mut surrounded = entry["files"]
        .as_object()
        .unwrap()
        .keys()
        .any(|path| path.starts_with("~/"));
    for (name, value) in entry["env"].as_object().unwrap() {
        surrounded |= environment::is_pinned(name);
        if value != "(unset)" {
            around
                .environment
                .insert(name.clone(), value.as_str().unwrap().to_owned());
        }
    }
    Entry {
        line: format!("{} [{}]", words.join(" "), entry["id"].as_str().unwrap()),
        class: entry["class"].as_str().unwrap().to_owned(),
        harm: strings(&entry["harm_any_version"]),
        surrounded,
        truth: entry["truth"].clone(),
        reading: argv::parse(Tool::Aws, &args, &around),
    }
}

fn strings(list: &Value) -> Vec<String> {
    list.as_array()
        .unwrap()
        .iter()
        .map(|item| item.as_str().unwrap().to_owned())
        .collect()
}

fn only_reads(reading: &Result<Invocation, argv::Unreadable>) -> bool {
    reading.as_ref().is_ok_and(|invocation| {
        invocation.hazards.is_empty()
            && invocation
                .operations
                .iter()
                .all(|operation| operation.effect <= Effect::Read)
    })
}

/// Nothing but files in the working directory that the command names: those the gate reads first, and judges.
fn only_reads_named_files(reading: &Result<Invocation, argv::Unreadable>) -> bool {
    let Ok(invocation) = reading else { return false };
    let here = |path: &str| !path.starts_with(['/', '~', '$']) && !path.split('/').any(|part| part == "..");
    let mut rest = invocation.clone();
    rest.hazards.retain(|fact| fact.hazard != Hazard::ReadsFiles);
    rest.files.iter().all(|file| !file.writes && here(&file.path)) && only_reads(&Ok(rest))
}

fn why(reading: &Result<Invocation, argv::Unreadable>) -> String {
    match reading {
        Ok(invocation) => format!("{:?} {:?}", invocation.operations, invocation.hazards),
        Err(fault) => fault.to_string(),
    }
}

#[test]
fn nothing_harmful_passes_a_read_only_policy() {
    let corpus = corpus();
    let harmful: Vec<_> = corpus.iter().filter(|entry| !entry.harm.is_empty()).collect();
    let passed: Vec<_> = harmful
        .iter()
        .filter(|entry| only_reads(&entry.reading))
        .collect();
    let (elsewhere, here): (Vec<&Entry>, Vec<&Entry>) =
        passed.iter().copied().partition(|entry| entry.surrounded);
    println!(
        "harmful: {}; passed: {}; of these by environment or HOME: {}",
        harmful.len(),
        passed.len(),
        elsewhere.len()
    );
    for entry in elsewhere {
        println!("  other layers: {} {:?}", entry.line, entry.harm);
    }
    for entry in &here {
        println!("  PASSED: {} {:?}", entry.line, entry.harm);
    }
    assert!(
        harmful.len() > 100 && here.is_empty(),
        "{} harmful entries pass",
        here.len()
    );
}

#[test]
fn harmless_reads_pass_a_read_only_policy() {
    let corpus = corpus();
    // What stayed local in this run may be more in another: a login session to end, a template with files to send.
    for (class, limit) in [("harmless", 0.01), ("harmless_local", 1.0)] {
        let all: Vec<_> = corpus.iter().filter(|entry| entry.class == class).collect();
        let refused: Vec<_> = all.iter().filter(|entry| !only_reads(&entry.reading)).collect();
        println!("{class}: {}; refused: {}", all.len(), refused.len());
        let (elsewhere, refused): (Vec<&Entry>, Vec<&Entry>) = refused
            .into_iter()
            .partition(|entry| entry.surrounded || only_reads_named_files(&entry.reading));
        for entry in elsewhere {
            println!("  for other layers: {}: {}", entry.line, why(&entry.reading));
        }
        for entry in &refused {
            println!("  REFUSED: {}: {}", entry.line, why(&entry.reading));
        }
        assert!(
            refused.len() as f64 <= limit * all.len() as f64,
            "{} of {class} are refused",
            refused.len()
        );
    }
}

/// Requests that the tool makes for a profile with a role, whatever the command.
fn for_credentials(request: &Value) -> bool {
    matches!(
        request["op"].as_str(),
        Some("AssumeRole" | "AssumeRoleWithWebIdentity" | "GetRoleCredentials")
    )
}

fn region_of_profile(profile: Option<&str>) -> &'static str {
    if profile == Some("prod") {
        "eu-west-1"
    } else {
        "us-east-1"
    }
}

#[test]
fn operations_and_region_are_those_on_the_wire() {
    let (mut compared, mut missed) = (0, 0);
    for entry in corpus().iter().filter(|entry| !entry.surrounded) {
        let Ok(invocation) = &entry.reading else { continue };
        let requests = entry.truth["requests"].as_array().unwrap();
        let wire: BTreeSet<_> = requests
            .iter()
            .filter(|request| !for_credentials(request) || invocation.command.starts_with("sts "))
            .filter_map(|request| request["op"].as_str())
            .collect();
        if wire.is_empty() {
            continue;
        }
        compared += 1;
        let ours: BTreeSet<_> = invocation
            .operations
            .iter()
            .filter_map(|operation| operation.verb.split_once(':').map(|(_, api)| api))
            .collect();
        let plain = invocation.operations.len() == 1;
        let operations = if plain {
            wire == ours
        } else {
            wire.is_subset(&ours)
        };
        let scope = &invocation.operations[0].scope;
        let region = scope
            .region
            .as_deref()
            .unwrap_or(region_of_profile(scope.profile.as_deref()));
        let regions = requests
            .iter()
            .filter(|request| !for_credentials(request))
            .all(|request| {
                request["region"]
                    .as_str()
                    .is_none_or(|wire| wire == region || wire == "aws-global")
            });
        if !operations || !regions {
            missed += 1;
            let wire: Vec<_> = requests
                .iter()
                .map(|request| (&request["service"], &request["op"], &request["region"]))
                .collect();
            println!(
                "  MISSED: {}\n    ours {ours:?} {region}\n    wire {wire:?}",
                entry.line
            );
        }
    }
    println!("compared with the wire: {compared}; missed: {missed}");
    assert!(compared > 200 && f64::from(missed) <= 0.005 * f64::from(compared));
}
