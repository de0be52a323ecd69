//! Directories of ours that stand in for others, so that a tool finds in them what was read and judged.

use std::fs::{DirBuilder, OpenOptions};
use std::io::{self, Write};
use std::os::unix::fs::{DirBuilderExt, OpenOptionsExt};
use std::path::{Path, PathBuf};

/// A directory of ours with copies in it, at the same places as the originals; it goes when this goes.
#[derive(Debug)]
pub struct Copy {
    /// What is at `/` is here.
    pub root: PathBuf,
    /// Where the directory that it was made for is in it.
    pub directory: PathBuf,
}

impl Copy {
    /// An empty one. The directory that it is for is not in it yet, and the place is made.
    ///
    /// # Errors
    /// When it cannot be made.
    pub fn make(place: &Path, directory: &Path) -> io::Result<Copy> {
        DirBuilder::new().recursive(true).mode(0o700).create(place)?;
        let root = nix::unistd::mkdtemp(&place.join("copy-XXXXXX"))?;
        let mut copy = Copy {
            root,
            directory: PathBuf::new(),
        };
        copy.directory = copy.of(directory);
        Ok(copy)
    }

    /// One for links of ours: where they are in it, and where they lead.
    ///
    /// # Errors
    /// When it cannot be made.
    pub fn of_links(place: &Path, links: &[(PathBuf, PathBuf)]) -> io::Result<Copy> {
        let copy = Copy::make(place, Path::new("/"))?;
        for (name, target) in links {
            let link = copy.of(name);
            if let Some(parent) = link.parent() {
                DirBuilder::new().recursive(true).mode(0o700).create(parent)?;
            }
            std::os::unix::fs::symlink(target, link)?;
        }
        Ok(copy)
    }

    /// Where the copy of the file at this absolute path is.
    pub fn of(&self, original: &Path) -> PathBuf {
        self.root.join(original.strip_prefix("/").unwrap_or(original))
    }

    /// Writes a file at the place of the original.
    ///
    /// # Errors
    /// As writing.
    pub fn write(&self, original: &Path, content: &[u8]) -> io::Result<()> {
        let path = self.of(original);
        if let Some(parent) = path.parent() {
            DirBuilder::new().recursive(true).mode(0o700).create(parent)?;
        }
        let mut file = OpenOptions::new()
            .write(true)
            .create(true)
            .truncate(true)
            .mode(0o600)
            .open(path)?;
        file.write_all(content)
    }
}

impl Drop for Copy {
    fn drop(&mut self) {
        if let Err(error) = std::fs::remove_dir_all(&self.root) {
            crate::gate::warn(&format!("{}: cannot be removed: {error}", self.root.display()));
        }
    }
}
