//! What a level means after everything it extends, for people.

use crate::governance::Governance;
use crate::ours::Otherwise;
use crate::rule::{Action, Facets, Rule};
use std::fmt;

impl fmt::Display for Governance {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let track = self.track().map(|track| format!(", {track}")).unwrap_or_default();
        let otherwise = match self.otherwise {
            Otherwise::Refuse => "refused",
            Otherwise::Hold => "held for a person",
        };
        writeln!(
            f,
            "{}{track}: a rule that names no effect covers up to `{}`; what no rule allows is {otherwise}",
            self.level(),
            self.level().ceiling()
        )?;
        let groups = [
            (Action::Deny, "denied, whatever is allowed"),
            (Action::Escalate, "held for a person"),
            (Action::Allow, "allowed"),
        ];
        for (action, title) in groups {
            let mut rules = self.rules.iter().filter(|rule| rule.action == action).peekable();
            if rules.peek().is_some() {
                writeln!(f, "\n{title}:")?;
            }
            for rule in rules {
                line(f, rule)?;
            }
        }
        Ok(())
    }
}

fn line(f: &mut fmt::Formatter<'_>, rule: &Rule) -> fmt::Result {
    writeln!(f, "  {:28} ({})", rule.id, rule.source)?;
    writeln!(f, "      {}", facets(&rule.facets))?;
    if let Some(unless) = &rule.unless {
        writeln!(f, "      unless {}", facets(unless))?;
    }
    if !rule.accept.is_empty() {
        let names: Vec<&str> = rule.accept.iter().map(|hazard| hazard.name()).collect();
        writeln!(f, "      accepting {}", names.join(", "))?;
    }
    for (most, what) in [
        (rule.at_most.objects, "objects"),
        (rule.at_most.replicas, "replicas"),
    ] {
        if let Some(most) = most {
            writeln!(f, "      at most {most} {what}")?;
        }
    }
    if let Some(window) = &rule.during {
        writeln!(f, "      during {window} UTC")?;
    }
    if !rule.reason.is_empty() {
        writeln!(f, "      because {}", rule.reason)?;
    }
    Ok(())
}

fn facets(facets: &Facets) -> String {
    let mut parts = Vec::new();
    let tools: Vec<&str> = facets.tool.iter().map(|tool| tool.name()).collect();
    parts.push(if tools.is_empty() {
        "any tool".to_owned()
    } else {
        tools.join(", ")
    });
    let effects: Vec<&str> = facets.effect.iter().map(|effect| effect.name()).collect();
    let hazards: Vec<&str> = facets.hazard.iter().map(|hazard| hazard.name()).collect();
    for (key, words) in [("effect", effects), ("hazard", hazards)] {
        if !words.is_empty() {
            parts.push(format!("{key}: {}", words.join(", ")));
        }
    }
    for (facet, patterns) in &facets.words {
        let words: Vec<&str> = patterns.iter().map(|pattern| pattern.as_str()).collect();
        parts.push(format!("{}: {}", facet.key(), words.join(", ")));
    }
    parts.join("; ")
}
