//! What *is* allowed near a refused command: candidates are asked of the judge itself, so a suggestion always holds.

use crate::governance::Governance;
use crate::rule::{Action, Facet};
use crate::verdict::Verdict;
use argv::{Effect, Invocation, Namespace, Operation, Resource, Tool};

/// The most suggestions.
const MOST: usize = 3;

/// Up to three command lines or lists of verbs that may run instead.
pub(crate) fn to(governance: &Governance, refused: &Invocation) -> Vec<String> {
    let mut found: Vec<String> = candidates(refused)
        .into_iter()
        .filter(|(_, invocation)| matches!(governance.judge(invocation), Verdict::Allow(_)))
        .map(|(text, _)| text)
        .collect();
    found.extend(of_tool(governance, refused.tool));
    found.truncate(MOST);
    found
}

/// What the rules allow of a tool at all, in one line.
pub(crate) fn of_tool(governance: &Governance, tool: Tool) -> Vec<String> {
    let mut words: Vec<&str> = Vec::new();
    let allows = governance.rules.iter().filter(|rule| {
        rule.action == Action::Allow && (rule.facets.tool.is_empty() || rule.facets.tool.contains(&tool))
    });
    for rule in allows {
        let verbs = rule
            .facets
            .patterns(Facet::Verb)
            .iter()
            .chain(rule.facets.patterns(Facet::Command));
        for pattern in verbs {
            if !pattern.is_everything() && !words.contains(&pattern.as_str()) {
                words.push(pattern.as_str());
            }
        }
        if rule.facets.words.is_empty() && !words.contains(&"everything that only reads") {
            words.push("everything that only reads");
        }
    }
    let shown: Vec<&str> = words.iter().copied().take(12).collect();
    if shown.is_empty() {
        Vec::new()
    } else {
        vec![format!("{tool}: {}", shown.join(", "))]
    }
}

fn candidates(refused: &Invocation) -> Vec<(String, Invocation)> {
    let mut found = Vec::new();
    if !refused.hazards.is_empty()
        && refused
            .operations
            .iter()
            .all(|operation| operation.effect <= Effect::Read)
    {
        let mut plain = refused.clone();
        plain.hazards.clear();
        let kinds: Vec<&str> = refused.hazards.iter().map(|fact| fact.because.as_str()).collect();
        found.push((format!("the same without this: {}", kinds.join("; ")), plain));
    }
    let Some(operation) = refused.operations.first() else {
        return found;
    };
    match refused.tool {
        Tool::Kubectl => {
            for verb in ["get", "describe"] {
                found.extend(kubectl(verb, operation));
            }
        }
        Tool::Aws => {
            if let Some(service) = refused
                .command
                .split(' ')
                .next()
                .filter(|_| refused.command.contains(' '))
            {
                let command = format!("{service} describe-something");
                found.push((
                    format!("aws {service} describe-… and list-…"),
                    reading(refused.tool, command, operation),
                ));
            }
        }
        Tool::Gh => {
            if let Some(noun) = refused
                .command
                .split(' ')
                .next()
                .filter(|_| refused.command.contains(' '))
            {
                for verb in ["view", "list"] {
                    let command = format!("{noun} {verb}");
                    found.push((format!("gh {command}"), reading(refused.tool, command, operation)));
                }
            }
        }
    }
    found
}

fn kubectl(verb: &str, operation: &Operation) -> Option<(String, Invocation)> {
    let kind = operation
        .resource
        .as_ref()
        .map(|resource| resource.kind.as_str())
        .filter(|kind| *kind != "*")?;
    let mut text = format!("kubectl {verb} {kind}");
    if let Some(name) = &operation.name {
        text.push_str(&format!(" {name}"));
    }
    match &operation.scope.namespace {
        Namespace::Named(namespace) => text.push_str(&format!(" -n {namespace}")),
        Namespace::All => text.push_str(" -A"),
        Namespace::Ambient | Namespace::Cluster => {}
    }
    let mut read = Operation::new(Effect::Read, verb);
    read.resource = Some(Resource::kind(kind));
    read.name.clone_from(&operation.name);
    read.scope.clone_from(&operation.scope);
    Some((text, Invocation::simple(Tool::Kubectl, verb, read)))
}

fn reading(tool: Tool, command: String, operation: &Operation) -> Invocation {
    let mut read = Operation::new(Effect::Read, command.clone());
    read.resource.clone_from(&operation.resource);
    read.scope.clone_from(&operation.scope);
    Invocation::simple(tool, command, read)
}
