//! One line by itself: the part of the walk that depends on no other line.

use crate::chain::{Broken, Fields, Hash, Kind};
use crate::event::Decision;
use crate::tree;
use serde::Deserialize;

/// A line that is whole in itself.
#[derive(Debug)]
pub struct Checked<'a> {
    pub(super) fields: Fields<'a>,
    pub(super) leaf: Hash,
    pub(super) decision: Option<Decision>,
}

impl<'a> Checked<'a> {
    /// The line's fields.
    pub fn fields(&self) -> &Fields<'a> {
        &self.fields
    }

    /// The line's leaf in the tree.
    pub fn leaf(&self) -> Hash {
        self.leaf
    }

    /// Checks one line (without its LF) by itself.
    ///
    /// # Errors
    /// When it is not a record, or was edited.
    pub fn of(bytes: &'a [u8]) -> Result<Checked<'a>, Broken> {
        #[derive(Deserialize)]
        struct Decided {
            decision: Decision,
        }
        let fields = Fields::read(bytes)?;
        let decision = if fields.kind == Kind::Event {
            let decided: Decided = serde_json::from_str(fields.data)
                .map_err(|error| Broken::Malformed(format!("the event cannot be read: {error}")))?;
            Some(decided.decision)
        } else {
            None
        };
        Ok(Checked {
            fields,
            leaf: tree::leaf(bytes),
            decision,
        })
    }
}
