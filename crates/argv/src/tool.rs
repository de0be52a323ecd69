//! The governed tools, by the names under which agents call them.

use serde::{Deserialize, Deserializer, Serialize, Serializer};
use std::collections::BTreeSet;
use std::fmt;
use std::sync::Mutex;

/// A command-line tool that Reeve understands.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub enum Tool {
    /// The Kubernetes client.
    Kubectl,
    /// The AWS command-line interface, versions 1 and 2.
    Aws,
    /// The GitHub command-line interface.
    Gh,
    /// PostgreSQL's command-line client.
    Psql,
    /// A tool that data describes (see [`crate::described`]), by its name.
    Described(Name),
}

/// The name of a described tool: 1 to 32 of `a-z`, `0-9`, `-`, a letter first.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct Name(&'static str);

/// The most described tools that one process knows.
const MOST: usize = 64;
/// The names in use. They are few, and are never given back.
static NAMES: Mutex<BTreeSet<&'static str>> = Mutex::new(BTreeSet::new());

impl Tool {
    /// Every tool that is built in.
    pub const ALL: [Tool; 4] = [Tool::Kubectl, Tool::Aws, Tool::Gh, Tool::Psql];

    /// The name the tool is called by.
    pub fn name(self) -> &'static str {
        match self {
            Tool::Kubectl => "kubectl",
            Tool::Aws => "aws",
            Tool::Gh => "gh",
            Tool::Psql => "psql",
            Tool::Described(Name(name)) => name,
        }
    }

    /// The built-in tool called by exactly this name.
    pub fn named(name: &str) -> Option<Tool> {
        Tool::ALL.into_iter().find(|tool| tool.name() == name)
    }

    /// The tool of this name: a built-in one, or else one that is described. `None` where it can be no tool's name, or
    /// too many are known already.
    pub fn of_name(name: &str) -> Option<Tool> {
        let fits = (1..=32).contains(&name.len())
            && name.starts_with(|c: char| c.is_ascii_lowercase())
            && name
                .bytes()
                .all(|b| b.is_ascii_lowercase() || b.is_ascii_digit() || b == b'-');
        if let Some(tool) = Tool::named(name) {
            return Some(tool);
        }
        let mut names = NAMES.lock().ok().filter(|_| fits)?;
        if let Some(known) = names.get(name) {
            return Some(Tool::Described(Name(known)));
        }
        if names.len() >= MOST {
            return None;
        }
        let kept: &'static str = Box::leak(name.to_owned().into_boxed_str());
        names.insert(kept);
        Some(Tool::Described(Name(kept)))
    }
}

impl fmt::Display for Tool {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(self.name())
    }
}

impl Serialize for Tool {
    fn serialize<S: Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        serializer.serialize_str(self.name())
    }
}

impl<'de> Deserialize<'de> for Tool {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Tool, D::Error> {
        let name = String::deserialize(deserializer)?;
        Tool::of_name(&name).ok_or_else(|| serde::de::Error::custom(format!("`{name}` is not a tool's name")))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_name_is_one_tool_and_odd_names_are_none() {
        assert_eq!(Tool::of_name("helm"), Tool::of_name("helm"));
        assert_ne!(Tool::of_name("helm"), Tool::of_name("terraform"));
        assert_eq!(Tool::of_name("psql"), Some(Tool::Psql));
        for odd in ["", "Helm", "-x", "a/b", "a b", ".reeve", &"x".repeat(33)] {
            assert_eq!(Tool::of_name(odd), None, "{odd}");
        }
        let json = serde_json::to_string(&Tool::of_name("helm")).unwrap();
        assert_eq!(json, "\"helm\"");
        assert_eq!(
            serde_json::from_str::<Option<Tool>>(&json).unwrap(),
            Tool::of_name("helm")
        );
    }
}
