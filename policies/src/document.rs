//! Reads YAML with positions: typed access that collects faults instead of stopping at the first.

use crate::described::Shelf;
use crate::faults::{Fault, suggestion};
use argv::Tool;
use marked_yaml::types::MarkedMappingNode;
use marked_yaml::{LoadError, LoaderOptions, Marker, Node, Span, parse_yaml_with_options};

/// The longest document that is read, in bytes.
pub(crate) const MAX_BYTES: usize = 1 << 20;
/// How deep a document may nest. Ours need five; the parser recurses, so depth is refused before it sees the text.
const MAX_DEPTH: usize = 32;

/// A document's root, or the fault that keeps it from being read at all.
pub(crate) fn parse(document: &str, text: &str) -> Result<Node, Fault> {
    let fault = |line, column, message: String| Fault {
        document: document.to_owned(),
        line,
        column,
        message,
    };
    if text.len() > MAX_BYTES {
        return Err(fault(
            0,
            0,
            format!("has {} bytes; at most {MAX_BYTES} are read", text.len()),
        ));
    }
    if let Some(line) = too_deep(text) {
        return Err(fault(line, 1, format!("nests deeper than {MAX_DEPTH} levels")));
    }
    let options = LoaderOptions::default()
        .error_on_duplicate_keys(true)
        .toplevel_mapping();
    let root = parse_yaml_with_options(0, text, options).map_err(|error| {
        let (marker, message) = describe(&error);
        fault(
            marker.map_or(1, |m| m.line()),
            marker.map_or(1, |m| m.column()),
            message,
        )
    })?;
    match unread(&root, text) {
        Some(line) => Err(fault(
            line,
            1,
            "stands behind the end of the document, so it would not be read; one file is one document, and its \
             keys are all indented alike"
                .to_owned(),
        )),
        None => Ok(root),
    }
}

/// The line of the first thing that the parser left unread: it stops at the end of the first document (`---`, a line
/// that is indented less, anything behind a closing brace). A deny rule may stand there, so nothing may.
fn unread(root: &Node, text: &str) -> Option<usize> {
    let end = root.span().end()?;
    let rest: String = text.chars().skip(end.character()).collect();
    // A mapping in braces ends *at* its brace.
    let rest = rest.strip_prefix('}').unwrap_or(&rest);
    rest.lines()
        .position(|line| !matches!(line.trim_start().chars().next(), None | Some('#')))
        .map(|behind| end.line().saturating_add(behind))
}

fn describe(error: &LoadError) -> (Option<Marker>, String) {
    match error {
        LoadError::TopLevelMustBeMapping(at) | LoadError::TopLevelMustBeSequence(at) => (
            Some(*at),
            "a governance file is a mapping of keys to values".to_owned(),
        ),
        LoadError::UnexpectedAnchor(at) => (
            Some(*at),
            "anchors and aliases are not accepted; write the values out, or use `extends`".to_owned(),
        ),
        LoadError::MappingKeyMustBeScalar(at) => (Some(*at), "a key must be a plain word".to_owned()),
        LoadError::UnexpectedTag(at) => (Some(*at), "tags (`!…`) are not accepted".to_owned()),
        LoadError::ScanError(at, error) => (Some(*at), format!("is not YAML: {}", error.info())),
        LoadError::DuplicateKey(inner) => {
            let at = inner.key.span().start().copied();
            (at, format!("the key `{}` is given twice", inner.key.as_str()))
        }
    }
}

/// The line that opens too many levels: brackets that are open at once, dashes in a row, or indentation.
fn too_deep(text: &str) -> Option<usize> {
    let mut open = 0_usize;
    for (index, line) in text.lines().enumerate() {
        let dashes = line
            .split_whitespace()
            .take_while(|word| matches!(*word, "-" | "?" | ":"))
            .count();
        let indentation = line.len().saturating_sub(line.trim_start().len());
        for byte in line.bytes() {
            match byte {
                b'[' | b'{' => open = open.saturating_add(1),
                b']' | b'}' => open = open.saturating_sub(1),
                _ => {}
            }
            if open > MAX_DEPTH {
                return Some(index.saturating_add(1));
            }
        }
        // Each level takes at least one column.
        if dashes > MAX_DEPTH || (indentation > MAX_DEPTH * 8 && !line.trim().is_empty()) {
            return Some(index.saturating_add(1));
        }
    }
    None
}

/// Collects faults while a document is taken apart.
#[derive(Debug)]
pub(crate) struct Reader<'a> {
    /// The document's name.
    pub document: &'a str,
    /// What is wrong so far.
    pub faults: Vec<Fault>,
    /// Where descriptions of tools come from.
    pub shelf: Option<&'a Shelf<'a>>,
}

impl<'a> Reader<'a> {
    pub(crate) fn new(document: &'a str) -> Self {
        Reader {
            document,
            faults: Vec::new(),
            shelf: None,
        }
    }

    /// The tool of this name: a built-in one, or one that a document describes. A fault where there is none.
    pub(crate) fn tool(&mut self, word: &str, span: &Span) -> Option<Tool> {
        if let Some(tool) = Tool::named(word) {
            return Some(tool);
        }
        match self.shelf.map_or(Ok(None), |shelf| shelf.tool(word)) {
            Ok(Some(tool)) => return Some(tool),
            // Said once, where it stands.
            Err(faults) => self.faults.extend(faults),
            Ok(None) => {
                let mut names: Vec<&str> = Tool::ALL.iter().map(|tool| tool.name()).collect();
                names.extend(["helm", "terraform"]);
                let message = format!(
                    "`{}` is not a governed tool{}; another tool needs a description in tools/NAME.yaml",
                    clip(word),
                    suggestion(word, &names)
                );
                self.fault(span, message);
            }
        }
        None
    }

    /// Notes a fault at a place.
    pub(crate) fn fault(&mut self, span: &Span, message: impl Into<String>) {
        let start = span.start();
        self.faults.push(Fault {
            document: self.document.to_owned(),
            line: start.map_or(1, Marker::line),
            column: start.map_or(1, Marker::column),
            message: message.into(),
        });
    }

    /// A mapping whose keys are all among `known`.
    pub(crate) fn mapping<'n>(
        &mut self,
        node: &'n Node,
        what: &str,
        known: &[&str],
    ) -> Option<&'n MarkedMappingNode> {
        let Some(mapping) = node.as_mapping() else {
            self.fault(
                node.span(),
                format!("{what} must be a mapping with the keys {}", known.join(", ")),
            );
            return None;
        };
        for (key, _) in mapping.iter() {
            if !known.contains(&key.as_str()) {
                let word = key.as_str();
                self.fault(
                    key.span(),
                    format!("unknown key `{}`{}", clip(word), suggestion(word, known)),
                );
            }
        }
        Some(mapping)
    }

    /// A single word.
    pub(crate) fn word<'n>(&mut self, node: &'n Node, what: &str) -> Option<&'n str> {
        match node.as_scalar() {
            Some(scalar) => Some(scalar.as_str()),
            None => {
                self.fault(node.span(), format!("{what} must be one word"));
                None
            }
        }
    }

    /// One word or a list of words, each with its place; an empty list is a fault.
    pub(crate) fn words<'n>(&mut self, node: &'n Node, what: &str) -> Vec<(&'n str, &'n Span)> {
        let Some(sequence) = node.as_sequence() else {
            return self
                .word(node, what)
                .map(|word| (word, node.span()))
                .into_iter()
                .collect();
        };
        if sequence.is_empty() {
            self.fault(
                node.span(),
                format!("{what} is an empty list, so the rule can match nothing"),
            );
        }
        sequence
            .iter()
            .filter_map(|item| self.word(item, what).map(|word| (word, item.span())))
            .collect()
    }

    /// A word out of a closed set.
    pub(crate) fn one_of<T: Copy>(
        &mut self,
        word: &str,
        span: &Span,
        what: &str,
        known: &[(T, &str)],
    ) -> Option<T> {
        let found = known
            .iter()
            .find(|(_, name)| *name == word)
            .map(|(value, _)| *value);
        if found.is_none() {
            let names: Vec<&str> = known.iter().map(|(_, name)| *name).collect();
            self.fault(
                span,
                format!("`{}` is not {what}{}", clip(word), suggestion(word, &names)),
            );
        }
        found
    }
}

/// A caller's word, short enough to show.
pub(crate) fn clip(word: &str) -> String {
    word.chars()
        .take(60)
        .map(|c| {
            if argv::unreadable::is_deceptive(c) {
                '\u{fffd}'
            } else {
                c
            }
        })
        .collect()
}

/// The line a node stands on.
pub(crate) fn line(span: &Span) -> usize {
    span.start().map_or(1, Marker::line)
}
