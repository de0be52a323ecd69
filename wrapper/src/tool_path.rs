//! Finds the real tool: the first in PATH that is not one of us, and still the one that the operator had.
//!
//! It is opened once; what is checked is what is executed, by its descriptor.

use crate::sys;
use crate::version::Version;
use nix::errno::Errno;
use serde::{Deserialize, Serialize};
use sha2::{Digest, Sha256};
use std::fs::{File, Metadata, OpenOptions};
use std::io::{self, ErrorKind, Read, Seek};
use std::os::fd::AsRawFd;
use std::os::unix::fs::{MetadataExt, OpenOptionsExt, PermissionsExt};
use std::path::{Path, PathBuf};
use thiserror::Error;

/// A tool that was found and opened.
#[derive(Debug)]
pub struct RealTool {
    /// Where.
    pub path: PathBuf,
    /// The file itself.
    pub file: File,
    /// Whether it begins with `#!`: then the kernel opens it again by its path, for the interpreter.
    pub is_script: bool,
    /// Which file it was when it was opened.
    opened: PinnedTool,
}

/// A tool as it was when a session began: where, and which file. The kernel sets `ctime` at every change, whoever makes it.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct PinnedTool {
    path: PathBuf,
    device: u64,
    inode: u64,
    size: u64,
    changed_s: i64,
    changed_ns: i64,
}

/// The version that a file said it has.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct KnownVersion {
    /// Which file was asked.
    pub file: PinnedTool,
    /// What it said, such as `1.24.0`.
    pub version: String,
}

/// What a tool must be.
#[derive(Debug, Clone, Copy, Default)]
pub struct Required<'a> {
    /// Its SHA-256, hex.
    pub checksum: Option<&'a str>,
    /// The least version.
    pub minimum_version: Option<&'a str>,
    /// The version that is known, and of which file.
    pub known_version: Option<&'a KnownVersion>,
}

impl PinnedTool {
    /// Whether this is the very file of the other, unchanged, whichever path led to it.
    fn is_file_of(&self, other: &PinnedTool) -> bool {
        PinnedTool {
            path: other.path.clone(),
            ..self.clone()
        } == *other
    }

    fn of(path: &Path, found: &Metadata) -> PinnedTool {
        PinnedTool {
            path: path.to_owned(),
            device: found.dev(),
            inode: found.ino(),
            size: found.size(),
            changed_s: found.ctime(),
            changed_ns: found.ctime_nsec(),
        }
    }
}

impl RealTool {
    /// The first executable `name` in `path` that is neither this program nor another gate. Relative directories are passed over: what
    /// they mean depends on where the caller stands.
    ///
    /// # Errors
    /// [`NoTool`], with what was found instead.
    pub fn find(name: &str, path: &str, ourselves: FileId) -> Result<RealTool, NoTool> {
        let mut obstacle = None;
        for candidate in candidates(name, path) {
            match examine(&candidate, ourselves) {
                Candidate::Tool(file, metadata) => return Ok(RealTool::of(candidate, file, &metadata)),
                Candidate::Gate | Candidate::Absent => {}
                Candidate::Unusable(why) => {
                    obstacle.get_or_insert(NoTool::NotExecutable {
                        file: candidate.display().to_string(),
                        why,
                    });
                }
            }
        }
        Err(obstacle.unwrap_or_else(|| NoTool::NotFound {
            name: name.to_owned(),
            path: path.to_owned(),
        }))
    }

    /// The same when the first `name` that there is in `path` is the very file that was found at the beginning of the session, and was
    /// not changed since: what [`RealTool::find`] looked for has its answer then. Nothing otherwise.
    pub fn find_unchanged(name: &str, path: &str, pinned: &PinnedTool) -> Option<RealTool> {
        let (opened, path) = candidates(name, path)
            .map(|candidate| (open(&candidate), candidate))
            .find(|(opened, _)| !opened.as_ref().is_err_and(is_absent))?;
        let (file, _) = opened.ok()?;
        let metadata = file.metadata().ok()?;
        let real = RealTool::of(path, file, &metadata);
        (real.opened == *pinned).then_some(real)
    }

    /// Opens one of which the place is known.
    ///
    /// # Errors
    /// When it cannot even be looked at.
    pub fn open(path: PathBuf) -> Result<RealTool, NoTool> {
        let opened = open(&path).and_then(|(file, _)| Ok((file.metadata()?, file)));
        match opened {
            Ok((metadata, file)) => Ok(RealTool::of(path, file, &metadata)),
            Err(error) => Err(NoTool::NotExecutable {
                file: path.display().to_string(),
                why: error.to_string(),
            }),
        }
    }

    fn of(path: PathBuf, mut file: File, metadata: &Metadata) -> RealTool {
        let mut begin = [0; 2];
        // What may be executed and not read is no script.
        let is_script = file.read_exact(&mut begin).is_ok() && begin == *b"#!";
        let opened = PinnedTool::of(&path, metadata);
        RealTool {
            path,
            file,
            is_script,
            opened,
        }
    }

    /// Which file this was when it was opened.
    pub fn pin(&self) -> &PinnedTool {
        &self.opened
    }

    /// That it is still as it was when it was opened, and will be until it is closed or runs: time went by while the call was
    /// judged and recorded. Where the file cannot be kept from being written, the look at it must do.
    ///
    /// # Errors
    /// [`NoTool::Replaced`].
    pub fn hold(&self) -> Result<(), NoTool> {
        if sys::forbid_writing(&self.file) == Err(Errno::EAGAIN) {
            return Err(self.replaced("somebody has it open for writing".to_owned()));
        }
        match self.file.metadata() {
            Ok(now) if PinnedTool::of(&self.path, &now) == self.opened => Ok(()),
            Ok(_) => Err(self.replaced("it was changed while this call was judged".to_owned())),
            Err(error) => Err(self.replaced(error.to_string())),
        }
    }

    /// That this is still what was there when the session began.
    ///
    /// # Errors
    /// [`NoTool::Replaced`].
    pub fn check_pinned(&self, pinned: Option<&PinnedTool>) -> Result<(), NoTool> {
        let why = match pinned {
            None => "was not there when the session began",
            Some(pinned) if pinned.path != self.path => "stands before the one that the session began with",
            Some(pinned) if self.opened != *pinned => "was changed since the session began",
            Some(_) => return Ok(()),
        };
        Err(self.replaced(format!("it {why}; start a new session")))
    }

    /// That the caller, an agent, cannot have written it, and that it has the version and the SHA-256 that are asked for, if any.
    ///
    /// # Errors
    /// [`NoTool::Replaced`].
    pub fn check_host(&mut self, required: &Required<'_>) -> Result<(), NoTool> {
        let caller = nix::unistd::getuid().as_raw();
        let found = self
            .file
            .metadata()
            .map_err(|error| self.replaced(error.to_string()))?;
        if caller != 0 && found.uid() == caller || found.mode() & 0o022 != 0 {
            return Err(self.replaced(format!(
                "its owner is user {} and its mode {:04o}, so the caller may have written it; make it root's, mode 0755",
                found.uid(),
                found.mode() & 0o7777
            )));
        }
        if let Some(minimum) = required.minimum_version {
            self.check_version(minimum, required.known_version)?;
        }
        let Some(checksum) = required.checksum else {
            return Ok(());
        };
        let found = self
            .checksum()
            .map_err(|error| self.replaced(format!("its checksum is asked for, but {error}")))?;
        if found.eq_ignore_ascii_case(checksum) {
            Ok(())
        } else {
            Err(self.replaced(format!("its SHA-256 is {found}, and {checksum} is asked for")))
        }
    }

    /// Its SHA-256, hex.
    ///
    /// # Errors
    /// As reading it.
    pub fn checksum(&mut self) -> io::Result<String> {
        sha256(&mut self.file)
    }

    /// That its version, as it was asked for when the orders were written, is not below `minimum`. A file that was changed
    /// since then has no known version.
    ///
    /// # Errors
    /// [`NoTool::Replaced`].
    pub fn check_version(&self, minimum: &str, known: Option<&KnownVersion>) -> Result<(), NoTool> {
        let again = "run `reeve install` again, as root";
        let known = known.ok_or_else(|| {
            self.replaced(format!(
                "version {minimum} is asked for, and its version is not known; {again}"
            ))
        })?;
        let same = self.opened.is_file_of(&known.file);
        if !same {
            return Err(self.replaced(format!(
                "version {minimum} is asked for, and it was changed since it was version {}; {again}",
                known.version
            )));
        }
        match (Version::read(&known.version), Version::read(minimum)) {
            (Some(found), Some(least)) if found >= least => Ok(()),
            (Some(_), Some(_)) => Err(self.replaced(format!(
                "it is version {}, and {minimum} is asked for; upgrade it, then {again}",
                known.version
            ))),
            _ => Err(self.replaced(format!(
                "its version `{}` cannot be compared with the `{minimum}` that is asked for",
                known.version
            ))),
        }
    }

    fn replaced(&self, why: String) -> NoTool {
        NoTool::Replaced {
            file: self.path.display().to_string(),
            why,
        }
    }
}

/// Device and inode: what a file is, whatever it is called.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct FileId {
    /// `st_dev`
    pub device: u64,
    /// `st_ino`
    pub inode: u64,
}

impl FileId {
    fn of(metadata: &Metadata) -> FileId {
        FileId {
            device: metadata.dev(),
            inode: metadata.ino(),
        }
    }

    /// This program.
    ///
    /// # Errors
    /// When `/proc` is not there.
    pub fn of_this_program() -> io::Result<FileId> {
        std::fs::metadata("/proc/self/exe").map(|metadata| FileId::of(&metadata))
    }
}

/// Why there is no tool to run.
#[derive(Debug, Clone, PartialEq, Eq, Error)]
pub enum NoTool {
    /// Nothing by that name.
    #[error("the real `{name}` was not found in `{path}`; {}", package(name))]
    NotFound {
        /// The tool's name.
        name: String,
        /// Where it was searched.
        path: String,
    },
    /// Something by that name that cannot be executed, and nothing better after it.
    #[error("{file}: {why}")]
    NotExecutable {
        /// The first one found.
        file: String,
        /// Why it cannot be executed.
        why: String,
    },
    /// It is not certain that this is the tool.
    #[error("{file} is not executed: {why}")]
    Replaced {
        /// The file.
        file: String,
        /// Why not, and what to do.
        why: String,
    },
}

fn package(name: &str) -> String {
    let package = match name {
        "kubectl" => "kubernetes-client",
        "aws" => "awscli",
        other => other,
    };
    format!("Debian has it in the package `{package}`")
}

/// The SHA-256 of the whole file, hex.
fn sha256(file: &mut File) -> io::Result<String> {
    file.rewind()?;
    let mut digest = Sha256::new();
    let mut buffer = vec![0; 1 << 16];
    loop {
        match file.read(&mut buffer)? {
            0 => break,
            count => digest.update(buffer.get(..count).unwrap_or_default()),
        }
    }
    Ok(base16ct::lower::encode_string(&digest.finalize()))
}

/// Names under which this program is installed; a shim elsewhere is a link to, or a copy of, one of them.
const OUR_NAMES: [&str; 2] = ["reeve", ".reeve"];

/// Where `name` may lie.
fn candidates(name: &str, path: &str) -> impl Iterator<Item = PathBuf> {
    path.split(':')
        .map(Path::new)
        .filter(|directory| directory.is_absolute())
        .map(move |directory| directory.join(name))
}

enum Candidate {
    Tool(File, Metadata),
    Gate,
    Absent,
    Unusable(String),
}

fn examine(candidate: &Path, ourselves: FileId) -> Candidate {
    let looked_at = open(candidate).and_then(|(file, may_be_link)| Ok((file.metadata()?, file, may_be_link)));
    let (metadata, file, may_be_link) = match looked_at {
        Ok(found) => found,
        Err(error) if is_absent(&error) => return Candidate::Absent,
        Err(error) => return Candidate::Unusable(error.to_string()),
    };
    if FileId::of(&metadata) == ourselves || may_be_link && is_called_like_us(&file) {
        return Candidate::Gate;
    }
    if !metadata.is_file() {
        return Candidate::Unusable("it is not a file".to_owned());
    }
    if metadata.permissions().mode() & 0o111 == 0 {
        return Candidate::Unusable("it is not executable".to_owned());
    }
    Candidate::Tool(file, metadata)
}

/// Opens a file for reading, or where that is not allowed for looking at only; and whether it may lie behind a link.
fn open(path: &Path) -> io::Result<(File, bool)> {
    use nix::libc::{O_NOCTTY, O_NOFOLLOW, O_NONBLOCK, O_PATH};
    // A pipe or a terminal in the tool's place does nothing to us.
    const QUIETLY: i32 = O_NONBLOCK | O_NOCTTY;
    let with = |flags| OpenOptions::new().read(true).custom_flags(flags).open(path);
    match with(QUIETLY | O_NOFOLLOW) {
        Ok(file) => Ok((file, false)),
        Err(error) if is_absent(&error) => Err(error),
        Err(_) => {
            let file = with(QUIETLY).or_else(|error| {
                if is_absent(&error) {
                    Err(error)
                } else {
                    with(O_PATH)
                }
            })?;
            Ok((file, true))
        }
    }
}

fn is_absent(error: &io::Error) -> bool {
    matches!(error.kind(), ErrorKind::NotFound | ErrorKind::NotADirectory)
}

/// Whether the file's own name, behind all links, is one of ours.
fn is_called_like_us(file: &File) -> bool {
    // One look, where resolving the path takes one for each directory of it.
    let real = std::fs::read_link(format!("/proc/self/fd/{}", file.as_raw_fd()));
    real.is_ok_and(|real| {
        real.file_name()
            .and_then(|name| name.to_str())
            .is_some_and(|name| OUR_NAMES.contains(&name))
    })
}

#[cfg(test)]
mod tests;
