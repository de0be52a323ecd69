//! The least rules that would have allowed what was refused, for a person to review.
//!
//! Every facet that an operation is known to have is named exactly, its effect and the command's hazards too. Rules that
//! differ in one facet only become one rule with a list, which allows nothing more.

use crate::evaluate::describe;
use crate::governance::Governance;
use crate::pattern::Pattern;
use crate::rule::Facet;
use crate::verdict::Verdict;
use argv::{Effect, Hazard, Invocation, Namespace, Operation, Sets, Tool};
use std::collections::{BTreeMap, BTreeSet};
use std::fmt::Write;

/// A rule in the making.
#[derive(Debug, Clone, PartialEq, Eq, PartialOrd, Ord)]
struct Draft {
    tool: Tool,
    accept: BTreeSet<Hazard>,
    effect: BTreeSet<Effect>,
    words: BTreeMap<&'static str, BTreeSet<String>>,
}

/// What is suggested.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Suggestion {
    /// A governance file that extends the level's own: comments, then rules. It loads.
    pub document: String,
    /// How many rules are in it.
    pub rules: usize,
    /// What no allow rule can help: a deny rule says so, or its words cannot be put into a rule.
    pub hopeless: Vec<String>,
}

impl Governance {
    /// Suggests rules for those of `wanted` that are not allowed. `heading` becomes the comment at the top.
    pub fn suggest(&self, wanted: &[Invocation], heading: &str) -> Suggestion {
        let mut drafts: BTreeMap<Draft, BTreeSet<String>> = BTreeMap::new();
        let mut hopeless = BTreeSet::new();
        for invocation in wanted {
            let verdict = self.judge(invocation);
            if matches!(verdict, Verdict::Allow(_)) {
                continue;
            }
            if let Some(rule) = self.denying(invocation) {
                hopeless.insert(format!(
                    "{} {}: denied by the rule `{rule}`",
                    invocation.tool, invocation.command
                ));
                continue;
            }
            for operation in &invocation.operations {
                match Draft::of(invocation, operation) {
                    Some(draft) => {
                        drafts.entry(draft).or_default().insert(describe(operation));
                    }
                    None => {
                        hopeless.insert(format!(
                            "{} {}: too long for a rule",
                            invocation.tool,
                            describe(operation)
                        ));
                    }
                }
            }
        }
        let merged = merge(drafts);
        Suggestion {
            document: self.document(heading, &merged, &hopeless),
            rules: merged.len(),
            hopeless: hopeless.into_iter().collect(),
        }
    }

    /// The deny or escalate rule that stands against `invocation`, whatever is allowed.
    fn denying(&self, invocation: &Invocation) -> Option<&str> {
        let restricts = |operation: &Operation| {
            self.rules
                .iter()
                .find(|rule| rule.action != crate::rule::Action::Allow && rule.matches(invocation, operation))
        };
        invocation
            .operations
            .iter()
            .find_map(restricts)
            .map(|rule| rule.id.as_str())
    }

    fn document(
        &self,
        heading: &str,
        drafts: &BTreeMap<Draft, BTreeSet<String>>,
        hopeless: &BTreeSet<String>,
    ) -> String {
        let mut text = String::new();
        for line in heading.lines() {
            text.push_str(&format!("# {}\n", clip_line(line)));
        }
        for line in hopeless {
            text.push_str(&format!("# Not suggested: {}\n", clip_line(line)));
        }
        text.push_str("apiVersion: reeve/v1\nkind: Governance\n");
        text.push_str(&format!("level: {}\n", self.level()));
        if let Some(track) = self.track() {
            text.push_str(&format!("track: {track}\n"));
        }
        let name = match self.track().filter(|_| self.level() == crate::Level::L4) {
            Some(track) => format!("governance-L4-{track}.yaml"),
            None => format!("governance-{}.yaml", self.level()),
        };
        text.push_str(&format!("extends: {name}\n"));
        if drafts.is_empty() {
            return text;
        }
        text.push_str("rules:\n");
        let mut number = 0_usize;
        for (draft, described) in drafts {
            loop {
                number = number.saturating_add(1);
                let id = format!("suggested-{number}");
                if self.rules.iter().all(|rule| rule.id != id) {
                    break;
                }
            }
            draft.write(&mut text, number, described);
        }
        text
    }
}

impl Draft {
    /// `None` when a word is longer than a pattern may be.
    fn of(invocation: &Invocation, operation: &Operation) -> Option<Draft> {
        let scope = &operation.scope;
        let resource = operation
            .resource
            .as_ref()
            .filter(|resource| resource.kind != "*");
        let namespace = match &scope.namespace {
            Namespace::Named(name) => Some(name),
            Namespace::Ambient | Namespace::All | Namespace::Cluster => None,
        };
        let known: [(Facet, Option<&String>); 14] = [
            (Facet::Verb, Some(&operation.verb)),
            (Facet::Resource, resource.map(|resource| &resource.kind)),
            (
                Facet::Subresource,
                resource.and_then(|resource| resource.subresource.as_ref()),
            ),
            (Facet::Name, operation.name.as_ref()),
            (Facet::Namespace, namespace),
            (Facet::Context, scope.context.as_ref()),
            (Facet::Cluster, scope.cluster.as_ref()),
            (Facet::Region, scope.region.as_ref()),
            (Facet::Profile, scope.profile.as_ref()),
            (Facet::Account, scope.account.as_ref()),
            (Facet::Host, scope.host.as_ref()),
            (Facet::Repo, scope.repo.as_ref()),
            (Facet::Database, scope.database.as_ref()),
            (Facet::User, scope.user.as_ref()),
        ];
        let mut words = BTreeMap::new();
        for (facet, value) in known {
            if let Some(value) = value.filter(|_| facet.belongs_to(invocation.tool)) {
                words.insert(facet.key(), BTreeSet::from([literal(value)?]));
            }
        }
        if let Sets::To(images) = &operation.workload.images {
            let literals: Option<BTreeSet<String>> = images.iter().map(|image| literal(image)).collect();
            words.insert(Facet::Image.key(), literals?);
        }
        Some(Draft {
            tool: invocation.tool,
            accept: invocation.hazards.iter().map(|fact| fact.hazard).collect(),
            effect: BTreeSet::from([operation.effect]),
            words,
        })
    }

    fn write(&self, text: &mut String, number: usize, described: &BTreeSet<String>) {
        for line in described.iter().take(3) {
            text.push_str(&format!("  # {}\n", clip_line(line)));
        }
        text.push_str(&format!("  - id: suggested-{number}\n    allow:\n"));
        text.push_str(&format!("      tool: {}\n", self.tool));
        let effects: Vec<&str> = self.effect.iter().map(|effect| effect.name()).collect();
        text.push_str(&format!("      effect: [{}]\n", effects.join(", ")));
        for (_, key) in Facet::ALL {
            if let Some(words) = self.words.get(key) {
                let quoted: Vec<String> = words.iter().map(|word| quoted(word)).collect();
                text.push_str(&format!("      {key}: [{}]\n", quoted.join(", ")));
            }
        }
        if !self.accept.is_empty() {
            let names: Vec<&str> = self.accept.iter().map(|hazard| hazard.name()).collect();
            text.push_str(&format!("    accept: [{}]\n", names.join(", ")));
        }
    }
}

/// Rules that are equal but for one facet become one: exactly the union of what they allow.
fn merge(mut drafts: BTreeMap<Draft, BTreeSet<String>>) -> BTreeMap<Draft, BTreeSet<String>> {
    let keys = [
        "name",
        "namespace",
        "resource",
        "repo",
        "region",
        "context",
        "verb",
    ];
    for key in keys {
        let mut groups: BTreeMap<Draft, (BTreeSet<String>, BTreeSet<String>)> = BTreeMap::new();
        for (mut draft, described) in drafts {
            // A rule without the facet is another rule, not one with fewer words.
            let words = match draft.words.get_mut(key) {
                Some(words) => std::mem::take(words),
                None => BTreeSet::new(),
            };
            let group = groups.entry(draft).or_default();
            group.0.extend(words);
            group.1.extend(described);
        }
        drafts = groups
            .into_iter()
            .map(|(mut draft, (words, described))| {
                if !words.is_empty() {
                    draft.words.insert(key, words);
                }
                (draft, described)
            })
            .collect();
    }
    let mut groups: BTreeMap<Draft, (BTreeSet<Effect>, BTreeSet<String>)> = BTreeMap::new();
    for (mut draft, described) in drafts {
        let effects = std::mem::take(&mut draft.effect);
        let group = groups.entry(draft).or_default();
        group.0.extend(effects);
        group.1.extend(described);
    }
    groups
        .into_iter()
        .map(|(draft, (effect, described))| (Draft { effect, ..draft }, described))
        .collect()
}

/// A pattern that matches exactly `text`.
fn literal(text: &str) -> Option<String> {
    let exact = Pattern::new(text).ok().filter(Pattern::is_exact);
    let pattern = match exact {
        Some(_) => text.to_owned(),
        None => format!("/{}/", regex_syntax::escape(text)),
    };
    Pattern::new(&pattern).is_ok().then_some(pattern)
}

/// A YAML double-quoted scalar.
fn quoted(word: &str) -> String {
    let mut text = String::from("\"");
    for letter in word.chars() {
        match letter {
            '"' | '\\' => {
                text.push('\\');
                text.push(letter);
            }
            letter if letter.is_ascii_graphic() || letter == ' ' => text.push(letter),
            letter => {
                // Writing to a string cannot fail.
                let _written = write!(text, "\\U{:08X}", u32::from(letter));
            }
        }
    }
    text.push('"');
    text
}

/// One line of a comment, whatever is in it.
fn clip_line(line: &str) -> String {
    line.chars()
        .take(160)
        .map(|letter| {
            if argv::unreadable::is_deceptive(letter) {
                '\u{fffd}'
            } else {
                letter
            }
        })
        .collect()
}
