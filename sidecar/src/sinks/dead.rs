//! Dead letters: records that a receiver will not take, kept on disk with the reason and the original bytes until an
//! operator replays or drops them. `DIR/sinks/NAME/dead.ndjson`, one JSON object per line:
//!
//! ```text
//! {"v":1,"seq":12,"id":"…","kind":"event","hash":"…","wall":"…","at":"…","reason":"…","data":"the bytes, as a string"}
//! ```
//!
//! INVARIANT: a letter is on disk before the cursor passes its record, and goes only when it was delivered or dropped.

use super::disk;
use super::record::{Item, Record};
use serde::{Deserialize, Serialize};
use std::collections::{BTreeMap, BTreeSet};
use std::fs::OpenOptions;
use std::io::{self, Write};
use std::os::unix::fs::OpenOptionsExt;
use std::path::{Path, PathBuf};

/// The most letters a sink keeps; at this number it stops and says so. The ledger still has everything.
pub const MAX_LETTERS: usize = 10_000;
/// The longest reason that is kept, in characters.
const MAX_REASON: usize = 500;

/// One letter.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Letter {
    v: u32,
    /// The record's place.
    pub seq: u64,
    /// Its id.
    pub id: String,
    /// Its kind.
    pub kind: String,
    /// Its hash.
    pub hash: String,
    /// When it was recorded.
    pub wall: String,
    /// When it was given up.
    pub at: String,
    /// Why.
    pub reason: String,
    /// The record's data, unchanged.
    pub data: String,
}

impl Letter {
    /// A record that was given up.
    pub fn new(item: &Item, reason: &str, at: String) -> Letter {
        Letter {
            v: 1,
            seq: item.record.seq,
            id: item.id.clone(),
            kind: item.record.kind.clone(),
            hash: item.record.hash.clone(),
            wall: item.record.wall.clone(),
            at,
            reason: reason.chars().take(MAX_REASON).collect(),
            data: item.record.data.clone(),
        }
    }

    /// The record again.
    pub fn item(&self) -> Item {
        Item::new(Record {
            seq: self.seq,
            hash: self.hash.clone(),
            kind: self.kind.clone(),
            wall: self.wall.clone(),
            data: self.data.clone(),
        })
    }
}

/// One sink's dead letters. In memory only their numbers and hashes; the letters are read when somebody asks.
#[derive(Debug)]
pub struct DeadLetters {
    path: PathBuf,
    /// Number and hash: a number is given again after lost records were accepted.
    held: BTreeMap<u64, String>,
}

impl DeadLetters {
    /// Opens `DIR/sinks/NAME/dead.ndjson`; a last line without its end is cut off (its record is not passed yet).
    ///
    /// # Errors
    /// When it cannot be read, or holds something else.
    pub fn open(directory: &Path, name: &str) -> io::Result<DeadLetters> {
        let folder = directory.join("sinks").join(name);
        disk::make_directory(&folder)?;
        let path = folder.join("dead.ndjson");
        let mut letters = DeadLetters {
            path,
            held: BTreeMap::new(),
        };
        let text = letters.text()?;
        let whole = text.rfind('\n').map_or(0, |at| at.saturating_add(1));
        if whole < text.len() {
            let file = OpenOptions::new().write(true).open(&letters.path)?;
            file.set_len(whole as u64)?;
            file.sync_all()?;
        }
        letters.held = hashes(&letters.all()?);
        Ok(letters)
    }

    /// How many there are.
    pub fn len(&self) -> usize {
        self.held.len()
    }

    /// Adds letters; they are durable when this returns.
    ///
    /// # Errors
    /// When the disk does not take them, there is no room for more, or a number is held for another record.
    pub fn add(&mut self, letters: &[Letter]) -> io::Result<()> {
        let other = letters.iter().find(|letter| {
            self.held
                .get(&letter.seq)
                .is_some_and(|hash| *hash != letter.hash)
        });
        if let Some(other) = other {
            return Err(io::Error::other(format!(
                "letter {} is of a record that the ledger has lost, and its number was given again; look at it with \
                 `reeve dlq list`, then replay or drop it",
                other.seq
            )));
        }
        let fresh: Vec<&Letter> = letters
            .iter()
            .filter(|letter| !self.held.contains_key(&letter.seq))
            .collect();
        if fresh.is_empty() {
            return Ok(());
        }
        if self.held.len().saturating_add(fresh.len()) > MAX_LETTERS {
            return Err(io::Error::other(format!(
                "there are {} dead letters already; look at them with `reeve dlq list`, then replay or drop them",
                self.held.len()
            )));
        }
        let mut bytes = Vec::new();
        for letter in &fresh {
            serde_json::to_writer(&mut bytes, letter)?;
            bytes.push(b'\n');
        }
        let is_new = !self.path.exists();
        let mut file = OpenOptions::new()
            .append(true)
            .create(true)
            .mode(0o640)
            .open(&self.path)?;
        let begin = file.metadata()?.len();
        let written = file.write_all(&bytes).and_then(|()| file.sync_all());
        if let Err(error) = written {
            file.set_len(begin)?;
            return Err(error);
        }
        if is_new {
            disk::sync_directory_of(&self.path)?;
        }
        self.held
            .extend(fresh.iter().map(|letter| (letter.seq, letter.hash.clone())));
        Ok(())
    }

    /// All letters, by number.
    ///
    /// # Errors
    /// When the file cannot be read, or a line is not a letter.
    pub fn all(&self) -> io::Result<BTreeMap<u64, Letter>> {
        let mut found = BTreeMap::new();
        let text = self.text()?;
        for (index, line) in text.split_inclusive('\n').enumerate() {
            let Some(line) = line.strip_suffix('\n') else {
                break;
            };
            let letter: Letter = serde_json::from_str(line).map_err(|error| {
                io::Error::other(format!(
                    "{}:{}: not a dead letter: {error}",
                    self.path.display(),
                    index.saturating_add(1)
                ))
            })?;
            found.insert(letter.seq, letter);
        }
        Ok(found)
    }

    /// Takes these out for good; returns how many were there.
    ///
    /// # Errors
    /// When the file cannot be rewritten; then nothing was taken out.
    pub fn remove(&mut self, numbers: &BTreeSet<u64>) -> io::Result<usize> {
        let mut all = self.all()?;
        let before = all.len();
        all.retain(|seq, _| !numbers.contains(seq));
        let removed = before.saturating_sub(all.len());
        if removed > 0 {
            let mut bytes = Vec::new();
            for letter in all.values() {
                serde_json::to_writer(&mut bytes, letter)?;
                bytes.push(b'\n');
            }
            disk::replace(&self.path, &bytes)?;
        }
        self.held = hashes(&all);
        Ok(removed)
    }

    fn text(&self) -> io::Result<String> {
        match std::fs::read_to_string(&self.path) {
            Ok(text) => Ok(text),
            Err(error) if error.kind() == io::ErrorKind::NotFound => Ok(String::new()),
            Err(error) => Err(io::Error::new(
                error.kind(),
                format!("{}: {error}", self.path.display()),
            )),
        }
    }
}

fn hashes(letters: &BTreeMap<u64, Letter>) -> BTreeMap<u64, String> {
    letters
        .values()
        .map(|letter| (letter.seq, letter.hash.clone()))
        .collect()
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::sinks::record::examples;

    fn letter(seq: u64) -> Letter {
        let item = examples::item("event", seq, examples::EVENT);
        Letter::new(&item, "400 bad", "2026-01-01T00:00:00Z".into())
    }

    #[test]
    fn letters_keep_the_original_and_go_only_when_told() {
        let directory = tempfile::tempdir().unwrap();
        let mut dead = DeadLetters::open(directory.path(), "s").unwrap();
        dead.add(&[letter(3), letter(5)]).unwrap();
        dead.add(&[letter(5), letter(9)]).unwrap();
        let mut dead = DeadLetters::open(directory.path(), "s").unwrap();
        assert_eq!(dead.all().unwrap().into_keys().collect::<Vec<_>>(), [3, 5, 9]);
        assert_eq!(
            dead.all().unwrap()[&5].item(),
            examples::item("event", 5, examples::EVENT)
        );
        assert_eq!(dead.remove(&BTreeSet::from([5, 6])).unwrap(), 1);
        assert_eq!(DeadLetters::open(directory.path(), "s").unwrap().len(), 2);
    }

    #[test]
    fn a_number_that_was_given_again_is_said_and_neither_letter_is_lost() {
        let directory = tempfile::tempdir().unwrap();
        let mut dead = DeadLetters::open(directory.path(), "s").unwrap();
        dead.add(&[letter(3)]).unwrap();
        let mut again = letter(3);
        again.hash = "cd".repeat(32);
        let mut dead = DeadLetters::open(directory.path(), "s").unwrap();
        let error = dead.add(std::slice::from_ref(&again)).unwrap_err().to_string();
        assert!(
            error.contains("letter 3 is of a record that the ledger has lost"),
            "{error}"
        );
        assert_eq!(dead.all().unwrap()[&3], letter(3));
        dead.remove(&BTreeSet::from([3])).unwrap();
        dead.add(std::slice::from_ref(&again)).unwrap();
        assert_eq!(dead.all().unwrap()[&3], again);
    }

    #[test]
    fn a_torn_letter_is_cut_and_the_number_is_bounded() {
        let directory = tempfile::tempdir().unwrap();
        let mut dead = DeadLetters::open(directory.path(), "s").unwrap();
        dead.add(&[letter(1), letter(2)]).unwrap();
        let path = directory.path().join("sinks/s/dead.ndjson");
        let text = std::fs::read_to_string(&path).unwrap();
        std::fs::write(&path, &text[..text.len() - 4]).unwrap();
        let mut dead = DeadLetters::open(directory.path(), "s").unwrap();
        assert_eq!(dead.len(), 1);
        let many: Vec<Letter> = (10..10_010).map(letter).collect();
        assert!(
            dead.add(&many)
                .unwrap_err()
                .to_string()
                .contains("reeve dlq list")
        );
        assert_eq!(DeadLetters::open(directory.path(), "s").unwrap().len(), 1);
    }
}
