//! What each rule thinks of each operation, for `reeve explain`.

use crate::evaluate::{describe, unaccepted};
use crate::governance::Governance;
use crate::rule::{Action, Rule};
use argv::{Invocation, Operation};
use serde::Serialize;
use std::fmt;

/// Every operation, with every rule that was considered for it.
#[derive(Debug, Clone, Serialize)]
pub struct Explanation {
    /// In the order of the command.
    pub operations: Vec<OperationExplanation>,
}

/// One operation.
#[derive(Debug, Clone, Serialize)]
pub struct OperationExplanation {
    /// What it does.
    pub operation: String,
    /// In the order of the rules.
    pub rules: Vec<Consideration>,
}

/// One rule, about one operation.
#[derive(Debug, Clone, Serialize)]
pub struct Consideration {
    /// The rule.
    pub id: String,
    /// `allow`, `deny` or `escalate`.
    pub action: Action,
    /// Where it stands.
    pub source: String,
    /// Whether it speaks about the operation and has its effect.
    pub applies: bool,
    /// Why, or why not.
    pub because: String,
}

impl Governance {
    /// Every rule considered, matched or not, and why.
    pub fn explain(&self, invocation: &Invocation) -> Explanation {
        let operations = invocation
            .operations
            .iter()
            .map(|operation| OperationExplanation {
                operation: format!("{} {}", operation.effect, describe(operation)),
                rules: self
                    .rules
                    .iter()
                    .map(|rule| self.consider(rule, invocation, operation))
                    .collect(),
            })
            .collect();
        Explanation { operations }
    }

    fn consider(&self, rule: &Rule, invocation: &Invocation, operation: &Operation) -> Consideration {
        let (applies, because) = match rule.mismatch(invocation, operation) {
            Some(facet) => (false, format!("{facet} does not fit")),
            None if !rule.matches(invocation, operation) => (false, "unless fits".to_owned()),
            None if rule.action != Action::Allow => (true, "every facet fits".to_owned()),
            None if !rule.reaches(self.level(), operation) => (
                false,
                format!(
                    "`{}` is above the ceiling of {}, and the rule does not name it",
                    operation.effect,
                    self.level()
                ),
            ),
            None if rule.at_most.excess(invocation, operation).is_some() => (
                false,
                rule.at_most.excess(invocation, operation).unwrap_or_default(),
            ),
            None => match unaccepted(rule, invocation) {
                Some(fact) => (false, format!("does not accept {}", fact.hazard)),
                None => (true, "every facet fits".to_owned()),
            },
        };
        Consideration {
            id: rule.id.clone(),
            action: rule.action,
            source: rule.source.clone(),
            applies,
            because,
        }
    }
}

impl fmt::Display for Explanation {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        for explained in &self.operations {
            writeln!(f, "  {}:", explained.operation)?;
            for rule in &explained.rules {
                let mark = if rule.applies { "→" } else { " " };
                let action = format!("{:?}", rule.action).to_lowercase();
                writeln!(
                    f,
                    "  {mark} {action:8} {:28} {} ({})",
                    rule.id, rule.because, rule.source
                )?;
            }
        }
        Ok(())
    }
}
