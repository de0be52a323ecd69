//! Why a command line could not be understood.

use serde::Serialize;
use thiserror::Error;

/// A command line that is not understood, and so will not run.
#[derive(Debug, Clone, PartialEq, Eq, Error, Serialize)]
#[error("{problem}")]
pub struct Unreadable {
    /// The offending word as typed (lossily decoded where it is not UTF-8, cut at 200 characters).
    pub word: String,
    /// Its place among the words after the tool's name, from 0; `None` when a word is missing.
    pub position: Option<usize>,
    /// What is wrong, in one lower-case sentence that quotes the word in backticks.
    pub problem: String,
    /// What the caller could type instead, when that is known.
    pub hint: Option<String>,
}

impl Unreadable {
    /// `problem` at `word`, the `position`-th word after the tool's name. The sentence is
    /// completed to "`word`: problem".
    pub fn at(position: usize, word: &str, problem: &str) -> Self {
        let word = shorten(word);
        let problem = format!("`{word}`: {problem}");
        Unreadable {
            word,
            position: Some(position),
            problem,
            hint: None,
        }
    }

    /// Something is missing at the end of the command line.
    pub fn missing(problem: &str) -> Self {
        Unreadable {
            word: String::new(),
            position: None,
            problem: problem.to_owned(),
            hint: None,
        }
    }

    /// Adds what the caller could type instead.
    #[must_use]
    pub fn hint(mut self, hint: impl Into<String>) -> Self {
        self.hint = Some(hint.into());
        self
    }
}

fn shorten(word: &str) -> String {
    let clean: String = word
        .chars()
        .take(200)
        .map(|c| if is_deceptive(c) { '\u{fffd}' } else { c })
        .collect();
    clean
}

/// Control characters and bidirectional overrides hide what a person or a terminal would read.
pub fn is_deceptive(c: char) -> bool {
    c.is_control()
        || matches!(c, '\u{200b}'..='\u{200f}' | '\u{202a}'..='\u{202e}' | '\u{2060}'..='\u{2069}' | '\u{feff}')
}
