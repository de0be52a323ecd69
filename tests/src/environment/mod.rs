//! Variables and files of the surroundings, tried on the real tools: the rows of `corpora/environment.tsv`, what is seen of a command,
//! and the place in which it runs.

mod answers;
mod place;

use answers::answer;
pub use place::{Place, World};

use crate::tools;
use std::path::PathBuf;

/// A row of the file.
#[derive(Debug, Clone)]
pub struct Try {
    /// The row of the table.
    pub variable: String,
    /// The tool that is asked.
    pub tool: String,
    /// The name of the words that it is asked with ([`Place::line`]).
    pub line: String,
    /// What the operator has set up: credentials from where.
    pub setting: String,
    /// What the agent gives the variable; `{NAME}` stands for a place.
    pub value: String,
    /// What that does without the gate.
    pub seen: Seen,
}

/// What is seen without the gate.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Seen {
    /// Something else happens than without the variable.
    Always,
    /// Only with a newer version than Debian 12 has; it is tried where one is there.
    Newer,
    /// Only with an older one.
    Older,
    /// Nothing, and why.
    Nothing,
}

/// All rows of the file.
///
/// # Panics
/// When one has not six fields.
pub fn tries() -> Vec<Try> {
    include_str!("../../corpora/environment.tsv")
        .lines()
        .filter(|line| !line.starts_with('#'))
        .map(|line| {
            let fields: Vec<&str> = line.split('\t').collect();
            let [variable, tool, line, setting, value, seen] = fields[..] else {
                panic!("six fields: {line:?}");
            };
            Try {
                variable: variable.to_owned(),
                tool: tool.to_owned(),
                line: line.to_owned(),
                setting: setting.to_owned(),
                value: value.to_owned(),
                seen: match seen.split(':').next() {
                    Some("effect") => Seen::Always,
                    Some("newer") => Seen::Newer,
                    Some("older") => Seen::Older,
                    _ => Seen::Nothing,
                },
            }
        })
        .collect()
}

/// What can be seen of a command: its exit status, what it printed, and what it left behind.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Seeing {
    /// How it ended.
    pub code: String,
    /// Its standard output, digits evened.
    pub out: String,
    /// Its standard error, the same.
    pub err: String,
    /// The marks that programs and servers have left.
    pub left: String,
}

/// Digits vary: times, ports, process numbers.
pub(super) fn even(text: &str) -> String {
    let mut result = String::new();
    for c in text.chars() {
        match c {
            '0'..='9' if result.ends_with('#') => {}
            '0'..='9' => result.push('#'),
            c => result.push(c),
        }
    }
    result
}

/// The newest version of each tool that is here.
pub fn newest() -> Vec<(&'static str, PathBuf)> {
    let newest = |name| (name, tools::versions(name).pop().expect("there is one"));
    vec![newest("kubectl"), ("aws", tools::real("aws")), newest("gh")]
}

/// aws's version 1, where it is here.
pub fn aws_version_1() -> Option<PathBuf> {
    let is_first = |path: &PathBuf| path.to_string_lossy().contains("/aws-1.");
    tools::versions("aws").into_iter().find(is_first)
}

/// Whether a newer version than Debian 12 has is here for this row.
pub fn is_newer_than_debian(one: &Try) -> bool {
    if one.setting.starts_with("v1") {
        return aws_version_1().is_some();
    }
    one.tool != "psql" && tools::versions(&one.tool).len() > 1
}
