//! The original format, read semantically.
//!
//! ```yaml
//! platform_toolsets: {cli: [terminal, web, skills]}   # the agent platform's; without effect here
//! approvals: {mode: manual, timeout: 300}             # at L4, manual and smart hold what no entry allows; off refuses it
//! command_allowlist: ["kubectl get pods"]             # entries for governed tools are read like those below
//! wrapper_allowlist:
//!   kubectl: ["get pods", "logs ", "rollout status"]
//!   aws: ["ec2 describe-", "sts get-caller-identity"]
//! ```
//!
//! An entry is a command, then what it is done to: `"get pods"` is the verb `get` on the resource `pods`, however the
//! command line is spelled, and nothing that merely begins that way. `"logs "` is the verb on anything. An aws
//! operation that ends with `-` stands for all that begin so. The ceiling of the file's level holds: below L4, entries
//! allow what reads, and at L3 `"pr create"` besides. At L4 an entry names its effect: `"apply "` allows applying. No
//! entry accepts a hazard. The level is the one in the file's name.

use crate::document::{Reader, clip, line};
use crate::level::Level;
use crate::limits::Limits;
use crate::names;
use crate::ours::{Document, Otherwise};
use crate::pattern::Pattern;
use crate::rule::{Action, Facet, Facets, Rule};
use argv::{Effect, Tool};
use marked_yaml::{Node, Span};

/// The keys of a file.
pub(crate) const KEYS: &[&str] = &[
    "platform_toolsets",
    "approvals",
    "command_allowlist",
    "wrapper_allowlist",
];

/// Whether a document is of this format.
pub(crate) fn is_original(root: &Node) -> bool {
    root.as_mapping().is_some_and(|mapping| {
        mapping.get_node("apiVersion").is_none() && KEYS.iter().any(|key| mapping.get_node(key).is_some())
    })
}

/// Reads a document of this format.
pub(crate) fn read(reader: &mut Reader<'_>, root: &Node, level: Level) -> Option<Document> {
    let mapping = reader.mapping(root, "a governance file of the original format", KEYS)?;
    let otherwise = match mapping.get_node("approvals") {
        Some(node) => approvals(reader, node, level),
        None => Otherwise::Refuse,
    };
    let mut rules = vec![help()];
    if let Some(node) = mapping
        .get_node("command_allowlist")
        .filter(|node| !is_empty(node))
    {
        for (line, span) in reader.words(node, "command_allowlist") {
            let (first, rest) = line.split_once(' ').unwrap_or((line, ""));
            // Other programs are not governed here, so their entries say nothing.
            if let Some(tool) = Tool::named(first) {
                add(&mut rules, entry(reader, tool, rest, span, level));
            }
        }
    }
    if let Some(node) = mapping
        .get_node("wrapper_allowlist")
        .filter(|node| !is_empty(node))
    {
        let Some(tools) = node.as_mapping() else {
            reader.fault(
                node.span(),
                "wrapper_allowlist must be a mapping of tools to their entries",
            );
            return None;
        };
        for (name, list) in tools.iter() {
            let Some(tool) = reader.tool(name.as_str(), name.span()) else {
                continue;
            };
            if is_empty(list) {
                continue;
            }
            for (text, span) in reader.words(list, "an entry") {
                add(&mut rules, entry(reader, tool, text, span, level));
            }
        }
    }
    Some(Document {
        extends: None,
        otherwise: Some(otherwise),
        rules,
    })
}

/// Entries may repeat each other.
fn add(rules: &mut Vec<Rule>, rule: Option<Rule>) {
    rules.extend(rule.filter(|new| rules.iter().all(|rule| rule.id != new.id)));
}

/// An empty list allows nothing, which this format has always been allowed to say.
fn is_empty(node: &Node) -> bool {
    node.as_sequence().is_some_and(|sequence| sequence.is_empty())
        || node
            .as_scalar()
            .is_some_and(|scalar| matches!(scalar.as_str(), "" | "~" | "null"))
}

fn approvals(reader: &mut Reader<'_>, node: &Node, level: Level) -> Otherwise {
    let Some(mapping) = reader.mapping(node, "approvals", &["mode", "timeout", "cron_mode"]) else {
        return Otherwise::Refuse;
    };
    if let Some(timeout) = mapping.get_node("timeout")
        && timeout.as_scalar().is_none_or(|scalar| scalar.as_u32().is_none())
    {
        reader.fault(timeout.span(), "timeout must be a number of seconds");
    }
    let known = [(true, "manual"), (true, "smart"), (false, "off")];
    let mode = mapping.get_node("mode").and_then(|node| {
        let word = reader.word(node, "mode")?;
        reader.one_of(word, node.span(), "a mode", &known)
    });
    // "off" once meant that nobody is asked; what nobody is asked about does not run here.
    if mode == Some(true) && level == Level::L4 {
        Otherwise::Hold
    } else {
        Otherwise::Refuse
    }
}

/// A rule that allows what `facets` say, and nothing with a hazard: all that this format can say.
fn allow(id: String, facets: Facets, source: String) -> Rule {
    Rule {
        id,
        action: Action::Allow,
        facets,
        accept: Vec::new(),
        at_most: Limits::default(),
        during: None,
        unless: None,
        reason: String::new(),
        source,
    }
}

fn help() -> Rule {
    let verbs = ["help", "version"]
        .iter()
        .filter_map(|verb| Pattern::new(verb).ok())
        .collect();
    Rule {
        reason: "help and version are always allowed".to_owned(),
        ..allow(
            "help".to_owned(),
            Facets {
                effect: vec![Effect::Local],
                words: vec![(Facet::Verb, verbs)],
                ..Facets::default()
            },
            "built in".to_owned(),
        )
    }
}

fn entry(reader: &mut Reader<'_>, tool: Tool, text: &str, span: &Span, level: Level) -> Option<Rule> {
    let lower = text.to_ascii_lowercase();
    // The first words of SQL may be in capitals; psql's own commands begin with a backslash.
    let text = if tool == Tool::Psql && !text.starts_with('\\') {
        lower.as_str()
    } else {
        text
    };
    let words: Vec<&str> = text.split_whitespace().collect();
    if let Tool::Described(_) = tool {
        return described(reader, tool, &words, span, level);
    }
    if tool == Tool::Psql {
        return psql(reader, &words, span, level);
    }
    let (command, object) = match tool {
        Tool::Kubectl => split_kubectl(&words),
        Tool::Aws | Tool::Gh | Tool::Psql | Tool::Described(_) => (words.clone(), &[] as &[&str]),
    };
    let faulty = |reader: &mut Reader<'_>, why: &str| {
        reader.fault(span, format!("{tool}: `{}` {why}", clip(text)));
        None
    };
    if command.is_empty() {
        return faulty(reader, "is empty, so it would allow everything or nothing");
    }
    if words.iter().any(|word| word.starts_with('-')) {
        return faulty(
            reader,
            "has a flag; entries name commands, and flags are judged by what they do",
        );
    }
    if words
        .iter()
        .any(|word| word.contains(['*', '?', '[', '{', '/', '\\']))
    {
        return faulty(reader, "has a wildcard; this format has none");
    }
    if object.len() > 1 {
        return faulty(
            reader,
            "has more than a verb and a resource; use our own format to say more",
        );
    }
    let mut facets = Facets {
        tool: vec![tool],
        effect: effects(tool, &words, level),
        ..Facets::default()
    };
    let commands: Result<Vec<Pattern>, _> = commands(tool, command.join(" "))
        .iter()
        .map(|command| Pattern::of_words(command))
        .collect();
    match commands {
        Ok(patterns) => facets.words.push((Facet::Command, patterns)),
        Err(error) => return faulty(reader, &error.to_string()),
    }
    if let Some(resource) = object.first() {
        let kinds = resource.split(',').flat_map(spellings);
        let patterns = kinds.filter_map(|kind| Pattern::new(&kind).ok()).collect();
        facets.words.push((Facet::Resource, patterns));
    }
    Some(allow(
        format!("{tool}:{}", words.join("-")),
        facets,
        format!("{}:{}", reader.document, line(span)),
    ))
}

/// An entry for a described tool: its command, or a group of them. The description says what reads.
fn described(reader: &mut Reader<'_>, tool: Tool, words: &[&str], span: &Span, level: Level) -> Option<Rule> {
    let description = reader.shelf.and_then(|shelf| shelf.description(tool))?;
    let shown = clip(&words.join(" "));
    let (path, command) = match description.find(words) {
        Ok((path, Some(command))) => (path, command),
        Ok((_, None)) => {
            reader.fault(
                span,
                format!("{tool}: an entry is empty, so it would allow everything or nothing"),
            );
            return None;
        }
        Err(_) => {
            reader.fault(
                span,
                format!("{tool}: `{shown}` is not a command that is described"),
            );
            return None;
        }
    };
    let commands = match command.effect {
        Some(_) => vec![path],
        None => vec![format!("{path} *"), format!("{path} * *")],
    };
    let effect = match level {
        Level::L4 => command
            .effect
            .filter(|effect| *effect > level.ceiling())
            .map_or_else(Vec::new, |effect| vec![effect]),
        Level::L1 | Level::L2 | Level::L3 => Vec::new(),
    };
    let patterns = commands
        .iter()
        .filter_map(|command| Pattern::of_words(command).ok())
        .collect();
    Some(allow(
        format!("{tool}:{}", words.join("-")),
        Facets {
            tool: vec![tool],
            effect,
            words: vec![(Facet::Command, patterns)],
            ..Facets::default()
        },
        format!("{}:{}", reader.document, line(span)),
    ))
}

/// First words of SQL that read.
const READS_OF_SQL: [&str; 6] = ["select", "explain", "show", "table", "values", "with"];

/// An entry for psql: the first word of a statement (`"SELECT "`), one of psql's own commands (`"\\d"`), or `-l`.
fn psql(reader: &mut Reader<'_>, words: &[&str], span: &Span, level: Level) -> Option<Rule> {
    let verbs: Vec<String> = match words {
        ["-l" | "--list"] => vec!["list".to_owned()],
        [command] if command.starts_with('\\') => vec![format!("meta {}", command.trim_start_matches('\\'))],
        ["with" | "values" | "table"] => vec!["select".to_owned()],
        ["explain"] => vec!["explain".to_owned(), "explain analyze".to_owned()],
        [verb, ..] if verb.chars().all(|c| c.is_ascii_lowercase()) => vec![words.join(" ")],
        _ => {
            let shown = clip(&words.join(" "));
            let problem = "is not the first word of a statement, as in `SELECT `, nor one of psql's own commands, as in `\\d`";
            reader.fault(span, format!("psql: `{shown}` {problem}"));
            return None;
        }
    };
    let patterns = verbs
        .iter()
        .filter_map(|verb| Pattern::of_words(verb).ok())
        .collect();
    Some(allow(
        format!("psql:{}", words.join("-").trim_start_matches(['\\', '-'])),
        Facets {
            tool: vec![Tool::Psql],
            effect: effects(Tool::Psql, words, level),
            words: vec![(Facet::Verb, patterns)],
            ..Facets::default()
        },
        format!("{}:{}", reader.document, line(span)),
    ))
}

/// The commands that an entry's words stand for. A group, service or noun alone stands for all that is in it.
fn commands(tool: Tool, command: String) -> Vec<String> {
    let alone = !command.contains(' ');
    match tool {
        Tool::Aws if command.ends_with('-') => vec![format!("{command}*")],
        Tool::Aws | Tool::Gh if alone => vec![format!("{command} *"), format!("{command} * *")],
        Tool::Kubectl if alone && GROUPS.contains(&command.as_str()) => {
            vec![format!("{command} *"), command]
        }
        Tool::Kubectl | Tool::Aws | Tool::Gh | Tool::Psql | Tool::Described(_) => vec![command],
    }
}

/// kubectl's commands that have a second word of their own.
const GROUPS: &[&str] = &[
    "rollout",
    "auth",
    "config",
    "set",
    "top",
    "certificate",
    "cluster-info",
    "apply",
    "create",
    "plugin",
];
/// Second words; what stands after a group and is not one of these is a resource.
const SECOND: &[&str] = &[
    "status",
    "history",
    "undo",
    "restart",
    "pause",
    "resume",
    "can-i",
    "whoami",
    "reconcile",
    "view",
    "get-contexts",
    "current-context",
    "get-clusters",
    "get-users",
    "use-context",
    "set-context",
    "image",
    "resources",
    "env",
    "dump",
    "view-last-applied",
    "edit-last-applied",
    "set-last-applied",
    "approve",
    "deny",
    "pod",
    "pods",
    "node",
    "nodes",
    "token",
    "configmap",
    "secret",
    "namespace",
    "deployment",
    "job",
    "list",
];

fn split_kubectl<'w>(words: &'w [&'w str]) -> (Vec<&'w str>, &'w [&'w str]) {
    let own = match words {
        [group, second, ..] if GROUPS.contains(group) && SECOND.contains(second) => 2,
        [_, ..] => 1,
        [] => 0,
    };
    let (command, object) = words.split_at(own);
    let mut command = command.to_vec();
    // `top` has two, spelled in singular or plural.
    if let ["top", second] = command.as_mut_slice() {
        *second = match *second {
            "pods" => "pod",
            "nodes" => "node",
            other => other,
        };
    }
    (command, object)
}

/// A resource as the entry spells it, and as the parser calls it: plural, with the group if it has one.
fn spellings(resource: &str) -> Vec<String> {
    let mut kinds = names::kinds(resource);
    if kinds.iter().all(|kind| kind != resource) {
        kinds.push(resource.to_owned());
    }
    kinds
}

/// The effects that an entry names; none leaves it to the level's ceiling. Below L4 only the proposal is named; at L4
/// an entry allows what it names, and for what only reads nothing more.
fn effects(tool: Tool, words: &[&str], level: Level) -> Vec<Effect> {
    match level {
        Level::L3 if tool == Tool::Gh && words == ["pr", "create"] => return vec![Effect::Write],
        Level::L1 | Level::L2 | Level::L3 => return Vec::new(),
        Level::L4 => {}
    }
    let reads = |word: &str| {
        [
            "describe", "get", "list", "view", "status", "history", "logs", "top", "diff", "explain",
            "version", "search", "help",
        ]
        .iter()
        .any(|verb| word == *verb || word.strip_prefix(verb).is_some_and(|rest| rest.starts_with('-')))
    };
    let verb = match tool {
        Tool::Kubectl | Tool::Psql | Tool::Described(_) => words.first().copied(),
        Tool::Aws | Tool::Gh => words.get(1).copied(),
    };
    match (tool, verb) {
        (_, Some(verb)) if reads(verb) => Vec::new(),
        (Tool::Aws | Tool::Gh, None) => Vec::new(),
        (Tool::Psql, Some(verb)) if READS_OF_SQL.contains(&verb) => Vec::new(),
        _ => vec![Effect::Local, Effect::Read, Effect::Write, Effect::Delete],
    }
}
