//! Rolling NDJSON files, each record exactly once.
//!
//! The place is stored after each batch, synced: `DIR/sinks/NAME/place.json` = `{"v":1,"rolled":N,"offset":O,"seq":S}`,
//! where N is the number of the last file that was rolled away (`PATH.N`), O the length of `PATH` and S the last record
//! in it. At a start, what stands in `PATH` beyond O was never counted and is cut. Rolling renames `PATH` to `PATH.N+1`
//! and then stores the place; a crash in between is recognised by `PATH.N+1` being there.

use crate::sinks::config::SinkConfig;
use crate::sinks::disk;
use crate::sinks::record::Item;
use crate::sinks::shape::Shape;
use crate::sinks::verdict::{SendError, Verdict, all_done};
use serde::{Deserialize, Serialize};
use std::fs::{File, OpenOptions};
use std::io::{self, Write};
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

#[derive(Debug, Clone, Copy, PartialEq, Eq, Default, Serialize, Deserialize)]
struct Place {
    v: u32,
    rolled: u64,
    offset: u64,
    seq: Option<u64>,
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

    /// See [`super::Sender::send`].
    pub fn send(&mut self, items: &[&Item]) -> Result<Vec<Verdict>, SendError> {
        let written = self.write(items);
        if written.is_err() {
            self.is_broken = true;
        }
        written.map_err(|error| SendError::retry(format!("{}: {error}", self.path.display())))?;
        Ok(all_done(items.len()))
    }

    fn write(&mut self, items: &[&Item]) -> io::Result<()> {
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
        // A replayed letter is older than the place, which never goes back; a test has no place.
        let counted = items.iter().filter(|item| item.record.kind != "test");
        let last = counted.map(|item| item.record.seq).max();
        self.store(Place {
            offset: self.place.offset.saturating_add(bytes.len() as u64),
            seq: self.place.seq.max(last),
            ..self.place
        })
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
        let number = self.place.rolled.saturating_add(1);
        std::fs::rename(&self.path, rolled(&self.path, number))?;
        disk::sync_directory_of(&self.path)?;
        self.store(Place {
            rolled: number,
            offset: 0,
            ..self.place
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
        store(&self.state, place)?;
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
            offset: std::fs::metadata(path).map_or(0, |found| found.len()),
            ..Place::default()
        },
        Err(error) => return Err(error),
    };
    let next = place.rolled.saturating_add(1);
    if !path.exists() {
        if rolled(path, next).exists() {
            place.rolled = next; // it died while rolling
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
    store(state, place)?;
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

fn store(state: &Path, place: Place) -> io::Result<()> {
    disk::replace(state, &serde_json::to_vec(&place)?)
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
        let counted = out.place;
        send(&mut out, 3..5);
        store(&out.state, counted).unwrap();
        let mut out = files(directory.path(), "");
        assert_eq!(out.done(), Some(2));
        send(&mut out, 3..5);
        assert_eq!(seqs(directory.path()), [0, 1, 2, 3, 4]);
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
