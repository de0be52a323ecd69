//! How far a sink has come: `DIR/cursors/NAME` holds the sequence number of the last record that is done, in decimal,
//! and a line break. An empty file: nothing is done. Done means acknowledged by the receiver, or in the dead letters, or not
//! meant for this sink. Records beyond the cursor must not be pruned.

use super::disk;
use std::io;
use std::path::{Path, PathBuf};
use std::time::{Duration, Instant};

/// A cursor that moves is written at most so often: a crash repeats at most what was sent in this time. Each time is two
/// syncs on the disk that the ledger is synced on.
const EVERY: Duration = Duration::from_secs(1);

/// One sink's cursor.
#[derive(Debug)]
pub struct Cursor {
    path: PathBuf,
    /// The last record that is done.
    at: Option<u64>,
    stored: Option<u64>,
    stored_at: Option<Instant>,
}

impl Cursor {
    /// Reads `DIR/cursors/NAME`.
    ///
    /// # Errors
    /// When it is there and does not hold a number: guessing would lose or repeat everything.
    pub fn open(directory: &Path, name: &str) -> io::Result<Cursor> {
        let folder = directory.join("cursors");
        disk::make_directory(&folder)?;
        let path = folder.join(name);
        let at = match std::fs::read_to_string(&path) {
            Ok(text) if text.trim_end().is_empty() => None,
            Ok(text) => Some(text.trim_end().parse::<u64>().map_err(|_| {
                io::Error::other(format!(
                    "{} does not hold a sequence number; write the last delivered one there, or remove it to send \
                     everything again",
                    path.display()
                ))
            })?),
            // An empty one says that everything is still needed, so that nothing is pruned before it was delivered.
            Err(error) if error.kind() == io::ErrorKind::NotFound => {
                disk::replace(&path, b"")?;
                None
            }
            Err(error) => return Err(io::Error::other(format!("{}: {error}", path.display()))),
        };
        Ok(Cursor {
            path,
            at,
            stored: at,
            stored_at: None,
        })
    }

    /// The last record that is done.
    pub fn at(&self) -> Option<u64> {
        self.at
    }

    /// Moves forward; it is stored when the time has come.
    pub fn advance(&mut self, seq: u64, now: Instant) -> io::Result<()> {
        self.at = self.at.max(Some(seq));
        self.settle(now)
    }

    /// Stores what has moved, when the time has come.
    pub fn settle(&mut self, now: Instant) -> io::Result<()> {
        let is_due = self
            .stored_at
            .is_none_or(|then| now.saturating_duration_since(then) >= EVERY);
        if is_due { self.store(now) } else { Ok(()) }
    }

    /// Stores what has moved.
    pub fn store(&mut self, now: Instant) -> io::Result<()> {
        if let Some(seq) = self.at.filter(|_| self.at != self.stored) {
            disk::replace(&self.path, format!("{seq}\n").as_bytes())?;
            self.stored = self.at;
            self.stored_at = Some(now);
        }
        Ok(())
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_cursor_moves_forward_and_is_found_again() {
        let directory = tempfile::tempdir().unwrap();
        let now = Instant::now();
        let mut cursor = Cursor::open(directory.path(), "siem").unwrap();
        assert_eq!(cursor.at(), None);
        cursor.advance(7, now).unwrap();
        cursor.advance(9, now).unwrap(); // too soon to be stored
        cursor.settle(now + EVERY / 2).unwrap();
        cursor.advance(3, now).unwrap(); // never back
        assert_eq!(Cursor::open(directory.path(), "siem").unwrap().at(), Some(7));
        cursor.settle(now + EVERY).unwrap();
        assert_eq!(Cursor::open(directory.path(), "siem").unwrap().at(), Some(9));
        cursor.advance(11, now + EVERY).unwrap();
        cursor.store(now + EVERY).unwrap(); // at the end, whatever the time
        assert_eq!(Cursor::open(directory.path(), "siem").unwrap().at(), Some(11));
        std::fs::write(directory.path().join("cursors/siem"), "x").unwrap();
        assert!(Cursor::open(directory.path(), "siem").is_err());
    }
}
