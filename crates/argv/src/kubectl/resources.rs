//! Resource types in every spelling kubectl takes: plural, singular, kind, short name, category,
//! `plural.group`, `plural.version.group`, in any case.
//!
//! A type that is not built into Kubernetes is a custom resource and keeps its spelling, in lower
//! case. That is safe to read: a custom short name or category only ever stands for custom
//! resources, because built-in ones answer to no names but those in the table, and Secrets least of all.

use super::tree::Word;
use crate::Unreadable;

/// The table `data/kubectl_resources.tsv`, in its order: `build.rs` makes constants of it.
static RESOURCES: &[Row] = include!(concat!(env!("OUT_DIR"), "/kubectl_resources.rs"));

/// Subresources that are only ever data. Any other may be a way into a container or a node (`exec`,
/// `proxy`), and a GET is enough to use it.
pub(super) const PLAIN_SUBRESOURCES: [&str; 5] =
    ["status", "scale", "resize", "ephemeralcontainers", "approval"];

/// The categories in the table.
const CATEGORIES: [&str; 2] = ["all", "api-extensions"];

/// The type of an object whose manifest was not read.
pub(super) const UNKNOWN: &str = "*";

/// A resource type.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) struct Type {
    /// `plural`, or `plural.group`.
    pub(super) kind: String,
    /// Whether its objects live in namespaces; `None` when that is not known.
    pub(super) namespaced: Option<bool>,
}

impl Type {
    /// A built-in type by its canonical name; for those that commands name themselves.
    pub(super) fn built_in(kind: &str) -> Self {
        let namespaced = RESOURCES
            .iter()
            .find(|row| row.is(kind))
            .map(|row| row.namespaced);
        Type {
            kind: kind.to_owned(),
            namespaced,
        }
    }

    /// A type that only a manifest's content would tell.
    pub(super) fn unknown() -> Self {
        Type {
            kind: UNKNOWN.to_owned(),
            namespaced: None,
        }
    }

    /// The type of an object in a manifest, from its `apiVersion` and `kind`.
    pub(super) fn of_manifest(api_version: &str, kind: &str) -> Self {
        // A list that was not taken apart may hold anything.
        if kind.ends_with("List") || kind.is_empty() {
            return Type::unknown();
        }
        let group = api_version.split_once('/').map_or("", |(group, _)| group);
        let singular = kind.to_ascii_lowercase();
        match RESOURCES
            .iter()
            .find(|row| row.group == group && row.singular == singular)
        {
            Some(row) => row.to_type(),
            None if group.is_empty() => Type {
                kind: singular,
                namespaced: None,
            },
            None => Type {
                kind: format!("{singular}.{group}"),
                namespaced: None,
            },
        }
    }

    /// Whether showing this object's content may show a credential.
    pub(super) fn holds_secrets(&self) -> bool {
        self.kind == "secrets" || self.kind == UNKNOWN
    }
}

/// One row of the table.
struct Row {
    plural: &'static str,
    singular: &'static str,
    short: &'static str,
    group: &'static str,
    namespaced: bool,
    categories: &'static str,
}

impl Row {
    fn to_type(&self) -> Type {
        let kind = if self.group.is_empty() {
            self.plural.to_owned()
        } else {
            format!("{}.{}", self.plural, self.group)
        };
        Type {
            kind,
            namespaced: Some(self.namespaced),
        }
    }

    fn is(&self, kind: &str) -> bool {
        match kind.split_once('.') {
            Some((plural, group)) => self.plural == plural && self.group == group,
            None => self.plural == kind && self.group.is_empty(),
        }
    }

    fn answers_to(&self, typed: &str, lower: &str) -> bool {
        self.plural == lower || self.singular == lower || lists(self.short, typed)
    }
}

fn lists(comma_separated: &str, word: &str) -> bool {
    !word.is_empty() && comma_separated.split(',').any(|one| one == word)
}

/// The one type that `typed` names; `word` is the word it came in, to complain about.
///
/// # Errors
/// [`Unreadable`] when it is not spelled like a type.
pub(super) fn one(typed: &str, word: Word<'_>) -> Result<Type, Unreadable> {
    let plain = typed
        .bytes()
        .all(|byte| byte.is_ascii_alphanumeric() || byte == b'-' || byte == b'.');
    if typed.is_empty() || typed.starts_with('.') || !plain {
        return Err(word.unreadable("does not name a resource type"));
    }
    let lower = typed.to_ascii_lowercase();
    let (name, group) = lower.split_once('.').unwrap_or((&lower, ""));
    let (_, group_after_version) = group.split_once('.').unwrap_or((group, ""));
    let has_version = group.contains('.') && is_version(group);
    let wanted = if has_version { group_after_version } else { group };
    let short = typed.split('.').next().unwrap_or(typed);
    if let Some(row) = RESOURCES
        .iter()
        .find(|row| row.answers_to(short, name) && in_group(row.group, wanted))
    {
        return Ok(row.to_type());
    }
    if short != name && RESOURCES.iter().any(|row| lists(row.short, name)) {
        return Err(word
            .unreadable("is not a resource type: short names are lower case")
            .hint(format!("use `{name}`")));
    }
    let kind = if wanted.is_empty() {
        name.to_owned()
    } else {
        format!("{name}.{wanted}")
    };
    Ok(Type {
        kind,
        namespaced: None,
    })
}

/// The types that `typed` names where kubectl expands categories: `all` is many.
///
/// # Errors
/// As [`one`].
pub(super) fn some(typed: &str, word: Word<'_>) -> Result<Vec<Type>, Unreadable> {
    if !CATEGORIES.contains(&typed) {
        return Ok(vec![one(typed, word)?]);
    }
    let members: Vec<Type> = RESOURCES
        .iter()
        .filter(|row| lists(row.categories, typed))
        .map(Row::to_type)
        .collect();
    Ok(members)
}

/// Whether `typed` is a category, and so may also name custom resources that nobody listed.
pub(super) fn is_category(typed: &str) -> bool {
    CATEGORIES.contains(&typed)
}

/// kubectl takes the beginning of a group for the group: `storageclass.storage`.
fn in_group(group: &str, wanted: &str) -> bool {
    wanted.is_empty() || group == wanted || (group.starts_with(wanted) && !group.is_empty())
}

/// `v1.`, `v2beta1.apps`: a version comes first.
fn is_version(group: &str) -> bool {
    let version = group.split('.').next().unwrap_or("");
    let Some(digits) = version.strip_prefix('v') else {
        return false;
    };
    let rest = digits.trim_start_matches(|c: char| c.is_ascii_digit());
    rest.len() < digits.len()
        && (rest.is_empty()
            || ["alpha", "beta"].iter().any(|stage| {
                rest.strip_prefix(stage).is_some_and(|number| {
                    !number.is_empty() && number.bytes().all(|byte| byte.is_ascii_digit())
                })
            }))
}

#[cfg(test)]
mod tests {
    use super::*;

    fn kind(typed: &str) -> String {
        one(
            typed,
            Word {
                position: 0,
                text: typed,
            },
        )
        .map_or_else(|fault| fault.problem, |found| found.kind)
    }

    #[test]
    fn every_spelling_is_one_type() {
        for typed in [
            "secrets",
            "secret",
            "Secret",
            "SECRETS",
            "secrets.v1.",
            "Secret.v1.",
            "secrets.",
        ] {
            assert_eq!(kind(typed), "secrets", "{typed}");
        }
        for typed in [
            "deploy",
            "Deployment",
            "deployments.apps",
            "deployments.v1.apps",
            "deploy.apps",
            "deployments.app",
        ] {
            assert_eq!(kind(typed), "deployments.apps", "{typed}");
        }
        assert_eq!(kind("storageclass.storage"), "storageclasses.storage.k8s.io");
        assert_eq!(kind("pods.v1beta1.metrics.k8s.io"), "pods.metrics.k8s.io");
        assert_eq!(kind("ev"), "events");
    }

    #[test]
    fn custom_resources_keep_their_spelling() {
        assert_eq!(kind("Widgets.v1.example.com"), "widgets.example.com");
        assert_eq!(kind("widgets.example.com"), "widgets.example.com");
        assert_eq!(kind("secrets.example.com"), "secrets.example.com");
        assert_eq!(kind("es"), "es");
        assert_eq!(kind("externalsecrets"), "externalsecrets");
    }

    #[test]
    fn odd_spellings_are_refused() {
        for typed in ["", ".v1", "po\u{212a}", "pods;id", "pods ", "sécret", "PO"] {
            assert!(
                one(
                    typed,
                    Word {
                        position: 0,
                        text: typed
                    }
                )
                .is_err(),
                "{typed}"
            );
        }
    }

    #[test]
    fn rows_are_well_formed() {
        for row in RESOURCES {
            assert!(
                !row.plural.is_empty() && !row.singular.is_empty(),
                "{}",
                row.plural
            );
        }
        for row in RESOURCES.iter().filter(|row| !row.categories.is_empty()) {
            assert!(CATEGORIES.contains(&row.categories), "{}", row.categories);
        }
        let table = include_str!("../../data/kubectl_resources.tsv");
        let listed = table.lines().filter(|line| !line.starts_with('#')).count();
        assert_eq!(RESOURCES.len(), listed);
    }

    #[test]
    fn manifests() {
        assert_eq!(Type::of_manifest("v1", "Secret").kind, "secrets");
        assert_eq!(
            Type::of_manifest("apps/v1", "Deployment").kind,
            "deployments.apps"
        );
        assert_eq!(
            Type::of_manifest("example.com/v1", "Widget").kind,
            "widget.example.com"
        );
    }
}
