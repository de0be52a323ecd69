//! Reading files and directories that may be anybody's: in bounds, without waiting, and with a digest.

use super::MODELS;
use crate::digest;
use std::fs::{File, OpenOptions};
use std::io::{self, ErrorKind, Read};
use std::os::unix::fs::{FileTypeExt, MetadataExt, OpenOptionsExt};
use std::path::{Path, PathBuf};

/// The most bytes that are read of one file, and of all in a directory.
pub const MOST_BYTES: u64 = 8 << 20;
/// The most files in a directory that are read.
pub const MOST_FILES: usize = 1_000;
/// The most files in a directory.
const MOST_ENTRIES: usize = 100_000;

/// What is at a path.
pub enum Content {
    /// A file's bytes.
    File(Vec<u8>),
    /// Everything below that is no directory, by its path, in order.
    Directory(Vec<(PathBuf, io::Result<Vec<u8>>)>),
}

/// A digest of what is there now; `None` where nothing is.
pub fn digest(path: &Path) -> Option<String> {
    digest_of(&content(path))
}

/// A digest; a text that says why where it cannot be read, for the tool cannot read it either.
pub fn digest_of(content: &io::Result<Content>) -> Option<String> {
    match content {
        Ok(Content::File(bytes)) => Some(digest::hex(bytes)),
        Ok(Content::Directory(files)) => Some(digest::hex(&listing(files))),
        Err(error) => unreadable(error),
    }
}

fn unreadable(error: &io::Error) -> Option<String> {
    let is_absent = matches!(error.kind(), ErrorKind::NotFound | ErrorKind::NotADirectory);
    (!is_absent).then(|| format!("unreadable: {}", error.kind()))
}

/// Why it was not read, or not to its end, where the tool would.
pub fn unreadable_here(content: &io::Result<Content>) -> Option<&'static str> {
    match content.as_ref().err()?.kind() {
        ErrorKind::FileTooLarge => Some("is too large to be read for every command (8 MiB, or 1000 files)"),
        ErrorKind::InvalidInput => Some("is a pipe, which says something else each time"),
        _ => None,
    }
}

/// Reads what is there, links followed.
///
/// # Errors
/// As reading; `FileTooLarge` for what is not read to its end, `InvalidInput` for a pipe.
pub fn content(path: &Path) -> io::Result<Content> {
    let file = open(path)?;
    if file.metadata()?.is_dir() {
        return directory(path).map(Content::Directory);
    }
    whole(file, MOST_BYTES).map(Content::File)
}

/// Does not wait: for a pipe, somebody to write to it might never come.
fn open(path: &Path) -> io::Result<File> {
    let file = OpenOptions::new()
        .read(true)
        .custom_flags(nix::libc::O_NONBLOCK | nix::libc::O_NOCTTY)
        .open(path)?;
    match file.metadata()?.file_type().is_fifo() {
        true => Err(ErrorKind::InvalidInput.into()),
        false => Ok(file),
    }
}

/// All of a file that has no more than `most` bytes.
fn whole(file: File, most: u64) -> io::Result<Vec<u8>> {
    let mut bytes = Vec::new();
    file.take(most.saturating_add(1)).read_to_end(&mut bytes)?;
    if bytes.len() as u64 > most {
        return Err(ErrorKind::FileTooLarge.into());
    }
    Ok(bytes)
}

/// Links are followed, as the tools follow them. Of a directory that is not handed on, what is too large or too many to be read for
/// every command is known by what the kernel says of it: its time of last change is nobody's to set.
fn directory(path: &Path) -> io::Result<Vec<(PathBuf, io::Result<Vec<u8>>)>> {
    let is_handed_on = path.ends_with(MODELS);
    let most_entries = if is_handed_on { MOST_FILES } else { MOST_ENTRIES };
    let (mut left, mut paths) = (vec![path.to_owned()], Vec::new());
    let mut files: Vec<(PathBuf, io::Result<Vec<u8>>)> = Vec::new();
    let mut directories = 0_usize;
    while let Some(directory) = left.pop() {
        directories = directories.saturating_add(1);
        let entries = match std::fs::read_dir(&directory) {
            Ok(entries) => entries,
            Err(error) if directory != path => {
                files.push((directory, Err(error)));
                continue;
            }
            Err(error) => return Err(error),
        };
        for entry in entries {
            let path = entry?.path();
            if path.is_dir() {
                left.push(path);
            } else {
                paths.push(path);
            }
            if paths.len().saturating_add(left.len()).saturating_add(directories) > most_entries {
                return Err(ErrorKind::FileTooLarge.into());
            }
        }
    }
    paths.sort();
    let mut most = MOST_BYTES;
    for (number, path) in paths.into_iter().enumerate() {
        let read = open(&path).and_then(|file| match number < MOST_FILES {
            true => whole(file, most),
            false => Err(ErrorKind::FileTooLarge.into()),
        });
        let content = match read {
            Ok(bytes) => {
                most = most.saturating_sub(bytes.len() as u64);
                Ok(bytes)
            }
            Err(error) if error.kind() != ErrorKind::FileTooLarge => Err(error),
            Err(_) if !is_handed_on => known_by(&path),
            Err(error) => return Err(error),
        };
        files.push((path, content));
    }
    files.sort_by(|one, other| one.0.cmp(&other.0));
    Ok(files)
}

/// What stands for a file's content that is not read.
fn known_by(path: &Path) -> io::Result<Vec<u8>> {
    let found = path.metadata()?;
    let text = format!(
        "{} {} {} {}.{}",
        found.dev(),
        found.ino(),
        found.size(),
        found.ctime(),
        found.ctime_nsec()
    );
    Ok(text.into_bytes())
}

/// The paths and digests of a directory's files.
fn listing(files: &[(PathBuf, io::Result<Vec<u8>>)]) -> Vec<u8> {
    let mut listing = Vec::new();
    for (path, content) in files {
        let digest = match content {
            Ok(bytes) => digest::hex(bytes),
            Err(error) => unreadable(error).unwrap_or_default(),
        };
        listing.extend(format!("{}\0{digest}\0", path.display()).into_bytes());
    }
    listing
}
