//! What a GraphQL document does: every operation in it, read by a maintained parser with limits.

use crate::{Effect, Unreadable};
use apollo_parser::Parser;
use apollo_parser::cst::{CstNode, Definition};

/// Deeper selections are not read.
const MAX_DEPTH: usize = 64;
/// Longer documents are not read.
const MAX_TOKENS: usize = 20_000;

/// The heaviest effect of the operations that can run: the named one, or all when no name picks one.
pub(super) fn effect(document: &str, operation_name: Option<&str>) -> Result<Effect, Unreadable> {
    let tree = Parser::new(document)
        .recursion_limit(MAX_DEPTH)
        .token_limit(MAX_TOKENS)
        .parse();
    if let Some(error) = tree.errors().next() {
        return Err(Unreadable::at(
            0,
            "query",
            &format!("the GraphQL document is not understood: {}", error.message()),
        ));
    }
    let mut effects = Vec::new();
    for definition in tree.document().definitions() {
        match definition {
            Definition::OperationDefinition(operation) => {
                let name = operation.name().map(|name| name.text().to_string());
                let is_query = operation
                    .operation_type()
                    .is_none_or(|kind| kind.query_token().is_some());
                // What is not a query changes something, a subscription too.
                effects.push((name, if is_query { Effect::Read } else { Effect::Write }));
            }
            Definition::FragmentDefinition(_) => {}
            other => {
                let text: String = other.source_string().chars().take(30).collect();
                return Err(Unreadable::at(0, &text, "is not a GraphQL operation"));
            }
        }
    }
    let wanted = operation_name.filter(|name| !name.is_empty());
    let picked: Vec<Effect> = effects
        .iter()
        .filter(|(name, _)| wanted.is_none_or(|wanted| name.as_deref() == Some(wanted)))
        .map(|(_, effect)| *effect)
        .collect();
    // A name that no operation has: GitHub refuses it, and so do we.
    picked
        .into_iter()
        .max()
        .ok_or_else(|| Unreadable::at(0, "query", "the GraphQL document has no such operation"))
}
