//! The governed tools, by the names under which agents call them.

use serde::{Deserialize, Serialize};
use std::fmt;

/// A command-line tool that Reeve understands.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize)]
#[serde(rename_all = "lowercase")]
pub enum Tool {
    /// The Kubernetes client.
    Kubectl,
    /// The AWS command-line interface, versions 1 and 2.
    Aws,
    /// The GitHub command-line interface.
    Gh,
    /// PostgreSQL's command-line client.
    Psql,
}

impl Tool {
    /// Every governed tool.
    pub const ALL: [Tool; 4] = [Tool::Kubectl, Tool::Aws, Tool::Gh, Tool::Psql];

    /// The name the tool is called by.
    pub fn name(self) -> &'static str {
        match self {
            Tool::Kubectl => "kubectl",
            Tool::Aws => "aws",
            Tool::Gh => "gh",
            Tool::Psql => "psql",
        }
    }

    /// The tool called by exactly this name.
    pub fn named(name: &str) -> Option<Tool> {
        Tool::ALL.into_iter().find(|tool| tool.name() == name)
    }
}

impl fmt::Display for Tool {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(self.name())
    }
}
