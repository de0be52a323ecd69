//! Secrets are replaced before anything is stored or shown.
//!
//! Two passes over the words: the values of flags that carry credentials, and tokens of known shapes anywhere.
//! What is replaced becomes `[redacted:<tag>]`: the tag is the first 8 bytes, in hex, of the HMAC-SHA-256 of the secret under
//! the ledger's redaction key. Equal secrets have equal tags, so a known one can be found; none can be read, nor guessed
//! without the key. Without a key it becomes [`MASK`]. A word that is not a secret stays as it was, byte for byte.

#[cfg(test)]
mod tests;
mod text;
mod words;

use hmac::{Hmac, KeyInit, Mac};
use sha2::Sha256;
use std::fmt;

/// What stands in a secret's place when there is no key.
pub const MASK: &str = "[redacted]";

/// Replaces secrets, with the ledger's key when there is one.
#[derive(Clone, Default)]
pub struct Redactor {
    key: Option<[u8; 32]>,
}

impl fmt::Debug for Redactor {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("Redactor(…)")
    }
}

impl Redactor {
    /// With a key.
    pub fn new(key: [u8; 32]) -> Redactor {
        Redactor { key: Some(key) }
    }

    /// With a key as 64 hex digits.
    pub fn from_hex(text: &str) -> Option<Redactor> {
        crate::chain::Hash::from_hex(text.trim()).map(|key| Redactor::new(key.0))
    }

    /// What stands in the place of `secret`.
    pub fn mask(&self, secret: &str) -> String {
        let mac = self
            .key
            .as_ref()
            .and_then(|key| Hmac::<Sha256>::new_from_slice(key).ok());
        let Some(mut mac) = mac else {
            return MASK.to_owned();
        };
        mac.update(secret.as_bytes());
        let code = mac.finalize().into_bytes();
        let tag = base16ct::lower::encode_string(code.get(..8).unwrap_or_default());
        format!("[redacted:{tag}]")
    }
}

/// The words with every secret replaced by [`MASK`].
pub fn words<S: AsRef<str>>(args: &[S]) -> Vec<String> {
    Redactor::default().words(args)
}

/// Free text with every secret replaced by [`MASK`].
pub fn text(input: &str) -> String {
    Redactor::default().text(input)
}
