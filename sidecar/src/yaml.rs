//! A configuration file's YAML, read with the place of every fault. All faults are gathered; the values are used only
//! where there are none.

use marked_yaml::types::MarkedMappingNode;
use marked_yaml::{LoaderOptions, Node, Span, parse_yaml_with_options};
use std::fmt;

/// A fault: where and what.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Fault {
    /// Line, from 1; 0 when the whole file is meant.
    pub line: usize,
    /// What is wrong, and what to do.
    pub what: String,
}

impl fmt::Display for Fault {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        if self.line == 0 {
            f.write_str(&self.what)
        } else {
            write!(f, "line {}: {}", self.line, self.what)
        }
    }
}

/// A fault at a place.
pub fn fault(span: &Span, what: impl Into<String>) -> Fault {
    Fault {
        line: span.start().map_or(0, |mark| mark.line()),
        what: what.into(),
    }
}

/// Reads a document whose top is a mapping.
///
/// # Errors
/// Says where it is not YAML.
pub fn read(text: &str) -> Result<MarkedMappingNode, Fault> {
    let options = LoaderOptions::default()
        .error_on_duplicate_keys(true)
        .toplevel_mapping();
    let node = parse_yaml_with_options(0, text, options).map_err(|error| Fault {
        line: 0,
        what: format!("not YAML as it is read here: {error}"),
    })?;
    match node {
        Node::Mapping(map) => Ok(map),
        Node::Scalar(_) | Node::Sequence(_) => Err(Fault {
            line: 1,
            what: "a mapping is expected at the top".to_owned(),
        }),
    }
}

/// A mapping whose keys are taken one after the other; what is left is unknown.
#[derive(Debug)]
pub struct Keys<'a> {
    map: &'a MarkedMappingNode,
    known: Vec<&'static str>,
}

impl<'a> Keys<'a> {
    /// Over a mapping.
    pub fn of(map: &'a MarkedMappingNode) -> Keys<'a> {
        Keys {
            map,
            known: Vec::new(),
        }
    }

    /// Where the mapping stands.
    pub fn span(&self) -> &'a Span {
        self.map.span()
    }

    /// The value of a key that may be there.
    pub fn take(&mut self, name: &'static str) -> Option<&'a Node> {
        self.known.push(name);
        self.map.get_node(name)
    }

    /// A text.
    pub fn text(&mut self, name: &'static str, faults: &mut Vec<Fault>) -> Option<String> {
        let node = self.take(name)?;
        match node.as_scalar().map(|scalar| scalar.as_str()) {
            Some(text) if !text.is_empty() => Some(text.to_owned()),
            _ => {
                faults.push(fault(node.span(), format!("`{name}` is expected to be a text")));
                None
            }
        }
    }

    /// A number within bounds.
    pub fn number(
        &mut self,
        name: &'static str,
        bounds: std::ops::RangeInclusive<u64>,
        faults: &mut Vec<Fault>,
    ) -> Option<u64> {
        let node = self.take(name)?;
        let number = node
            .as_scalar()
            .and_then(|scalar| scalar.as_str().parse::<u64>().ok())
            .filter(|number| bounds.contains(number));
        if number.is_none() {
            let what = format!(
                "`{name}` is expected to be a number from {} to {}",
                bounds.start(),
                bounds.end()
            );
            faults.push(fault(node.span(), what));
        }
        number
    }

    /// Yes or no.
    pub fn flag(&mut self, name: &'static str, faults: &mut Vec<Fault>) -> Option<bool> {
        let node = self.take(name)?;
        let flag = node.as_scalar().and_then(|scalar| scalar.as_bool());
        if flag.is_none() {
            faults.push(fault(
                node.span(),
                format!("`{name}` is expected to be true or false"),
            ));
        }
        flag
    }

    /// A list of texts, or one.
    pub fn list(&mut self, name: &'static str, faults: &mut Vec<Fault>) -> Vec<String> {
        let Some(node) = self.take(name) else {
            return Vec::new();
        };
        let items: Option<Vec<String>> = match node {
            Node::Scalar(scalar) => Some(vec![scalar.as_str().to_owned()]),
            Node::Sequence(list) => list
                .iter()
                .map(|item| item.as_scalar().map(|scalar| scalar.as_str().to_owned()))
                .collect(),
            Node::Mapping(_) => None,
        };
        items.filter(|items| !items.is_empty()).unwrap_or_else(|| {
            faults.push(fault(
                node.span(),
                format!("`{name}` is expected to be a list of texts"),
            ));
            Vec::new()
        })
    }

    /// A mapping below.
    pub fn mapping(&mut self, name: &'static str, faults: &mut Vec<Fault>) -> Option<&'a MarkedMappingNode> {
        let node = self.take(name)?;
        let map = node.as_mapping();
        if map.is_none() {
            faults.push(fault(
                node.span(),
                format!("`{name}` is expected to be a mapping"),
            ));
        }
        map
    }

    /// Reports every key that was not taken, with the nearest that is known.
    pub fn finish(self, faults: &mut Vec<Fault>) {
        for (key, _) in self.map.iter() {
            let name = key.as_str();
            if self.known.contains(&name) {
                continue;
            }
            let nearest = self
                .known
                .iter()
                .min_by_key(|known| strsim::damerau_levenshtein(known, name))
                .filter(|known| strsim::damerau_levenshtein(known, name) <= 3);
            let hint = nearest.map_or_else(
                || format!("known are {}", self.known.join(", ")),
                |known| format!("did you mean `{known}`?"),
            );
            let shown: String = name.chars().take(40).collect();
            faults.push(fault(key.span(), format!("unknown key `{shown}`; {hint}")));
        }
    }
}
