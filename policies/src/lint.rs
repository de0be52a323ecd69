//! What is right as YAML and loads, but is not what its author meant: rules that can never decide, and rules that reach
//! above their level.
//!
//! Names that can match nothing are faults when the file loads (see [`crate::Governance::load`]); they are not seen here.

use crate::cases::Outcome;
use crate::governance::Governance;
use crate::level::Level;
use crate::pattern::Pattern;
use crate::rule::{Action, Facet, Facets, Rule};
use argv::{Effect, Hazard};
use serde::Serialize;
use std::collections::BTreeSet;
use std::fmt;

/// How much a finding matters.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Serialize)]
#[serde(rename_all = "lowercase")]
pub enum Severity {
    /// Worth knowing in a review.
    Note,
    /// The rule does not do what it says.
    Warning,
}

/// Which kind of finding: a closed set, for programs.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize)]
#[serde(rename_all = "kebab-case")]
pub enum Kind {
    /// A deny rule takes away everything that this allow or escalate rule says.
    Dead,
    /// Another rule says the same, and more.
    Redundant,
    /// An `unless` that no operation of the rule can fit.
    EmptyException,
    /// An allow rule that names an effect above its level's ceiling, or accepts a hazard.
    AboveCeiling,
    /// The agent is shown no reason.
    NoReason,
    /// No case has this rule decide.
    Untested,
}

/// One finding.
#[derive(Debug, Clone, PartialEq, Eq, Serialize)]
pub struct Finding {
    /// How much it matters.
    pub severity: Severity,
    /// Which kind.
    pub kind: Kind,
    /// The rule's id.
    pub rule: String,
    /// Where it stands, `document:line`.
    pub source: String,
    /// What is found, and what to do.
    pub message: String,
}

impl fmt::Display for Finding {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let severity = match self.severity {
            Severity::Note => "note",
            Severity::Warning => "warning",
        };
        write!(
            f,
            "{}: {severity}: rule `{}`: {}",
            self.source, self.rule, self.message
        )
    }
}

impl Governance {
    /// Everything that can be found by looking at the rules, in their order.
    pub fn lint(&self) -> Vec<Finding> {
        let level = self.level();
        let mut findings = Vec::new();
        for (index, rule) in self.rules.iter().enumerate() {
            let mut find = |severity, kind, message: String| {
                findings.push(Finding {
                    severity,
                    kind,
                    rule: rule.id.clone(),
                    source: rule.source.clone(),
                    message,
                });
            };
            if let Some(deny) = self.denied_by(index, rule, level) {
                let message = format!(
                    "never decides: the deny rule `{}` ({}) takes all of it away; remove one of the two, or give that one \
                     an `unless`",
                    deny.id, deny.source
                );
                find(Severity::Warning, Kind::Dead, message);
            } else if let Some(other) = self.said_by(index, rule, level) {
                let message = format!(
                    "says nothing that the rule `{}` ({}) does not say; remove one of the two",
                    other.id, other.source
                );
                find(Severity::Warning, Kind::Redundant, message);
            }
            if let Some(facet) = rule
                .unless
                .as_ref()
                .and_then(|unless| apart(&rule.facets, unless))
            {
                let message = format!(
                    "its `unless` can fit nothing: rule and exception name different words for `{facet}`, so nothing is \
                     excepted"
                );
                find(Severity::Warning, Kind::EmptyException, message);
            }
            if let Some(message) = above(rule, level) {
                find(Severity::Note, Kind::AboveCeiling, message);
            }
            if rule.action != Action::Allow && rule.reason.is_empty() {
                let message = "has no reason; the agent is told only that it may not".to_owned();
                find(Severity::Note, Kind::NoReason, message);
            }
        }
        findings
    }

    /// The rules that decide no case, by what the cases' `outcomes` are.
    pub fn untested(&self, outcomes: &[Outcome]) -> Vec<Finding> {
        let decided: BTreeSet<&str> = outcomes
            .iter()
            .flat_map(|outcome| outcome.rules.iter().map(String::as_str))
            .collect();
        self.rules
            .iter()
            .filter(|rule| !decided.contains(rule.id.as_str()) && !rule.source.starts_with("built in"))
            .map(|rule| Finding {
                severity: Severity::Note,
                kind: Kind::Untested,
                rule: rule.id.clone(),
                source: rule.source.clone(),
                message: "decides no case; write one that only this rule decides".to_owned(),
            })
            .collect()
    }

    fn denied_by(&self, index: usize, rule: &Rule, level: Level) -> Option<&Rule> {
        let wanted = match rule.action {
            Action::Deny => return None,
            Action::Allow | Action::Escalate => Action::Deny,
        };
        self.others(index)
            .find(|(_, other)| other.action == wanted && restricts_all(other, rule, level))
            .map(|(_, other)| other)
    }

    /// Of two that say the same, the later one is found.
    fn said_by(&self, index: usize, rule: &Rule, level: Level) -> Option<&Rule> {
        let says = |other: &Rule, rule: &Rule| match rule.action {
            Action::Allow => allows_all(other, rule, level),
            Action::Escalate | Action::Deny => restricts_all(other, rule, level),
        };
        self.others(index)
            .find(|(at, other)| {
                other.action == rule.action && says(other, rule) && (*at < index || !says(rule, other))
            })
            .map(|(_, other)| other)
    }

    fn others(&self, index: usize) -> impl Iterator<Item = (usize, &Rule)> {
        self.rules.iter().enumerate().filter(move |(at, _)| *at != index)
    }
}

/// Whether the deny or escalate rule `by` speaks about everything that `rule` speaks about.
fn restricts_all(by: &Rule, rule: &Rule, level: Level) -> bool {
    let effects = by.facets.effect.is_empty()
        || reach(rule, level)
            .iter()
            .all(|effect| by.facets.effect.contains(effect));
    // An allow rule's operations may come without any hazard.
    let hazards = by.facets.hazard.is_empty()
        || !rule.facets.hazard.is_empty() && subset(&rule.facets.hazard, &by.facets.hazard);
    by.unless.is_none() && always(by, rule) && effects && hazards && fits_all(&by.facets, &rule.facets)
}

/// Whether the allow rule `by` allows everything that `rule` allows.
fn allows_all(by: &Rule, rule: &Rule, level: Level) -> bool {
    subset(&reach(rule, level), &reach(by, level))
        && rule.at_most.within(&by.at_most)
        && always(by, rule)
        && subset(&rule.accept, &by.accept)
        && fits_all(&by.facets, &rule.facets)
}

/// Whether `by` holds whenever `rule` does.
fn always(by: &Rule, rule: &Rule) -> bool {
    by.during.is_none() || by.during == rule.during
}

/// The effects that a rule speaks about: those it names, and for an allow rule that names none those below the ceiling.
fn reach(rule: &Rule, level: Level) -> Vec<Effect> {
    match (rule.action, rule.facets.effect.as_slice()) {
        (Action::Allow, []) => [Effect::Local, Effect::Read]
            .into_iter()
            .filter(|effect| *effect <= level.ceiling())
            .collect(),
        (_, []) => vec![
            Effect::Local,
            Effect::Read,
            Effect::Write,
            Effect::Delete,
            Effect::Execute,
            Effect::Connect,
        ],
        (_, named) => named.to_vec(),
    }
}

/// Whether what fits `narrow` in tool and words certainly fits `wide` too.
fn fits_all(wide: &Facets, narrow: &Facets) -> bool {
    let tools = wide.tool.is_empty() || !narrow.tool.is_empty() && subset(&narrow.tool, &wide.tool);
    tools
        && wide.words.iter().all(|(facet, patterns)| {
            let inner = narrow.patterns(*facet);
            !inner.is_empty()
                && inner
                    .iter()
                    .all(|inner| patterns.iter().any(|outer| holds(*facet, outer, inner)))
        })
}

/// Whether what `inner` matches is certainly matched by `outer`.
fn holds(facet: Facet, outer: &Pattern, inner: &Pattern) -> bool {
    outer == inner
        || outer.is_everything()
        || inner.is_exact()
            && match facet {
                Facet::Command | Facet::Verb => outer.matches_words(inner.as_str(), false),
                _ => outer.matches(inner.as_str(), false),
            }
}

/// The facet for which a rule and its exception name exact words that have none in common.
fn apart(rule: &Facets, unless: &Facets) -> Option<&'static str> {
    unless.words.iter().find_map(|(facet, patterns)| {
        let named = rule.patterns(*facet);
        let common = |pattern: &Pattern| {
            named.iter().any(|name| {
                holds(*facet, pattern, name)
                    || holds(*facet, name, pattern)
                    || !(pattern.is_exact() && name.is_exact())
            })
        };
        (!named.is_empty() && !patterns.iter().any(common)).then(|| facet.key())
    })
}

fn above(rule: &Rule, level: Level) -> Option<String> {
    if rule.action != Action::Allow {
        return None;
    }
    let effects = rule
        .facets
        .effect
        .iter()
        .filter(|effect| **effect > level.ceiling())
        .map(|effect| effect.name());
    let hazards = rule.accept.iter().map(|hazard: &Hazard| hazard.name());
    let named: Vec<&str> = effects.chain(hazards).collect();
    (!named.is_empty()).then(|| {
        format!(
            "goes above the ceiling of {level} ({}) by name: {}",
            level.ceiling(),
            named.join(", ")
        )
    })
}

fn subset<T: PartialEq>(inner: &[T], outer: &[T]) -> bool {
    inner.iter().all(|one| outer.contains(one))
}
