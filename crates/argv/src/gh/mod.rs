//! gh.

use crate::{Invocation, Surroundings, Unreadable};

/// Reads `words`, the words after `gh`.
///
/// # Errors
/// [`Unreadable`] when a word is not understood.
pub fn parse(words: &[String], _around: &Surroundings) -> Result<Invocation, Unreadable> {
    Err(Unreadable::at(0, words.first().map_or("", String::as_str), "is not understood"))
}
