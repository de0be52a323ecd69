//! `reeve freeze`, `unfreeze` and `frozen`: the switch in the sidecar, asked over its operators' socket.

use super::cli::{Freeze, Frozen, Unfreeze, Whom};
use super::office::{act, question, strange};
use super::{Failure, print};
use crate::exit::Exit;
use serde::Deserialize;
use serde_json::{Value, json};
use std::collections::BTreeMap;

#[derive(Deserialize)]
struct Order {
    why: String,
    since: String,
    by: u32,
}

#[derive(Deserialize)]
struct Orders {
    all: Option<Order>,
    profiles: BTreeMap<String, Order>,
}

/// Nothing of these profiles runs from now on.
///
/// # Errors
/// When the sidecar does not answer, or does not do it.
pub fn freeze(options: &Freeze) -> Result<i32, Failure> {
    let request = json!({"do": "freeze", "profiles": profiles(&options.whom), "why": options.why});
    act(&options.at.dir, &request)
}

/// They run again.
///
/// # Errors
/// When the sidecar does not answer, or does not do it.
pub fn unfreeze(options: &Unfreeze) -> Result<i32, Failure> {
    let request = json!({"do": "unfreeze", "profiles": profiles(&options.whom), "why": options.why});
    act(&options.at.dir, &request)
}

/// Who is frozen: exit 1 when somebody is.
///
/// # Errors
/// When the sidecar does not answer.
pub fn frozen(options: &Frozen) -> Result<i32, Failure> {
    let answer = question(&options.at.dir, &json!({"do": "frozen"}))?;
    let text = answer.to_string();
    let orders: Orders = serde_json::from_value(answer).map_err(|error| strange(&error))?;
    let list: Vec<(&str, &Order)> = orders
        .all
        .iter()
        .map(|order| ("everything", order))
        .chain(orders.profiles.iter().map(|(name, order)| (name.as_str(), order)))
        .collect();
    if options.json {
        print(&format!("{text}\n"))?;
    } else {
        let lines = list.iter().map(|(who, order)| {
            format!(
                "{who:16} since {} by user {}: {}\n",
                order.since, order.by, order.why
            )
        });
        print(&lines.collect::<String>())?;
    }
    Ok(if list.is_empty() { Exit::Ok } else { Exit::Found }.code())
}

/// `null` is everything.
fn profiles(whom: &Whom) -> Value {
    if whom.all {
        Value::Null
    } else {
        json!(whom.profile)
    }
}
