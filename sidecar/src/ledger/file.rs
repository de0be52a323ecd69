//! The little that the ledger needs of files and of their directory, so that a test can put failing ones in their place.

use audit_event::room::ROOM;
use rustix::fs::{AtFlags, CWD, Statx, StatxFlags, statx};
use std::fs::{File, OpenOptions};
use std::io::{self, Read, Write};
use std::os::unix::fs::{FileExt, OpenOptionsExt};
use std::path::{Path, PathBuf};

/// The present epoch's private key.
const KEY: &str = "key";
/// The next epoch's, before its OPEN is durable.
pub const NEXT_KEY: &str = "key.next";
/// The last checkpoint: an anchor for whoever looks only here.
const CHECKPOINT: &str = "checkpoint";

/// A file of records, and behind them room ([`audit_event::room`]) or nothing.
pub trait LedgerFile {
    /// Writes all of `bytes` behind the records, into room or beyond, or fails having written any part of them.
    fn append(&mut self, bytes: &[u8]) -> io::Result<()>;
    /// Makes what was appended durable.
    fn sync(&mut self) -> io::Result<()>;
    /// Cuts the file to `length`; there is no room then.
    fn truncate(&mut self, length: u64) -> io::Result<()>;
    /// Cuts off what room there is.
    fn cut_room(&mut self) -> io::Result<()>;
    /// Bytes of room behind the records.
    fn room(&self) -> u64;
    /// Makes some more room, not durable yet, or fails and leaves what there is. Whether there may be more still.
    fn make_room(&mut self) -> io::Result<bool>;
}

/// The directory that the segments are in.
pub trait Volume {
    /// Its files.
    type File: LedgerFile;
    /// Creates a segment, empty; when this returns, its name is durable.
    fn create(&mut self, segment: u64) -> io::Result<Self::File>;
    /// Removes a segment.
    fn remove(&mut self, segment: u64) -> io::Result<()>;
    /// Makes the next epoch's key durable, beside the present one.
    fn keep_next_key(&mut self, seed: &[u8; 32]) -> io::Result<()>;
    /// The next key becomes the present one; the old one is erased.
    fn promote_key(&mut self) -> io::Result<()>;
    /// Leaves the last checkpoint where others find it.
    fn show_checkpoint(&mut self, note: &str) -> io::Result<()>;
    /// 32 bytes that nobody can guess.
    fn random(&mut self) -> io::Result<[u8; 32]>;
}

/// The directory on disk.
#[derive(Debug)]
pub struct Directory(pub PathBuf);

impl Directory {
    /// The private keys that are there, by their files: the present one and, after a crash, the next one.
    pub fn keys(&self) -> io::Result<Vec<(&'static str, [u8; 32])>> {
        let mut keys = Vec::new();
        for name in [KEY, NEXT_KEY] {
            match std::fs::read(self.0.join(name)) {
                Ok(bytes) => keys.extend(<[u8; 32]>::try_from(bytes).map(|seed| (name, seed))),
                Err(error) if error.kind() == io::ErrorKind::NotFound => {}
                Err(error) => return Err(error),
            }
        }
        Ok(keys)
    }

    /// The last checkpoint, if one was left.
    pub fn checkpoint(&self) -> io::Result<Option<String>> {
        match std::fs::read_to_string(self.0.join(CHECKPOINT)) {
            Ok(note) => Ok(Some(note)),
            Err(error) if error.kind() == io::ErrorKind::NotFound => Ok(None),
            Err(error) => Err(error),
        }
    }

    /// Replaces a file as a whole: after a crash it has the old content or the new.
    pub fn replace(&self, name: &str, bytes: &[u8], mode: u32) -> io::Result<()> {
        let fresh = format!("{name}.new");
        self.write(&fresh, bytes, mode)?;
        std::fs::rename(self.0.join(fresh), self.0.join(name))?;
        self.sync()
    }

    fn sync(&self) -> io::Result<()> {
        File::open(&self.0)?.sync_all()
    }

    /// Writes a whole file and makes its content durable; its name is not yet.
    fn write(&self, name: &str, bytes: &[u8], mode: u32) -> io::Result<()> {
        let mut file = OpenOptions::new()
            .write(true)
            .create(true)
            .truncate(true)
            .mode(mode)
            .open(self.0.join(name))?;
        file.write_all(bytes)?;
        file.sync_all()
    }
}

/// A segment's name.
pub fn segment_name(segment: u64) -> String {
    format!("ledger-{segment:06}.ndjson")
}

/// The number in a segment's name.
pub fn segment_number(path: &Path) -> Option<u64> {
    let name = path.file_name()?.to_str()?;
    let digits = name.strip_prefix("ledger-")?.strip_suffix(".ndjson")?;
    digits.parse().ok().filter(|number| segment_name(*number) == name)
}

impl Volume for Directory {
    type File = SegmentFile;

    fn create(&mut self, segment: u64) -> io::Result<SegmentFile> {
        let file = SegmentFile::open(&self.0.join(segment_name(segment)))?;
        self.sync()?;
        Ok(file)
    }

    fn remove(&mut self, segment: u64) -> io::Result<()> {
        match std::fs::remove_file(self.0.join(segment_name(segment))) {
            Err(error) if error.kind() != io::ErrorKind::NotFound => Err(error),
            _ => self.sync(),
        }
    }

    fn keep_next_key(&mut self, seed: &[u8; 32]) -> io::Result<()> {
        // Never written in place: what lies there may be the only copy of a key.
        self.replace(NEXT_KEY, seed, 0o600)
    }

    fn promote_key(&mut self) -> io::Result<()> {
        let present = self.0.join(KEY);
        if present.exists() {
            // Written over in place first: a rename alone leaves the old bytes on the disk.
            let mut old = OpenOptions::new().write(true).open(&present)?;
            old.write_all(&[0; 32])?;
            old.sync_all()?;
        }
        std::fs::rename(self.0.join(NEXT_KEY), present)?;
        self.sync()
    }

    fn show_checkpoint(&mut self, note: &str) -> io::Result<()> {
        self.write("checkpoint.new", note.as_bytes(), 0o640)?;
        std::fs::rename(self.0.join("checkpoint.new"), self.0.join(CHECKPOINT))
    }

    fn random(&mut self) -> io::Result<[u8; 32]> {
        let mut seed = [0; 32];
        File::open("/dev/urandom")?.read_exact(&mut seed)?;
        Ok(seed)
    }
}

/// What is asked of a segment before each write. No times: a kernel that was asked for them gives the next write a time of its own
/// (since Linux 6.13), and where ext4 has no journal each sync then writes the inode, too, a third request to the disk.
const ASKED: StatxFlags = StatxFlags::INO.union(StatxFlags::NLINK).union(StatxFlags::SIZE);

/// What tells a file from all others that are there.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
struct Identity {
    /// The device, major and minor number.
    device: (u32, u32),
    inode: u64,
}

impl Identity {
    fn of(found: &Statx) -> Identity {
        Identity {
            device: (found.stx_dev_major, found.stx_dev_minor),
            inode: found.stx_ino,
        }
    }
}

/// A segment on disk.
#[derive(Debug)]
pub struct SegmentFile {
    path: PathBuf,
    file: File,
    identity: Identity,
    /// Where the records end.
    end: u64,
    /// Where the file ends.
    size: u64,
}

impl SegmentFile {
    /// Opens or creates it. It has no room: what a writer before this one had made, the walk at the start has cut off.
    pub fn open(path: &Path) -> io::Result<SegmentFile> {
        let file = OpenOptions::new()
            .create(true)
            .truncate(false)
            .write(true)
            .mode(0o640)
            .open(path)?;
        let found = statx(&file, "", AtFlags::EMPTY_PATH, ASKED)?;
        Ok(SegmentFile {
            path: path.to_owned(),
            file,
            identity: Identity::of(&found),
            end: found.stx_size,
            size: found.stx_size,
        })
    }

    /// Whether the name still leads to the file we write, it has no other name, and it is as long as we made it: a deleted or
    /// replaced ledger would swallow records, and one that others write is not ours alone.
    pub fn check_identity(&self) -> Result<(), String> {
        let at = self.path.display();
        let found = statx(CWD, &self.path, AtFlags::SYMLINK_NOFOLLOW, ASKED)
            .map_err(|error| format!("{at} is gone: {}; restart the sidecar", io::Error::from(error)))?;
        if Identity::of(&found) != self.identity {
            return Err(format!("{at} was replaced by another file; restart the sidecar"));
        }
        if found.stx_nlink != 1 {
            return Err(format!(
                "{at} has {} names; remove the others and restart the sidecar",
                found.stx_nlink
            ));
        }
        if found.stx_size != self.size {
            return Err(format!(
                "{at} has {} bytes where {} were written: somebody else wrote or cut it; run `reeve audit verify`",
                found.stx_size, self.size
            ));
        }
        Ok(())
    }
}

/// So much of the room is filled at once. The page cache takes what is written at once as one piece where it can, and a
/// sync after a change in a piece writes all of it: a page each costs no more than what changes.
const PIECE: [u8; 4096] = [0; 4096];
/// So many are filled in one go: whoever wants something recorded meanwhile waits until they are durable.
const PIECES: usize = 16;

impl LedgerFile for SegmentFile {
    fn append(&mut self, bytes: &[u8]) -> io::Result<()> {
        self.file.write_all_at(bytes, self.end)?;
        self.end = self.end.saturating_add(bytes.len() as u64);
        self.size = self.size.max(self.end);
        Ok(())
    }

    fn sync(&mut self) -> io::Result<()> {
        self.file.sync_data()
    }

    fn truncate(&mut self, length: u64) -> io::Result<()> {
        self.file.set_len(length)?;
        (self.end, self.size) = (length, length);
        Ok(())
    }

    fn cut_room(&mut self) -> io::Result<()> {
        if self.size > self.end {
            self.truncate(self.end)?;
        }
        Ok(())
    }

    fn room(&self) -> u64 {
        self.size.saturating_sub(self.end)
    }

    fn make_room(&mut self) -> io::Result<bool> {
        let page = PIECE.len() as u64;
        let until = self.end.saturating_add(ROOM);
        for _ in 0..PIECES {
            // To the border of a page, and from there on in whole ones.
            let border = self.size.saturating_add(1).next_multiple_of(page);
            if border > until {
                return Ok(false);
            }
            let length = usize::try_from(border.saturating_sub(self.size)).unwrap_or(PIECE.len());
            let piece = PIECE.get(..length).unwrap_or(&PIECE);
            if let Err(error) = self.file.write_all_at(piece, self.size) {
                self.file.set_len(self.size)?; // a part of it may be there
                return Err(error);
            }
            self.size = border;
        }
        Ok(true)
    }
}
