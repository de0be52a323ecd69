//! A session's directories and files: what `reeve run` lays out before the agent starts.
//!
//! ```text
//! $XDG_RUNTIME_DIR/reeve-<id>/      removed at the end, mode 0700
//!   bin/.reeve                      a copy of this program: a gate is governed by where it lies
//!   bin/kubectl, …, reeve           links to it, one for each governed tool
//!   session.json                    the gate's orders (`configuration`)
//!   identity.json                   the sidecar's pins
//!   policy-L1.json …                the merged policies up to the session's level
//!   reeved.sock                     the sidecar's socket
//! <record>/                         stays: ledger-000001.ndjson, events.ndjson, reeved.log
//! ```

use super::Failure;
use super::cli::Run;
use crate::configuration::{Configuration, SESSION_FILE, Spool};
use crate::exit::Exit;
use crate::gate;
use crate::governance::Source;
use crate::tool_files;
use crate::tool_path::{FileId, PinnedTool, RealTool};
use argv::Tool;
use audit_event::{Pin, Pins};
use policies::{Level, Track};
use std::collections::BTreeMap;
use std::fs::{self, DirBuilder, OpenOptions, Permissions};
use std::io::{Read, Write};
use std::os::unix::fs::{DirBuilderExt, OpenOptionsExt, PermissionsExt, symlink};
use std::path::{Path, PathBuf};

/// The file in a record that holds its redaction key.
pub const REDACTION_KEY: &str = "redaction.key";

/// A session that is laid out.
#[derive(Debug)]
pub struct Session {
    /// Its id: a UUID.
    pub id: String,
    /// Where its files are; removed when this value is dropped.
    pub directory: PathBuf,
    /// Where the record stays.
    pub record: PathBuf,
    /// The level that is pinned.
    pub level: Level,
    /// The track that is pinned.
    pub track: Option<Track>,
}

impl Session {
    /// The directory that goes in front of PATH.
    pub fn shims(&self) -> PathBuf {
        self.directory.join("bin")
    }

    /// The sidecar's socket.
    pub fn socket(&self) -> PathBuf {
        self.directory.join("reeved.sock")
    }

    /// The sidecar's pins.
    pub fn identity(&self) -> PathBuf {
        self.directory.join("identity.json")
    }

    /// Loads the policies and lays everything out.
    ///
    /// # Errors
    /// Faulty policies (78), or files that cannot be made (73).
    pub fn create(options: &Run, level: Level, track: Option<Track>) -> Result<Session, Failure> {
        let source = Source::from_option(options.judged.governance.as_deref());
        let policies = snapshots(&source, level, track.as_ref())?;
        let id = uuid::Uuid::now_v7().hyphenated().to_string();
        let record = match &options.record {
            Some(directory) => {
                std::path::absolute(directory).map_err(|error| cannot_create(directory, &error))?
            }
            None => sessions_directory()
                .ok_or_else(|| {
                    Failure::new(
                        Exit::CannotCreate,
                        "neither XDG_STATE_HOME nor HOME is set; name a place with --record DIR",
                    )
                })?
                .join(&id),
        };
        private_directories(&record)?;
        let directory = runtime_directory().join(format!("reeve-{id}"));
        private_directories(&directory)?;
        let session = Session {
            id,
            directory,
            record,
            level,
            track,
        };
        session.write_policies(&policies)?;
        session.write_orders(&options.profile, &policies)?;
        session.write_shims(&policies)?;
        Ok(session)
    }

    fn write_policies(&self, policies: &BTreeMap<Level, Snapshot>) -> Result<(), Failure> {
        policies
            .iter()
            .try_for_each(|(level, policy)| self.write(&policy_name(*level), &policy.text))
    }

    fn write_orders(&self, profile: &str, policies: &BTreeMap<Level, Snapshot>) -> Result<(), Failure> {
        let pin = Pin {
            uid: nix::unistd::getuid().as_raw(),
            profile: profile.to_owned(),
            level: self.level.to_string(),
            track: self.track.as_ref().map(ToString::to_string).unwrap_or_default(),
            policies: policies
                .iter()
                .map(|(level, policy)| (level.to_string(), policy.digest.clone()))
                .collect(),
        };
        let pins = Pins {
            identities: vec![pin],
        };
        let (environment, secrets) = gate::pin_environment();
        let orders = Configuration {
            version: 1,
            session: Some(self.id.clone()),
            socket: self.socket(),
            pins: pins.clone(),
            policies: policies
                .keys()
                .map(|level| (*level, policy_name(*level).into()))
                .collect(),
            path: std::env::var("PATH").unwrap_or_else(|_| DEFAULT_PATH.to_owned()),
            environment,
            secrets,
            files: Some(
                governed(policies)
                    .into_iter()
                    .map(|tool| {
                        (
                            tool,
                            tool_files::pin(tool_files::paths(tool, |name| std::env::var(name).ok())),
                        )
                    })
                    .collect(),
            ),
            tools: Some(
                governed(policies)
                    .into_iter()
                    .map(|tool| (tool, pin_tool(tool)))
                    .collect(),
            ),
            checksums: BTreeMap::new(),
            minimum_versions: BTreeMap::new(),
            versions: BTreeMap::new(),
            redaction_key: Some(redaction_key(&self.record)?),
            spool: Some(Spool {
                directory: self.record.join("spool"),
                levels: BTreeMap::new(),
            }),
            deadline_ms: 5_000,
        };
        self.write(SESSION_FILE, &to_json(&orders)?)?;
        self.write("identity.json", &to_json(&pins)?)
    }

    fn write_shims(&self, policies: &BTreeMap<Level, Snapshot>) -> Result<(), Failure> {
        let shims = self.shims();
        private_directories(&shims)?;
        let copy = shims.join(".reeve");
        let failed = |error| cannot_create(&copy, &error);
        // In one piece: so the page cache holds it in large pieces (where the file system knows such), of which a program's start
        // takes many pages at once. A copy by the kernel comes page by page.
        let program = fs::read("/proc/self/exe").map_err(failed)?;
        fs::write(&copy, program).map_err(failed)?;
        fs::set_permissions(&copy, Permissions::from_mode(0o500)).map_err(failed)?;
        governed(policies)
            .into_iter()
            .map(Tool::name)
            .chain(["reeve"])
            .try_for_each(|name| {
                symlink(".reeve", shims.join(name)).map_err(|error| cannot_create(&shims.join(name), &error))
            })
    }

    fn write(&self, name: &str, text: &str) -> Result<(), Failure> {
        let path = self.directory.join(name);
        OpenOptions::new()
            .write(true)
            .create_new(true)
            .mode(0o400)
            .open(&path)
            .and_then(|mut file| file.write_all(text.as_bytes()))
            .map_err(|error| cannot_create(&path, &error))
    }

    /// Removes the session's own files; the record stays.
    ///
    /// # Errors
    /// When something cannot be removed; it is named.
    pub fn remove(self) -> Result<(), Failure> {
        fs::remove_dir_all(&self.directory).map_err(|error| {
            Failure::new(
                Exit::CannotCreate,
                format!("{} cannot be removed: {error}", self.directory.display()),
            )
        })
    }
}

/// The real tool as it is now; nothing when there is none.
fn pin_tool(tool: Tool) -> Option<PinnedTool> {
    let path = std::env::var("PATH").unwrap_or_else(|_| DEFAULT_PATH.to_owned());
    let ourselves = FileId::of_this_program().ok()?;
    let found = RealTool::find(tool.name(), &path, ourselves).ok()?;
    Some(found.pin().clone())
}

/// What PATH is when nobody set one, as in `sh`.
const DEFAULT_PATH: &str = "/usr/local/sbin:/usr/local/bin:/usr/sbin:/usr/bin:/sbin:/bin";

/// The merged policy of one level.
#[derive(Debug)]
pub struct Snapshot {
    /// As the gate reads it.
    pub text: String,
    /// Its SHA-256.
    pub digest: String,
    /// The tools that its rules speak about and that are not built in.
    described: Vec<Tool>,
}

/// Every tool that has a gate under these policies.
pub fn governed(policies: &BTreeMap<Level, Snapshot>) -> Vec<Tool> {
    let mut tools = Tool::ALL.to_vec();
    for tool in policies.values().flat_map(|policy| &policy.described) {
        if !tools.contains(tool) {
            tools.push(*tool);
        }
    }
    tools
}

/// The policy of every level up to `level`, because the environment may lower it. A site need not have files for the lower
/// levels; asking for one that has none is then refused by the gate.
///
/// # Errors
/// Faulty policies (78).
pub fn snapshots(
    source: &Source,
    level: Level,
    track: Option<&Track>,
) -> Result<BTreeMap<Level, Snapshot>, Failure> {
    [Level::L1, Level::L2, Level::L3, Level::L4]
        .into_iter()
        .filter(|candidate| *candidate == level || (*candidate < level && source.has(*candidate)))
        .map(|candidate| {
            let governance = source
                .load(candidate, track)
                .map_err(|error| Failure::new(Exit::Configuration, format!("{error}\nnothing ran")))?;
            Ok((
                candidate,
                Snapshot {
                    text: governance.snapshot(),
                    digest: governance.digest(),
                    described: governance.described().map(|(tool, _)| tool).collect(),
                },
            ))
        })
        .collect()
}

/// The record's redaction key, made with the record: `find-secret` needs the same one later.
fn redaction_key(record: &Path) -> Result<String, Failure> {
    let path = record.join(REDACTION_KEY);
    let failed = |error: std::io::Error| cannot_create(&path, &error);
    match fs::read_to_string(&path) {
        Ok(key) => Ok(key.trim().to_owned()),
        Err(error) if error.kind() == std::io::ErrorKind::NotFound => {
            let mut seed = [0_u8; 32];
            let mut random = fs::File::open("/dev/urandom").map_err(failed)?;
            random.read_exact(&mut seed).map_err(failed)?;
            let key = base16ct::lower::encode_string(&seed);
            let mut file = OpenOptions::new()
                .write(true)
                .create_new(true)
                .mode(0o600)
                .open(&path)
                .map_err(failed)?;
            file.write_all(key.as_bytes())
                .and_then(|()| file.sync_all())
                .map_err(failed)?;
            Ok(key)
        }
        Err(error) => Err(failed(error)),
    }
}

fn policy_name(level: Level) -> String {
    format!("policy-{level}.json")
}

fn to_json<T: serde::Serialize>(value: &T) -> Result<String, Failure> {
    serde_json::to_string(value).map_err(|error| Failure::new(Exit::CannotCreate, error.to_string()))
}

fn private_directories(path: &Path) -> Result<(), Failure> {
    DirBuilder::new()
        .recursive(true)
        .mode(0o700)
        .create(path)
        .map_err(|error| cannot_create(path, &error))
}

fn cannot_create(path: &Path, error: &std::io::Error) -> Failure {
    Failure::new(
        Exit::CannotCreate,
        format!("{} cannot be made: {error}", path.display()),
    )
}

/// Where short-lived files go.
fn runtime_directory() -> PathBuf {
    std::env::var_os("XDG_RUNTIME_DIR")
        .map(PathBuf::from)
        .filter(|directory| directory.is_absolute() && directory.is_dir())
        .unwrap_or_else(std::env::temp_dir)
}

/// Where records stay, by the XDG base directory specification.
fn sessions_directory() -> Option<PathBuf> {
    let absolute = |name: &str| {
        std::env::var_os(name)
            .map(PathBuf::from)
            .filter(|path| path.is_absolute())
    };
    absolute("XDG_STATE_HOME")
        .or_else(|| absolute("HOME").map(|home| home.join(".local/state")))
        .map(|state| state.join("reeve/sessions"))
}

/// The record of the session that started last; ids sort by time.
pub fn newest_record() -> Option<PathBuf> {
    let entries = fs::read_dir(sessions_directory()?).ok()?;
    entries
        .filter_map(Result::ok)
        .map(|entry| entry.path())
        .filter(|path| path.is_dir())
        .max()
}
