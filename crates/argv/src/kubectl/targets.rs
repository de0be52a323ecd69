//! What a command acts on: the arguments `TYPE NAME…`, `TYPE/NAME…`, `TYPE,TYPE`, or manifests.

use super::resources::{self, Type};
use super::tree::Word;
use crate::unreadable::is_deceptive;
use crate::{Unreadable, Workload};

/// One resource type, and one object of it where it was named.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) struct Target {
    pub(super) of: Type,
    pub(super) name: Option<String>,
    /// The namespace that a manifest or a raw path says itself.
    pub(super) namespace: Option<String>,
    /// Whether a manifest names it: without a name it is still one object.
    pub(super) from_manifest: bool,
    /// What a manifest makes of workloads.
    pub(super) workload: Workload,
}

/// The most objects that one line may name. Nobody approves more than that by reading them.
const MOST: usize = 1000;

impl Target {
    /// All objects of a type, or as many as a selector picks.
    pub(super) fn every(of: Type) -> Self {
        Target {
            of,
            name: None,
            namespace: None,
            from_manifest: false,
            workload: Workload::default(),
        }
    }

    /// One object.
    pub(super) fn named(of: Type, name: &str) -> Self {
        Target {
            of,
            name: Some(name.to_owned()),
            namespace: None,
            from_manifest: false,
            workload: Workload::default(),
        }
    }
}

/// Reads arguments as kubectl's resource builder does.
///
/// # Errors
/// [`Unreadable`] where the builder would fail, and for names that hide characters.
pub(super) fn read(arguments: &[Word<'_>]) -> Result<Vec<Target>, Unreadable> {
    few_enough(arguments)?;
    let slashes = arguments.iter().filter(|word| word.text.contains('/')).count();
    if slashes > 0 {
        return arguments.iter().map(|word| pair(*word)).collect();
    }
    let Some((first, names)) = arguments.split_first() else {
        return Ok(Vec::new());
    };
    let mut types = Vec::new();
    let listed: Vec<&str> = first.text.split(',').collect();
    if listed.len() > MOST / 10 {
        return Err(first.unreadable("lists too many resource types"));
    }
    for typed in &listed {
        // With names behind it, a list is read as `a/x b/x`, where categories are not expanded.
        if listed.len() > 1 && !names.is_empty() {
            types.push(resources::one(typed, *first)?);
        } else {
            types.extend(resources::some(typed, *first)?);
        }
    }
    let mut targets = Vec::new();
    for of in types {
        if names.is_empty() {
            targets.push(Target::every(of));
            continue;
        }
        for word in names {
            targets.push(Target::named(of.clone(), name(*word, word.text)?));
        }
    }
    targets.dedup();
    Ok(targets)
}

/// `TYPE/NAME`.
pub(super) fn pair(word: Word<'_>) -> Result<Target, Unreadable> {
    match word.text.split_once('/') {
        Some((typed, rest)) if !typed.contains(',') && !rest.is_empty() => {
            let of = resources::one(typed, word)?;
            Ok(Target::named(of, name(word, rest)?))
        }
        _ => Err(word
            .unreadable("is not of the form TYPE/NAME, and the two forms do not mix")
            .hint("write every object as TYPE/NAME, or one TYPE and then names")),
    }
}

/// `NAME`, taken for a `default_type`, or `TYPE/NAME`.
pub(super) fn named(word: Word<'_>, default_type: &str) -> Result<Target, Unreadable> {
    if word.text.contains('/') {
        return pair(word);
    }
    Ok(Target::named(
        Type::built_in(default_type),
        name(word, word.text)?,
    ))
}

/// As [`named`], for each word.
///
/// # Errors
/// As [`named`], and when there are too many.
pub(super) fn all_named(words: &[Word<'_>], default_type: &str) -> Result<Vec<Target>, Unreadable> {
    few_enough(words)?;
    words.iter().map(|word| named(*word, default_type)).collect()
}

fn few_enough(words: &[Word<'_>]) -> Result<(), Unreadable> {
    match words.get(MOST) {
        Some(word) => Err(word
            .unreadable("is one object too many: at most 1000 are read")
            .hint("split the command")),
        None => Ok(()),
    }
}

/// An object's name. Kubernetes' own client refuses what would change the request's path.
pub(super) fn name<'n>(word: Word<'_>, name: &'n str) -> Result<&'n str, Unreadable> {
    if name.is_empty() || matches!(name, "." | "..") || name.contains(['/', '%']) {
        return Err(word.unreadable("cannot be the name of an object"));
    }
    if name.chars().any(is_deceptive) {
        return Err(word.unreadable("contains characters that cannot be seen"));
    }
    Ok(name)
}

#[cfg(test)]
mod tests {
    use super::*;

    fn targets(line: &str) -> Result<String, String> {
        let words: Vec<Word<'_>> = line
            .split(' ')
            .enumerate()
            .map(|(position, text)| Word { position, text })
            .collect();
        let show = |target: &Target| match &target.name {
            Some(name) => format!("{}/{name}", target.of.kind),
            None => target.of.kind.clone(),
        };
        read(&words)
            .map(|found| found.iter().map(show).collect::<Vec<_>>().join(" "))
            .map_err(|fault| fault.word)
    }

    #[test]
    fn as_the_builder_reads_them() {
        assert_eq!(targets("pods").unwrap(), "pods");
        assert_eq!(targets("po,svc web").unwrap(), "pods/web services/web");
        assert_eq!(targets("po a b").unwrap(), "pods/a pods/b");
        assert_eq!(targets("pods/a secret/b").unwrap(), "pods/a secrets/b");
        assert_eq!(targets("pods,secrets").unwrap(), "pods secrets");
        assert!(
            targets("all")
                .unwrap()
                .starts_with("pods services replicationcontrollers")
        );
        assert_eq!(targets("pods/a b"), Err("b".to_owned()));
        assert_eq!(targets("pods/"), Err("pods/".to_owned()));
        assert_eq!(targets("pods/a/log"), Err("pods/a/log".to_owned()));
        assert_eq!(targets("pods ..").unwrap_err(), "..");
    }
}
