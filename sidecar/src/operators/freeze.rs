//! `reeve freeze` and `reeve unfreeze`: recorded, then in effect, then answered.

use super::act::{self, Act};
use super::{Ask, What};
use crate::freeze::{Order, Whom, now};
use crate::ledger::{Command, Submit};
use crate::shared::Shared;
use audit_event::chain::Peer;
use serde_json::{Value, json};
use std::collections::BTreeMap;
use tokio::sync::oneshot;

/// The longest reason, in characters: it is shown to whoever is refused.
const MAX_WHY: usize = 400;

/// Does what is asked. When this returns, no command that is affected is recorded as allowed any more.
///
/// # Errors
/// When it cannot be recorded, and was not done; or when it is done and cannot be kept.
pub async fn order(ask: &Ask, peer: Peer, shared: &Shared, submit: &Submit) -> Result<Value, String> {
    let whom = whom(ask, shared)?;
    let why = why(ask)?;
    record(ask, &why, peer, submit).await?;
    let order = Order {
        why,
        since: now(),
        by: peer.uid,
    };
    // The disk may take its time; the gates' connections must not wait for it.
    let done = tokio::task::block_in_place(|| {
        whom.iter().try_for_each(|whom| match ask.what {
            What::Freeze => shared.freeze.set(whom, order.clone()),
            _ => shared.freeze.lift(whom),
        })
    });
    shared.metrics.frozen(|profile| shared.freeze.is_frozen(profile));
    settle(submit).await?;
    done?;
    let who = match &ask.profiles {
        None => "everything".to_owned(),
        Some(profiles) => Vec::from_iter(profiles.iter().map(String::as_str)).join(", "),
    };
    let verb = if ask.what == What::Freeze {
        "frozen"
    } else {
        "free again"
    };
    tracing::warn!(by = peer.uid, %who, verb, "an operator's order");
    Ok(format!("{who}: {verb}").into())
}

/// What was being recorded meanwhile is durable, and its gate has been answered.
async fn settle(submit: &Submit) -> Result<(), String> {
    let gone = || "it is in effect, and the sidecar is stopping".to_owned();
    let (tell, told) = oneshot::channel();
    submit.send(Command::Settle(tell)).await.map_err(|_| gone())?;
    told.await.map_err(|_| gone())
}

fn whom(ask: &Ask, shared: &Shared) -> Result<Vec<Whom>, String> {
    let freeze = &shared.freeze;
    let Some(profiles) = &ask.profiles else {
        if ask.what == What::Unfreeze && !freeze.has(&Whom::All) {
            return Err("nothing is frozen".to_owned());
        }
        return Ok(vec![Whom::All]);
    };
    if profiles.is_empty() {
        return Err("name a profile, or freeze all".to_owned());
    }
    let known = |profile: &String| shared.pins.identities.iter().any(|pin| pin.profile == *profile);
    let list: Vec<Whom> = profiles.iter().cloned().map(Whom::Profile).collect();
    if ask.what == What::Unfreeze {
        return match profiles.iter().zip(&list).find(|(_, whom)| !freeze.has(whom)) {
            Some((profile, _)) if freeze.is_frozen(profile) => Err(format!(
                "`{profile}` is frozen with everything else; `reeve unfreeze --all` ends that"
            )),
            Some((profile, _)) => Err(format!("`{profile}` is not frozen")),
            None => Ok(list),
        };
    }
    match profiles.iter().find(|profile| !known(profile)) {
        Some(profile) => {
            let names = shared.pins.identities.iter().map(|pin| pin.profile.as_str());
            Err(format!(
                "no identity has the profile `{}`; there are: {}",
                profile.chars().take(64).collect::<String>(),
                names.take(50).collect::<Vec<_>>().join(", ")
            ))
        }
        None => Ok(list),
    }
}

fn why(ask: &Ask) -> Result<String, String> {
    let why = ask.why.as_deref().unwrap_or_default().trim();
    if why.is_empty() && ask.what == What::Freeze {
        return Err("say why: it is recorded, and shown to whoever is refused".to_owned());
    }
    if why.chars().count() > MAX_WHY || why.chars().any(char::is_control) {
        return Err(format!("a reason is one line of at most {MAX_WHY} characters"));
    }
    Ok(audit_event::redact::text(why))
}

async fn record(ask: &Ask, why: &str, peer: Peer, submit: &Submit) -> Result<(), String> {
    let what = if ask.what == What::Freeze {
        "freeze"
    } else {
        "unfreeze"
    };
    let words = match &ask.profiles {
        None => vec!["--all".to_owned()],
        Some(profiles) => profiles
            .iter()
            .flat_map(|profile| ["--profile".to_owned(), profile.clone()])
            .collect(),
    };
    let more = BTreeMap::from([
        ("profiles".to_owned(), json!(ask.profiles)),
        ("why".to_owned(), json!(why)),
    ]);
    let act = Act {
        what,
        words,
        message: "an operator's order",
        more,
        peer,
    };
    act::record(act, submit).await
}
