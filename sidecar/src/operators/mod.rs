//! The operators' socket: `DIR/sinks.sock`, mode 0600, for root and for the sidecar's own user. One line of JSON asks, one
//! answers:
//!
//! ```text
//! {"do":"sinks"}                                    -> {"ok":[{"name","to","state",…}]}
//! {"do":"test","sink":NAME}                         -> {"ok":"…what came back…"}
//! {"do":"dlq-list","sink":NAME}                     -> {"ok":[{letter}…]}
//! {"do":"dlq-replay","sink":NAME,"seqs":[…]}        -> {"ok":"…"}       no seqs: all
//! {"do":"dlq-drop","sink":NAME,"seqs":[…]}          -> {"ok":"…"}
//! {"do":"frozen"}                                   -> {"ok":{"all":ORDER or null,"profiles":{NAME:ORDER…}}}
//! {"do":"freeze","profiles":[…],"why":TEXT}         -> {"ok":"…"}       no profiles: everything
//! {"do":"unfreeze","profiles":[…],"why":TEXT}       -> {"ok":"…"}       no profiles: everything; why may be absent
//! anything that fails                               -> {"error":"…"}
//! ```
//!
//! What changes something or shows a record's bytes is recorded in the ledger before it is done (`act`).

pub mod act;
mod freeze;

use crate::exit::{Exit, Failure};
use crate::ledger::Submit;
use crate::shared::Shared;
use crate::sinks::control::{self, Desks};
use crate::stop::Stop;
use audit_event::chain::Peer;
use serde::Deserialize;
use serde_json::{Value, json};
use std::collections::BTreeSet;
use std::os::fd::AsRawFd;
use std::os::unix::fs::PermissionsExt;
use std::path::{Path, PathBuf};
use std::sync::Arc;
use std::time::Duration;
use tokio::io::{AsyncBufReadExt, AsyncReadExt, AsyncWriteExt, BufReader};
use tokio::net::{UnixListener, UnixStream};
use tokio::sync::Mutex;
use tokio::task::{JoinHandle, JoinSet};

/// The socket's name in the ledger's directory.
const SOCKET: &str = "sinks.sock";
/// A longer path does not fit into a socket's address.
const MAX_PATH: usize = 107;
/// The most operators at once.
const MAX_OPERATORS: usize = 8;
/// The longest request.
const MAX_REQUEST: u64 = 1 << 20;
/// For a request to come, and for its answer to be taken.
const DEADLINE: Duration = Duration::from_secs(10);
/// For what is asked to be done.
const WORK: Duration = Duration::from_secs(330);

/// A request.
#[derive(Debug, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Ask {
    /// What to do.
    #[serde(rename = "do")]
    pub what: What,
    /// Which sink.
    #[serde(default)]
    pub sink: String,
    /// Which dead letters.
    #[serde(default)]
    pub seqs: Option<BTreeSet<u64>>,
    /// Whom to freeze.
    #[serde(default)]
    pub profiles: Option<BTreeSet<String>>,
    /// The operator's reason.
    #[serde(default)]
    pub why: Option<String>,
}

/// What can be asked for.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Deserialize)]
#[serde(rename_all = "kebab-case")]
pub enum What {
    /// List the sinks.
    Sinks,
    /// Send a marked event.
    Test,
    /// List dead letters.
    DlqList,
    /// Send them again.
    DlqReplay,
    /// Give them up.
    DlqDrop,
    /// List who is frozen.
    Frozen,
    /// Freeze.
    Freeze,
    /// End that.
    Unfreeze,
}

/// What operators reach.
pub struct Office {
    shared: Arc<Shared>,
    desks: Desks,
    submit: Submit,
    /// One order at a time: the ledger has them in the order in which they took effect.
    orders: Mutex<()>,
}

/// Binds the socket and serves until told to stop.
///
/// # Errors
/// When the directory does not let us.
pub fn start(
    directory: &Path,
    shared: &Arc<Shared>,
    desks: Desks,
    submit: &Submit,
    stop: &Stop,
) -> Result<JoinHandle<()>, Failure> {
    let bound = bind(directory)?;
    let office = Arc::new(Office {
        shared: Arc::clone(shared),
        desks,
        submit: submit.clone(),
        orders: Mutex::new(()),
    });
    Ok(tokio::spawn(serve(bound, office, stop.clone())))
}

/// The socket's file, which goes with it.
struct Bound {
    listener: UnixListener,
    path: PathBuf,
}

impl Drop for Bound {
    fn drop(&mut self) {
        if let Err(error) = std::fs::remove_file(&self.path) {
            tracing::debug!(%error, "the operators' socket was gone already");
        }
    }
}

fn bind(directory: &Path) -> Result<Bound, Failure> {
    let path = directory.join(SOCKET);
    let failed = |error: std::io::Error| {
        Failure::new(Exit::CannotCreate, format!("socket {}: {error}", path.display()))
    };
    match std::fs::remove_file(&path) {
        Err(error) if error.kind() != std::io::ErrorKind::NotFound => return Err(failed(error)),
        _ => {} // an earlier sidecar's; the ledger's lock says that it is gone
    }
    let opened = std::fs::File::open(directory).map_err(failed)?;
    let address = if path.as_os_str().len() > MAX_PATH {
        PathBuf::from(format!("/proc/self/fd/{}/{SOCKET}", opened.as_raw_fd()))
    } else {
        path.clone()
    };
    let listener = UnixListener::bind(&address).map_err(failed)?;
    std::fs::set_permissions(&path, std::fs::Permissions::from_mode(0o600)).map_err(failed)?;
    Ok(Bound { listener, path })
}

async fn serve(bound: Bound, office: Arc<Office>, mut stop: Stop) {
    let mut operators = JoinSet::new();
    loop {
        tokio::select! {
            () = stop.wait() => return,
            accepted = bound.listener.accept(), if operators.len() < MAX_OPERATORS => match accepted {
                Ok((stream, _)) => {
                    let office = Arc::clone(&office);
                    operators.spawn(async move { one(stream, &office).await });
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

async fn one(mut stream: UnixStream, office: &Office) {
    let done = tokio::time::timeout(DEADLINE, read(&mut stream)).await;
    let answer = match done {
        Ok(Ok((peer, ask))) => match tokio::time::timeout(WORK, answer(&ask, peer, office)).await {
            Ok(Ok(value)) => json!({ "ok": value }),
            Ok(Err(why)) => json!({ "error": why }),
            Err(_) => json!({ "error": "the sidecar is busy and did not answer in time" }),
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

async fn answer(ask: &Ask, peer: Peer, office: &Office) -> Result<Value, String> {
    match ask.what {
        What::Frozen => Ok(office.shared.freeze.account()),
        What::Freeze | What::Unfreeze => {
            let _one_at_a_time = office.orders.lock().await;
            freeze::order(ask, peer, &office.shared, &office.submit).await
        }
        What::Sinks | What::Test | What::DlqList | What::DlqReplay | What::DlqDrop => {
            control::answer(ask, peer, &office.desks, &office.submit).await
        }
    }
}
