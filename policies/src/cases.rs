//! Cases: what a governance file decides, one command per line, beside the file and tested with it.
//!
//! ```text
//! # a comment
//! MANIFEST web.yaml apps/v1 Deployment web     what a file holds that commands below name with -f
//! ALLOWED   kubectl get pods -n 'prod'
//! BLOCKED   kubectl delete pod web
//! ESCALATED kubectl scale deploy/web --replicas=2
//! ```

use crate::commands::{CommandLine, Manifests};
use crate::faults::{Fault, Faults};
use crate::governance::Governance;
use crate::verdict::Verdict;
use argv::Workload;
use argv::kubectl::Manifest;
use serde::Serialize;
use std::collections::BTreeMap;

/// The decisions that a case may expect.
const DECISIONS: [&str; 3] = ["ALLOWED", "BLOCKED", "ESCALATED"];

/// A file of cases.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Cases {
    /// The file's name.
    pub document: String,
    /// In the order of the file.
    pub cases: Vec<Case>,
    /// What the files hold that the commands name.
    pub manifests: Manifests,
}

/// One line.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Case {
    /// From 1.
    pub line: usize,
    /// `ALLOWED`, `BLOCKED` or `ESCALATED`.
    pub expected: &'static str,
    /// As written.
    pub text: String,
    /// Split into words.
    pub command: CommandLine,
}

/// What became of a case.
#[derive(Debug, Clone, PartialEq, Eq, Serialize)]
pub struct Outcome {
    /// The file of cases.
    pub document: String,
    /// Its line, from 1.
    pub line: usize,
    /// The command as written.
    pub command: String,
    /// What the case says.
    pub expected: &'static str,
    /// What the governance says.
    pub decision: &'static str,
    /// The rules that decided; empty when none did.
    pub rules: Vec<String>,
    /// Why it is not allowed; empty when it is.
    pub message: String,
    /// Whether the decision is the expected one, and a command that ought to run or be held was understood.
    pub passed: bool,
}

impl Cases {
    /// Reads a file of cases.
    ///
    /// # Errors
    /// Every line that is not one, at once.
    pub fn read(document: &str, text: &str) -> Result<Cases, Faults> {
        let mut cases = Vec::new();
        let mut manifests = Manifests::new();
        let mut faults = Vec::new();
        let mut first: BTreeMap<&str, usize> = BTreeMap::new();
        for (index, line) in text.lines().enumerate() {
            let number = index.saturating_add(1);
            let line = line.trim();
            if line.is_empty() || line.starts_with('#') {
                continue;
            }
            let read = match line.split_once(char::is_whitespace) {
                Some(("MANIFEST", rest)) => manifest(rest).map(|(file, manifest)| {
                    manifests.insert(file, manifest);
                }),
                Some((word, command)) => case(number, word, command.trim()).and_then(|case| {
                    let taken = first.insert(command.trim(), number);
                    cases.push(case);
                    taken.map_or(Ok(()), |line| {
                        Err(format!("the same command has a case on line {line} already"))
                    })
                }),
                None => Err(format!(
                    "is not a case; {} or MANIFEST, then a command line, are expected",
                    DECISIONS.join(", ")
                )),
            };
            if let Err(message) = read {
                faults.push(Fault {
                    document: document.to_owned(),
                    line: number,
                    column: 1,
                    message,
                });
            }
        }
        if !faults.is_empty() {
            return Err(Faults(faults));
        }
        Ok(Cases {
            document: document.to_owned(),
            cases,
            manifests,
        })
    }

    /// Judges every case.
    pub fn run(&self, governance: &Governance) -> Vec<Outcome> {
        self.cases
            .iter()
            .map(|case| self.outcome(governance, case))
            .collect()
    }

    fn outcome(&self, governance: &Governance, case: &Case) -> Outcome {
        let (verdict, understood) = governance.decide(&case.command, &self.manifests);
        let (decision, rules, message) = verdict.said();
        let passed = decision == case.expected && (understood || case.expected == "BLOCKED");
        Outcome {
            document: self.document.clone(),
            line: case.line,
            command: case.text.clone(),
            expected: case.expected,
            decision,
            rules,
            message,
            passed,
        }
    }
}

impl Governance {
    /// The verdict on a command line with nothing around it, and whether it was understood.
    pub fn decide(&self, command: &CommandLine, manifests: &Manifests) -> (Verdict, bool) {
        match command.understand(manifests) {
            Ok(invocation) => (self.evaluate(&invocation), true),
            Err(unreadable) => (
                Verdict::Deny(self.refuse_unreadable(command.tool, &unreadable)),
                false,
            ),
        }
    }
}

fn case(line: usize, word: &str, text: &str) -> Result<Case, String> {
    let expected = DECISIONS
        .into_iter()
        .find(|decision| *decision == word)
        .ok_or_else(|| {
            let known = crate::faults::suggestion(word, &DECISIONS);
            format!("`{}` is not a decision{known}", crate::document::clip(word))
        })?;
    let command = CommandLine::read(text).map_err(|error| error.to_string())?;
    Ok(Case {
        line,
        expected,
        text: text.to_owned(),
        command,
    })
}

fn manifest(rest: &str) -> Result<(String, Manifest), String> {
    let words: Vec<&str> = rest.split_whitespace().collect();
    let [file, api_version, kind, name] = words.as_slice() else {
        return Err("a MANIFEST line has a file, an apiVersion, a kind and a name".to_owned());
    };
    let manifest = Manifest {
        api_version: (*api_version).to_owned(),
        kind: (*kind).to_owned(),
        namespace: None,
        name: Some((*name).to_owned()),
        // What else is in it is not said.
        workload: Workload::unknown(),
    };
    Ok(((*file).to_owned(), manifest))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn every_wrong_line_is_said_at_once() {
        let text = "ALOWED kubectl get pods\nALLOWED rm x\nALLOWED\nMANIFEST x\nALLOWED gh pr list\nBLOCKED gh pr list\n";
        let faults = Cases::read("x.cases", text).unwrap_err();
        let lines: Vec<usize> = faults.0.iter().map(|fault| fault.line).collect();
        assert_eq!(lines, [1, 2, 3, 4, 6], "{faults}");
        assert!(faults.to_string().contains("did you mean `ALLOWED`?"), "{faults}");
    }
}
