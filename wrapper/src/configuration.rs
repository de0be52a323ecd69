//! Where a gate gets its orders: one JSON file that the agent cannot write.
//!
//! A gate in a session is a copy of this program in the session's own directory, and its orders are
//! `session.json` beside it; so neither the environment nor the name it is called by can point it elsewhere. Any other
//! gate reads [`HOST_FILE`], and so does one that has a group which its caller has not (`privilege`), wherever it lies: its
//! caller may have linked it there. Both files have this form; unknown keys are errors.

use crate::privilege;
use crate::tool_files::Pinned;
use crate::tool_path::{KnownVersion, PinnedTool, Required};
use argv::Tool;
use audit_event::Pins;
use audit_event::redact::Redactor;
use policies::{Level, Track};
use serde::{Deserialize, Serialize};
use std::collections::BTreeMap;
use std::fs::{File, Metadata};
use std::io::Read;
use std::os::unix::fs::MetadataExt;
use std::path::{Path, PathBuf};
use thiserror::Error;

/// The orders of gates outside of sessions.
pub const HOST_FILE: &str = "/etc/reeve/gate.json";
/// Where `reeve install` puts the gate's links.
pub const INSTALLED_SHIMS: &str = "/usr/lib/reeve/shims";
/// The orders of gates in a session, in the directory above their own.
pub const SESSION_FILE: &str = "session.json";
/// The longest configuration or policy file that is read, in bytes.
const MAX_BYTES: u64 = 16 * 1024 * 1024;

/// What a gate needs to know before it looks at a command.
#[derive(Debug, Clone, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Configuration {
    /// The version of this file's form.
    pub version: u32,
    /// The session's id; absent on a host.
    #[serde(default)]
    pub session: Option<String>,
    /// The sidecar's socket.
    pub socket: PathBuf,
    /// Who may use it, at which level.
    pub pins: Pins,
    /// The policies' snapshots, by level, beside this file.
    pub policies: BTreeMap<Level, PathBuf>,
    /// Where the real tools are searched, and the PATH they get.
    pub path: String,
    /// The operator's values of the variables that change what a tool does.
    pub environment: BTreeMap<String, String>,
    /// SHA-256 of the operator's values of those that hold credentials.
    #[serde(default)]
    pub secrets: BTreeMap<String, String>,
    /// The tools' own configuration files as they were when the session began. Absent on a host, where they must not be
    /// the caller's.
    #[serde(default)]
    pub files: Option<BTreeMap<Tool, Pinned>>,
    /// The real tools as they were when the session began; `null` for one that was not there. Absent on a host, where they
    /// must not be the caller's.
    #[serde(default)]
    pub tools: Option<BTreeMap<Tool, Option<PinnedTool>>>,
    /// The SHA-256 that a tool must have, hex. It is computed at every call, so it costs what reading the tool costs.
    #[serde(default)]
    pub checksums: BTreeMap<Tool, String>,
    /// The least version that a tool must have, on a host.
    #[serde(default)]
    pub minimum_versions: BTreeMap<Tool, String>,
    /// The versions that the tools said they have when these orders were written, and of which files: so no tool is asked at
    /// each call. Needed for every tool in `minimum_versions`.
    #[serde(default)]
    pub versions: BTreeMap<Tool, KnownVersion>,
    /// The ledger's redaction key, 64 hex digits: what stands in a secret's place is made with it
    /// ([`audit_event::redact`]). Without one, secrets are replaced all the same, but equal ones cannot be found.
    #[serde(default)]
    pub redaction_key: Option<String>,
    /// Where decisions wait for a sidecar that is not there, and at which levels. Absent: nothing runs without it.
    #[serde(default)]
    pub spool: Option<Spool>,
    /// How long an answer of the sidecar may take, in milliseconds.
    #[serde(default = "default_deadline")]
    pub deadline_ms: u64,
}

/// What happens without a sidecar.
#[derive(Debug, Clone, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Spool {
    /// Where the spools are, one file for each user. The sidecar takes them in when it is back.
    pub directory: PathBuf,
    /// Per level; a level that is not named has [`Without::Spool`].
    #[serde(default)]
    pub levels: BTreeMap<Level, Without>,
}

/// What happens at one level without a sidecar.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "lowercase")]
pub enum Without {
    /// What only reads is recorded in the spool and runs; all else is refused.
    Spool,
    /// Nothing runs.
    Refuse,
}

fn default_deadline() -> u64 {
    5_000
}

/// Why a configuration cannot be used. Nothing runs then.
#[derive(Debug, Error)]
pub enum ConfigurationError {
    /// Neither a session nor a host file.
    #[error(
        "no orders for this gate: it is not part of a session, and {HOST_FILE} does not exist; \
         start the agent with `reeve run`, or have the host configured"
    )]
    Missing,
    /// The file cannot be read.
    #[error("{path}: {cause}")]
    Io {
        /// Which file.
        path: PathBuf,
        /// Why.
        cause: std::io::Error,
    },
    /// It is there, and this program may not read it.
    #[error(
        "{path} is not readable for this gate: it is a copy without the gate's group, or its group has no effect here \
         (no_new_privs, a user namespace, a tracer, a file system mounted nosuid); call the one that `reeve install` has put into \
         {INSTALLED_SHIMS}"
    )]
    Closed {
        /// Which file.
        path: PathBuf,
    },
    /// Somebody else could have written it.
    #[error("{path} is not safe to use: {why}")]
    Unsafe {
        /// Which file.
        path: PathBuf,
        /// Who could write it, and what to do.
        why: String,
    },
    /// Not this form.
    #[error("{path}:{line}:{column}: {message}")]
    Malformed {
        /// Which file.
        path: PathBuf,
        /// From 1.
        line: usize,
        /// From 1.
        column: usize,
        /// What is wrong.
        message: String,
    },
    /// The caller has no entry.
    #[error("{path}: user {uid} has no identity here, so nothing may run")]
    Stranger {
        /// Which file.
        path: PathBuf,
        /// The caller.
        uid: u32,
    },
    /// The environment says something that is neither lower nor equal.
    #[error("{0}")]
    Environment(String),
    /// The policy's own faults.
    #[error("{0}")]
    Policy(String),
}

impl Configuration {
    /// The orders of this program, from where it lies.
    ///
    /// # Errors
    /// When there are none, or they cannot be trusted or read.
    pub fn find() -> Result<(PathBuf, Configuration), ConfigurationError> {
        match session_file()? {
            Some(path) => Configuration::read(&path, Owner::Caller).map(|found| (path, found)),
            None => {
                let path = PathBuf::from(HOST_FILE);
                match Configuration::read(&path, Owner::Root) {
                    Err(ConfigurationError::Io { cause, .. })
                        if cause.kind() == std::io::ErrorKind::NotFound =>
                    {
                        Err(ConfigurationError::Missing)
                    }
                    Err(ConfigurationError::Io { cause, path })
                        if cause.kind() == std::io::ErrorKind::PermissionDenied =>
                    {
                        Err(ConfigurationError::Closed { path })
                    }
                    other => other.map(|found| (path, found)),
                }
            }
        }
    }

    /// What a tool must be on a host.
    pub fn required(&self, tool: Tool) -> Required<'_> {
        Required {
            checksum: self.checksums.get(&tool).map(String::as_str),
            minimum_version: self.minimum_versions.get(&tool).map(String::as_str),
            known_version: self.versions.get(&tool),
        }
    }

    /// What replaces secrets.
    pub fn redactor(&self) -> Redactor {
        let key = self.redaction_key.as_deref().and_then(Redactor::from_hex);
        key.unwrap_or_default()
    }

    /// How long an answer of the sidecar may take.
    pub fn deadline(&self) -> std::time::Duration {
        std::time::Duration::from_millis(self.deadline_ms)
    }

    fn read(path: &Path, owner: Owner) -> Result<Configuration, ConfigurationError> {
        let text = read_trusted(path, owner)?;
        let found: Configuration =
            serde_json::from_str(&text).map_err(|error| ConfigurationError::Malformed {
                path: path.to_owned(),
                line: error.line(),
                column: error.column(),
                message: error.to_string(),
            })?;
        if found.version != 1 {
            return Err(ConfigurationError::Malformed {
                path: path.to_owned(),
                line: 1,
                column: 1,
                message: format!(
                    "version {} is not known here; this program reads version 1",
                    found.version
                ),
            });
        }
        Ok(found)
    }
}

/// The session this program is a part of, if it is.
pub fn session_file() -> Result<Option<PathBuf>, ConfigurationError> {
    // INVARIANT: rights that are lent are never used by orders that the caller could have written.
    if privilege::is_lent() {
        return Ok(None);
    }
    let program = std::env::current_exe().map_err(|cause| ConfigurationError::Io {
        path: "/proc/self/exe".into(),
        cause,
    })?;
    let file = program
        .parent()
        .and_then(Path::parent)
        .map(|directory| directory.join(SESSION_FILE));
    Ok(file.filter(|file| file.symlink_metadata().is_ok()))
}

/// Who must own a file for it to be believed.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Owner {
    /// Only root: the caller is the agent.
    Root,
    /// Root or the calling user: the caller is the operator, or the file is checked further by its digest.
    Caller,
}

/// The text of a file that nobody but its rightful owner can have written.
///
/// # Errors
/// Says who else could write it.
pub fn read_trusted(path: &Path, owner: Owner) -> Result<String, ConfigurationError> {
    let io = |cause| ConfigurationError::Io {
        path: path.to_owned(),
        cause,
    };
    let unsafe_because = |why| ConfigurationError::Unsafe {
        path: path.to_owned(),
        why,
    };
    let mut file = File::open(path).map_err(io)?;
    let metadata = file.metadata().map_err(io)?;
    if !metadata.is_file() {
        return Err(unsafe_because("it is not a regular file".to_owned()));
    }
    if metadata.len() > MAX_BYTES {
        return Err(unsafe_because(format!("it is longer than {MAX_BYTES} bytes")));
    }
    check_owner(&metadata, owner).map_err(unsafe_because)?;
    let directory = path
        .parent()
        .filter(|parent| !parent.as_os_str().is_empty())
        .unwrap_or(Path::new("."));
    check_owner(&directory.metadata().map_err(io)?, owner)
        .map_err(|why| unsafe_because(format!("of its directory: {why}")))?;
    // Of a file one reading gives all that is asked for, and less only at its end.
    let mut bytes = vec![0; usize::try_from(metadata.len().saturating_add(1)).unwrap_or_default()];
    let count = file.read(&mut bytes).map_err(io)?;
    if count as u64 != metadata.len() {
        return Err(unsafe_because("it was written to while it was read".to_owned()));
    }
    bytes.truncate(count);
    String::from_utf8(bytes).map_err(|error| io(std::io::Error::other(error)))
}

fn check_owner(metadata: &Metadata, owner: Owner) -> Result<(), String> {
    let caller = nix::unistd::getuid().as_raw();
    let trusted = metadata.uid() == 0 || (owner == Owner::Caller && metadata.uid() == caller);
    if !trusted {
        return Err(format!(
            "user {} owns it; it must belong to {}",
            metadata.uid(),
            owner.names()
        ));
    }
    let mode = metadata.mode() & 0o7777;
    let sticky_directory = metadata.is_dir() && mode & 0o1000 != 0; // others may add files there, not replace ours
    if mode & 0o022 != 0 && !sticky_directory {
        return Err(format!(
            "its mode is {mode:04o}, so others can write it; run `chmod go-w` on it"
        ));
    }
    Ok(())
}

impl Owner {
    fn names(self) -> &'static str {
        match self {
            Owner::Root => "root",
            Owner::Caller => "root or to you",
        }
    }
}

/// The identity in force: the pinned one, possibly narrowed.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Identity {
    /// A metric label; from the pin.
    pub profile: String,
    /// The level in force.
    pub level: Level,
    /// The level that is pinned; never below `level`.
    pub pinned: Level,
    /// The track, if any.
    pub track: Option<Track>,
}

/// Narrows the pinned identity by what the environment asks for.
///
/// # Errors
/// When the environment asks for something that is not understood, or for another track: neither is narrower.
pub fn identify(
    path: &Path,
    pins: &Pins,
    uid: u32,
    variable: impl Fn(&str) -> Option<String>,
) -> Result<Identity, ConfigurationError> {
    let variable = |name: &str| variable(name).filter(|value| !value.is_empty());
    let malformed = |message: String| ConfigurationError::Malformed {
        path: path.to_owned(),
        line: 1,
        column: 1,
        message,
    };
    let pin = pins.of(uid).ok_or_else(|| ConfigurationError::Stranger {
        path: path.to_owned(),
        uid,
    })?;
    let pinned: Level = pin
        .level
        .parse()
        .map_err(|_| malformed(format!("`{}` is not a level", pin.level)))?;
    let track = match pin.track.as_str() {
        "" => None,
        track => Some(
            track
                .parse::<Track>()
                .map_err(|_| malformed(format!("`{track}` is not a track")))?,
        ),
    };
    let level = match variable("HERMES_LAB_GOVERNANCE") {
        None => pinned,
        Some(asked) => asked
            .parse::<Level>()
            .map(|asked| asked.min(pinned))
            .map_err(|_| {
                ConfigurationError::Environment(format!(
                    "HERMES_LAB_GOVERNANCE is `{}`; it may be L1, L2, L3 or L4, or not set",
                    asked.chars().take(40).collect::<String>()
                ))
            })?,
    };
    if let Some(asked) = variable("HERMES_LAB_TRACK")
        && asked != pin.track
    {
        return Err(ConfigurationError::Environment(format!(
            "HERMES_LAB_TRACK is `{}`, but the track is pinned to `{}`; unset it",
            asked.chars().take(40).collect::<String>(),
            pin.track
        )));
    }
    Ok(Identity {
        profile: pin.profile.clone(),
        level,
        pinned,
        track,
    })
}

#[cfg(test)]
mod tests {
    use super::*;
    use audit_event::Pin;

    fn at(
        pinned: &str,
        track: &str,
        level: Option<&str>,
        asked_track: Option<&str>,
    ) -> Result<Identity, String> {
        let pin = Pin {
            uid: 7,
            profile: "p".into(),
            level: pinned.into(),
            track: track.into(),
            policies: BTreeMap::new(),
        };
        identify(
            Path::new("f"),
            &Pins {
                identities: vec![pin],
            },
            7,
            |name| match name {
                "HERMES_LAB_GOVERNANCE" => level.map(str::to_owned),
                "HERMES_LAB_TRACK" => asked_track.map(str::to_owned),
                _ => None,
            },
        )
        .map_err(|error| error.to_string())
    }

    #[test]
    fn the_environment_never_raises() {
        assert_eq!(at("L2", "", Some("L4"), None).unwrap().level, Level::L2);
    }

    #[test]
    fn the_environment_lowers() {
        let identity = at("L3", "", Some("L1"), None).unwrap();
        assert_eq!((identity.level, identity.pinned), (Level::L1, Level::L3));
    }

    #[test]
    fn what_is_not_a_level_is_an_error_and_not_a_default() {
        for asked in ["l1", "L5", "L1 ", "none"] {
            assert!(at("L2", "", Some(asked), None).is_err(), "{asked:?}");
        }
    }

    #[test]
    fn another_track_is_not_narrower() {
        assert!(
            at("L4", "track-c", None, Some("track-b"))
                .unwrap_err()
                .contains("pinned to `track-c`")
        );
        assert!(at("L4", "track-c", None, Some("track-c")).is_ok());
    }

    #[test]
    fn a_stranger_has_no_level() {
        let pins = Pins::default();
        assert!(identify(Path::new("f"), &pins, 7, |_| None).is_err());
    }
}
