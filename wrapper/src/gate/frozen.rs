//! A command that may run by its rules, and whose profile an operator has frozen: refused, and recorded as refused.

use super::judge::Judgement;
use super::refusal::{Report, Stop};
use super::sidecar::Sidecar;
use crate::configuration::Configuration;
use crate::exit::Exit;
use audit_event::{Decision, Event};

/// Why, in the record and in metrics.
pub const REASON: &str = "frozen";

/// Records the refusal under the command's own id, under which nothing was recorded, and gives the words for it.
pub fn refuse(orders: &Configuration, event: &Event, judgement: &Judgement, why: String) -> Stop {
    let event = Event {
        decision: Decision::Blocked,
        reason: REASON.to_owned(),
        message: audit_event::redact::text(&why),
        rule: None,
        ..event.clone()
    };
    let recorded =
        Sidecar::connect(&orders.socket, orders.deadline()).and_then(|mut sidecar| sidecar.record(&event));
    match recorded {
        Ok(()) => Stop::Told(Report::frozen(&event), Exit::Refused),
        Err(unrecorded) => Stop::unrecorded(&event, judgement, unrecorded),
    }
}
