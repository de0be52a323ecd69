//! The ledger: opened once, owned by one thread.
//!
//! ```text
//! DIR/lock                    held while a sidecar runs; names its process
//! DIR/writer                  the ledger's id, made once
//! DIR/ledger-000001.ndjson …  the records (format: `audit_event::chain`), in segments
//! DIR/key                     the present epoch's private key; `key.next` while the next one begins
//! DIR/checkpoint              the last signed checkpoint
//! DIR/cursors/NAME            how far a sink is (`reader`)
//! DIR/frozen.json             which profiles may run nothing (`crate::freeze`)
//! DIR/events.ndjson           the same events, flat, for log shippers; derived
//! ```

mod disk;
#[cfg(test)]
mod faults;
mod file;
mod orphans;
pub mod reader;
mod recovery;
#[cfg(test)]
mod scenarios;
mod spool;
mod store;
mod writer;

pub use disk::Limits;
pub use writer::{Command, Content, OPERATOR, Origin, Submission, Submit, Writer, go_anywhere};

use self::file::{Directory, LedgerFile, SegmentFile, Volume};
use crate::events_file::EventsFile;
use crate::exit::{Exit, Failure};
use crate::shared::Shared;
use crate::window::Window;
use audit_event::chain::Kind;
use audit_event::note::{Checkpoint, SecretKey};
use nix::fcntl::{Flock, FlockArg};
use orphans::Orphans;
use recovery::Recovered;
use std::collections::BTreeMap;
use std::fs::{DirBuilder, File, OpenOptions};
use std::io::{Read, Seek, Write};
use std::os::unix::fs::{DirBuilderExt, MetadataExt, OpenOptionsExt};
use std::path::{Path, PathBuf};
use std::sync::Arc;
use store::{Beginning, Store};

/// A ledger that is open, recovered, and synced.
#[derive(Debug)]
pub struct Ledger {
    directory: PathBuf,
    path: PathBuf,
    store: Store<Directory>,
    window: Window,
    orphans: Orphans,
    spools: BTreeMap<String, (u64, String)>,
    events: EventsFile,
    lock: Flock<File>,
}

impl Ledger {
    /// Opens or creates the ledger in `directory`, checks its newest part, cuts a torn last line, and writes OPEN. An
    /// operator who knows why signed records are gone from the end gives the reason in `accept_loss`; a GAP says it then.
    ///
    /// # Errors
    /// When another sidecar has it, when it is damaged, or when the disk does not let us.
    pub fn open(
        directory: &Path,
        account: &serde_json::Value,
        accept_loss: Option<&str>,
    ) -> Result<Ledger, Failure> {
        prepare(directory)?;
        let lock = lock(directory)?;
        let writer = writer_id(directory)?;
        let recovered = recovery::recover(directory)?;
        let mut volume = Directory(directory.to_owned());
        let mut events = EventsFile::open(directory)?;
        let left = recovered.cursor.next;
        let lost = lost(&volume, left, events.last())?;
        let gap = match (lost, accept_loss) {
            (None, _) => None,
            (Some(lost), Some(reason)) => Some(lost.gap(reason)),
            (Some(lost), None) => return Err(lost.refusal()),
        };
        let path = recovered.path.clone();
        let mut file = SegmentFile::open(&path).map_err(|error| io_failure(&path, &error))?;
        sync_directory(directory)?;
        let key = signing_key(&mut volume, &mut file, &recovered)?;
        if events.last().is_some_and(|last| last >= left) {
            events.begin_anew("it has records that are lost")?;
        }
        events.catch_up(directory, left.saturating_sub(1))?;
        let beginning = Beginning {
            segment: recovered.segment,
            length: recovered.length,
            cursor: recovered.cursor,
            tree: recovered.tree,
            key,
            writer,
        };
        let unwritable = |error: store::CommitError| {
            let message = format!(
                "{}: cannot be written: {error}; nothing can be recorded there",
                path.display()
            );
            Failure::new(Exit::Io, message)
        };
        let mut store = Store::new(volume, file, beginning);
        store
            .open_epoch(recovered.torn.as_ref(), account)
            .map_err(unwritable)?;
        if let Some(gap) = gap {
            store
                .commit(&[store::Item::own(Kind::Gap, &gap)])
                .map_err(unwritable)?;
            set_cursors_back(directory, left)?;
        }
        Ok(Ledger {
            directory: directory.to_owned(),
            path,
            store,
            window: recovered.window,
            orphans: recovered.orphans,
            spools: recovered.spools,
            events,
            lock,
        })
    }

    /// The live segment.
    pub fn path(&self) -> &Path {
        &self.path
    }

    /// Hands the ledger to its thread.
    ///
    /// # Errors
    /// When there can be no thread.
    pub fn spawn(
        self,
        shared: Arc<Shared>,
        limits: Limits,
        spool: Option<PathBuf>,
    ) -> Result<(Submit, Writer), Failure> {
        writer::spawn(self, shared, limits, spool)
    }
}

/// Records that were there once and are not any more.
#[derive(Debug)]
struct Lost {
    /// The file that knows of them.
    witness: PathBuf,
    /// What had been done with them.
    done: &'static str,
    known: u64,
    left: u64,
}

impl Lost {
    fn refusal(&self) -> Failure {
        let message = format!(
            "{}: {} records were {}, but only {} are left; the end was cut off or an older state was put back: \
             this ledger is evidence now, move its directory aside and start with an empty one; or, if you know why, \
             go on with `--accept-loss REASON`, which is recorded",
            self.witness.display(),
            self.known,
            self.done,
            self.left
        );
        Failure::new(Exit::Damaged, message)
    }

    fn gap(&self, reason: &str) -> serde_json::Value {
        let (known, left, done) = (self.known, self.left, self.done);
        tracing::error!(known, left, done, reason, "records are lost");
        serde_json::json!({ done: known, "left": left, "accepted_by_operator": reason })
    }
}

/// What was once signed, delivered to a sink or written out for log shippers must still be there: otherwise their numbers
/// would be given to other records, which nobody downstream would take.
fn lost(volume: &Directory, left: u64, written: Option<u64>) -> Result<Option<Lost>, Failure> {
    let lost = |witness: PathBuf, done, known| Lost {
        witness,
        done,
        known,
        left,
    };
    let mut all = Vec::new();
    let path = volume.0.join("checkpoint");
    let note = volume.checkpoint().map_err(|error| io_failure(&path, &error))?;
    match note.as_deref().map(Checkpoint::read) {
        None => {}
        Some(Ok(checkpoint)) => all.push(lost(path, "signed", checkpoint.size)),
        Some(Err(error)) => {
            tracing::warn!(%error, "the file `checkpoint` is not one; the ledger has its own copy");
        }
    }
    for (path, last) in reader::cursors(&volume.0)? {
        all.extend(last.map(|last| lost(path, "delivered", last.saturating_add(1))));
    }
    let events = volume.0.join("events.ndjson");
    all.extend(written.map(|last| lost(events, "written", last.saturating_add(1))));
    all.retain(|lost| lost.known > left);
    // Of several witnesses for as many, the signed one.
    Ok(all.into_iter().rev().max_by_key(|lost| lost.known))
}

/// No sink is further than the ledger: what comes now was not delivered.
fn set_cursors_back(directory: &Path, left: u64) -> Result<(), Failure> {
    let cursors = Directory(directory.join("cursors"));
    for (path, last) in reader::cursors(directory)? {
        let Some(name) = path.file_name().and_then(|name| name.to_str()) else {
            continue;
        };
        if last.is_some_and(|last| last >= left) {
            let last = left
                .checked_sub(1)
                .map_or(String::new(), |last| format!("{last}\n"));
            cursors
                .replace(name, last.as_bytes(), 0o640)
                .map_err(|error| io_failure(&path, &error))?;
            tracing::warn!(sink = name, last, "a sink's cursor is set back to what is left");
        }
    }
    Ok(())
}

/// The private key that belongs to the last epoch. When it is still the next one (killed between OPEN and promotion), it
/// takes its place now: this start's own next key will be written where it lies. Its OPEN is made durable before, for the
/// old key is erased then.
fn signing_key(
    volume: &mut Directory,
    file: &mut SegmentFile,
    recovered: &Recovered,
) -> Result<Option<SecretKey>, Failure> {
    let Some(public) = &recovered.key else {
        return Ok(None);
    };
    let path = volume.0.join("key");
    let keys = volume.keys().map_err(|error| io_failure(&path, &error))?;
    let found = keys
        .into_iter()
        .map(|(name, seed)| (name, SecretKey::from_seed(&seed)))
        .find(|(_, key)| key.public() == *public);
    match found {
        Some((name, key)) => {
            if name == file::NEXT_KEY {
                file.sync()
                    .and_then(|()| volume.promote_key())
                    .map_err(|error| io_failure(&path, &error))?;
            }
            Ok(Some(key))
        }
        None => Err(Failure::new(
            Exit::Damaged,
            format!(
                "{}: the key of epoch {} is not there, so nothing can continue this ledger: \
                 restore the file, or move the directory aside and start with an empty one",
                path.display(),
                recovered.cursor.epoch
            ),
        )),
    }
}

/// Makes the directory, or checks that nobody else can put files into it.
fn prepare(directory: &Path) -> Result<(), Failure> {
    DirBuilder::new()
        .recursive(true)
        .mode(0o750)
        .create(directory)
        .map_err(|error| {
            Failure::new(
                Exit::CannotCreate,
                format!("{} cannot be made: {error}", directory.display()),
            )
        })?;
    let metadata = directory
        .metadata()
        .map_err(|error| io_failure(directory, &error))?;
    if metadata.mode() & 0o022 != 0 {
        let mode = metadata.mode() & 0o7777;
        let message = format!(
            "{} has mode {mode:04o}, so others can put files into it; run `chmod go-w` on it",
            directory.display()
        );
        return Err(Failure::new(Exit::Configuration, message));
    }
    Ok(())
}

/// Takes the lock, or says who has it.
fn lock(directory: &Path) -> Result<Flock<File>, Failure> {
    let path = directory.join("lock");
    let file = OpenOptions::new()
        .read(true)
        .write(true)
        .create(true)
        .truncate(false)
        .mode(0o640)
        .open(&path)
        .map_err(|error| Failure::new(Exit::CannotCreate, format!("{}: {error}", path.display())))?;
    match Flock::lock(file, FlockArg::LockExclusiveNonblock) {
        Ok(mut lock) => {
            let noted = lock
                .set_len(0)
                .and_then(|()| lock.rewind())
                .and_then(|()| writeln!(lock, "{}", std::process::id()));
            noted.map_err(|error| io_failure(&path, &error))?;
            Ok(lock)
        }
        Err((mut file, _)) => {
            let mut holder = String::new();
            let _unknown = file.read_to_string(&mut holder);
            let message = format!(
                "{} is in use by another sidecar, process {}",
                directory.display(),
                holder.trim()
            );
            Err(Failure::new(Exit::Unavailable, message))
        }
    }
}

/// The ledger's id: made at first, then read for ever.
fn writer_id(directory: &Path) -> Result<String, Failure> {
    let path = directory.join("writer");
    match std::fs::read_to_string(&path) {
        Ok(id)
            if (8..=64).contains(&id.trim().len())
                && id.trim().bytes().all(|b| b.is_ascii_hexdigit() || b == b'-') =>
        {
            Ok(id.trim().to_owned())
        }
        Ok(_) => Err(Failure::new(
            Exit::Damaged,
            format!(
                "{} does not hold a ledger's id; restore it from the first record's `w`",
                path.display()
            ),
        )),
        Err(error) if error.kind() == std::io::ErrorKind::NotFound => {
            let id = std::fs::read_to_string("/proc/sys/kernel/random/uuid")
                .map_err(|error| io_failure(&path, &error))?;
            let fresh = directory.join("writer.new");
            OpenOptions::new()
                .write(true)
                .create(true)
                .truncate(true)
                .mode(0o640)
                .open(&fresh)
                .and_then(|mut file| file.write_all(id.as_bytes()).and_then(|()| file.sync_all()))
                .and_then(|()| std::fs::rename(&fresh, &path))
                .map_err(|error| Failure::new(Exit::CannotCreate, format!("{}: {error}", path.display())))?;
            sync_directory(directory)?;
            Ok(id.trim().to_owned())
        }
        Err(error) => Err(io_failure(&path, &error)),
    }
}

/// A new file exists for good only when its directory is on disk.
fn sync_directory(directory: &Path) -> Result<(), Failure> {
    File::open(directory)
        .and_then(|directory| directory.sync_all())
        .map_err(|error| io_failure(directory, &error))
}

/// Replaces a file in the ledger's directory as a whole: after a crash it has the old content or the new, durably.
///
/// # Errors
/// When the disk does not let us.
pub fn replace_file(directory: &Path, name: &str, bytes: &[u8]) -> std::io::Result<()> {
    Directory(directory.to_owned()).replace(name, bytes, 0o640)
}

pub(crate) fn io_failure(path: &Path, error: &std::io::Error) -> Failure {
    Failure::new(Exit::Io, format!("{}: {error}", path.display()))
}
