//! Reads what gates have recorded while there was no sidecar (the form is in the gate's `spool` module).
//!
//! A spool is a file of its user's own: that user can write anything into it, as into the socket, so each event is checked
//! against the user's pin like one from the socket. The file's owner is what the peer's credentials are there.

use audit_event::chain::{Cursor, Fields, Kind};
use nix::fcntl::{Flock, FlockArg, OFlag};
use std::collections::VecDeque;
use std::fs::{File, OpenOptions};
use std::io::{self, Read};
use std::os::unix::fs::{MetadataExt, OpenOptionsExt};
use std::path::{Path, PathBuf};

/// The longest spool that is read; gates stop well before.
const MAX_SPOOL: u64 = 32 << 20;

/// A spool that no gate can write while this value lives.
#[derive(Debug)]
pub struct Spool {
    file: Flock<File>,
    /// Whose it is.
    pub uid: u32,
    /// The owner's group.
    pub gid: u32,
    /// What is in it and was not taken in yet.
    pub lines: VecDeque<Spooled>,
    /// The hash of the last whole line, hex.
    pub head: String,
    /// What is wrong with the rest, and its bytes.
    pub damage: Option<(String, Vec<u8>)>,
}

/// One line.
#[derive(Debug, Clone)]
pub struct Spooled {
    /// Event or exit.
    pub kind: Kind,
    /// The JSON as the gate wrote it.
    pub data: String,
}

/// The spools in `directory`.
///
/// # Errors
/// When it cannot be read.
pub fn find(directory: &Path) -> io::Result<Vec<PathBuf>> {
    let entries = match std::fs::read_dir(directory) {
        Ok(entries) => entries,
        Err(error) if error.kind() == io::ErrorKind::NotFound => return Ok(Vec::new()),
        Err(error) => return Err(error),
    };
    let mut found = Vec::new();
    for entry in entries {
        let path = entry?.path();
        if owner_by_name(&path).is_some() {
            found.push(path);
        }
    }
    found.sort();
    Ok(found)
}

/// The user in a spool's name.
fn owner_by_name(path: &Path) -> Option<u32> {
    path.file_name()?.to_str()?.strip_suffix(".spool")?.parse().ok()
}

impl Spool {
    /// Takes a spool; `None` when it is empty or a gate is writing it just now.
    ///
    /// # Errors
    /// When it cannot be read, or is not a plain file of the user whose name it has.
    pub fn take(path: &Path) -> io::Result<Option<Spool>> {
        let file = OpenOptions::new()
            .read(true)
            .write(true)
            .custom_flags(OFlag::O_NOFOLLOW.bits() | OFlag::O_NONBLOCK.bits())
            .open(path)?;
        let metadata = file.metadata()?;
        if !metadata.is_file() || metadata.nlink() != 1 || Some(metadata.uid()) != owner_by_name(path) {
            return Err(io::Error::other(
                "it is not a plain file of the user whose name it has",
            ));
        }
        if metadata.len() > MAX_SPOOL {
            // No gate writes one, and a part of it could not be taken and the rest left.
            return Err(io::Error::new(
                io::ErrorKind::FileTooLarge,
                format!(
                    "it has {} bytes, of which {MAX_SPOOL} may be; it is left alone",
                    metadata.len()
                ),
            ));
        }
        let Ok(file) = Flock::lock(file, FlockArg::LockExclusiveNonblock) else {
            return Ok(None);
        };
        let mut bytes = Vec::new();
        (&*file).take(MAX_SPOOL).read_to_end(&mut bytes)?;
        if bytes.is_empty() {
            return Ok(None);
        }
        let mut spool = Spool {
            file,
            uid: metadata.uid(),
            gid: metadata.gid(),
            lines: VecDeque::new(),
            head: String::new(),
            damage: None,
        };
        spool.read(&bytes);
        Ok(Some(spool))
    }

    fn read(&mut self, bytes: &[u8]) {
        let mut cursor = Cursor::start();
        let mut rest = bytes;
        for line in bytes.split_inclusive(|b| *b == b'\n') {
            let step = line
                .strip_suffix(b"\n")
                .ok_or_else(|| format!("the last line is torn after {} bytes", line.len()))
                .and_then(|line| {
                    let fields = Fields::read(line).map_err(|broken| broken.to_string())?;
                    cursor.step(&fields).map_err(|broken| broken.to_string())?;
                    Ok(Spooled {
                        kind: fields.kind,
                        data: fields.data.to_owned(),
                    })
                });
            match step {
                Ok(spooled) => self.lines.push_back(spooled),
                Err(why) => {
                    self.damage = Some((why, rest.to_vec()));
                    break;
                }
            }
            rest = rest.get(line.len()..).unwrap_or_default();
        }
        self.head = cursor.head.to_string();
    }

    /// Empties it: the ledger has what was in it.
    ///
    /// # Errors
    /// When it cannot be cut; its events are then known by their ids the next time.
    pub fn empty(self) -> io::Result<()> {
        self.file.set_len(0)?;
        self.file.sync_all()
    }
}
