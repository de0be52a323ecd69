//! What the tests share: documents in memory or in a directory, and command lines as one types them.

#![allow(dead_code, reason = "every test program uses a part")]

use argv::{Invocation, Tool};
pub use policies::Manifests;
use policies::{CommandLine, Documents, Faults, Governance, Level, Track, Verdict};
use std::collections::BTreeMap;
use std::path::PathBuf;

/// The files of one directory.
pub struct Directory(pub PathBuf);

impl Directory {
    /// The governance files that are shipped.
    pub fn shipped() -> Directory {
        Directory(PathBuf::from(concat!(
            env!("CARGO_MANIFEST_DIR"),
            "/../governance"
        )))
    }

    /// Files of the original format.
    pub fn original() -> Directory {
        Directory(PathBuf::from(concat!(
            env!("CARGO_MANIFEST_DIR"),
            "/tests/fixtures/original"
        )))
    }
}

impl Documents for Directory {
    fn document(&self, name: &str) -> Result<Option<String>, String> {
        match std::fs::read_to_string(self.0.join(name)) {
            Ok(text) => Ok(Some(text)),
            Err(error) if error.kind() == std::io::ErrorKind::NotFound => Ok(None),
            Err(error) => Err(error.to_string()),
        }
    }
}

/// Documents by name.
#[derive(Default)]
pub struct Texts(pub BTreeMap<String, String>);

impl Texts {
    pub fn new<const N: usize>(documents: [(&str, &str); N]) -> Texts {
        Texts(
            documents
                .into_iter()
                .map(|(name, text)| (name.to_owned(), text.to_owned()))
                .collect(),
        )
    }
}

impl Documents for Texts {
    fn document(&self, name: &str) -> Result<Option<String>, String> {
        Ok(self.0.get(name).cloned())
    }
}

/// The governance of L2 whose file has these rules.
pub fn rules(text: &str) -> Result<Governance, Faults> {
    rules_at(Level::L2, text)
}

/// The governance of a level (at L4 of `track-c`) whose file has these rules.
pub fn rules_at(level: Level, text: &str) -> Result<Governance, Faults> {
    let track: Option<Track> = (level == Level::L4).then(|| "track-c".parse().unwrap());
    let name = Governance::document_name(level, track.as_ref()).unwrap();
    let head = format!("apiVersion: reeve/v1\nkind: Governance\nlevel: {level}\n");
    let track_line = if track.is_some() { "track: track-c\n" } else { "" };
    let text = format!("{head}{track_line}rules:\n{text}");
    Governance::load(level, track.as_ref(), &Texts::new([(&name, &text)]))
}

/// The shipped governance.
pub fn shipped(level: Level, track: Option<&str>) -> Governance {
    let track: Option<Track> = track.map(|track| track.parse().unwrap());
    Governance::load(level, track.as_ref(), &Directory::shipped()).unwrap_or_else(|faults| panic!("{faults}"))
}

/// A command line with its tool, words split as a shell does, without expansions.
pub fn words(line: &str) -> Vec<String> {
    shlex::split(line).unwrap_or_else(|| panic!("a quote is left open: {line}"))
}

/// Reads a command line, the tool's name first.
pub fn read(line: &str, manifests: &Manifests) -> Result<Invocation, (Tool, argv::Unreadable)> {
    let line = CommandLine::read(line).unwrap_or_else(|error| panic!("{line}: {error}"));
    line.understand(manifests).map_err(|fault| (line.tool, fault))
}

/// The decision on a command line, and why.
pub fn decide(governance: &Governance, line: &str, manifests: &Manifests) -> (&'static str, String) {
    match read(line, manifests) {
        Ok(invocation) => decision(&governance.evaluate(&invocation)),
        Err((tool, fault)) => ("BLOCKED", governance.refuse_unreadable(tool, &fault).message),
    }
}

/// A verdict in the words of the audit event, and why.
pub fn decision(verdict: &Verdict) -> (&'static str, String) {
    match verdict {
        Verdict::Allow(permit) => ("ALLOWED", permit.rules().join(", ")),
        Verdict::Escalate(hold) => ("ESCALATED", hold.message.clone()),
        Verdict::Deny(denial) => ("BLOCKED", denial.message.clone()),
    }
}
