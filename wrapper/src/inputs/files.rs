//! How files are read that a command names, and how their bytes are kept for the tool.

use super::MOST_FILES;
use nix::fcntl::{FcntlArg, SealFlag, fcntl};
use nix::sys::memfd::{MFdFlags, memfd_create};
use std::fs::File;
use std::io::{self, IsTerminal, Read, Write};
use std::os::fd::{AsFd, OwnedFd};
use std::os::unix::fs::OpenOptionsExt;
use std::path::{Path, PathBuf};

/// What kubectl reads of a directory.
const EXTENSIONS: [&str; 3] = ["json", "yaml", "yml"];

/// What is in a regular file of at most `most` bytes. A pipe's content would be gone for the tool.
pub(super) fn regular(path: &Path, most: u64) -> Option<Vec<u8>> {
    // Even to open a pipe would wake its writer.
    if !std::fs::metadata(path).ok()?.is_file() {
        return None;
    }
    let file = File::options()
        .read(true)
        .custom_flags(nix::libc::O_NONBLOCK)
        .open(path)
        .ok()?;
    let found = file.metadata().ok()?;
    if !found.is_file() || found.len() > most {
        return None;
    }
    let mut content = Vec::new();
    file.take(most.saturating_add(1)).read_to_end(&mut content).ok()?;
    (content.len() as u64 <= most).then_some(content)
}

/// The text of a file that anybody may see.
pub(super) fn open_text(path: &str, content: Vec<u8>) -> Option<String> {
    let is_hidden = |part: &str| part.is_empty() || part.starts_with(['.', '~']);
    if path.split('/').any(is_hidden) || path.contains('$') {
        return None;
    }
    let here = std::env::current_dir().ok()?.canonicalize().ok()?;
    let real = Path::new(path).canonicalize().ok()?;
    let below = real.strip_prefix(&here).ok()?;
    let visible = below
        .components()
        .all(|part| !part.as_os_str().to_string_lossy().starts_with('.'));
    let text = String::from_utf8(content).ok().filter(|_| visible)?;
    (audit_event::redact::text(&text) == text).then_some(text)
}

/// Whether something is piped in, or was: a terminal, or a pipe in which nothing comes, is nobody's input.
pub(super) fn has_piped_input() -> bool {
    use nix::poll::{PollFd, PollFlags, poll};
    let stdin = io::stdin();
    let mut polled = [PollFd::new(stdin.as_fd(), PollFlags::POLLIN)];
    !stdin.is_terminal() && poll(&mut polled, 1_000_u16).is_ok_and(|ready| ready > 0)
}

/// The content, and one byte more when there is more than `most`.
pub(super) fn read(file: &Path, most: u64) -> io::Result<Vec<u8>> {
    let mut content = Vec::new();
    let most = most.saturating_add(1);
    if file == Path::new("-") {
        io::stdin().lock().take(most).read_to_end(&mut content)?;
    } else {
        File::open(file)?.take(most).read_to_end(&mut content)?;
    }
    Ok(content)
}

/// A file is itself; a directory is what kubectl reads of it, in its order: by name, without following links to
/// directories, and below only when asked to.
pub(super) fn expand(path: &Path, recursive: bool) -> io::Result<Vec<PathBuf>> {
    if !std::fs::metadata(path)?.is_dir() {
        return Ok(vec![path.to_owned()]);
    }
    let mut found = Vec::new();
    let mut left = vec![path.to_owned()];
    while let Some(directory) = left.pop() {
        let mut entries = std::fs::read_dir(&directory)?.collect::<io::Result<Vec<_>>>()?;
        entries.sort_by_key(std::fs::DirEntry::file_name);
        let mut below = Vec::new();
        for entry in entries {
            if entry.file_type()?.is_dir() {
                below.push(entry.path());
            } else if is_manifest(&entry.path()) {
                found.push(entry.path());
            }
            if found.len().saturating_add(left.len()) > MOST_FILES.saturating_mul(16) {
                return Err(io::Error::other("there are too many files in it"));
            }
        }
        if recursive {
            left.extend(below.into_iter().rev());
        }
    }
    found.sort();
    Ok(found)
}

fn is_manifest(file: &Path) -> bool {
    file.extension()
        .and_then(|extension| extension.to_str())
        .is_some_and(|extension| EXTENSIONS.contains(&extension))
}

/// A memory file with this content that nobody can change any more. It is inherited by the tool, the only program that is
/// started after it.
pub(super) fn seal(content: &[u8]) -> io::Result<OwnedFd> {
    let held = memfd_create("input", MFdFlags::MFD_ALLOW_SEALING)?;
    let mut file = File::from(held);
    file.write_all(content).map_err(too_large)?;
    let held = OwnedFd::from(file);
    fcntl(
        &held,
        FcntlArg::F_ADD_SEALS(
            SealFlag::F_SEAL_WRITE | SealFlag::F_SEAL_GROW | SealFlag::F_SEAL_SHRINK | SealFlag::F_SEAL_SEAL,
        ),
    )?;
    Ok(held)
}

/// What to do where the caller may not write files of that size: memory files are such, too.
fn too_large(error: io::Error) -> io::Error {
    if error.kind() != io::ErrorKind::FileTooLarge {
        return error;
    }
    let why = "what the tool is to read is handed over in a file in memory, and is too large for the limit of a file's size \
        (`ulimit -f`); raise it";
    io::Error::new(error.kind(), why)
}
