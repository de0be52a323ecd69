//! Names in rules against the names that the tools know, by asking the very parser that will read the commands. A deny
//! rule whose name matches nothing denies nothing.

use crate::pattern::Pattern;
use argv::{Effect, Invocation, Surroundings, Tool, Unreadable};
use std::ffi::OsString;

/// Words that every tool has, whatever its parser calls them.
const EVERYWHERE: [&str; 2] = ["help", "version"];
/// What `kubectl get pods/log` might make one write for a resource.
const SUBRESOURCES: [&str; 9] = [
    "attach",
    "ephemeralcontainers",
    "eviction",
    "exec",
    "log",
    "portforward",
    "proxy",
    "scale",
    "status",
];

/// What is wrong with `pattern` as the words of a command of `tool`; `None` when nothing is, or cannot be known.
pub(crate) fn command(tool: Tool, pattern: &Pattern) -> Option<String> {
    if tool == Tool::Psql {
        // psql has no words of its own: what it is told is the verb.
        let is_known = !pattern.is_exact() || argv::psql::is_command(pattern.as_str());
        return (!is_known).then(|| {
            "can match nothing: psql's commands are `sql` and `list`; what the SQL does is its `verb`, as in `verb: select`"
                .to_owned()
        });
    }
    let words: Vec<&str> = pattern
        .as_str()
        .split(' ')
        .take_while(|word| Pattern::new(word).is_ok_and(|word| word.is_exact()))
        .collect();
    if !is_read(tool) || words.first().is_none_or(|word| EVERYWHERE.contains(word)) {
        return None;
    }
    match parse(tool, &words) {
        Err(fault) if fault.position.is_some_and(|at| at < words.len()) => {
            let hint = fault.hint.map(|hint| format!("; {hint}")).unwrap_or_default();
            Some(format!("can match nothing: {}{hint}", fault.problem))
        }
        Ok(read) if pattern.is_exact() && read.command != pattern.as_str() => Some(format!(
            "can match nothing: {tool} `{pattern}` is the command `{}`",
            read.command
        ))
        .filter(|_| read.command != "help"),
        _ => None,
    }
}

/// What is wrong with `pattern` as the words of a command of a described tool.
pub(crate) fn described(description: &argv::described::Description, pattern: &Pattern) -> Option<String> {
    let words: Vec<&str> = pattern
        .as_str()
        .split(' ')
        .take_while(|word| Pattern::new(word).is_ok_and(|word| word.is_exact()))
        .collect();
    if words.first().is_none_or(|word| EVERYWHERE.contains(word)) {
        return None;
    }
    match description.find(&words) {
        Err(at) => Some(format!(
            "can match nothing: `{}` is not a command of {} that is described",
            words.get(at).copied().unwrap_or_default(),
            description.name
        )),
        Ok((path, Some(command))) if pattern.is_exact() && command.effect.is_none() => Some(format!(
            "can match nothing: {} `{path}` is a group; write `{path} *`",
            description.name
        )),
        Ok((path, _)) if pattern.is_exact() && path != pattern.as_str() => Some(format!(
            "can match nothing: {} `{pattern}` is the command `{path}`",
            description.name
        )),
        Ok(_) => None,
    }
}

/// What is wrong with `pattern` as the verb of an operation of `tool`.
pub(crate) fn verb(tool: Tool, pattern: &Pattern) -> Option<String> {
    let text = pattern.as_str();
    match tool {
        // `apply --dry-run=server` is a verb too: the command, and how it is held back.
        Tool::Kubectl => command(
            tool,
            &Pattern::new(text.split(" --").next().unwrap_or(text)).ok()?,
        ),
        // As in IAM; that is another set of names than the command line's.
        Tool::Aws => action(pattern),
        Tool::Gh if text.starts_with("api ") => None,
        Tool::Gh => command(tool, pattern),
        Tool::Psql => {
            let is_folded = !text.chars().any(|c| c.is_ascii_uppercase()) || text.starts_with("meta ");
            (!is_folded).then(|| {
                format!(
                    "can match nothing: verbs of psql are in lower case, as in `{}`",
                    text.to_ascii_lowercase()
                )
            })
        }
        Tool::Described(_) => None,
    }
}

/// What is wrong with `pattern` as an action of IAM: `s3:DeleteObject`, never `s3api:delete-object`.
fn action(pattern: &Pattern) -> Option<String> {
    let (service, operation) = pattern.as_str().split_once(':')?;
    let is_action = operation.starts_with(|first: char| first.is_ascii_uppercase())
        && operation.chars().all(|c| c.is_ascii_alphanumeric());
    (pattern.is_exact() && (!is_action || service == "s3api")).then(|| {
        "can match nothing: a verb of aws is `service:Operation` as in IAM, such as `s3:DeleteObject`"
            .to_owned()
    })
}

/// What is wrong with `pattern` as a resource of kubectl.
pub(crate) fn resource(pattern: &Pattern) -> Option<String> {
    let (kind, sub) = pattern.as_str().split_once('/')?;
    (pattern.is_exact() && SUBRESOURCES.contains(&sub))
        .then(|| format!("can match nothing: write `resource: {kind}` and `subresource: {sub}`"))
}

/// A kubectl resource as the parser calls it: plural, with its group; a category is many. Empty when it is not one.
pub(crate) fn kinds(resource: &str) -> Vec<String> {
    let mut kinds = Vec::new();
    for operation in
        parse(Tool::Kubectl, &["get", resource]).map_or_else(|_| Vec::new(), |read| read.operations)
    {
        let kind = operation.resource.map(|resource| resource.kind);
        kinds.extend(kind.filter(|kind| kind != "*" && !kinds.contains(kind)));
    }
    kinds
}

/// Whether everything a bare command does is heavier than `ceiling`; `false` when that cannot be known.
pub(crate) fn is_above(tool: Tool, command: &Pattern, ceiling: Effect) -> bool {
    let words: Vec<&str> = command.as_str().split(' ').collect();
    command.is_exact()
        && parse(tool, &words).is_ok_and(|read| {
            read.command == command.as_str()
                && read.operations.iter().all(|operation| operation.effect > ceiling)
        })
}

/// Reads a command line that a rule or a suggestion is about.
pub(crate) fn parse(tool: Tool, words: &[&str]) -> Result<Invocation, Unreadable> {
    let words: Vec<OsString> = words.iter().map(Into::into).collect();
    argv::parse(tool, &words, &Surroundings::default())
}

/// Whether there is a parser for `tool` that knows names.
fn is_read(tool: Tool) -> bool {
    parse(tool, &["--version"]).is_ok() || parse(tool, &["version"]).is_ok()
}
