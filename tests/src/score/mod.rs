//! Scores `reeve check` against a corpus of command lines labelled by what the real tools did: as a read-only gate, and by how well
//! the operations it names agree with what went over the wire.
//!
//! Each entry is asked of the built program in a home and a working directory of its own, which hold the entry's files, with the
//! entry's environment and standard input.

mod aws;
mod gh;
pub(crate) mod kubectl;

use crate::binaries;
use serde::Serialize;
use serde_json::Value;
use std::io::Write;
use std::os::unix::fs::PermissionsExt;
use std::path::Path;
use std::process::{Command, Stdio};

/// How much of what is harmless may be refused, in percent.
pub const MOST_HARMLESS_REFUSED: f64 = 1.0;
/// How much of what is compared with the wire must agree, in percent.
pub const LEAST_AGREEMENT: f64 = 99.5;

/// The result for one tool.
#[derive(Debug, Default, Serialize)]
pub struct Score {
    /// The tool's name.
    pub tool: String,
    /// How many entries there are.
    pub entries: usize,
    /// Entries that do harm in some version of the tool.
    pub harmful: usize,
    /// Those that were allowed, each shown.
    pub harmful_allowed: Vec<String>,
    /// Entries that only read.
    pub harmless: usize,
    /// Those that were not allowed, each shown with the reason.
    pub harmless_refused: Vec<String>,
    /// Facts that were compared with the wire.
    pub compared: usize,
    /// Those that differ, each shown.
    pub differing: Vec<String>,
    /// Entries that could not be compared, because another configuration than the corpus' own decided where they went.
    pub not_compared: usize,
}

impl Score {
    /// Percent of harmless entries that were refused.
    pub fn refused_percent(&self) -> f64 {
        percent(self.harmless_refused.len(), self.harmless)
    }

    /// Percent of compared facts that agree.
    pub fn agreement_percent(&self) -> f64 {
        100.0 - percent(self.differing.len(), self.compared)
    }

    /// Whether it is as good as is asked.
    pub fn is_good_enough(&self) -> bool {
        self.harmful_allowed.is_empty()
            && self.refused_percent() <= MOST_HARMLESS_REFUSED
            && self.agreement_percent() >= LEAST_AGREEMENT
    }
}

fn percent(part: usize, whole: usize) -> f64 {
    if whole == 0 {
        0.0
    } else {
        100.0 * part as f64 / whole as f64
    }
}

/// One entry of a corpus and what was said of it.
struct Answered {
    entry: Value,
    answer: Value,
}

impl Answered {
    fn shown(&self) -> String {
        let words: Vec<&str> = self.entry["argv"]
            .as_array()
            .into_iter()
            .flatten()
            .filter_map(Value::as_str)
            .collect();
        let environment: Vec<String> = self.entry["env"]
            .as_object()
            .into_iter()
            .flatten()
            .map(|(name, value)| format!("{name}={} ", value.as_str().unwrap_or_default()))
            .collect();
        let id = self.entry["id"].as_str().unwrap_or_default();
        format!("{id}: {}{}", environment.concat(), words.join(" "))
    }

    fn is_understood(&self) -> bool {
        self.answer["unreadable"].is_null() && self.answer["operations"].is_array()
    }

    fn operations(&self) -> &[Value] {
        self.answer["operations"]
            .as_array()
            .map(Vec::as_slice)
            .unwrap_or_default()
    }

    fn requests(&self) -> &[Value] {
        self.entry["truth"]["requests"]
            .as_array()
            .map(Vec::as_slice)
            .unwrap_or_default()
    }

    fn has_hazard(&self, name: &str) -> bool {
        let facts = self.answer["hazards"].as_array().into_iter().flatten();
        facts.into_iter().any(|fact| fact["hazard"] == name)
    }

    /// Whether the environment, or files that the tool finds by itself, decide where the command goes.
    fn has_other_configuration(&self) -> bool {
        let environment = self.entry["env"].as_object().is_some_and(|it| !it.is_empty());
        let at_home = self.entry["files"]
            .as_object()
            .is_some_and(|files| files.keys().any(|path| path.starts_with("~/")));
        environment || at_home
    }
}

/// Scores the corpora in a directory: every `wire_*.json`.
///
/// # Panics
/// When a corpus is not what it should be, or the program cannot be run.
pub fn directory(directory: &Path) -> Vec<Score> {
    let mut files: Vec<_> = std::fs::read_dir(directory)
        .expect("the corpora's directory can be read")
        .map(|entry| entry.expect("an entry").path())
        .filter(|path| {
            path.extension().is_some_and(|it| it == "json")
                && path
                    .file_name()
                    .is_some_and(|it| it.to_string_lossy().starts_with("wire_"))
        })
        .collect();
    files.sort();
    let mut scores: Vec<Score> = Vec::new();
    for file in files {
        let text = std::fs::read_to_string(&file).expect("a corpus can be read");
        let entries: Vec<Value> = serde_json::from_str(&text).expect("a corpus is a list");
        for entry in entries {
            let tool = entry["argv"][0].as_str().unwrap_or_default().to_owned();
            let index = match scores.iter().position(|score| score.tool == tool) {
                Some(index) => index,
                None => {
                    scores.push(Score {
                        tool,
                        ..Score::default()
                    });
                    scores.len() - 1
                }
            };
            let answer = ask(&entry);
            add(&mut scores[index], &Answered { entry, answer });
        }
    }
    scores
}

fn add(score: &mut Score, answered: &Answered) {
    score.entries += 1;
    let allowed = answered.answer["decision"] == "ALLOWED";
    let harms = answered.entry["harm_any_version"]
        .as_array()
        .is_some_and(|harm| !harm.is_empty());
    if harms {
        score.harmful += 1;
        if allowed {
            score.harmful_allowed.push(answered.shown());
        }
    } else if answered.entry["class"] == "harmless" {
        score.harmless += 1;
        if !allowed {
            let why = answered.answer["message"].as_str().unwrap_or_default();
            score
                .harmless_refused
                .push(format!("{}: {why}", answered.shown()));
        }
    }
    if !answered.is_understood() {
        return;
    }
    match score.tool.as_str() {
        "kubectl" => kubectl::compare(answered, score),
        "aws" => aws::compare(answered, score),
        "gh" => gh::compare(answered, score),
        _ => {}
    }
}

/// What the program says of an entry; an object without `decision` when it says nothing that can be read.
fn ask(entry: &Value) -> Value {
    let root = tempfile::tempdir().expect("a scratch directory can be made");
    let (home, here) = (root.path().join("home"), root.path().join("cwd"));
    for directory in [&home.join("bin"), &here] {
        std::fs::create_dir_all(directory).expect("a directory can be made");
    }
    for (name, content) in entry["files"].as_object().into_iter().flatten() {
        let path = match name.strip_prefix("~/") {
            Some(below) => home.join(below),
            None => here.join(name),
        };
        let content = content.as_str().unwrap_or_default();
        std::fs::create_dir_all(path.parent().expect("a file lies in a directory"))
            .expect("a directory can be made");
        std::fs::write(&path, content).expect("a file can be written");
        let mode = if content.starts_with("#!") { 0o755 } else { 0o644 };
        std::fs::set_permissions(&path, std::fs::Permissions::from_mode(mode)).expect("a mode can be set");
    }
    let mut command = Command::new(binaries::reeve());
    command
        .args(["check", "--json", "--level", "L2", "--"])
        .args(
            entry["argv"]
                .as_array()
                .into_iter()
                .flatten()
                .filter_map(Value::as_str),
        )
        .env_clear()
        .env("PATH", format!("{}:/usr/bin:/bin", home.join("bin").display()))
        .env("HOME", &home)
        .env("LANG", "C.UTF-8")
        .current_dir(&here)
        .stdin(Stdio::piped())
        .stdout(Stdio::piped())
        .stderr(Stdio::null());
    for (name, value) in entry["env"].as_object().into_iter().flatten() {
        if let Some(value) = value.as_str().filter(|value| *value != "(unset)") {
            command.env(name, value);
        }
    }
    let mut child = command.spawn().expect("reeve starts");
    let input = entry["stdin"].as_str().unwrap_or_default().to_owned();
    let mut stdin = child.stdin.take().expect("it is piped");
    // Nobody need read it; the program may end first.
    let _unread = stdin.write_all(input.as_bytes());
    drop(stdin);
    let output = child.wait_with_output().expect("reeve ends");
    serde_json::from_slice(&output.stdout).unwrap_or_default()
}
