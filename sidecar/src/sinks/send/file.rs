//! Rolling NDJSON files, each record exactly once.
//!
//! The place is stored after each batch, synced: `DIR/sinks/NAME/place.json` =
//! `{"v":1,"rolled":N,"offset":O,"seq":S,"hash":H}`, where N is the number of the last file that was rolled away
//! (`PATH.N`), O the length of `PATH`, S the last record in it and H that record's hash. After a crash S may be ahead of the
//! cursor, and is right when the ledger has H under S. When it has not (its end was lost, and numbers are given again), the
//! cursor is the truth: see `Task`. At a start, what stands in `PATH` beyond O was never counted and is cut. Rolling renames `PATH` to a number above
//! every `PATH.N` and `PATH.N.…` there is, and then stores the place; a crash in between is recognised by `PATH` being gone and
//! a number above N being there. No file is ever renamed over another: a place that begins anew finds an older archive.

use crate::sinks::config::SinkConfig;
use crate::sinks::disk;
use crate::sinks::record::Item;
use crate::sinks::shape::Shape;
use crate::sinks::verdict::{SendError, Verdict, all_done};
use nix::errno::Errno;
use nix::fcntl::{AT_FDCWD, RenameFlags, renameat2};
use serde::{Deserialize, Serialize};
use std::fs::{File, OpenOptions};
use std::io::{self, Write};
use std::os::unix::ffi::OsStrExt;
use std::os::unix::fs::{MetadataExt, OpenOptionsExt};
use std::path::{Path, PathBuf};

/// The sender.
pub struct Files {
    path: PathBuf,
    state: PathBuf,
    shape: Shape,
    rotate_bytes: u64,
    keep: usize,
    place: Place,
    file: File,
    /// A write failed: what is in the file is not known, and a new opening will cut it.
    is_broken: bool,
}

#[derive(Debug, Clone, PartialEq, Eq, Default, Serialize, Deserialize)]
struct Place {
    v: u32,
    rolled: u64,
    offset: u64,
    seq: Option<u64>,
    #[serde(default)]
    hash: Option<String>,
}

/// Whether what is written moves the place.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Counted {
    /// The next records.
    Yes,
    /// A test, or a replayed letter: its number may be ahead of records that were not written yet.
    No,
}

impl Files {
    /// Opens the file, and cuts what was never counted.
    ///
    /// # Errors
    /// When it cannot be opened or its place cannot be read.
    pub fn open(config: &SinkConfig, directory: &Path) -> Result<Files, SendError> {
        let path = PathBuf::from(&config.to.path);
        let folder = directory.join("sinks").join(&config.name);
        let state = folder.join("place.json");
        let opened = disk::make_directory(&folder).and_then(|()| recover(&path, &state));
        let (place, file) = opened.map_err(|error| {
            SendError::alarm(format!(
                "{}: {error}; make its directory writable for us",
                path.display()
            ))
        })?;
        Ok(Files {
            path,
            state,
            shape: config.shape,
            rotate_bytes: config.own.rotate_bytes,
            keep: config.own.keep,
            place,
            file,
            is_broken: false,
        })
    }

    /// The last record in the file.
    pub fn done(&self) -> Option<u64> {
        self.place.seq
    }

    /// That record's hash; an older place has none.
    pub fn done_hash(&self) -> Option<&str> {
        self.place.hash.as_deref()
    }

    /// What the place says of the last record is not so: this one is the last. What is in the file stays.
    ///
    /// # Errors
    /// When the place cannot be stored.
    pub fn go_back(&mut self, seq: Option<u64>) -> Result<(), SendError> {
        let place = Place {
            seq,
            hash: None,
            ..self.place.clone()
        };
        self.store(place)
            .map_err(|error| SendError::alarm(format!("{}: {error}", self.state.display())))
    }

    /// See [`super::Sender::send`].
    pub fn send(&mut self, items: &[&Item]) -> Result<Vec<Verdict>, SendError> {
        self.put(items, Counted::Yes)
    }

    /// See [`super::Sender::send_aside`].
    pub fn send_aside(&mut self, items: &[&Item]) -> Result<Vec<Verdict>, SendError> {
        self.put(items, Counted::No)
    }

    fn put(&mut self, items: &[&Item], counted: Counted) -> Result<Vec<Verdict>, SendError> {
        let written = self.write(items, counted);
        if written.is_err() {
            self.is_broken = true;
        }
        written.map_err(|error| SendError::retry(format!("{}: {error}", self.path.display())))?;
        Ok(all_done(items.len()))
    }

    fn write(&mut self, items: &[&Item], counted: Counted) -> io::Result<()> {
        if self.is_broken || !self.is_ours()? {
            (self.place, self.file) = recover(&self.path, &self.state)?;
            self.is_broken = false;
        }
        if self.place.offset >= self.rotate_bytes {
            self.roll()?;
        }
        let mut bytes = Vec::new();
        for item in items {
            bytes.extend_from_slice(self.shape.line(item).as_bytes());
            bytes.push(b'\n');
        }
        self.file.write_all(&bytes)?;
        self.file.sync_data()?;
        let mut place = self.place.clone();
        place.offset = place.offset.saturating_add(bytes.len() as u64);
        let last = items.last().map(|item| &item.record);
        if let Some(last) = last.filter(|last| counted == Counted::Yes && Some(last.seq) > place.seq) {
            place.seq = Some(last.seq);
            place.hash = Some(last.hash.clone());
        }
        self.store(place)
    }

    /// Whether the name still leads to the file that we write.
    fn is_ours(&self) -> io::Result<bool> {
        let ours = self.file.metadata()?;
        match std::fs::symlink_metadata(&self.path) {
            Ok(found) => Ok((found.dev(), found.ino()) == (ours.dev(), ours.ino())),
            Err(error) if error.kind() == io::ErrorKind::NotFound => Ok(false),
            Err(error) => Err(error),
        }
    }

    fn roll(&mut self) -> io::Result<()> {
        let number = newest(&self.path)?.max(self.place.rolled).checked_add(1);
        let number = number.ok_or_else(|| io::Error::other("there is no number left to roll to"))?;
        rename_to_new(&self.path, &rolled(&self.path, number))?;
        disk::sync_directory_of(&self.path)?;
        self.store(Place {
            rolled: number,
            offset: 0,
            ..self.place.clone()
        })?;
        self.file = open(&self.path)?;
        if let Some(old) = number.checked_sub(self.keep as u64).filter(|old| *old > 0) {
            match std::fs::remove_file(rolled(&self.path, old)) {
                Err(error) if error.kind() != io::ErrorKind::NotFound => return Err(error),
                _ => {}
            }
        }
        Ok(())
    }

    fn store(&mut self, place: Place) -> io::Result<()> {
        store(&self.state, &place)?;
        self.place = place;
        Ok(())
    }
}

/// The place, and the file cut to it.
fn recover(path: &Path, state: &Path) -> io::Result<(Place, File)> {
    let mut place = match std::fs::read(state) {
        Ok(bytes) => serde_json::from_slice(&bytes)
            .map_err(|error| io::Error::other(format!("{}: {error}", state.display())))?,
        // Nothing was ever counted here; what stands there is somebody else's and stays.
        Err(error) if error.kind() == io::ErrorKind::NotFound => Place {
            v: 1,
            rolled: newest(path)?,
            offset: std::fs::metadata(path).map_or(0, |found| found.len()),
            ..Place::default()
        },
        Err(error) => return Err(error),
    };
    if !path.exists() {
        let newest = newest(path)?;
        if newest > place.rolled {
            place.rolled = newest; // it died while rolling
        } else if place.offset > 0 {
            tracing::warn!(path = %path.display(), "the file was taken away by somebody else; a new one begins");
        }
        place.offset = 0;
    }
    let file = open(path)?;
    let length = file.metadata()?.len();
    if length < place.offset {
        tracing::warn!(path = %path.display(), length, counted = place.offset, "the file was shortened by somebody else");
        place.offset = length;
    }
    if length > place.offset {
        file.set_len(place.offset)?;
    }
    file.sync_all()?;
    disk::sync_directory_of(path)?;
    store(state, &place)?;
    Ok((place, file))
}

fn open(path: &Path) -> io::Result<File> {
    OpenOptions::new()
        .append(true)
        .create(true)
        .mode(0o640)
        .open(path)
}

fn rolled(path: &Path, number: u64) -> PathBuf {
    let mut name = path.as_os_str().to_owned();
    name.push(format!(".{number}"));
    PathBuf::from(name)
}

/// The highest N of `PATH.N` and `PATH.N.…` (somebody compresses them); 0 when there is none.
fn newest(path: &Path) -> io::Result<u64> {
    let (Some(folder), Some(name)) = (path.parent(), path.file_name()) else {
        return Ok(0);
    };
    let mut newest = 0;
    for entry in std::fs::read_dir(folder)? {
        let found = entry?.file_name();
        let rest = found.as_bytes().strip_prefix(name.as_bytes());
        let Some(rest) = rest.and_then(|rest| rest.strip_prefix(b".")) else {
            continue;
        };
        let digits = rest.split(|byte| *byte == b'.').next().unwrap_or_default();
        let number = std::str::from_utf8(digits)
            .ok()
            .and_then(|text| text.parse().ok());
        newest = newest.max(number.unwrap_or(0));
    }
    Ok(newest)
}

/// Renames, and fails when there is something at `to` already.
fn rename_to_new(from: &Path, to: &Path) -> io::Result<()> {
    match renameat2(AT_FDCWD, from, AT_FDCWD, to, RenameFlags::RENAME_NOREPLACE) {
        Ok(()) => Ok(()),
        // Some file systems (NFS, some of FUSE) cannot promise it: then we look just before.
        Err(Errno::EINVAL | Errno::ENOSYS) => match std::fs::symlink_metadata(to) {
            Err(error) if error.kind() == io::ErrorKind::NotFound => std::fs::rename(from, to),
            Err(error) => Err(error),
            Ok(_) => Err(named(to, Errno::EEXIST.into())),
        },
        Err(error) => Err(named(to, error.into())),
    }
}

fn named(path: &Path, error: io::Error) -> io::Error {
    io::Error::new(error.kind(), format!("{}: {error}", path.display()))
}

fn store(state: &Path, place: &Place) -> io::Result<()> {
    disk::replace(state, &serde_json::to_vec(place)?)
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::sinks::config::tests::parse;
    use crate::sinks::record::examples;

    fn files(directory: &Path, more: &str) -> Files {
        let path = directory.join("out.ndjson");
        let config = parse(&format!("  to: file://{}\n{more}", path.display())).unwrap();
        Files::open(&config, directory).unwrap()
    }

    fn send(files: &mut Files, seqs: std::ops::Range<u64>) {
        let items: Vec<Item> = seqs
            .map(|seq| examples::item("event", seq, examples::EVENT))
            .collect();
        files.send(&items.iter().collect::<Vec<_>>()).unwrap();
    }

    fn seqs(directory: &Path) -> Vec<u64> {
        let mut names: Vec<PathBuf> = std::fs::read_dir(directory)
            .unwrap()
            .map(|entry| entry.unwrap().path())
            .filter(|path| path.is_file())
            .collect();
        // out.ndjson.1, .2, …, then out.ndjson
        names.sort_by_key(|path| {
            path.extension()
                .unwrap()
                .to_str()
                .unwrap()
                .parse::<u64>()
                .unwrap_or(u64::MAX)
        });
        let text: String = names
            .iter()
            .map(|path| std::fs::read_to_string(path).unwrap())
            .collect();
        text.lines()
            .map(|line| {
                serde_json::from_str::<serde_json::Value>(line).unwrap()["seq"]
                    .as_u64()
                    .unwrap()
            })
            .collect()
    }

    #[test]
    fn what_was_not_counted_is_cut() {
        let directory = tempfile::tempdir().unwrap();
        let mut out = files(directory.path(), "");
        send(&mut out, 0..3);
        // Written, and then the sidecar died before the place was stored.
        let counted = out.place.clone();
        send(&mut out, 3..5);
        store(&out.state, &counted).unwrap();
        let mut out = files(directory.path(), "");
        assert_eq!(out.done(), Some(2));
        send(&mut out, 3..5);
        assert_eq!(seqs(directory.path()), [0, 1, 2, 3, 4]);
    }

    #[test]
    fn a_replayed_letter_does_not_move_the_place() {
        let directory = tempfile::tempdir().unwrap();
        let mut out = files(directory.path(), "");
        send(&mut out, 0..3);
        let letter = examples::item("event", 90, examples::EVENT);
        out.send_aside(&[&letter]).unwrap();
        assert_eq!(out.done(), Some(2));
        send(&mut out, 3..5);
        assert_eq!(seqs(directory.path()), [0, 1, 2, 90, 3, 4]);
        assert_eq!(files(directory.path(), "").done(), Some(4));
    }

    #[test]
    fn rolling_keeps_each_record_once_whenever_it_dies() {
        let directory = tempfile::tempdir().unwrap();
        let mut out = files(directory.path(), "  rotate_bytes: 4096\n  keep: 100\n");
        for seq in 0..20 {
            send(&mut out, seq..seq + 1);
        }
        assert!(directory.path().join("out.ndjson.3").exists());
        assert_eq!(seqs(directory.path()), (0..20).collect::<Vec<_>>());
        // It died between the renaming and the storing.
        let next = out.place.rolled + 1;
        std::fs::rename(&out.path, rolled(&out.path, next)).unwrap();
        let mut out = files(directory.path(), "  rotate_bytes: 4096\n  keep: 100\n");
        assert_eq!(out.place.rolled, next);
        send(&mut out, 20..22);
        assert_eq!(seqs(directory.path()), (0..22).collect::<Vec<_>>());
    }

    #[test]
    fn an_older_archive_is_never_renamed_over() {
        let directory = tempfile::tempdir().unwrap();
        let roll = "  rotate_bytes: 4096\n  keep: 100\n";
        let mut out = files(directory.path(), roll);
        for seq in 0..20 {
            send(&mut out, seq..seq + 1);
        }
        let before = out.place.rolled;
        let archive: Vec<Vec<u8>> = (1..=before)
            .map(|number| std::fs::read(rolled(&out.path, number)).unwrap())
            .collect();
        // The ledger's directory was moved aside, with the place in it, and a new ledger begins.
        std::fs::remove_dir_all(directory.path().join("sinks")).unwrap();
        let mut out = files(directory.path(), roll);
        assert_eq!((out.done(), out.place.rolled), (None, before));
        for seq in 0..20 {
            send(&mut out, seq..seq + 1);
        }
        assert!(out.place.rolled > before + 2);
        for (number, bytes) in (1..).zip(&archive) {
            assert_eq!(&std::fs::read(rolled(&out.path, number)).unwrap(), bytes);
        }
        // Somebody's file stands in the way while we run, compressed or not.
        let taken = [out.place.rolled + 1, out.place.rolled + 7];
        std::fs::write(rolled(&out.path, taken[0]), "theirs").unwrap();
        std::fs::write(
            directory.path().join(format!("out.ndjson.{}.gz", taken[1])),
            "theirs",
        )
        .unwrap();
        out.roll().unwrap();
        assert_eq!(out.place.rolled, taken[1] + 1);
        assert_eq!(std::fs::read(rolled(&out.path, taken[0])).unwrap(), b"theirs");
        // Whoever is quicker still loses nothing.
        let error = rename_to_new(&out.path, &rolled(&out.path, taken[0])).unwrap_err();
        assert_eq!(error.kind(), io::ErrorKind::AlreadyExists);
        assert_eq!(std::fs::read(rolled(&out.path, taken[0])).unwrap(), b"theirs");
    }

    #[test]
    fn old_files_go() {
        let directory = tempfile::tempdir().unwrap();
        let mut out = files(directory.path(), "  rotate_bytes: 4096\n  keep: 2\n");
        for seq in 0..40 {
            send(&mut out, seq..seq + 1);
        }
        let last = out.place.rolled;
        assert!(last > 4 && rolled(&out.path, last - 1).exists() && !rolled(&out.path, last - 2).exists());
    }
}
