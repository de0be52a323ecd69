//! `kubectl __complete …`: what shells call for completion. It asks the server for names, and never does
//! what the words say; but options such as `--server` work as ever.

use super::flags;
use super::reading::Reading;
use super::resources::{self, Type};
use super::table::FlagSet;
use super::targets::Target;
use super::tree::{self, Word};
use crate::{Effect, Invocation, Surroundings, Unreadable};

/// Reads the words behind `__complete`; the last one is the one to be completed.
///
/// # Errors
/// [`Unreadable`] when the words before the last are no command.
pub(super) fn read(words: &[Word<'_>], around: &Surroundings) -> Result<Invocation, Unreadable> {
    let Some((to_complete, before)) = words.split_last() else {
        return Err(Unreadable::missing("`__complete` needs the words to complete"));
    };
    if before.iter().any(|word| word.text.is_empty()) {
        return Err(
            to_complete.unreadable("stands behind an empty word, which is not understood in completion")
        );
    }
    let texts: Vec<String> = before.iter().map(|word| word.text.to_owned()).collect();
    let found = tree::find(&texts)?;
    if found.path == "__complete" {
        return Err(to_complete.unreadable("is behind `__complete` twice"));
    }
    let line = flags::parse(&found.words, &FlagSet::parsing(found.path))?;
    let typed = line.arguments.first().copied();
    let mut reading = Reading::start("__complete", line, around, None)?;
    let of = match (found.path, typed) {
        ("logs" | "exec" | "attach" | "port-forward" | "cp" | "debug", _) => Some(Type::built_in("pods")),
        ("cordon" | "uncordon" | "drain", _) => Some(Type::built_in("nodes")),
        (_, None) => None,
        (path, Some(word)) if completes_names(path) => {
            Some(resources::one(word.text.split('/').next().unwrap_or(""), word)?)
        }
        // Plugins may take part in completing these.
        (_, Some(word)) => return Err(word.unreadable("is not understood in completion")),
    };
    match of {
        Some(of) => reading.operate(Effect::Read, "__complete", &Target::every(of), None),
        None => reading.plain(Effect::Read),
    }
    if ["-n", "--n"]
        .iter()
        .any(|option| to_complete.text.starts_with(option))
    {
        // The option's value is completed then: it is looked for among the namespaces.
        let namespaces = Target::every(Type::built_in("namespaces"));
        reading.operate(Effect::Read, "__complete", &namespaces, None);
    }
    Ok(reading.finish())
}

/// Commands whose first argument is a type, and the others names.
fn completes_names(path: &str) -> bool {
    path.starts_with("rollout ")
        || path.starts_with("set ")
        || matches!(
            path,
            "get" | "describe" | "delete" | "label" | "annotate" | "edit" | "patch" | "scale" | "wait"
        )
        || matches!(path, "autoscale" | "expose" | "taint")
}
