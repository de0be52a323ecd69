//! Command lines as people write them down: in files of cases, in lists, in a shell's history.

use argv::kubectl::Manifest;
use argv::{Invocation, Surroundings, Tool, Unreadable};
use std::collections::BTreeMap;
use std::ffi::OsString;
use thiserror::Error;

/// What is in the files that command lines name, by path as typed.
pub type Manifests = BTreeMap<String, Manifest>;

/// A command line of a governed tool.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct CommandLine {
    /// The tool.
    pub tool: Tool,
    /// The words after its name.
    pub args: Vec<OsString>,
}

/// Not a command line of a governed tool.
#[derive(Debug, Clone, PartialEq, Eq, Error)]
pub enum BadCommandLine {
    /// A shell would ask for more.
    #[error("a quote or a backslash is left open")]
    Open,
    /// Something else.
    #[error("it does not begin with a governed tool's name: kubectl, aws, gh")]
    NotGoverned,
}

impl CommandLine {
    /// Splits a line as a POSIX shell does, without expansions; the first word is the tool's name.
    ///
    /// # Errors
    /// When a quote is left open, or the tool is not a governed one.
    pub fn read(line: &str) -> Result<CommandLine, BadCommandLine> {
        let words = shlex::split(line).ok_or(BadCommandLine::Open)?;
        let mut words = words.into_iter();
        let tool = words
            .next()
            .and_then(|name| Tool::named(&name))
            .ok_or(BadCommandLine::NotGoverned)?;
        let args = words.map(OsString::from).collect();
        Ok(CommandLine { tool, args })
    }

    /// What it does, with nothing around it. When it is known what every file that kubectl reads holds, that is what the
    /// command is about.
    ///
    /// # Errors
    /// As [`argv::parse`].
    pub fn understand(&self, manifests: &Manifests) -> Result<Invocation, Unreadable> {
        let plain = argv::parse(self.tool, &self.args, &Surroundings::default())?;
        if self.tool != Tool::Kubectl || plain.files.is_empty() {
            return Ok(plain);
        }
        let found: Option<Vec<Manifest>> = plain
            .files
            .iter()
            .map(|file| manifests.get(&file.path).cloned())
            .collect();
        match found {
            None => Ok(plain),
            manifests => {
                let around = Surroundings {
                    manifests,
                    ..Surroundings::default()
                };
                argv::parse(self.tool, &self.args, &around)
            }
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn lines_are_split_as_a_shell_does() {
        let line = CommandLine::read(r#"gh api graphql -f query='{ a }' "b c" d\ e"#).unwrap();
        assert_eq!(line.tool, Tool::Gh);
        assert_eq!(line.args, ["api", "graphql", "-f", "query={ a }", "b c", "d e"]);
    }

    #[test]
    fn other_lines_are_refused() {
        assert_eq!(CommandLine::read("kubectl 'get"), Err(BadCommandLine::Open));
        for line in ["", "rm -rf x", "/usr/bin/kubectl get pods"] {
            assert_eq!(
                CommandLine::read(line),
                Err(BadCommandLine::NotGoverned),
                "{line}"
            );
        }
    }
}
