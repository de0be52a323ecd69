//! A secret: read from a file or the environment, never shown.

use std::fmt;
use std::io::Read;
use std::os::unix::fs::MetadataExt;
use std::path::Path;

/// The longest secret, in bytes.
const MAX: u64 = 64 * 1024;

/// Bytes whose `Debug` and `Display` are a placeholder.
#[derive(Clone, PartialEq, Eq)]
pub struct Secret(String);

impl Secret {
    /// Reads a file's content, without the line break at its end.
    ///
    /// # Errors
    /// Says what to do, without the content.
    pub fn from_file(path: &Path) -> Result<Secret, String> {
        let at = path.display();
        let file = std::fs::File::open(path).map_err(|error| format!("the secret's file {at}: {error}"))?;
        let metadata = file
            .metadata()
            .map_err(|error| format!("the secret's file {at}: {error}"))?;
        if metadata.mode() & 0o002 != 0 {
            return Err(format!(
                "the secret's file {at} can be written by everyone; run `chmod o-w` on it"
            ));
        }
        let mut text = String::new();
        file.take(MAX)
            .read_to_string(&mut text)
            .map_err(|error| format!("the secret's file {at}: {error}"))?;
        Secret::new(
            text.trim_end_matches(['\n', '\r']),
            &format!("the secret's file {at}"),
        )
    }

    /// Reads a variable.
    ///
    /// # Errors
    /// When it is not set, or empty.
    pub fn from_env(name: &str) -> Result<Secret, String> {
        let value = std::env::var(name)
            .map_err(|error| format!("the variable `{name}`: {error}; set it for the sidecar"))?;
        Secret::new(&value, &format!("the variable `{name}`"))
    }

    fn new(text: &str, from: &str) -> Result<Secret, String> {
        if text.is_empty() {
            return Err(format!("{from} is empty"));
        }
        if text.contains(['\n', '\r', '\0']) {
            return Err(format!("{from} has more than one line"));
        }
        Ok(Secret(text.to_owned()))
    }

    /// The secret itself: for the wire only.
    pub fn dangerous_reveal(&self) -> &str {
        &self.0
    }
}

#[cfg(test)]
impl From<&str> for Secret {
    fn from(text: &str) -> Secret {
        Secret(text.to_owned())
    }
}

impl fmt::Debug for Secret {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("[redacted]")
    }
}

impl fmt::Display for Secret {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("[redacted]")
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_secret_is_read_and_not_shown() {
        let directory = tempfile::tempdir().unwrap();
        let path = directory.path().join("s");
        std::fs::write(&path, "hunter2\n").unwrap();
        let secret = Secret::from_file(&path).unwrap();
        assert_eq!(secret.dangerous_reveal(), "hunter2");
        assert!(!format!("{secret:?} {secret}").contains("hunter2"));
        std::fs::write(&path, "\n").unwrap();
        assert!(Secret::from_file(&path).unwrap_err().contains("is empty"));
        assert!(Secret::from_env("REEVE_NO_SUCH_VARIABLE").is_err());
    }
}
