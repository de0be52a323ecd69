//! Files that say who may do what: believed only when nobody but root or this user can have written them.

use std::fs::File;
use std::io::Read;
use std::os::unix::fs::MetadataExt;
use std::path::Path;

/// The longest such file, in bytes.
const LONGEST: u64 = 1 << 20;

/// The file's text.
///
/// # Errors
/// Says who else could write it, and what to do; or why it cannot be read.
pub fn read(path: &Path) -> Result<String, String> {
    let said = |error: std::io::Error| error.to_string();
    let file = File::open(path).map_err(said)?;
    let metadata = file.metadata().map_err(said)?;
    let us = nix::unistd::geteuid().as_raw();
    if metadata.uid() != 0 && metadata.uid() != us {
        return Err(format!(
            "user {} owns it; it must belong to root or to user {us}",
            metadata.uid()
        ));
    }
    if metadata.mode() & 0o022 != 0 {
        return Err(format!(
            "its mode is {:04o}, so others can write it; run `chmod go-w` on it",
            metadata.mode() & 0o7777
        ));
    }
    if metadata.len() > LONGEST {
        return Err(format!("it is longer than {LONGEST} bytes"));
    }
    let mut text = String::new();
    file.take(LONGEST).read_to_string(&mut text).map_err(said)?;
    Ok(text)
}
