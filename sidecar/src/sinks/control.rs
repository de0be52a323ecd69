//! The operator's socket: `DIR/sinks.sock`, mode 0600, for root and for the sidecar's own user. One line of JSON asks, one
//! answers:
//!
//! ```text
//! {"do":"sinks"}                              -> {"ok":[{"name","to","state",…}]}
//! {"do":"test","sink":NAME}                   -> {"ok":"…what came back…"}
//! {"do":"dlq-list","sink":NAME}               -> {"ok":[{letter}…]}
//! {"do":"dlq-replay","sink":NAME,"seqs":[…]}  -> {"ok":"…"}       no seqs: all
//! {"do":"dlq-drop","sink":NAME,"seqs":[…]}    -> {"ok":"…"}
//! anything that fails                         -> {"error":"…"}
//! ```
//!
//! `dlq-*` and `test` are recorded in the ledger before they are done, as events of the tool `reeve`.

use super::dead::{DeadLetters, Letter};
use super::metrics::OneSink;
use super::record::{Item, Record};
use super::task::Command;
use crate::exit::{Exit, Failure};
use crate::ledger::{self, Content, OPERATOR, Submission, Submit};
use crate::stop::Stop;
use audit_event::chain::Peer;
use audit_event::event::SCHEMA;
use audit_event::{Decision, Event, Pin, Response};
use serde::{Deserialize, Serialize};
use serde_json::{Value, json};
use std::collections::{BTreeMap, BTreeSet};
use std::os::unix::fs::PermissionsExt;
use std::path::{Path, PathBuf};
use std::sync::{Arc, Mutex, PoisonError};
use std::time::Duration;
use tokio::io::{AsyncBufReadExt, AsyncReadExt, AsyncWriteExt, BufReader};
use tokio::net::{UnixListener, UnixStream};
use tokio::sync::{mpsc, oneshot};
use tokio::task::JoinSet;

/// The most operators at once.
const MAX_OPERATORS: usize = 8;
/// The longest request.
const MAX_REQUEST: u64 = 1 << 20;
/// For a request to come, and for its answer to be taken.
const DEADLINE: Duration = Duration::from_secs(10);
/// For a sink to do what it is asked.
const WORK: Duration = Duration::from_secs(330);
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

#[derive(Debug, Deserialize)]
#[serde(deny_unknown_fields)]
struct Ask {
    #[serde(rename = "do")]
    what: What,
    #[serde(default)]
    sink: String,
    #[serde(default)]
    seqs: Option<BTreeSet<u64>>,
}

#[derive(Debug, Clone, Copy, PartialEq, Eq, Deserialize)]
#[serde(rename_all = "kebab-case")]
enum What {
    Sinks,
    Test,
    DlqList,
    DlqReplay,
    DlqDrop,
}

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

/// The socket's file, which goes with it.
pub struct Bound {
    listener: UnixListener,
    path: PathBuf,
}

impl Drop for Bound {
    fn drop(&mut self) {
        if let Err(error) = std::fs::remove_file(&self.path) {
            tracing::debug!(%error, "the operator's socket was gone already");
        }
    }
}

/// Binds the socket.
///
/// # Errors
/// When the directory does not let us.
pub fn bind(directory: &Path) -> Result<Bound, Failure> {
    let path = directory.join("sinks.sock");
    let failed = |error: std::io::Error| {
        Failure::new(Exit::CannotCreate, format!("socket {}: {error}", path.display()))
    };
    match std::fs::remove_file(&path) {
        Err(error) if error.kind() != std::io::ErrorKind::NotFound => return Err(failed(error)),
        _ => {} // an earlier sidecar's; the ledger's lock says that it is gone
    }
    let listener = UnixListener::bind(&path).map_err(failed)?;
    std::fs::set_permissions(&path, std::fs::Permissions::from_mode(0o600)).map_err(failed)?;
    Ok(Bound { listener, path })
}

/// Serves until told to stop.
pub async fn serve(bound: Bound, desks: Desks, submit: Submit, mut stop: Stop) {
    let mut operators = JoinSet::new();
    loop {
        tokio::select! {
            () = stop.wait() => return,
            accepted = bound.listener.accept(), if operators.len() < MAX_OPERATORS => match accepted {
                Ok((stream, _)) => {
                    let (desks, submit) = (Arc::clone(&desks), submit.clone());
                    operators.spawn(async move { one(stream, &desks, &submit).await });
                }
                Err(error) => {
                    tracing::warn!(%error, "an operator could not be let in");
                    tokio::time::sleep(Duration::from_millis(50)).await;
                }
            },
            Some(_ended) = operators.join_next() => {}
        }
    }
}

async fn one(mut stream: UnixStream, desks: &Desks, submit: &Submit) {
    let done = tokio::time::timeout(DEADLINE, read(&mut stream)).await;
    let answer = match done {
        Ok(Ok((peer, ask))) => match tokio::time::timeout(WORK, answer(&ask, peer, desks, submit)).await {
            Ok(Ok(value)) => json!({ "ok": value }),
            Ok(Err(why)) => json!({ "error": why }),
            Err(_) => json!({ "error": "the sink is busy and did not answer in time" }),
        },
        Ok(Err(why)) => json!({ "error": why }),
        Err(_) => json!({ "error": "no request came in time" }),
    };
    let line = format!("{answer}\n");
    // Whoever asked may have gone.
    let _gone = tokio::time::timeout(DEADLINE, stream.write_all(line.as_bytes()))
        .await
        .is_ok();
}

async fn read(stream: &mut UnixStream) -> Result<(Peer, Ask), String> {
    let credentials = stream.peer_cred().map_err(|error| error.to_string())?;
    let us = nix::unistd::geteuid().as_raw();
    if credentials.uid() != 0 && credentials.uid() != us {
        return Err(format!("only root and user {us} may ask here"));
    }
    let peer = Peer {
        uid: credentials.uid(),
        gid: credentials.gid(),
        pid: credentials.pid().unwrap_or(0),
    };
    let mut line = String::new();
    BufReader::new(stream.take(MAX_REQUEST))
        .read_line(&mut line)
        .await
        .map_err(|error| error.to_string())?;
    let ask = serde_json::from_str(&line).map_err(|error| format!("not a request: {error}"))?;
    Ok((peer, ask))
}

async fn answer(ask: &Ask, peer: Peer, desks: &Desks, submit: &Submit) -> Result<Value, String> {
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
        What::DlqReplay | What::DlqList | What::Sinks => {
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
    let mut event = event(&Words {
        what: "sinks test",
        sink: "",
        peer,
    })?;
    event.more.insert("test".to_owned(), Value::Bool(true));
    let data = serde_json::to_string(&event).map_err(|error| error.to_string())?;
    Ok(Item::new(Record {
        seq: 0,
        hash: "0".repeat(64),
        kind: "test".to_owned(),
        wall: event.ts.clone(),
        data,
    }))
}

struct Words<'a> {
    what: &'a str,
    sink: &'a str,
    peer: Peer,
}

/// Makes the operator's act durable in the ledger.
async fn record(ask: &Ask, peer: Peer, submit: &Submit) -> Result<(), String> {
    let what = match ask.what {
        What::Sinks => "sinks",
        What::Test => "sinks test",
        What::DlqList => "dlq list",
        What::DlqReplay => "dlq replay",
        What::DlqDrop => "dlq drop",
    };
    let mut event = event(&Words {
        what,
        sink: &ask.sink,
        peer,
    })?;
    if let Some(seqs) = &ask.seqs {
        event.more.insert("seqs".to_owned(), json!(seqs));
    }
    let raw = serde_json::to_string(&event).map_err(|error| error.to_string())?;
    let (tell, told) = oneshot::channel();
    let submission = Submission {
        peer,
        pin: operator(peer),
        raw,
        content: Content::Decision(Box::new(event)),
        is_spooled: false,
        answer: tell,
    };
    let gone = || "the sidecar is stopping; nothing was recorded, so nothing was done".to_owned();
    submit
        .send(ledger::Command::Record(Box::new(submission)))
        .await
        .map_err(|_| gone())?;
    match told.await.map_err(|_| gone())? {
        Response::Recorded { .. } => Ok(()),
        Response::Error { message, .. } => {
            Err(format!("this cannot be recorded, so it was not done: {message}"))
        }
        Response::Status(_) => Err(gone()),
    }
}

fn operator(peer: Peer) -> Pin {
    Pin {
        uid: peer.uid,
        profile: "operator".to_owned(),
        level: "L4".to_owned(),
        track: String::new(),
        policies: BTreeMap::new(),
    }
}

fn event(words: &Words<'_>) -> Result<Event, String> {
    let id = uuid::Uuid::now_v7().to_string();
    let argv: Vec<String> = words
        .what
        .split(' ')
        .chain((!words.sink.is_empty()).then_some(words.sink))
        .map(str::to_owned)
        .collect();
    Ok(Event {
        ts: format!("{:.6}", jiff::Timestamp::now()),
        wrapper: OPERATOR.to_owned(),
        command: format!("reeve {}", argv.join(" ")),
        governance_level: "L4".to_owned(),
        track: String::new(),
        allowlist_hit: false,
        decision: Decision::Allowed,
        caller_profile: "operator".to_owned(),
        caller_agent_run_id: String::new(),
        schema: SCHEMA,
        request_id: id.clone(),
        event_id: id.parse().map_err(|error| format!("{error}"))?,
        argv_bytes: argv.iter().map(|word| word.len() as u64).sum(),
        argv_sha256: String::new(),
        argv,
        operation: words.what.to_owned(),
        operations: Vec::new(),
        hazards: Vec::new(),
        reason: "allowed".to_owned(),
        message: "an operator's act on the sinks".to_owned(),
        rule: None,
        policy_digest: String::new(),
        binary: None,
        environment_changed: Vec::new(),
        cwd: String::new(),
        uid: words.peer.uid,
        gid: words.peer.gid,
        pid: words.peer.pid,
        ppid: 0,
        parent: String::new(),
        host: super::host_name(),
        more: BTreeMap::new(),
    })
}
