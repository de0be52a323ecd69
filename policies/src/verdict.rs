//! What the judge says.

use std::fmt;

/// May it run?
#[derive(Debug)]
pub enum Verdict {
    /// Yes; this is what lets it.
    Allow(Permit),
    /// A person decides.
    Escalate(Hold),
    /// No.
    Deny(Denial),
}

impl Verdict {
    /// In the words of the audit event: the decision, the rules that decided, and why it may not run at once.
    pub fn said(&self) -> (&'static str, Vec<String>, String) {
        match self {
            Verdict::Allow(permit) => ("ALLOWED", permit.rules.clone(), String::new()),
            Verdict::Escalate(hold) => (
                "ESCALATED",
                hold.rule.iter().cloned().collect(),
                hold.message.clone(),
            ),
            Verdict::Deny(denial) => (
                "BLOCKED",
                denial.rule.iter().cloned().collect(),
                denial.message.clone(),
            ),
        }
    }
}

/// The right to run one command. Only the evaluator makes one.
#[derive(Debug)]
pub struct Permit {
    rules: Vec<String>,
}

impl Permit {
    pub(crate) fn new(rules: Vec<String>) -> Permit {
        Permit { rules }
    }

    /// The ids of the rules that cover the command's operations.
    pub fn rules(&self) -> &[String] {
        &self.rules
    }
}

/// It waits for a person.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Hold {
    /// The rule that says so; `None` when nothing matched and the file holds the rest.
    pub rule: Option<String>,
    /// Why.
    pub message: String,
    /// What may run at once instead.
    pub nearest: Vec<String>,
}

/// It does not run.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Denial {
    /// Why, for programs.
    pub reason: Reason,
    /// The rule that says so, when one does.
    pub rule: Option<String>,
    /// Why, for people and language models.
    pub message: String,
    /// What may run instead.
    pub nearest: Vec<String>,
}

/// Why a command does not run: a closed set, for it is a metric label.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub enum Reason {
    /// No rule allows it.
    NoRule,
    /// A deny rule says so.
    DeniedByRule,
    /// A rule matches, but the effect is above the level's ceiling and the rule does not name it.
    AboveCeiling,
    /// A rule matches, but does not accept a hazard.
    Hazard,
    /// A rule matches, but limits how much.
    OverLimit,
    /// It was not understood.
    Unreadable,
    /// The environment asks for what the identity does not have.
    Configuration,
}

impl Reason {
    /// The label in metrics and events.
    pub fn label(self) -> &'static str {
        match self {
            Reason::NoRule => "no_rule",
            Reason::DeniedByRule => "denied_by_rule",
            Reason::AboveCeiling => "above_ceiling",
            Reason::Hazard => "hazard",
            Reason::OverLimit => "over_limit",
            Reason::Unreadable => "unreadable",
            Reason::Configuration => "configuration",
        }
    }
}

impl fmt::Display for Reason {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(self.label())
    }
}
