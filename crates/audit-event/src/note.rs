//! Checkpoints: a tree's size and root, signed. A C2SP `tlog-checkpoint` in a C2SP `signed-note` with Ed25519.
//!
//! ```text
//! reeve/ledger/<writer>                 the origin, which is also the key's name
//! 1234                                  the tree's size
//! <base64 of the root>
//! epoch 3                               extension lines: a word, a space, a value
//! head <hex of the chain's head>
//!
//! — reeve/ledger/<writer> <base64 of key id (4 bytes) and signature (64 bytes)>
//! ```
//!
//! The text up to and including the LF before the empty line is what is signed. The key id is the first 4 bytes of
//! `SHA-256(name ‖ 0x0A ‖ 0x01 ‖ public key)`; a verifier key is written `name+<key id, hex>+<base64 of 0x01 ‖ public key>`.

use crate::chain::Hash;
use base64::Engine;
use base64::engine::general_purpose::STANDARD;
use ed25519_dalek::{Signature, Signer, SigningKey, VerifyingKey};
use sha2::{Digest, Sha256};
use std::fmt;
use thiserror::Error;

/// Ed25519, in key ids and verifier keys.
const ALGORITHM: u8 = 1;
/// The longest note that is read, in bytes.
const MAX_NOTE: usize = 16 * 1024;

/// Why a note is not accepted.
#[derive(Debug, Clone, PartialEq, Eq, Error)]
pub enum NoteError {
    /// Not the form above.
    #[error("not a signed checkpoint: {0}")]
    Malformed(&'static str),
    /// Signed, but not with this key.
    #[error("no signature by key {expected}; it is signed by {found}")]
    OtherKey {
        /// The key id that should have signed, hex.
        expected: String,
        /// Those that did, hex, joined by commas.
        found: String,
    },
    /// The signature does not fit the text.
    #[error("its signature by key {0} does not fit its text")]
    BadSignature(String),
}

/// What is signed.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Checkpoint {
    /// Which ledger: `reeve/ledger/<writer>`.
    pub origin: String,
    /// How many records the tree has.
    pub size: u64,
    /// The tree's root.
    pub root: Hash,
    /// More lines, each `(word, value)`.
    pub extensions: Vec<(String, String)>,
}

impl Checkpoint {
    /// The value of an extension line.
    pub fn extension(&self, word: &str) -> Option<&str> {
        self.extensions
            .iter()
            .find(|(found, _)| found == word)
            .map(|(_, value)| value.as_str())
    }

    /// The text that is signed.
    pub fn text(&self) -> String {
        let mut text = format!(
            "{}\n{}\n{}\n",
            self.origin,
            self.size,
            STANDARD.encode(self.root.0)
        );
        for (word, value) in &self.extensions {
            text.push_str(&format!("{word} {value}\n"));
        }
        text
    }

    /// The whole note.
    pub fn sign(&self, key: &SecretKey) -> String {
        let text = self.text();
        let mut blob = key.public().id(&self.origin).to_vec();
        blob.extend_from_slice(&key.0.sign(text.as_bytes()).to_bytes());
        format!("{text}\n— {} {}\n", self.origin, STANDARD.encode(blob))
    }

    /// Reads a note without judging its signatures.
    ///
    /// # Errors
    /// [`NoteError::Malformed`].
    pub fn read(note: &str) -> Result<Checkpoint, NoteError> {
        let (text, _) = parts(note)?;
        let mut lines = text.lines();
        let origin = lines.next().filter(|line| !line.is_empty());
        let origin = origin.ok_or(NoteError::Malformed("no origin"))?.to_owned();
        let size = lines
            .next()
            .and_then(decimal)
            .ok_or(NoteError::Malformed("no size"))?;
        let root = lines
            .next()
            .and_then(|line| STANDARD.decode(line).ok())
            .and_then(|bytes| bytes.try_into().ok())
            .map(Hash)
            .ok_or(NoteError::Malformed("no root of 32 bytes"))?;
        let extensions = lines
            .map(|line| {
                let (word, value) = line.split_once(' ').unwrap_or((line, ""));
                (word.to_owned(), value.to_owned())
            })
            .collect();
        Ok(Checkpoint {
            origin,
            size,
            root,
            extensions,
        })
    }

    /// Reads a note that must be signed by `key`.
    ///
    /// # Errors
    /// When it is malformed or not signed so.
    pub fn open(note: &str, key: &PublicKey) -> Result<Checkpoint, NoteError> {
        let checkpoint = Checkpoint::read(note)?;
        let (text, signatures) = parts(note)?;
        let id = key.id(&checkpoint.origin);
        let mut others = Vec::new();
        for line in signatures.lines() {
            let (name, blob) = line
                .strip_prefix("— ")
                .and_then(|rest| rest.split_once(' '))
                .ok_or(NoteError::Malformed(
                    "a signature line does not begin with a dash and a name",
                ))?;
            let blob = STANDARD
                .decode(blob)
                .map_err(|_| NoteError::Malformed("a signature is not base64"))?;
            let (found, signature) = blob
                .split_at_checked(4)
                .ok_or(NoteError::Malformed("a signature is too short"))?;
            if name != checkpoint.origin || found != id {
                others.push(base16ct::lower::encode_string(found));
                continue;
            }
            let fits = Signature::from_slice(signature)
                .is_ok_and(|signature| key.0.verify_strict(text.as_bytes(), &signature).is_ok());
            return if fits {
                Ok(checkpoint)
            } else {
                Err(NoteError::BadSignature(base16ct::lower::encode_string(&id)))
            };
        }
        Err(NoteError::OtherKey {
            expected: base16ct::lower::encode_string(&id),
            found: others.join(","),
        })
    }
}

/// The text with its last LF, and the signature lines.
fn parts(note: &str) -> Result<(&str, &str), NoteError> {
    if note.len() > MAX_NOTE {
        return Err(NoteError::Malformed("too long"));
    }
    let at = note
        .find("\n\n")
        .ok_or(NoteError::Malformed("no empty line before the signatures"))?;
    let (text, rest) = note.split_at(at.saturating_add(1));
    let signatures = rest.strip_prefix('\n').unwrap_or(rest);
    if signatures.is_empty() || !signatures.ends_with('\n') {
        return Err(NoteError::Malformed("no signature line"));
    }
    Ok((text, signatures))
}

/// Digits only, no leading zero: one number has one form.
fn decimal(text: &str) -> Option<u64> {
    let is_plain = text.bytes().all(|b| b.is_ascii_digit()) && (text == "0" || !text.starts_with('0'));
    text.parse().ok().filter(|_| is_plain)
}

/// The key that signs one epoch. Never printed.
pub struct SecretKey(SigningKey);

impl SecretKey {
    /// From 32 random bytes.
    pub fn from_seed(seed: &[u8; 32]) -> SecretKey {
        SecretKey(SigningKey::from_bytes(seed))
    }

    /// What auditors need.
    pub fn public(&self) -> PublicKey {
        PublicKey(self.0.verifying_key())
    }
}

impl fmt::Debug for SecretKey {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("SecretKey(…)")
    }
}

/// The key that checks one epoch's signatures.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct PublicKey(VerifyingKey);

impl PublicKey {
    /// The key's id under `name`.
    pub fn id(&self, name: &str) -> [u8; 4] {
        let mut hasher = Sha256::new();
        hasher.update(name.as_bytes());
        hasher.update([b'\n', ALGORITHM]);
        hasher.update(self.0.as_bytes());
        let hash: [u8; 32] = hasher.finalize().into();
        let [a, b, c, d, ..] = hash;
        [a, b, c, d]
    }

    /// The verifier key as text.
    pub fn text(&self, name: &str) -> String {
        let mut blob = vec![ALGORITHM];
        blob.extend_from_slice(self.0.as_bytes());
        format!(
            "{name}+{}+{}",
            base16ct::lower::encode_string(&self.id(name)),
            STANDARD.encode(blob)
        )
    }

    /// Reads a verifier key: its name and the key.
    ///
    /// # Errors
    /// When it is not one, or its id does not fit.
    pub fn read(text: &str) -> Result<(String, PublicKey), NoteError> {
        let malformed = || NoteError::Malformed("not a verifier key `name+id+key`");
        let mut parts = text.splitn(3, '+');
        let (Some(name), Some(id), Some(blob)) = (parts.next(), parts.next(), parts.next()) else {
            return Err(malformed());
        };
        let blob = STANDARD.decode(blob).map_err(|_| malformed())?;
        let key: [u8; 32] = match blob.split_first() {
            Some((&ALGORITHM, key)) => key.try_into().map_err(|_| malformed())?,
            _ => return Err(malformed()),
        };
        let key = PublicKey(VerifyingKey::from_bytes(&key).map_err(|_| malformed())?);
        if base16ct::lower::encode_string(&key.id(name)) != id {
            return Err(NoteError::Malformed(
                "the verifier key's id does not fit its name and key",
            ));
        }
        Ok((name.to_owned(), key))
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    fn checkpoint() -> Checkpoint {
        Checkpoint {
            origin: "reeve/ledger/w1".into(),
            size: 7,
            root: Hash([5; 32]),
            extensions: vec![("epoch".into(), "2".into()), ("head".into(), "ab".into())],
        }
    }

    #[test]
    fn the_form_is_fixed() {
        let key = SecretKey::from_seed(&[7; 32]);
        let note = checkpoint().sign(&key);
        assert_eq!(
            note,
            "reeve/ledger/w1\n7\nBQUFBQUFBQUFBQUFBQUFBQUFBQUFBQUFBQUFBQUFBQU=\nepoch 2\nhead ab\n\n\
             — reeve/ledger/w1 XtVH/KDJYIwO3FgnqSWua1mXFwLwcrCq0PRPZ83DV+0Eg4yR3XUgM0nU4KrECY7DpN0/pydgZUFIOmepsxLpFng8jAY=\n"
        );
        assert_eq!(Checkpoint::open(&note, &key.public()).unwrap(), checkpoint());
        let text = key.public().text("reeve/ledger/w1");
        assert_eq!(
            text,
            "reeve/ledger/w1+5ed547fc+AepKbGPinFIKvvVQexMuxfmVR3auvr57kkIe6mkURtIs"
        );
        assert_eq!(
            PublicKey::read(&text).unwrap(),
            ("reeve/ledger/w1".to_owned(), key.public())
        );
    }

    #[test]
    fn another_key_and_another_text_are_told_apart() {
        let (ours, other) = (SecretKey::from_seed(&[7; 32]), SecretKey::from_seed(&[8; 32]));
        let note = checkpoint().sign(&ours);
        assert!(matches!(
            Checkpoint::open(&note, &other.public()),
            Err(NoteError::OtherKey { .. })
        ));
        let changed = note.replacen("\n7\n", "\n8\n", 1);
        assert!(matches!(
            Checkpoint::open(&changed, &ours.public()),
            Err(NoteError::BadSignature(_))
        ));
    }

    proptest! {
        #[test]
        fn no_changed_byte_is_accepted(at in 0_usize..400, flip in 1_u8..128) {
            let key = SecretKey::from_seed(&[7; 32]);
            let note = checkpoint().sign(&key);
            let mut bytes = note.clone().into_bytes();
            let at = at % bytes.len();
            bytes[at] ^= flip;
            if let Ok(text) = String::from_utf8(bytes) {
                // What the bytes say must be the same for the note to be accepted.
                if let Ok(opened) = Checkpoint::open(&text, &key.public()) {
                    prop_assert_eq!(opened, checkpoint());
                }
            }
        }

        #[test]
        fn arbitrary_text_never_panics(text in "\\PC*") {
            let key = SecretKey::from_seed(&[7; 32]);
            prop_assert!(Checkpoint::open(&text, &key.public()).is_err());
            prop_assert!(PublicKey::read(&text).is_err());
        }
    }
}
