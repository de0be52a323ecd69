//! The little that the ledger needs of a file, so that a test can put a failing one in its place.

use std::fs::{File, OpenOptions};
use std::io::{self, Write};
use std::os::unix::fs::{MetadataExt, OpenOptionsExt};
use std::path::{Path, PathBuf};

/// An append-only file.
pub trait LedgerFile {
    /// Writes all of `bytes` at the end, or fails having written any part of them.
    fn append(&mut self, bytes: &[u8]) -> io::Result<()>;
    /// Makes what was appended durable.
    fn sync(&mut self) -> io::Result<()>;
    /// Cuts the file to `length`.
    fn truncate(&mut self, length: u64) -> io::Result<()>;
}

/// A segment on disk.
#[derive(Debug)]
pub struct SegmentFile {
    path: PathBuf,
    file: File,
    device: u64,
    inode: u64,
}

impl SegmentFile {
    /// Opens or creates it.
    pub fn open(path: &Path) -> io::Result<SegmentFile> {
        let file = OpenOptions::new()
            .create(true)
            .append(true)
            .mode(0o640)
            .open(path)?;
        let metadata = file.metadata()?;
        Ok(SegmentFile {
            path: path.to_owned(),
            file,
            device: metadata.dev(),
            inode: metadata.ino(),
        })
    }

    /// Whether the name still leads to the file we write: a deleted or replaced ledger would swallow records.
    pub fn check_identity(&self) -> Result<(), String> {
        let at = self.path.display();
        match std::fs::symlink_metadata(&self.path) {
            Ok(found) if (found.dev(), found.ino()) == (self.device, self.inode) => Ok(()),
            Ok(_) => Err(format!("{at} was replaced by another file; restart the sidecar")),
            Err(error) => Err(format!("{at} is gone: {error}; restart the sidecar")),
        }
    }
}

impl LedgerFile for SegmentFile {
    fn append(&mut self, bytes: &[u8]) -> io::Result<()> {
        self.file.write_all(bytes)
    }

    fn sync(&mut self) -> io::Result<()> {
        self.file.sync_data()
    }

    fn truncate(&mut self, length: u64) -> io::Result<()> {
        self.file.set_len(length)
    }
}
