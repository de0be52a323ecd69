//! Manifests, as far as their content decides: which objects are in them.
//!
//! kubectl reads the same bytes with another parser. So this one reads only what every YAML parser reads alike, and calls
//! everything else unreadable: duplicate keys, anchors, aliases, tags, merge keys, directives, document ends, keys that
//! differ from a known one in case only, names that are not plainly text. Documents are split by the lines by which kubectl
//! splits them. What begins with `{` is a stream of JSON values, as it is for kubectl.

use super::resources::Type;
use super::targets::Target;
use super::workload;
use crate::unreadable::is_deceptive;
use crate::{Unreadable, Workload};
use marked_yaml::{LoaderOptions, Node, parse_yaml_with_options};
use serde::de::{Deserialize, Deserializer, Error, MapAccess, SeqAccess, Visitor};
use std::fmt;

/// The most objects that are read from one file.
const MOST_OBJECTS: usize = 5_000;
/// How deep a document may nest; the parsers recurse, so depth is refused before they see the text.
const MAX_DEPTH: usize = 100;
/// How many lists may stand in each other.
const MAX_LISTS: usize = 4;
/// The keys that decide what an object is.
const DECIDING: [&str; 7] = [
    "apiVersion",
    "kind",
    "metadata",
    "items",
    "name",
    "namespace",
    "generateName",
];

/// One object of a manifest that a command line names with `-f`. What is in a `List` is to be listed itself.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct Manifest {
    /// `apiVersion`, as in `apps/v1`.
    pub api_version: String,
    /// `kind`, as in `Deployment`.
    pub kind: String,
    /// `metadata.namespace`, when it says one.
    pub namespace: Option<String>,
    /// `metadata.name`; `None` with `generateName`.
    pub name: Option<String>,
    /// What it makes of workloads.
    pub workload: Workload,
}

impl Manifest {
    /// The objects in a file's content, in order.
    ///
    /// # Errors
    /// [`Unreadable`] when it is not certain that kubectl finds the same objects.
    pub fn read(content: &[u8]) -> Result<Vec<Manifest>, Unreadable> {
        let text = plain_text(content)?;
        let mut objects = Vec::new();
        if text.trim_start().starts_with('{') {
            for tree in serde_json::Deserializer::from_str(text).into_iter::<Tree>() {
                let tree = tree.map_err(|error| unclear(&format!("is not JSON: {error}")))?;
                objects_of(&tree, None, 0, &mut objects)?;
            }
        } else {
            for (line, document) in documents(text)? {
                if let Some(tree) = yaml(line, document)? {
                    objects_of(&tree, None, 0, &mut objects)?;
                }
            }
        }
        Ok(objects)
    }

    pub(super) fn target(&self) -> Result<Target, Unreadable> {
        let mut texts = [Some(&self.kind), self.namespace.as_ref(), self.name.as_ref()]
            .into_iter()
            .flatten();
        if texts.any(|text| text.chars().any(is_deceptive)) {
            return Err(unclear("has a name or kind with characters that cannot be seen"));
        }
        Ok(Target {
            of: Type::of_manifest(&self.api_version, &self.kind),
            name: self.name.clone(),
            namespace: self.namespace.clone(),
            from_manifest: true,
            workload: self.workload.clone(),
        })
    }
}

fn unclear(problem: &str) -> Unreadable {
    Unreadable::missing(&format!("the manifest {problem}"))
}

/// The content as text that every eye reads alike.
pub(super) fn plain_text(content: &[u8]) -> Result<&str, Unreadable> {
    let text = std::str::from_utf8(content).map_err(|_| unclear("is not UTF-8"))?;
    // A tab or a line end is what a text consists of; anything else unseen is read differently by different eyes.
    if text
        .chars()
        .any(|c| is_deceptive(c) && !matches!(c, '\n' | '\r' | '\t'))
    {
        return Err(unclear("has characters that cannot be seen"));
    }
    if text.replace("\r\n", "").contains('\r') {
        return Err(unclear("has a carriage return inside a line"));
    }
    Ok(text)
}

/// As much of a document as matters.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) enum Tree {
    Null,
    Text(String),
    /// A number or a truth value, or a plain word that some parser takes for one.
    Other(String),
    List(Vec<Tree>),
    Map(Vec<(String, Tree)>),
}

impl Tree {
    /// The content of a file that is one document, YAML or JSON; nothing when it is empty.
    pub(crate) fn of_one_document(text: &str) -> Result<Option<Tree>, Unreadable> {
        let mut trees = documents(text)?
            .into_iter()
            .map(|(line, document)| yaml(line, document));
        let found = trees
            .by_ref()
            .find(|tree| !matches!(tree, Ok(None)))
            .unwrap_or(Ok(None));
        if trees.any(|tree| !matches!(tree, Ok(None))) {
            return Err(unclear("has several documents"));
        }
        found
    }

    /// The keys of a mapping, in order.
    pub(crate) fn keys(&self) -> impl Iterator<Item = &str> {
        let entries = match self {
            Tree::Map(entries) => entries.as_slice(),
            _ => &[],
        };
        entries.iter().map(|(key, _)| key.as_str())
    }

    /// The items of a list; none of anything else.
    pub(super) fn items(&self) -> &[Tree] {
        match self {
            Tree::List(items) => items,
            _ => &[],
        }
    }

    pub(super) fn get(&self, key: &str) -> Option<&Tree> {
        match self {
            Tree::Map(entries) => entries
                .iter()
                .find(|(name, _)| name == key)
                .map(|(_, value)| value),
            _ => None,
        }
    }

    /// The text under `key`; nothing where there is none or null.
    pub(crate) fn text(&self, key: &str) -> Result<Option<String>, Unreadable> {
        match self.get(key) {
            None | Some(Tree::Null) => Ok(None),
            Some(Tree::Text(text)) => Ok(Some(text.clone()).filter(|text| !text.is_empty())),
            Some(Tree::Other(text)) => Err(unclear(&format!(
                "has `{key}: {text}`, which may be read as a number or a truth value; quote it"
            ))),
            Some(Tree::List(_) | Tree::Map(_)) => Err(unclear(&format!("has a `{key}` that is not a text"))),
        }
    }

    fn check_keys(&self) -> Result<(), Unreadable> {
        let Tree::Map(entries) = self else {
            return Ok(());
        };
        for (key, _) in entries {
            let alike = DECIDING
                .iter()
                .find(|known| known.eq_ignore_ascii_case(key) && *known != key);
            if let Some(known) = alike {
                return Err(unclear(&format!("has the key `{key}`; did you mean `{known}`?")));
            }
            if key == "<<" {
                return Err(unclear("has a merge key (`<<`); write its values out"));
            }
        }
        Ok(())
    }
}

/// Adds the objects in `tree`; `list` is the `apiVersion` and `kind` of the items of the list around it.
fn objects_of(
    tree: &Tree,
    list: Option<(&str, &str)>,
    depth: usize,
    found: &mut Vec<Manifest>,
) -> Result<(), Unreadable> {
    if matches!(tree, Tree::Null) && list.is_none() {
        return Ok(());
    }
    if !matches!(tree, Tree::Map(_)) {
        return Err(unclear("has a document that is not an object"));
    }
    tree.check_keys()?;
    let api_version = tree
        .text("apiVersion")?
        .or_else(|| list.map(|(api_version, _)| api_version.to_owned()));
    let kind = tree
        .text("kind")?
        .or_else(|| list.map(|(_, kind)| kind.to_owned()))
        .filter(|kind| !kind.is_empty());
    let (Some(api_version), Some(kind)) = (api_version, kind) else {
        return Err(unclear("has an object without `apiVersion` or `kind`"));
    };
    // For kubectl whatever has items is a list.
    if let Some(items) = tree.get("items") {
        let (Some(of), Tree::List(items)) = (kind.strip_suffix("List"), items) else {
            return Err(unclear(&format!(
                "has a `{kind}` with `items` that is not a list"
            )));
        };
        if depth >= MAX_LISTS {
            return Err(unclear("has lists in lists in lists"));
        }
        return items
            .iter()
            .try_for_each(|item| objects_of(item, Some((&api_version, of)), depth.saturating_add(1), found));
    }
    if kind == "List" {
        return Err(unclear("has a `List` without `items`"));
    }
    if found.len() >= MOST_OBJECTS {
        return Err(unclear(&format!("has more than {MOST_OBJECTS} objects")));
    }
    let metadata = tree.get("metadata").unwrap_or(&Tree::Null);
    if !matches!(metadata, Tree::Null | Tree::Map(_)) {
        return Err(unclear("has `metadata` that is not a mapping"));
    }
    metadata.check_keys()?;
    let workload = workload::of_object(tree, &Type::of_manifest(&api_version, &kind));
    found.push(Manifest {
        workload,
        api_version,
        kind,
        namespace: metadata.text("namespace")?,
        name: metadata.text("name")?,
    });
    Ok(())
}

/// The documents and the lines on which they begin, split as kubectl splits them: at lines of `---`.
fn documents(text: &str) -> Result<Vec<(usize, &str)>, Unreadable> {
    let mut found = Vec::new();
    let (mut begin, mut first, mut at) = (0, 1, 0_usize);
    for (index, line) in text.split_inclusive('\n').enumerate() {
        let number = index.saturating_add(1);
        let end = at.saturating_add(line.len());
        if let Some(rest) = line.strip_prefix("---") {
            // Older versions read on behind a comment here, newer ones begin a document.
            let is_separator = rest.trim_end().is_empty();
            if !is_separator {
                return Err(unclear(&format!(
                    "has something behind `---` on line {number}; put it on the next line"
                )));
            }
            found.push((first, text.get(begin..at).unwrap_or_default()));
            (begin, first) = (end, number.saturating_add(1));
        } else if line.starts_with("...") || line.starts_with('%') {
            return Err(unclear(&format!(
                "has a YAML directive or document end on line {number}; use `---` lines only"
            )));
        }
        at = end;
    }
    found.push((first, text.get(begin..).unwrap_or_default()));
    Ok(found)
}

fn yaml(line: usize, document: &str) -> Result<Option<Tree>, Unreadable> {
    let is_blank = |line: &str| matches!(line.trim_start().chars().next(), None | Some('#'));
    if document.lines().all(is_blank) {
        return Ok(None);
    }
    if is_too_deep(document) {
        return Err(unclear(&format!("nests deeper than {MAX_DEPTH} levels")));
    }
    let options = LoaderOptions::default().error_on_duplicate_keys(true);
    let root = parse_yaml_with_options(0, document, options).map_err(|error| {
        unclear(&format!(
            "is not plain YAML in the document from line {line}: {error}"
        ))
    })?;
    // The parser stops at the end of the first node; kubectl's would complain or not, so nothing may be left.
    if let (Node::Mapping(_), Some(end)) = (&root, root.span().end()) {
        let rest: String = document.chars().skip(end.character()).collect();
        if !rest.strip_prefix('}').unwrap_or(&rest).lines().all(is_blank) {
            return Err(unclear(&format!(
                "has something behind the end of the document from line {line}"
            )));
        }
    }
    Ok(Some(from_yaml(&root)))
}

fn from_yaml(node: &Node) -> Tree {
    match node {
        Node::Scalar(scalar) => {
            let text = scalar.as_str();
            if !scalar.may_coerce() {
                Tree::Text(text.to_owned())
            } else if matches!(text, "" | "~" | "null" | "Null" | "NULL") {
                Tree::Null
            } else if is_ambiguous(text) {
                Tree::Other(text.to_owned())
            } else {
                Tree::Text(text.to_owned())
            }
        }
        Node::Sequence(sequence) => Tree::List(sequence.iter().map(from_yaml).collect()),
        Node::Mapping(mapping) => Tree::Map(
            mapping
                .iter()
                .map(|(key, value)| (key.as_str().to_owned(), from_yaml(value)))
                .collect(),
        ),
    }
}

/// A plain word that one version of YAML or another takes for a truth value, a number or a time.
fn is_ambiguous(text: &str) -> bool {
    let word = matches!(
        text.to_ascii_lowercase().as_str(),
        "y" | "yes" | "n" | "no" | "on" | "off" | "true" | "false" | ".nan" | ".inf" | "-.inf" | "+.inf"
    );
    let begins = text.starts_with(|c: char| c.is_ascii_digit() || matches!(c, '+' | '-' | '.'));
    let goes_on = text.chars().all(|c| {
        c.is_ascii_hexdigit() || matches!(c, '+' | '-' | '.' | '_' | ':' | 'x' | 'o' | 'T' | 'Z' | ' ')
    });
    word || begins && goes_on
}

/// Brackets that are open at once, dashes in a row, or indentation: each level takes at least one column.
fn is_too_deep(text: &str) -> bool {
    let mut open = 0_usize;
    text.lines().any(|line| {
        let mut most = 0;
        for byte in line.bytes() {
            match byte {
                b'[' | b'{' => open = open.saturating_add(1),
                b']' | b'}' => open = open.saturating_sub(1),
                _ => {}
            }
            most = most.max(open);
        }
        let dashes = line
            .split_whitespace()
            .take_while(|word| matches!(*word, "-" | "?" | ":"))
            .count();
        let bare = line.trim_start();
        // Deep indentation is a level each only where something opens one; text blocks may be indented as they like.
        let indentation = line.len().saturating_sub(bare.len());
        most > MAX_DEPTH || dashes > MAX_DEPTH || indentation > MAX_DEPTH * 8 && !bare.is_empty()
    })
}

impl<'de> Deserialize<'de> for Tree {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        deserializer.deserialize_any(TreeVisitor)
    }
}

/// Keeps every key, so that one given twice is noticed.
struct TreeVisitor;

impl<'de> Visitor<'de> for TreeVisitor {
    type Value = Tree;

    fn expecting(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("a JSON value")
    }

    fn visit_unit<E: Error>(self) -> Result<Tree, E> {
        Ok(Tree::Null)
    }

    fn visit_bool<E: Error>(self, value: bool) -> Result<Tree, E> {
        Ok(Tree::Other(value.to_string()))
    }

    fn visit_i64<E: Error>(self, value: i64) -> Result<Tree, E> {
        Ok(Tree::Other(value.to_string()))
    }

    fn visit_u64<E: Error>(self, value: u64) -> Result<Tree, E> {
        Ok(Tree::Other(value.to_string()))
    }

    fn visit_f64<E: Error>(self, value: f64) -> Result<Tree, E> {
        Ok(Tree::Other(value.to_string()))
    }

    fn visit_str<E: Error>(self, value: &str) -> Result<Tree, E> {
        Ok(Tree::Text(value.to_owned()))
    }

    fn visit_seq<A: SeqAccess<'de>>(self, mut items: A) -> Result<Tree, A::Error> {
        let mut found = Vec::new();
        while let Some(item) = items.next_element()? {
            found.push(item);
        }
        Ok(Tree::List(found))
    }

    fn visit_map<A: MapAccess<'de>>(self, mut entries: A) -> Result<Tree, A::Error> {
        let mut found: Vec<(String, Tree)> = Vec::new();
        let mut seen = std::collections::BTreeSet::new();
        while let Some((key, value)) = entries.next_entry::<String, Tree>()? {
            if !seen.insert(key.clone()) {
                return Err(A::Error::custom(format!("the key `{key}` is given twice")));
            }
            found.push((key, value));
        }
        Ok(Tree::Map(found))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn objects(text: &str) -> Vec<String> {
        Manifest::read(text.as_bytes())
            .unwrap()
            .into_iter()
            .map(|it| {
                let place = it.namespace.map(|n| format!("{n}/")).unwrap_or_default();
                format!(
                    "{} {} {place}{}",
                    it.api_version,
                    it.kind,
                    it.name.unwrap_or_default()
                )
            })
            .collect()
    }

    fn refused(text: &str) -> String {
        match Manifest::read(text.as_bytes()) {
            Ok(found) => panic!("{text:?} was read as {found:?}"),
            Err(fault) => fault.problem,
        }
    }

    const POD: &str = "apiVersion: v1\nkind: Pod\nmetadata:\n  name: web\n  namespace: dev\n";

    #[test]
    fn every_object_of_every_document_is_found() {
        assert_eq!(objects(POD), ["v1 Pod dev/web"]);
        let several = format!(
            "# note\n---\n{POD}---  \n\n---\r\n{}---\n",
            POD.replace('\n', "\r\n")
        );
        assert_eq!(objects(&several), ["v1 Pod dev/web", "v1 Pod dev/web"]);
        assert_eq!(
            objects(
                "apiVersion: v1\nkind: List\nitems:\n- apiVersion: apps/v1\n  kind: Deployment\n  metadata: {name: a}\n- apiVersion: v1\n  kind: Secret\n  metadata:\n    generateName: b-\n"
            ),
            ["apps/v1 Deployment a", "v1 Secret "]
        );
        assert_eq!(
            objects("apiVersion: v1\nkind: ConfigMapList\nitems:\n- metadata: {name: a}\n"),
            ["v1 ConfigMap a"]
        );
        let json = r#" {"apiVersion":"v1","kind":"Pod","metadata":{"name":"a"}}
            {"apiVersion":"v1","kind":"List","items":[{"apiVersion":"v1","kind":"Node","metadata":{"name":"n"}}]}"#;
        assert_eq!(objects(json), ["v1 Pod a", "v1 Node n"]);
        assert_eq!(
            objects("\"apiVersion\": v1\n\"kind\": \"\\x50od\"\n"),
            ["v1 Pod "]
        );
        assert_eq!(objects(""), [] as [&str; 0]);
        let script = "apiVersion: v1\nkind: ConfigMap\nmetadata: {name: c}\ndata:\n  run: |\n    kind: Secret\n     --- not a document\n    %x\n";
        assert_eq!(objects(script), ["v1 ConfigMap c"]);
    }

    #[test]
    fn what_parsers_read_differently_is_refused() {
        for (text, why) in [
            ("apiVersion: v1\nkind: Pod\nkind: Secret\n", "Duplicate key"),
            (
                "{\"apiVersion\":\"v1\",\"kind\":\"Pod\",\"kind\":\"Secret\"}",
                "twice",
            ),
            ("a: &x {kind: Pod}\nb: *x\n", "anchor"),
            ("apiVersion: v1\nkind: !!str Pod\n", "tag"),
            ("<<: {kind: Secret}\napiVersion: v1\nkind: Pod\n", "merge key"),
            ("apiVersion: v1\nkind: Pod\n...\nkind: Secret\n", "document end"),
            ("%YAML 1.1\n---\nkind: Pod\n", "directive"),
            ("--- {apiVersion: v1, kind: Secret}\n", "behind `---`"),
            ("kind: Pod\n---  # next\nkind: Secret\n", "behind `---`"),
            ("apiVersion: v1\nKind: Pod\nkind: Pod\n", "did you mean `kind`"),
            (
                "apiVersion: v1\nkind: Pod\nmetadata: {namespace: yes}\n",
                "truth value",
            ),
            (
                "apiVersion: v1\nkind: Pod\nmetadata: {name: 0x1f}\n",
                "truth value",
            ),
            (
                "apiVersion: v1\nkind: Pod\nmetadata: {Namespace: a}\n",
                "did you mean `namespace`",
            ),
            ("apiVersion: v1\nkind: Pod\nmetadata: [a]\n", "not a mapping"),
            (
                "apiVersion: v1\nkind: Pod\nitems:\n- kind: Secret\n",
                "not a list",
            ),
            ("apiVersion: v1\nkind: List\n", "without `items`"),
            ("kind: Pod\n", "without `apiVersion`"),
            ("- apiVersion: v1\n  kind: Pod\n", "must be a mapping"),
            ("[1]", "must be a mapping"),
            (
                "{\"apiVersion\":\"v1\",\"kind\":\"List\",\"items\":[1]}",
                "not an object",
            ),
            ("apiVersion: v1\nkind: Po\u{200b}d\n", "cannot be seen"),
            ("\u{feff}apiVersion: v1\nkind: Pod\n", "cannot be seen"),
            ("apiVersion: v1\rkind: Pod\n", "carriage return"),
            (
                "{\"apiVersion\":\"v1\",\"kind\":\"Pod\"}\n---\nkind: Secret\n",
                "not JSON",
            ),
            ("{apiVersion: v1}\n", "not JSON"),
        ] {
            let problem = refused(text);
            assert!(problem.contains(why), "{text:?}: {problem}");
        }
        assert!(Manifest::read(b"kind: \xff\n").is_err());
    }

    #[test]
    fn depth_and_number_are_bounded() {
        let deep = format!(
            "apiVersion: v1\nkind: Pod\nx: {}{}\n",
            "[".repeat(5_000),
            "]".repeat(5_000)
        );
        assert!(refused(&deep).contains("deeper"));
        let dashes = format!("apiVersion: v1\nkind: Pod\nx:\n  {}a\n", "- ".repeat(5_000));
        assert!(refused(&dashes).contains("deeper"));
        let json = format!("{{\"a\":{}", "[".repeat(50_000));
        assert!(refused(&json).contains("JSON"));
        assert!(refused(&format!("{POD}---\n").repeat(5_001)).contains("more than"));
    }
}
