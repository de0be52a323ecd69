//! Where policies come from: the files built into this program, or a directory of the operator's.

use crate::configuration::{ConfigurationError, Owner, read_trusted};
use policies::{Documents, Faults, Governance, Level, Track};
use std::path::{Path, PathBuf};

/// The governance files of this repository, by name.
const BUILT_IN: &[(&str, &str)] = &[
    (
        "governance-L1.yaml",
        include_str!("../../governance/governance-L1.yaml"),
    ),
    (
        "governance-L2.yaml",
        include_str!("../../governance/governance-L2.yaml"),
    ),
    (
        "governance-L3.yaml",
        include_str!("../../governance/governance-L3.yaml"),
    ),
    (
        "governance-L4-track-a.yaml",
        include_str!("../../governance/governance-L4-track-a.yaml"),
    ),
    (
        "governance-L4-track-b.yaml",
        include_str!("../../governance/governance-L4-track-b.yaml"),
    ),
    (
        "governance-L4-track-c.yaml",
        include_str!("../../governance/governance-L4-track-c.yaml"),
    ),
];

/// Where governance documents are read.
#[derive(Debug, Clone)]
pub enum Source {
    /// Those built in.
    BuiltIn,
    /// This directory, and nothing else.
    Directory(PathBuf),
}

impl Source {
    /// `directory` when one is named, otherwise the built-in files.
    pub fn from_option(directory: Option<&Path>) -> Source {
        directory.map_or(Source::BuiltIn, |directory| {
            Source::Directory(directory.to_owned())
        })
    }

    /// Whether there is a document for a level below L4.
    pub fn has(&self, level: Level) -> bool {
        Governance::document_name(level, None).is_ok_and(|name| !matches!(self.document(&name), Ok(None)))
    }

    /// Loads one level.
    ///
    /// # Errors
    /// Every fault at once, each with file, line and column.
    pub fn load(&self, level: Level, track: Option<&Track>) -> Result<Governance, ConfigurationError> {
        let place = match self {
            Source::BuiltIn => String::new(),
            Source::Directory(directory) => format!("{}/", directory.display()),
        };
        Governance::load(level, track, self)
            .map_err(|faults| ConfigurationError::Policy(list(&faults, &place)))
    }
}

fn list(faults: &Faults, place: &str) -> String {
    faults
        .0
        .iter()
        .map(|fault| format!("{place}{fault}"))
        .collect::<Vec<_>>()
        .join("\n")
}

impl Documents for Source {
    fn document(&self, name: &str) -> Result<Option<String>, String> {
        match self {
            Source::BuiltIn => Ok(BUILT_IN
                .iter()
                .find(|(known, _)| *known == name)
                .map(|(_, text)| (*text).to_owned())),
            Source::Directory(directory) => match read_trusted(&directory.join(name), Owner::Caller) {
                Ok(text) => Ok(Some(text)),
                Err(ConfigurationError::Io { cause, .. }) if cause.kind() == std::io::ErrorKind::NotFound => {
                    Ok(None)
                }
                Err(ConfigurationError::Io { cause, .. }) => Err(cause.to_string()),
                Err(ConfigurationError::Unsafe { why, .. }) => Err(format!("not safe to use: {why}")),
                Err(error) => Err(error.to_string()),
            },
        }
    }
}
