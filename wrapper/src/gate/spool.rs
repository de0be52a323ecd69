//! Where a decision is recorded when there is no sidecar: a file of the caller's own, synced and chained, which the
//! sidecar takes in when it is back.
//!
//! `DIR/<uid>.spool` holds lines in the ledger's own format (`audit_event::chain`): `w` names this run of the spool, `e` is 0,
//! `n` begins at 0 and `p` at 64 zeros. The sidecar cuts the file to nothing, under its lock, once the ledger has it all; the
//! next line begins a new run. Only what was allowed to run and only reads is spooled ([`admits`]).

use crate::configuration::{Configuration, Identity, Without};
use argv::{Effect, Invocation};
use audit_event::chain::{Draft, Fields, Hash, Kind, write_line};
use audit_event::{Event, Outcome};
use nix::fcntl::{Flock, FlockArg, OFlag};
use nix::sys::stat::Mode;
use std::fs::{DirBuilder, File, OpenOptions};
use std::io::{self, Read, Seek, SeekFrom, Write};
use std::os::unix::fs::{DirBuilderExt, MetadataExt, OpenOptionsExt};
use std::path::{Path, PathBuf};
use std::time::{Duration, Instant};
use thiserror::Error;

/// The longest spool. Beyond it nothing runs until the sidecar is back.
const MAX_SPOOL: u64 = 16 << 20;
/// How long another gate, or the sidecar, may hold the file.
const PATIENCE: Duration = Duration::from_secs(2);

/// A spool that has recorded a decision.
#[derive(Debug)]
pub struct Spool {
    path: PathBuf,
    uid: u32,
}

/// Why nothing was spooled. Nothing may run then.
#[derive(Debug, Error)]
pub enum CannotSpool {
    /// The system says no.
    #[error("the spool {path}: {cause}")]
    Io {
        /// Which file.
        path: PathBuf,
        /// Why.
        cause: io::Error,
    },
    /// The event cannot be written as JSON.
    #[error("the event cannot be written: {0}")]
    Json(#[from] serde_json::Error),
}

/// Whether this command may go by the spool: the level says so, and it does nothing but read.
pub fn admits(orders: &Configuration, identity: &Identity, invocation: Option<&Invocation>) -> bool {
    let Some((spool, invocation)) = orders.spool.as_ref().zip(invocation) else {
        return false;
    };
    let mode = |level| spool.levels.get(level).copied().unwrap_or(Without::Spool);
    // Lowering the level must not open what the pinned one closes.
    let levels_admit = [&identity.level, &identity.pinned]
        .into_iter()
        .all(|level| mode(level) == Without::Spool);
    let only_reads = invocation
        .operations
        .iter()
        .all(|operation| matches!(operation.effect, Effect::Local | Effect::Read));
    levels_admit && only_reads && invocation.hazards.is_empty()
}

impl Spool {
    /// Records a decision; returns when it is durable.
    pub fn begin(orders: &Configuration, event: &Event) -> Result<Spool, CannotSpool> {
        let directory = orders
            .spool
            .as_ref()
            .map(|spool| spool.directory.clone())
            .unwrap_or_default();
        let spool = Spool {
            path: directory.join(format!("{}.spool", event.uid)),
            uid: event.uid,
        };
        // The caller's own mask, which the tool inherits, may leave nobody any right.
        let mask = nix::sys::stat::umask(Mode::from_bits_truncate(0o077));
        let begun = spool.open(&directory, event);
        nix::sys::stat::umask(mask);
        begun?;
        Ok(spool)
    }

    fn open(&self, directory: &Path, event: &Event) -> Result<(), CannotSpool> {
        let io = |cause| CannotSpool::Io {
            path: self.path.clone(),
            cause,
        };
        DirBuilder::new()
            .recursive(true)
            .mode(0o700)
            .create(directory)
            .map_err(io)?;
        // On a host callers may make files in the directory and not look into it.
        let opened = match File::open(directory) {
            Err(error) if error.kind() == io::ErrorKind::PermissionDenied => None,
            opened => Some(opened.map_err(io)?),
        };
        self.append(Kind::Event, &serde_json::to_string(event)?, &event.ts)?;
        match opened {
            Some(directory) => directory.sync_all(),
            // The name is durable with all else of that file system.
            None => File::open(&self.path).and_then(|file| Ok(nix::unistd::syncfs(file)?)),
        }
        .map_err(io)
    }

    /// Records how it ended.
    pub fn record_outcome(&self, outcome: &Outcome) -> Result<(), CannotSpool> {
        self.append(Kind::Exit, &serde_json::to_string(outcome)?, &outcome.ts)
    }

    fn append(&self, kind: Kind, data: &str, wall: &str) -> Result<(), CannotSpool> {
        self.append_line(kind, data, wall)
            .map_err(|cause| CannotSpool::Io {
                path: self.path.clone(),
                cause,
            })
    }

    fn append_line(&self, kind: Kind, data: &str, wall: &str) -> io::Result<()> {
        let mut file = self.lock()?;
        let (end, run, seq, head) = tail(&mut file)?;
        let mut line = Vec::new();
        let draft = Draft {
            writer: &run,
            epoch: 0,
            seq,
            wall,
            monotonic_ns: 0,
            kind,
            peer: None,
            data,
        };
        write_line(&mut line, head, &draft);
        if end.saturating_add(line.len() as u64) > MAX_SPOOL {
            let why = format!("it is full ({MAX_SPOOL} bytes); start the sidecar, which takes it in");
            return Err(io::Error::other(why));
        }
        file.set_len(end)?; // what a gate that died has left half written
        file.seek(SeekFrom::Start(end))?;
        file.write_all(&line)?;
        file.sync_all()
    }

    /// Opens the file, ours alone, and keeps others out of it.
    fn lock(&self) -> io::Result<Flock<File>> {
        let file = OpenOptions::new()
            .read(true)
            .write(true)
            .create(true)
            .truncate(false)
            .mode(0o600)
            .custom_flags(OFlag::O_NOFOLLOW.bits())
            .open(&self.path)?;
        let metadata = file.metadata()?;
        if !metadata.is_file() || metadata.nlink() != 1 || metadata.uid() != self.uid {
            return Err(io::Error::other(
                "it is not a plain file of the caller's own; remove it",
            ));
        }
        let until = Instant::now().checked_add(PATIENCE);
        let mut file = file;
        loop {
            match Flock::lock(file, FlockArg::LockExclusiveNonblock) {
                Ok(locked) => return Ok(locked),
                Err((_, errno)) if until.is_none_or(|until| Instant::now() >= until) => {
                    return Err(errno.into());
                }
                Err((back, _)) => file = back,
            }
            std::thread::sleep(Duration::from_millis(2));
        }
    }
}

/// Where whole lines end, the run's name, and the next line's number and previous hash.
fn tail(file: &mut File) -> io::Result<(u64, String, u64, Hash)> {
    let mut bytes = Vec::new();
    file.take(MAX_SPOOL.saturating_add(1)).read_to_end(&mut bytes)?;
    let end = bytes
        .iter()
        .rposition(|b| *b == b'\n')
        .map_or(0, |at| at.saturating_add(1));
    let last = bytes
        .get(..end)
        .and_then(|whole| whole.trim_ascii_end().rsplit(|b| *b == b'\n').next());
    match last.filter(|line| !line.is_empty()) {
        None => Ok((0, uuid::Uuid::now_v7().hyphenated().to_string(), 0, Hash::ZERO)),
        Some(line) => {
            let fields = Fields::read(line).map_err(|broken| {
                io::Error::other(format!(
                    "its last line is damaged: {broken}; start the sidecar, which takes it in"
                ))
            })?;
            Ok((
                end as u64,
                fields.writer.to_owned(),
                fields.seq.saturating_add(1),
                fields.hash,
            ))
        }
    }
}
