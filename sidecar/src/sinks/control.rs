//! What operators ask of sinks: their list, a test, their dead letters. The socket is `crate::operators`.

use super::dead::{DeadLetters, Letter};
use super::metrics::OneSink;
use super::record::{Item, Record};
use super::task::Command;
use crate::ledger::Submit;
use crate::operators::act::{self, Act};
use crate::operators::{Ask, What};
use audit_event::chain::Peer;
use serde::Serialize;
use serde_json::{Value, json};
use std::collections::{BTreeMap, BTreeSet};
use std::sync::{Arc, Mutex, PoisonError};
use tokio::sync::{mpsc, oneshot};

/// What these acts are.
const MESSAGE: &str = "an operator's act on the sinks";
/// The most letters that are listed at once.
const MAX_LISTED: usize = 1000;

/// One sink, as an operator meets it.
pub struct Desk {
    /// Its address, as it may be shown.
    pub to: String,
    /// What is known of it.
    pub shown: Arc<OneSink>,
    /// Its task and its dead letters; the faults, when it did not start.
    pub work: Result<Reach, String>,
}

/// How to reach a sink.
pub struct Reach {
    /// Its task.
    pub commands: mpsc::Sender<Command>,
    /// Its dead letters.
    pub dead: Arc<Mutex<DeadLetters>>,
}

/// All sinks by name.
pub type Desks = Arc<BTreeMap<String, Desk>>;

#[derive(Serialize)]
struct Shown<'a> {
    name: &'a str,
    to: &'a str,
    state: &'static str,
    cursor: Option<i64>,
    lag: i64,
    delivered: u64,
    skipped: u64,
    failures: u64,
    dead_letters: i64,
    why: Option<String>,
}

/// Does what is asked of one sink, or lists all.
///
/// # Errors
/// When it cannot be done, with the reason.
pub async fn answer(ask: &Ask, peer: Peer, desks: &Desks, submit: &Submit) -> Result<Value, String> {
    if ask.what == What::Sinks {
        let list: Vec<Shown<'_>> = desks.iter().map(|(name, desk)| shown(name, desk)).collect();
        return serde_json::to_value(list).map_err(|error| error.to_string());
    }
    let desk = desks.get(&ask.sink).ok_or_else(|| {
        let names: Vec<&str> = desks.keys().map(String::as_str).collect();
        format!("there is no sink `{}`; there are: {}", ask.sink, names.join(", "))
    })?;
    let reach = desk
        .work
        .as_ref()
        .map_err(|faults| format!("`{}` did not start: {faults}", ask.sink))?;
    let letters = letters(reach, ask.seqs.as_ref())?;
    if ask.what == What::DlqList {
        record(ask, peer, submit).await?;
        let list: Vec<&Letter> = letters.values().take(MAX_LISTED).collect();
        return serde_json::to_value(list).map_err(|error| error.to_string());
    }
    if ask.what != What::Test && letters.is_empty() {
        return Err(format!("`{}` has no such dead letters", ask.sink));
    }
    record(ask, peer, submit).await?;
    match ask.what {
        What::DlqDrop => {
            let numbers: BTreeSet<u64> = letters.keys().copied().collect();
            let mut dead = reach.dead.lock().unwrap_or_else(PoisonError::into_inner);
            let count = dead.remove(&numbers).map_err(|error| error.to_string())?;
            desk.shown.held.set(i64::try_from(dead.len()).unwrap_or(i64::MAX));
            Ok(format!("{count} dropped; the ledger still has them").into())
        }
        What::Test => {
            let item = Box::new(marked(peer)?);
            let id = item.id.clone();
            let said = command(reach, |answer| Command::Test(item, answer)).await?;
            Ok(format!("{id}: {said}").into())
        }
        _ => {
            let items = letters.values().map(Letter::item).collect();
            Ok(command(reach, |answer| Command::Replay(items, answer))
                .await?
                .into())
        }
    }
}

async fn command(
    reach: &Reach,
    make: impl FnOnce(oneshot::Sender<Result<String, String>>) -> Command,
) -> Result<String, String> {
    let (tell, told) = oneshot::channel();
    let gone = || "the sink has stopped".to_owned();
    reach.commands.send(make(tell)).await.map_err(|_| gone())?;
    told.await.map_err(|_| gone())?
}

fn letters(reach: &Reach, seqs: Option<&BTreeSet<u64>>) -> Result<BTreeMap<u64, Letter>, String> {
    let dead = reach.dead.lock().unwrap_or_else(PoisonError::into_inner);
    let mut all = dead.all().map_err(|error| error.to_string())?;
    if let Some(seqs) = seqs {
        all.retain(|seq, _| seqs.contains(seq));
    }
    Ok(all)
}

fn shown<'a>(name: &'a str, desk: &'a Desk) -> Shown<'a> {
    let (state, why) = match &desk.work {
        Ok(_) => (desk.shown.breaker_word(), desk.shown.why()),
        Err(faults) => ("wrong", Some(faults.clone())),
    };
    let at = desk.shown.at();
    Shown {
        name,
        to: &desk.to,
        state,
        cursor: (at >= 0).then_some(at),
        lag: desk.shown.lag.get(),
        delivered: desk.shown.delivered.get(),
        skipped: desk.shown.skipped.get(),
        failures: desk.shown.failures.get(),
        dead_letters: desk.shown.held.get(),
        why,
    }
}

/// The event of a test: marked, and of no kind that the ledger has.
fn marked(peer: Peer) -> Result<Item, String> {
    let event = act::event(Act {
        what: "sinks test",
        words: Vec::new(),
        message: MESSAGE,
        more: BTreeMap::from([("test".to_owned(), Value::Bool(true))]),
        peer,
    })?;
    let data = serde_json::to_string(&event).map_err(|error| error.to_string())?;
    Ok(Item::new(Record {
        seq: 0,
        hash: "0".repeat(64),
        kind: "test".to_owned(),
        wall: event.ts.clone(),
        data,
    }))
}

/// Makes the operator's act durable in the ledger.
async fn record(ask: &Ask, peer: Peer, submit: &Submit) -> Result<(), String> {
    let what = match ask.what {
        What::DlqList => "dlq list",
        What::DlqReplay => "dlq replay",
        What::DlqDrop => "dlq drop",
        _ => "sinks test",
    };
    let seqs = ask.seqs.iter().map(|seqs| ("seqs".to_owned(), json!(seqs)));
    let act = Act {
        what,
        words: vec![ask.sink.clone()],
        message: MESSAGE,
        more: seqs.collect(),
        peer,
    };
    act::record(act, submit).await
}
