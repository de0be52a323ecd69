//! What *is* allowed near a refused command: candidates are read by the parser and asked of the judge itself, so a
//! suggestion always holds.

use crate::governance::Governance;
use crate::names;
use crate::rule::{Action, Facet};
use crate::verdict::Verdict;
use argv::{Effect, Invocation, Namespace, Operation, Tool};

/// The most suggestions.
const MOST: usize = 3;
/// The most words in a list of what a tool may do.
const MOST_WORDS: usize = 12;
/// The longest suggestion, in bytes: a name that was typed may be of any length.
const LONGEST: usize = 200;

/// Up to three command lines or lists of verbs that may run instead.
pub(crate) fn to(governance: &Governance, refused: &Invocation) -> Vec<String> {
    let mut found: Vec<String> = without_hazards(governance, refused).into_iter().collect();
    for operation in refused.operations.iter().take(MOST) {
        for words in reads(refused, operation) {
            let words: Vec<&str> = words.iter().map(String::as_str).collect();
            let text = format!("{} {}", refused.tool, words.join(" "));
            if found.len() < MOST
                && text.len() <= LONGEST
                && !found.contains(&text)
                && names::parse(refused.tool, &words)
                    .is_ok_and(|read| matches!(governance.judge(&read), Verdict::Allow(_)))
            {
                found.push(text);
            }
        }
    }
    if found.len() < MOST {
        found.extend(of_tool(governance, refused.tool));
    }
    found
}

/// What the rules allow of a tool at all, in one line.
pub(crate) fn of_tool(governance: &Governance, tool: Tool) -> Vec<String> {
    let mut words: Vec<&str> = Vec::new();
    let allows = governance.rules.iter().filter(|rule| {
        rule.action == Action::Allow
            && rule.facets.effect != [Effect::Local]
            && (rule.facets.tool.is_empty() || rule.facets.tool.contains(&tool))
    });
    for rule in allows {
        let named = [Facet::Verb, Facet::Command]
            .into_iter()
            .flat_map(|facet| rule.facets.patterns(facet))
            .map(|pattern| pattern.as_str())
            .filter(|word| !word.starts_with(['*', '/']) && !word.contains(" --"));
        for word in named.chain(
            rule.facets
                .words
                .is_empty()
                .then_some("everything that only reads"),
        ) {
            if !words.contains(&word) {
                words.push(word);
            }
        }
    }
    // Help and version are said last: they are no way to get anything done.
    words.sort_by_key(|word| matches!(*word, "help" | "version"));
    if words.is_empty() {
        return Vec::new();
    }
    let more = if words.len() > MOST_WORDS { ", …" } else { "" };
    words.truncate(MOST_WORDS);
    vec![format!("{tool}: {}{more}", words.join(", "))]
}

/// The same command without what makes it dangerous.
fn without_hazards(governance: &Governance, refused: &Invocation) -> Option<String> {
    let mut plain = refused.clone();
    plain.hazards.clear();
    if refused.hazards.is_empty() || !matches!(governance.judge(&plain), Verdict::Allow(_)) {
        return None;
    }
    let reasons: Vec<&str> = refused
        .hazards
        .iter()
        .take(MOST)
        .map(|fact| fact.because.as_str())
        .collect();
    let more = if refused.hazards.len() > MOST { "; …" } else { "" };
    Some(format!("the same without this: {}{more}", reasons.join("; ")))
}

/// Command lines that would look at what the operation is about.
fn reads(refused: &Invocation, operation: &Operation) -> Vec<Vec<String>> {
    match refused.tool {
        Tool::Kubectl => ["get", "describe"]
            .into_iter()
            .filter_map(|verb| kubectl(verb, operation))
            .collect(),
        Tool::Aws => aws(&refused.command),
        Tool::Gh => match refused.command.split_once(' ') {
            Some((noun, _)) => ["view", "list", "status"]
                .into_iter()
                .map(|verb| vec![noun.to_owned(), verb.to_owned()])
                .collect(),
            None => Vec::new(),
        },
        // `select` is no way to what was refused, and what it would select is not ours to guess.
        Tool::Psql | Tool::Described(_) => Vec::new(),
    }
}

fn kubectl(verb: &str, operation: &Operation) -> Option<Vec<String>> {
    let kind = operation
        .resource
        .as_ref()
        .map(|resource| resource.kind.as_str())
        .filter(|kind| *kind != "*")?;
    let mut words = vec![verb.to_owned(), kind.to_owned()];
    words.extend(operation.name.clone());
    let scope = &operation.scope;
    match &scope.namespace {
        Namespace::Named(namespace) => words.extend(["-n".to_owned(), namespace.clone()]),
        Namespace::All if operation.name.is_none() => words.push("-A".to_owned()),
        Namespace::All | Namespace::Ambient | Namespace::Cluster => {}
    }
    if let Some(context) = &scope.context {
        words.extend(["--context".to_owned(), context.clone()]);
    }
    Some(words)
}

/// `ec2 terminate-instances` → `ec2 describe-instances`; `secretsmanager get-secret-value` → `… describe-secret`. Most of
/// these do not exist; the table knows which do.
fn aws(command: &str) -> Vec<Vec<String>> {
    let Some((service, operation)) = command.split_once(' ') else {
        return Vec::new();
    };
    let mut found = Vec::new();
    let mut noun = operation.split_once('-').map_or("", |(_, noun)| noun);
    while !noun.is_empty() {
        for verb in ["describe", "list", "get"] {
            for ending in ["", "s"] {
                let candidate = format!("{verb}-{noun}{ending}");
                if candidate != operation && argv::aws::is_command(service, &candidate) {
                    found.push(vec![service.to_owned(), candidate]);
                }
            }
        }
        noun = noun.rsplit_once('-').map_or("", |(shorter, _)| shorter);
    }
    found
}
