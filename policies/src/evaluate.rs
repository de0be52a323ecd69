//! The judge: deny beats escalate beats allow beats nothing.
//!
//! Every operation must be covered by an allow rule that matches it and reaches its effect, and the rules that cover
//! it must together accept every hazard of the command.

use crate::document::clip;
use crate::governance::Governance;
use crate::nearest;
use crate::ours::Otherwise;
use crate::rule::{Action, Rule};
use crate::verdict::{Denial, Hold, Permit, Reason, Verdict};
use argv::{Hazard, HazardFact, Invocation, Operation, Tool, Unreadable};

/// What the rules say of one operation.
enum Finding<'g> {
    Covered(Vec<&'g Rule>),
    Escalated(&'g Rule),
    Denied(&'g Rule),
    Uncovered(Reason, String),
}

impl Governance {
    /// May this run?
    pub fn evaluate(&self, invocation: &Invocation) -> Verdict {
        let verdict = self.judge(invocation);
        match verdict {
            Verdict::Allow(permit) => Verdict::Allow(permit),
            Verdict::Escalate(hold) => Verdict::Escalate(Hold {
                nearest: nearest::to(self, invocation),
                ..hold
            }),
            Verdict::Deny(denial) => Verdict::Deny(Denial {
                nearest: nearest::to(self, invocation),
                ..denial
            }),
        }
    }

    /// Whether more knowledge of what the command acts on could make it run, or bring it to a person: whether it is worth the
    /// trouble to find out. Whatever it says, only [`Governance::evaluate`] decides.
    pub fn might_allow(&self, invocation: &Invocation) -> bool {
        invocation.operations.iter().all(|operation| {
            let speaking = |action: Action| self.rules.iter().filter(move |rule| rule.action == action);
            let is_denied = speaking(Action::Deny).any(|rule| rule.matches_certainly(invocation, operation));
            let possible: Vec<&Rule> = speaking(Action::Allow)
                .filter(|rule| rule.matches_perhaps(invocation, operation))
                .filter(|rule| rule.reaches(self.level(), operation))
                .collect();
            let accepted = |fact: &HazardFact| possible.iter().any(|rule| rule.accept.contains(&fact.hazard));
            let may_run = !possible.is_empty() && invocation.hazards.iter().all(accepted);
            let may_be_held = self.otherwise == Otherwise::Hold
                || speaking(Action::Escalate).any(|rule| rule.matches(invocation, operation));
            !is_denied && (may_run || may_be_held)
        })
    }

    /// Without suggestions; they are found by asking this.
    pub(crate) fn judge(&self, invocation: &Invocation) -> Verdict {
        let mut covering: Vec<String> = Vec::new();
        let mut escalated = None;
        let mut uncovered = None;
        for operation in &invocation.operations {
            match self.finding(invocation, operation) {
                Finding::Denied(rule) => return Verdict::Deny(denied(rule, operation)),
                Finding::Escalated(rule) => escalated = escalated.or(Some((rule, operation))),
                Finding::Uncovered(reason, message) => uncovered = uncovered.or(Some((reason, message))),
                Finding::Covered(rules) => {
                    for rule in rules {
                        if !covering.contains(&rule.id) {
                            covering.push(rule.id.clone());
                        }
                    }
                }
            }
        }
        match (uncovered, escalated) {
            (Some((_, message)), _) if self.otherwise == Otherwise::Hold => Verdict::Escalate(Hold {
                rule: None,
                message,
                nearest: Vec::new(),
            }),
            (Some((reason, message)), _) => Verdict::Deny(Denial {
                reason,
                rule: None,
                message,
                nearest: Vec::new(),
            }),
            (None, Some((rule, operation))) => Verdict::Escalate(Hold {
                rule: Some(rule.id.clone()),
                message: because(rule, operation, "is for a person to decide"),
                nearest: Vec::new(),
            }),
            // A parser never gives an empty list; if one did, nothing would have been judged.
            (None, None) if covering.is_empty() => Verdict::Deny(Denial {
                reason: Reason::NoRule,
                rule: None,
                message: "the command does nothing that a rule could allow".to_owned(),
                nearest: Vec::new(),
            }),
            (None, None) => Verdict::Allow(Permit::new(covering)),
        }
    }

    fn finding<'g>(&'g self, invocation: &Invocation, operation: &Operation) -> Finding<'g> {
        let speaking = |action: Action| {
            self.rules
                .iter()
                .filter(move |rule| rule.action == action && rule.matches(invocation, operation))
        };
        if let Some(rule) = speaking(Action::Deny).next() {
            return Finding::Denied(rule);
        }
        let mut escalating = speaking(Action::Escalate);
        match self.covering(invocation, operation) {
            Ok(rules) => match escalating.next() {
                Some(rule) => Finding::Escalated(rule),
                None => Finding::Covered(rules),
            },
            Err((reason, message)) => {
                match escalating.find(|rule| rule.matches_certainly(invocation, operation)) {
                    Some(rule) => Finding::Escalated(rule),
                    None => Finding::Uncovered(reason, message),
                }
            }
        }
    }

    /// The allow rules that `operation` needs: the first that matches, and those that accept the hazards.
    fn covering(
        &self,
        invocation: &Invocation,
        operation: &Operation,
    ) -> Result<Vec<&Rule>, (Reason, String)> {
        let mut matching: Vec<&Rule> = Vec::new();
        let mut out_of_reach = None;
        let mut excess = None;
        for rule in &self.rules {
            if rule.action != Action::Allow || !rule.matches(invocation, operation) {
                continue;
            }
            if !rule.reaches(self.level(), operation) {
                out_of_reach = out_of_reach.or(Some(rule));
                continue;
            }
            match rule.at_most.excess(invocation, operation) {
                None => matching.push(rule),
                Some(why) => excess = excess.or(Some((rule, why))),
            }
        }
        let Some(first) = matching.first().copied() else {
            return Err(match (excess, out_of_reach) {
                (Some((rule, why)), _) => (Reason::OverLimit, format!("{why} by the rule `{}`", rule.id)),
                (None, Some(rule)) => (Reason::AboveCeiling, above(rule, operation, self)),
                (None, None) => (Reason::NoRule, no_rule(operation, self)),
            });
        };
        let mut needed = vec![first];
        for fact in &invocation.hazards {
            let accepts = |rule: &&Rule| rule.accept.contains(&fact.hazard);
            match matching.iter().copied().find(accepts) {
                Some(_) if needed.iter().any(accepts) => {}
                Some(rule) => needed.push(rule),
                None => {
                    let message = format!(
                        "it {}, which no rule for it accepts: {}",
                        phrase(fact),
                        fact.because
                    );
                    return Err((Reason::Hazard, message));
                }
            }
        }
        Ok(needed)
    }

    /// What to say of a command line that was not understood: it is not allowed, at any level.
    pub fn refuse_unreadable(&self, tool: Tool, unreadable: &Unreadable) -> Denial {
        let hint = unreadable
            .hint
            .as_ref()
            .map(|hint| format!("; {hint}"))
            .unwrap_or_default();
        Denial {
            reason: Reason::Unreadable,
            rule: None,
            message: format!("not understood, so not allowed: {}{hint}", unreadable.problem),
            nearest: nearest::of_tool(self, tool),
        }
    }
}

/// The first hazard that the rule does not accept.
pub(crate) fn unaccepted<'i>(rule: &Rule, invocation: &'i Invocation) -> Option<&'i HazardFact> {
    invocation
        .hazards
        .iter()
        .find(|fact| !rule.accept.contains(&fact.hazard))
}

fn denied(rule: &Rule, operation: &Operation) -> Denial {
    Denial {
        reason: Reason::DeniedByRule,
        rule: Some(rule.id.clone()),
        message: because(rule, operation, "is denied"),
        nearest: Vec::new(),
    }
}

fn because(rule: &Rule, operation: &Operation, otherwise: &str) -> String {
    if rule.reason.is_empty() {
        format!("{} {otherwise}", describe(operation))
    } else {
        rule.reason.clone()
    }
}

fn no_rule(operation: &Operation, governance: &Governance) -> String {
    format!("no rule at {} allows {}", governance.level(), describe(operation))
}

fn above(rule: &Rule, operation: &Operation, governance: &Governance) -> String {
    format!(
        "{} has the effect `{}`; at {} the rule `{}` reaches `{}`",
        describe(operation),
        operation.effect,
        governance.level(),
        rule.id,
        governance.level().ceiling()
    )
}

/// `delete pods web in namespace prod`, for people.
pub(crate) fn describe(operation: &Operation) -> String {
    let mut text = format!("`{}`", operation.verb);
    if let Some(resource) = &operation.resource
        && resource.kind != "*"
    {
        text.push_str(&format!(" on {}", clip(&resource.to_string())));
    }
    if let argv::Namespace::Named(namespace) = &operation.scope.namespace {
        text.push_str(&format!(" in namespace {}", clip(namespace)));
    }
    text
}

/// What a command with this hazard does, behind "it".
fn phrase(fact: &HazardFact) -> String {
    match fact.hazard {
        Hazard::Unbounded => "is unbounded".to_owned(),
        Hazard::RemoteInput => "takes remote input".to_owned(),
        hazard => hazard.name().replace('-', " "),
    }
}
