//! The socket that gates connect to: bound safely, served to a limit, finished in order.

use crate::connection;
use crate::exit::{Exit, Failure};
use crate::ledger::Submit;
use crate::shared::Shared;
use crate::stop::Stop;
use std::fs::{DirBuilder, Permissions};
use std::os::unix::fs::{DirBuilderExt, FileTypeExt, PermissionsExt};
use std::path::Path;
use std::sync::Arc;
use std::time::Duration;
use tokio::net::{UnixListener, UnixStream};
use tokio::sync::Semaphore;
use tokio::task::JoinSet;

/// The most connections at once. A gate holds one while its tool runs.
const MAX_CONNECTIONS: usize = 4096;
/// How long what is in flight may take at the end.
const GRACE: Duration = Duration::from_secs(5);
/// A pause after the kernel refuses a connection (out of descriptors): an error must not become a busy loop.
const PAUSE: Duration = Duration::from_millis(50);

/// Binds the socket; what an earlier sidecar left behind is removed, for the ledger's lock says that it is gone.
///
/// # Errors
/// When something else lies there, or the directory does not let us.
pub fn bind(path: &Path, mode: u32) -> Result<UnixListener, Failure> {
    let failed = |error: std::io::Error| {
        Failure::new(Exit::CannotCreate, format!("socket {}: {error}", path.display()))
    };
    if let Some(parent) = path.parent().filter(|parent| !parent.as_os_str().is_empty()) {
        DirBuilder::new()
            .recursive(true)
            .mode(0o750)
            .create(parent)
            .map_err(failed)?;
    }
    match std::fs::symlink_metadata(path) {
        Ok(found) if found.file_type().is_socket() => std::fs::remove_file(path).map_err(failed)?,
        Ok(_) => {
            return Err(Failure::new(
                Exit::CannotCreate,
                format!("{} is there already and is not a socket", path.display()),
            ));
        }
        Err(_) => {}
    }
    let listener = UnixListener::bind(path).map_err(failed)?;
    std::fs::set_permissions(path, Permissions::from_mode(mode)).map_err(failed)?;
    Ok(listener)
}

/// Takes the socket's name away.
///
/// # Errors
/// When it cannot be removed.
pub fn unlink(path: &Path) -> Result<(), Failure> {
    std::fs::remove_file(path).map_err(|error| Failure::new(Exit::Io, format!("{}: {error}", path.display())))
}

/// Accepts until told to stop; returns what is still being served.
pub async fn serve(
    listener: &UnixListener,
    shared: &Arc<Shared>,
    submit: &Submit,
    stop: &mut Stop,
) -> JoinSet<()> {
    let room = Arc::new(Semaphore::new(MAX_CONNECTIONS));
    let mut connections = JoinSet::new();
    loop {
        tokio::select! {
            () = stop.wait() => return connections,
            accepted = listener.accept() => match accepted {
                Ok((stream, _)) => {
                    take(stream, &room, shared, submit, stop, &mut connections);
                    // Its request is there already, as a rule; the next connection is looked for after it.
                    tokio::task::yield_now().await;
                }
                Err(error) => {
                    tracing::warn!(%error, "a connection could not be accepted");
                    tokio::time::sleep(PAUSE).await;
                }
            },
            Some(_ended) = connections.join_next() => {}
        }
    }
}

fn take(
    stream: UnixStream,
    room: &Arc<Semaphore>,
    shared: &Arc<Shared>,
    submit: &Submit,
    stop: &Stop,
    connections: &mut JoinSet<()>,
) {
    let shared = Arc::clone(shared);
    match Arc::clone(room).try_acquire_owned() {
        Ok(seat) => {
            let (submit, stop) = (submit.clone(), stop.clone());
            connections.spawn(async move {
                shared.metrics.connected(1);
                connection::serve(stream, &shared, submit, stop).await;
                shared.metrics.connected(-1);
                drop(seat);
            });
        }
        // One short task with a deadline; there are no more of these than the kernel's backlog and the accept loop allow.
        Err(_) => {
            connections.spawn(async move { connection::turn_away(stream, &shared).await });
        }
    }
}

/// Waits for what is in flight, to a deadline.
pub async fn finish(mut connections: JoinSet<()>) {
    let all = async { while connections.join_next().await.is_some() {} };
    if tokio::time::timeout(GRACE, all).await.is_err() {
        tracing::warn!(
            left = connections.len(),
            "connections were cut off at the end of the grace period"
        );
        connections.shutdown().await;
    }
}
