//! What an installation has made and changed, and how it was before: `/etc/reeve/install.json`.
//!
//! An entry is written, and synced, before the change that it is about. So whenever the installer dies, a
//! second run finds what was begun, and `reeve uninstall` can put everything back.

use super::layout;
use crate::exit::Exit;
use crate::operator::Failure;
use nix::fcntl::{Flock, FlockArg};
use serde::{Deserialize, Serialize};
use std::fs::{DirBuilder, File, OpenOptions};
use std::io::{self, ErrorKind, Write};
use std::os::unix::fs::{DirBuilderExt, MetadataExt, OpenOptionsExt};
use std::path::{Path, PathBuf};

/// One thing that was made or changed.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(tag = "made", rename_all = "kebab-case", deny_unknown_fields)]
pub enum Entry {
    /// A group that was not there.
    Group {
        /// Its name.
        name: String,
    },
    /// A user that was not there.
    User {
        /// Its name.
        name: String,
    },
    /// A directory that was not there.
    Directory {
        /// Where.
        path: PathBuf,
    },
    /// A file that was not there.
    File {
        /// Where.
        path: PathBuf,
    },
    /// A link that was not there.
    Link {
        /// Where.
        path: PathBuf,
    },
    /// A file that was there, with another owner, group or mode.
    Access {
        /// Where.
        path: PathBuf,
        /// Its owner before.
        uid: u32,
        /// Its group before.
        gid: u32,
        /// Its permission bits before.
        mode: u32,
        /// Whether dpkg was told, because a package owns it.
        dpkg: bool,
        /// What dpkg had been told before: `USER GROUP MODE`.
        told_before: Option<String>,
    },
}

impl Entry {
    /// Whether both are about the same thing.
    pub fn is_about(&self, other: &Entry) -> bool {
        match (self, other) {
            (Entry::Group { name: a }, Entry::Group { name: b })
            | (Entry::User { name: a }, Entry::User { name: b }) => a == b,
            _ => self.path().is_some() && self.path() == other.path(),
        }
    }

    /// The file that it is about.
    pub fn path(&self) -> Option<&Path> {
        match self {
            Entry::Group { .. } | Entry::User { .. } => None,
            Entry::Directory { path }
            | Entry::File { path }
            | Entry::Link { path }
            | Entry::Access { path, .. } => Some(path),
        }
    }
}

/// The file's form.
#[derive(Debug, Default, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
struct Document {
    version: u32,
    entries: Vec<Entry>,
}

/// The state on this host, held against a second installer.
#[derive(Debug)]
pub struct State {
    entries: Vec<Entry>,
    /// Held until this value is dropped. Absent where only looking is meant and nothing is there.
    _lock: Option<Flock<File>>,
}

impl State {
    /// What is there, for looking only.
    ///
    /// # Errors
    /// A file that cannot be read, or is not this form.
    pub fn look() -> Result<State, Failure> {
        Ok(State {
            entries: read()?.unwrap_or_default(),
            _lock: None,
        })
    }

    /// What is there, made if it is not, and locked.
    ///
    /// # Errors
    /// As [`State::look`]; when another installer is at work; or when it cannot be made.
    pub fn open() -> Result<State, Failure> {
        let directory = Path::new(layout::ETC);
        let failed = |error: io::Error| cannot(directory, &error);
        let made = match DirBuilder::new().mode(0o755).create(directory) {
            Ok(()) => true,
            // An empty one is left of an installer that was killed at this point.
            Err(error) if error.kind() == ErrorKind::AlreadyExists => {
                directory.read_dir().map_err(failed)?.next().is_none()
            }
            Err(error) => return Err(failed(error)),
        };
        let found = directory.symlink_metadata().map_err(failed)?;
        if !found.is_dir() || found.uid() != 0 || found.mode() & 0o022 != 0 {
            return Err(Failure::new(
                Exit::Configuration,
                format!(
                    "{} must be a directory of root's that nobody else can write",
                    directory.display()
                ),
            ));
        }
        let handle = File::open(directory).map_err(failed)?;
        let lock = Flock::lock(handle, FlockArg::LockExclusiveNonblock).map_err(|(_, errno)| {
            Failure::new(
                Exit::CannotCreate,
                format!(
                    "{}: another `reeve install` or `uninstall` is at work ({})",
                    directory.display(),
                    errno.desc()
                ),
            )
        })?;
        let mut state = State {
            entries: read()?.unwrap_or_default(),
            _lock: Some(lock),
        };
        if made {
            state.remember(Entry::Directory {
                path: directory.to_owned(),
            })?;
        }
        Ok(state)
    }

    /// Everything, in the order it was made.
    pub fn entries(&self) -> &[Entry] {
        &self.entries
    }

    /// What is known about the same thing.
    pub fn of(&self, entry: &Entry) -> Option<&Entry> {
        self.entries.iter().find(|known| known.is_about(entry))
    }

    /// Whether this file, directory or link is one that an installation made.
    pub fn made(&self, path: &Path) -> bool {
        self.entries
            .iter()
            .any(|entry| entry.path() == Some(path) && !matches!(entry, Entry::Access { .. }))
    }

    /// Writes down what is about to be made. What was written down before stays: that is how it was.
    ///
    /// # Errors
    /// When it cannot be written; then nothing may be changed.
    pub fn remember(&mut self, entry: Entry) -> Result<(), Failure> {
        if self.of(&entry).is_some() {
            return Ok(());
        }
        self.entries.push(entry);
        self.save()
    }

    /// Forgets what was put back.
    ///
    /// # Errors
    /// When it cannot be written.
    pub fn forget(&mut self, entry: &Entry) -> Result<(), Failure> {
        self.entries.retain(|known| !known.is_about(entry));
        self.save()
    }

    /// Removes the file itself, when nothing is left to remember.
    ///
    /// # Errors
    /// When it cannot be removed.
    pub fn remove_file(&self) -> Result<(), Failure> {
        let path = file();
        match std::fs::remove_file(&path) {
            Err(error) if error.kind() != ErrorKind::NotFound => Err(cannot(&path, &error)),
            _ => Ok(()),
        }
    }

    fn save(&self) -> Result<(), Failure> {
        let path = file();
        let document = Document {
            version: 1,
            entries: self.entries.clone(),
        };
        let text = serde_json::to_string_pretty(&document)
            .map_err(|error| Failure::new(Exit::CannotCreate, error.to_string()))?;
        let beside = layout::etc(".install.json.new");
        let write = || {
            let mut file = OpenOptions::new()
                .write(true)
                .create(true)
                .truncate(true)
                .mode(0o600)
                .open(&beside)?;
            file.write_all(text.as_bytes())?;
            file.sync_all()?;
            std::fs::rename(&beside, &path)?;
            File::open(layout::ETC)?.sync_all()
        };
        write().map_err(|error| cannot(&path, &error))
    }
}

fn file() -> PathBuf {
    layout::etc("install.json")
}

fn read() -> Result<Option<Vec<Entry>>, Failure> {
    let path = file();
    let text = match std::fs::read_to_string(&path) {
        Ok(text) => text,
        Err(error) if error.kind() == ErrorKind::NotFound => return Ok(None),
        Err(error) => return Err(cannot(&path, &error)),
    };
    let document: Document = serde_json::from_str(&text)
        .map_err(|error| Failure::new(Exit::Configuration, format!("{}: {error}", path.display())))?;
    if document.version != 1 {
        return Err(Failure::new(
            Exit::Configuration,
            format!(
                "{}: version {} is not known here",
                path.display(),
                document.version
            ),
        ));
    }
    Ok(Some(document.entries))
}

/// Something with a file did not work.
pub fn cannot(path: &Path, error: &io::Error) -> Failure {
    Failure::new(Exit::CannotCreate, format!("{}: {error}", path.display()))
}
