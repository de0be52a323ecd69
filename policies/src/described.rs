//! Reads descriptions of tools: `apiVersion: reeve/v1`, `kind: Tool`. The reference is `docs/described_tools.md`.

use crate::document::{self, Reader, clip};
use crate::faults::Fault;
use crate::governance::Documents;
use argv::described::{Command, Description, Flag, Grammar, Means, Names, Takes};
use argv::{Effect, Hazard, Tool};
use marked_yaml::Node;
use std::cell::RefCell;
use std::collections::BTreeMap;
use std::sync::Arc;

const KEYS: &[&str] = &[
    "apiVersion",
    "kind",
    "name",
    "versions",
    "grammar",
    "flags",
    "commands",
    "environment",
];
const COMMAND_KEYS: &[&str] = &[
    "aliases", "effect", "names", "hazard", "flags", "shared", "commands",
];
const NAMES: [(Names, &str); 2] = [(Names::All, "all"), (Names::First, "first")];
const FLAG_KEYS: &[&str] = &["short", "takes", "hazard", "means"];
const TAKES: [(Takes, &str); 3] = [
    (Takes::Nothing, "nothing"),
    (Takes::Value, "value"),
    (Takes::Optional, "optional"),
];
const EFFECTS: [(Effect, &str); 6] = [
    (Effect::Local, "local"),
    (Effect::Read, "read"),
    (Effect::Write, "write"),
    (Effect::Delete, "delete"),
    (Effect::Execute, "execute"),
    (Effect::Connect, "connect"),
];

/// The descriptions that the rules of a level have asked for, each read once.
pub(crate) struct Shelf<'a> {
    documents: &'a dyn Documents,
    taken: RefCell<BTreeMap<String, Option<Arc<Description>>>>,
}

impl std::fmt::Debug for Shelf<'_> {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("Shelf")
            .field("taken", &self.taken)
            .finish_non_exhaustive()
    }
}

impl<'a> Shelf<'a> {
    pub(crate) fn new(documents: &'a dyn Documents) -> Shelf<'a> {
        Shelf {
            documents,
            taken: RefCell::default(),
        }
    }

    /// The tool of this name, where `tools/NAME.yaml` describes it.
    pub(crate) fn tool(&self, name: &str) -> Result<Option<Tool>, Vec<Fault>> {
        let Some(tool) = Tool::of_name(name) else {
            return Ok(None);
        };
        if let Some(known) = self.taken.borrow().get(name) {
            return Ok(known.as_ref().map(|_| tool));
        }
        let document = format!("tools/{name}.yaml");
        let whole = |message: String| {
            vec![Fault {
                document: document.clone(),
                line: 0,
                column: 0,
                message,
            }]
        };
        let found = match self.documents.document(&document) {
            Ok(None) => Ok(None),
            Ok(Some(text)) => read(&document, &text).and_then(|description| {
                if description.name == name {
                    Ok(Some(Arc::new(description)))
                } else {
                    Err(whole(format!(
                        "describes `{}`; its file must have that name",
                        description.name
                    )))
                }
            }),
            Err(why) => Err(whole(format!("cannot be read: {why}"))),
        };
        let kept = found.as_ref().ok().cloned().flatten();
        self.taken.borrow_mut().insert(name.to_owned(), kept);
        found.map(|found| found.map(|_| tool))
    }

    /// The description of a tool that was asked for.
    pub(crate) fn description(&self, tool: Tool) -> Option<Arc<Description>> {
        self.taken.borrow().get(tool.name()).cloned().flatten()
    }

    /// Every description that was asked for.
    pub(crate) fn taken(&self) -> Vec<Arc<Description>> {
        self.taken.borrow().values().flatten().cloned().collect()
    }
}

/// Reads a description.
///
/// # Errors
/// Every fault of the text, with line and column.
pub fn read(document: &str, text: &str) -> Result<Description, Vec<Fault>> {
    let root = document::parse(document, text).map_err(|fault| vec![fault])?;
    let mut reader = Reader::new(document);
    let description = tool(&mut reader, &root);
    reader.faults.sort_by_key(|fault| (fault.line, fault.column));
    match description {
        Some(description) if reader.faults.is_empty() => Ok(description),
        _ => Err(reader.faults),
    }
}

fn tool(reader: &mut Reader<'_>, root: &Node) -> Option<Description> {
    let mapping = reader.mapping(root, "a description", KEYS)?;
    for (key, wanted) in [("apiVersion", "reeve/v1"), ("kind", "Tool")] {
        let found = mapping.get_node(key);
        if found
            .and_then(Node::as_scalar)
            .is_none_or(|scalar| scalar.as_str() != wanted)
        {
            reader.fault(found.unwrap_or(root).span(), format!("{key} must be `{wanted}`"));
        }
    }
    let mut word = |key: &str| {
        let Some(node) = mapping.get_node(key) else {
            reader.fault(root.span(), format!("{key} is missing"));
            return None;
        };
        reader.word(node, key).map(|word| (word.to_owned(), node))
    };
    let (name, grammar) = (word("name"), word("grammar"));
    let name = name.and_then(|(name, node)| {
        let is_new = Tool::named(&name).is_none();
        if !is_new || Tool::of_name(&name).is_none() {
            reader.fault(
                node.span(),
                format!(
                    "`{}` cannot be described: it is built in, or no tool's name",
                    clip(&name)
                ),
            );
        }
        is_new.then_some(name)
    });
    let grammar = grammar.and_then(|(word, node)| {
        let known = [(Grammar::Pflag, "pflag"), (Grammar::Go, "go")];
        reader.one_of(&word, node.span(), "a grammar", &known)
    });
    let flags = flags_of(reader, mapping.get_node("flags"));
    let environment = mapping.get_node("environment").map(|node| {
        let words = reader.words(node, "environment");
        words.into_iter().map(|(word, _)| word.to_owned()).collect()
    });
    let commands = match mapping.get_node("commands") {
        Some(node) => commands(reader, node),
        None => {
            reader.fault(root.span(), "commands is missing");
            Vec::new()
        }
    };
    Some(Description {
        name: name?,
        grammar: grammar?,
        flags,
        commands,
        environment: environment.unwrap_or_default(),
    })
}

fn commands(reader: &mut Reader<'_>, node: &Node) -> Vec<Command> {
    let Some(mapping) = node.as_mapping() else {
        reader.fault(node.span(), "commands must be a mapping of words to commands");
        return Vec::new();
    };
    let mut found: Vec<Command> = Vec::new();
    for (key, node) in mapping.iter() {
        let Some(command) = command(reader, key.as_str(), node) else {
            continue;
        };
        let words = std::iter::once(&command.name).chain(&command.aliases);
        for word in words {
            let is_taken = found
                .iter()
                .any(|other| other.name == *word || other.aliases.contains(word));
            if is_taken {
                reader.fault(key.span(), format!("`{}` is a word for two commands", clip(word)));
            }
            let fits = !word.is_empty()
                && !word.starts_with('-')
                && word
                    .bytes()
                    .all(|b| b.is_ascii_alphanumeric() || b"-_.".contains(&b));
            if !fits {
                reader.fault(key.span(), format!("`{}` cannot be a command's word", clip(word)));
            }
        }
        found.push(command);
    }
    found
}

/// A command is its effect alone, or a mapping.
fn command(reader: &mut Reader<'_>, name: &str, node: &Node) -> Option<Command> {
    let mut command = Command {
        name: name.to_owned(),
        aliases: Vec::new(),
        effect: None,
        names: Names::All,
        hazards: Vec::new(),
        flags: Vec::new(),
        shared: Vec::new(),
        commands: Vec::new(),
    };
    if let Some(scalar) = node.as_scalar() {
        command.effect = Some(reader.one_of(scalar.as_str(), node.span(), "an effect", &EFFECTS)?);
        return Some(command);
    }
    let mapping = reader.mapping(node, "a command", COMMAND_KEYS)?;
    if let Some(node) = mapping.get_node("aliases") {
        command.aliases = reader
            .words(node, "aliases")
            .into_iter()
            .map(|(word, _)| word.to_owned())
            .collect();
    }
    if let Some(node) = mapping.get_node("effect") {
        let word = reader.word(node, "effect")?;
        command.effect = reader.one_of(word, node.span(), "an effect", &EFFECTS);
    }
    if let Some(node) = mapping.get_node("names") {
        let word = reader.word(node, "names")?;
        command.names = reader.one_of(word, node.span(), "which arguments are names", &NAMES)?;
    }
    command.hazards = hazards(reader, mapping.get_node("hazard"));
    command.flags = flags_of(reader, mapping.get_node("flags"));
    command.shared = flags_of(reader, mapping.get_node("shared"));
    if let Some(node) = mapping.get_node("commands") {
        command.commands = commands(reader, node);
    }
    if command.effect.is_none() && command.commands.is_empty() {
        reader.fault(
            node.span(),
            format!("`{}` has neither an effect nor commands", clip(name)),
        );
    }
    Some(command)
}

fn flags_of(reader: &mut Reader<'_>, node: Option<&Node>) -> Vec<Flag> {
    let Some(node) = node else {
        return Vec::new();
    };
    let Some(mapping) = node.as_mapping() else {
        reader.fault(
            node.span(),
            "flags must be a mapping of names, without dashes, to what they take",
        );
        return Vec::new();
    };
    let mut found: Vec<Flag> = Vec::new();
    for (key, node) in mapping.iter() {
        let Some(flag) = flag(reader, key.as_str(), node) else {
            continue;
        };
        let fits = !flag.name.is_empty() && !flag.name.starts_with('-') && !flag.name.contains(['=', ' ']);
        if !fits {
            reader.fault(
                key.span(),
                format!(
                    "`{}` cannot be a flag's name; write it without dashes",
                    clip(&flag.name)
                ),
            );
        }
        if flag.short.is_some() && found.iter().any(|other| other.short == flag.short) {
            reader.fault(
                key.span(),
                format!("the letter of `{}` is another flag's too", clip(&flag.name)),
            );
        }
        found.push(flag);
    }
    found
}

/// A flag is what it takes alone, or a mapping.
fn flag(reader: &mut Reader<'_>, name: &str, node: &Node) -> Option<Flag> {
    let mut flag = Flag {
        name: name.to_owned(),
        ..Flag::default()
    };
    if let Some(scalar) = node.as_scalar() {
        flag.takes = reader.one_of(scalar.as_str(), node.span(), "what a flag takes", &TAKES)?;
        return Some(flag);
    }
    let mapping = reader.mapping(node, "a flag", FLAG_KEYS)?;
    if let Some(node) = mapping.get_node("short") {
        let word = reader.word(node, "short")?;
        let mut letters = word.chars();
        match (letters.next(), letters.next()) {
            (Some(letter), None) if letter.is_ascii_alphanumeric() => flag.short = Some(letter),
            _ => reader.fault(node.span(), format!("`{}` is not one letter", clip(word))),
        }
    }
    if let Some(node) = mapping.get_node("takes") {
        let word = reader.word(node, "takes")?;
        flag.takes = reader.one_of(word, node.span(), "what a flag takes", &TAKES)?;
    }
    flag.hazards = hazards(reader, mapping.get_node("hazard"));
    if let Some(node) = mapping.get_node("means") {
        let known = [
            (Means::Namespace, "namespace"),
            (Means::AllNamespaces, "all-namespaces"),
            (Means::Context, "context"),
            (Means::Reads, "reads"),
            (Means::Writes, "writes"),
        ];
        let word = reader.word(node, "means")?;
        flag.means = reader.one_of(word, node.span(), "what a value means", &known);
        let is_switch = flag.means == Some(Means::AllNamespaces);
        if is_switch && flag.takes != Takes::Nothing {
            reader.fault(
                node.span(),
                format!("`{}` means all namespaces, so it takes nothing", clip(name)),
            );
        } else if !is_switch && flag.takes == Takes::Nothing {
            reader.fault(
                node.span(),
                format!("`{}` takes nothing, so it can mean nothing", clip(name)),
            );
        }
    }
    Some(flag)
}

fn hazards(reader: &mut Reader<'_>, node: Option<&Node>) -> Vec<Hazard> {
    let known: Vec<(Hazard, &str)> = Hazard::ALL
        .into_iter()
        .map(|hazard| (hazard, hazard.name()))
        .collect();
    let words = node
        .map(|node| reader.words(node, "a hazard"))
        .unwrap_or_default();
    words
        .into_iter()
        .filter_map(|(word, span)| reader.one_of(word, span, "a hazard", &known))
        .collect()
}
