//! What is wrong with a governance file: every fault at once, each with its place.

use std::fmt;
use thiserror::Error;

/// One fault.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Fault {
    /// The document's name.
    pub document: String,
    /// From 1; 0 when the fault is not at a line (the document is missing).
    pub line: usize,
    /// From 1.
    pub column: usize,
    /// What is wrong, and what to do.
    pub message: String,
}

impl fmt::Display for Fault {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        if self.line == 0 {
            write!(f, "{}: {}", self.document, self.message)
        } else {
            write!(
                f,
                "{}:{}:{}: {}",
                self.document, self.line, self.column, self.message
            )
        }
    }
}

/// Every fault of a set of documents. None of them is used.
#[derive(Debug, Clone, PartialEq, Eq, Error)]
pub struct Faults(pub Vec<Fault>);

impl fmt::Display for Faults {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        for (index, fault) in self.0.iter().enumerate() {
            if index > 0 {
                f.write_str("\n")?;
            }
            write!(f, "{fault}")?;
        }
        Ok(())
    }
}

impl Faults {
    /// A single fault that has no line.
    pub(crate) fn whole(document: &str, message: impl Into<String>) -> Faults {
        Faults(vec![Fault {
            document: document.to_owned(),
            line: 0,
            column: 0,
            message: message.into(),
        }])
    }
}

/// `; did you mean …?` when one of `known` is near to `word`, else the list of them.
pub(crate) fn suggestion(word: &str, known: &[&str]) -> String {
    let near = known
        .iter()
        .map(|candidate| (strsim::damerau_levenshtein(word, candidate), candidate))
        .min()
        .filter(|(distance, candidate)| *distance <= 2.max(candidate.len() / 3));
    match near {
        Some((_, candidate)) => format!("; did you mean `{candidate}`?"),
        None if known.len() <= 16 => format!("; known are {}", known.join(", ")),
        None => String::new(),
    }
}
