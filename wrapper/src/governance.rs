//! Where policies come from: the files built into this program, or a directory of the operator's.

use crate::configuration::{ConfigurationError, Owner, read_trusted};
use policies::{Cases, Documents, Faults, Governance, Level, Moment, Track};
use std::path::{Path, PathBuf};

/// A governance file of this repository with its cases: both texts, by the name they share.
macro_rules! built_in {
    ($($stem:literal)*) => {
        &[$((
            concat!("governance-", $stem),
            include_str!(concat!("../../governance/governance-", $stem, ".yaml")),
            include_str!(concat!("../../governance/cases/governance-", $stem, ".cases")),
        )),*]
    };
}

const BUILT_IN: &[(&str, &str, &str)] = built_in!("L1" "L2" "L3" "L4-track-a" "L4-track-b" "L4-track-c");
/// How the built-in files are named where a directory is expected.
pub const BUILT_IN_NAME: &str = "built-in";
/// Descriptions of tools, by name.
const DESCRIPTIONS: &[(&str, &str)] = &[
    (
        "tools/helm.yaml",
        include_str!("../../governance/tools/helm.yaml"),
    ),
    (
        "tools/terraform.yaml",
        include_str!("../../governance/tools/terraform.yaml"),
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

    /// A directory's name, or `built-in`.
    pub fn from_name(name: &Path) -> Source {
        if name == Path::new(BUILT_IN_NAME) {
            Source::BuiltIn
        } else {
            Source::Directory(name.to_owned())
        }
    }

    /// What a document of this source is called in messages.
    pub fn place(&self, document: &str) -> String {
        match self {
            Source::BuiltIn => document.to_owned(),
            Source::Directory(directory) => directory.join(document).display().to_string(),
        }
    }

    /// Every level and track that has a file here, lowest first.
    ///
    /// # Errors
    /// When the directory cannot be read, or has none.
    pub fn levels(&self) -> Result<Vec<(Level, Option<Track>)>, ConfigurationError> {
        let names: Vec<String> = match self {
            Source::BuiltIn => BUILT_IN
                .iter()
                .map(|(stem, _, _)| format!("{stem}.yaml"))
                .collect(),
            Source::Directory(directory) => {
                let io = |cause| ConfigurationError::Io {
                    path: directory.clone(),
                    cause,
                };
                std::fs::read_dir(directory)
                    .map_err(io)?
                    .map(|entry| entry.map(|entry| entry.file_name().to_string_lossy().into_owned()))
                    .collect::<Result<_, _>>()
                    .map_err(io)?
            }
        };
        let mut levels: Vec<(Level, Option<Track>)> =
            names.iter().filter_map(|name| policies::promised(name)).collect();
        levels.sort();
        if levels.is_empty() {
            return Err(ConfigurationError::Policy(format!(
                "{}: no governance-L1.yaml … governance-L4-TRACK.yaml is there",
                self.place("")
            )));
        }
        Ok(levels)
    }

    /// The cases beside a level's file: `cases/NAME.cases`, else `NAME.cases`; `None` when there are none.
    ///
    /// # Errors
    /// When they cannot be read, or have faults.
    pub fn cases(&self, level: Level, track: Option<&Track>) -> Result<Option<Cases>, ConfigurationError> {
        let document = Governance::document_name(level, track).map_err(|faults| self.policy(&faults))?;
        let stem = document.trim_end_matches(".yaml");
        let (name, text) = match self {
            Source::BuiltIn => {
                let found = BUILT_IN.iter().find(|(known, _, _)| *known == stem);
                (
                    format!("cases/{stem}.cases"),
                    found.map(|(_, _, cases)| (*cases).to_owned()),
                )
            }
            Source::Directory(directory) => {
                let beside = format!("{stem}.cases");
                let under = format!("cases/{beside}");
                match read_if_there(&directory.join(&under))? {
                    Some(text) => (under, Some(text)),
                    None => {
                        let text = read_if_there(&directory.join(&beside))?;
                        (beside, text)
                    }
                }
            }
        };
        text.map(|text| Cases::read(&self.place(&name), &text))
            .transpose()
            .map_err(|faults| ConfigurationError::Policy(faults.to_string()))
    }

    fn policy(&self, faults: &Faults) -> ConfigurationError {
        let place = match self {
            Source::BuiltIn => String::new(),
            Source::Directory(directory) => format!("{}/", directory.display()),
        };
        ConfigurationError::Policy(list(faults, &place))
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
        Governance::load(level, track, self).map_err(|faults| self.policy(&faults))
    }
}

/// A file's text; `None` when there is no such file.
fn read_if_there(path: &Path) -> Result<Option<String>, ConfigurationError> {
    match std::fs::read_to_string(path) {
        Ok(text) => Ok(Some(text)),
        Err(error) if error.kind() == std::io::ErrorKind::NotFound => Ok(None),
        Err(cause) => Err(ConfigurationError::Io {
            path: path.to_owned(),
            cause,
        }),
    }
}

/// This moment, for rules that hold at some hours only.
pub fn now() -> Moment {
    let now = jiff::Timestamp::now().to_zoned(jiff::tz::TimeZone::UTC);
    let number = |value: i8| u8::try_from(value).unwrap_or_default();
    let minutes = u16::from(number(now.hour())).saturating_mul(60);
    Moment {
        day: number(now.weekday().to_monday_zero_offset()),
        minute: minutes.saturating_add(number(now.minute()).into()),
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
            Source::BuiltIn => {
                let stem = name.strip_suffix(".yaml");
                let governance = BUILT_IN
                    .iter()
                    .filter(|(known, _, _)| stem == Some(known))
                    .map(|(_, text, _)| *text);
                let described = DESCRIPTIONS
                    .iter()
                    .filter(|(known, _)| *known == name)
                    .map(|(_, text)| *text);
                Ok(governance.chain(described).next().map(str::to_owned))
            }
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
