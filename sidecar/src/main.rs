//! `reeved`: the audit sidecar. It records what gates decide, before they act on it.

mod config;
mod connection;
mod events_file;
mod exit;
mod freeze;
mod http;
mod ingest;
mod ledger;
mod logs;
mod metrics;
mod operators;
mod rate;
mod settings;
mod shared;
mod sinks;
mod stop;
mod trusted;
mod window;
mod yaml;

use config::Config;
use exit::{Exit, Failure};
use ledger::Ledger;
use shared::Shared;
use std::io::Write;
use std::process::ExitCode;
use std::sync::Arc;
use tokio::net::TcpListener;

fn main() -> ExitCode {
    let done = settings::gather().and_then(|(config, sinks)| {
        let _guard = logs::start(config.log.as_deref())?;
        run(config, sinks)
    });
    match done {
        Ok(()) => ExitCode::SUCCESS,
        Err(failure) => {
            let _nobody_left = writeln!(std::io::stderr(), "reeved: {failure}");
            failure.exit.into()
        }
    }
}

fn run(config: Config, sinks: sinks::Configured) -> Result<(), Failure> {
    let pins = config.pins();
    if config.check {
        let faults = pins.err().map(|failure| failure.message);
        return sinks.check(&config.dir, faults.into_iter().collect());
    }
    let pins = pins?;
    raise_descriptor_limit();
    let runtime = tokio::runtime::Builder::new_multi_thread()
        .worker_threads(2)
        .on_thread_start(ledger::go_anywhere)
        .enable_all()
        .build()
        .map_err(|error| Failure::new(Exit::Os, format!("cannot start the runtime: {error}")))?;
    // As a task of its own, or each connection would be taken in by this thread and then served by another.
    let serving = runtime.spawn(serve(config, pins, sinks));
    runtime.block_on(serving).unwrap_or_else(|error| {
        Err(Failure::new(
            Exit::Os,
            format!("the sidecar ended unexpectedly: {error}"),
        ))
    })
}

/// Ledger open, socket open, ready; then until told to stop; then everything in reverse.
async fn serve(
    config: Config,
    pins: audit_event::Pins,
    configured: sinks::Configured,
) -> Result<(), Failure> {
    let freeze = freeze::Freeze::open(&config.dir);
    let account = config.account(&pins, &freeze);
    let ledger = Ledger::open(&config.dir, &account, config.accept_loss.as_deref())?;
    let shared = Arc::new(Shared::new(pins, ledger.path().to_owned(), config.rate, freeze));
    let (submit, writer) = ledger.spawn(Arc::clone(&shared), config.limits(), config.spool.clone())?;
    let socket = ingest::bind(&config.socket, config.socket_mode)?;
    let http = TcpListener::bind(config.http).await.map_err(|error| {
        Failure::new(
            Exit::Unavailable,
            format!("http address {}: {error}", config.http),
        )
    })?;
    let mut stop = stop::Stop::listen(config.until_stdin_closes)?;
    let sinks = sinks::start(configured, &config.dir, &shared)?;
    let operators = operators::start(&config.dir, &shared, sinks.desks(), &submit, &stop)?;
    announce(&config, &http, &shared)?;
    let web = tokio::spawn(http::serve(http, Arc::clone(&shared)));
    let connections = ingest::serve(&socket, &shared, &submit, &mut stop).await;
    ingest::finish(connections).await;
    operators
        .await
        .map_err(|error| Failure::new(Exit::Os, format!("the operators' socket: {error}")))?;
    drop(submit); // the writer seals the ledger when nobody can submit any more
    let sealed = tokio::task::spawn_blocking(move || writer.join()).await;
    sinks.finish().await;
    web.abort();
    ingest::unlink(&config.socket)?;
    match sealed {
        Ok(result) => result,
        Err(_) => Err(Failure::new(
            Exit::Os,
            "the ledger's writer ended unexpectedly; run `reeve audit verify`",
        )),
    }
}

/// One line of JSON on standard output: whoever started us may begin.
fn announce(config: &Config, http: &TcpListener, shared: &Shared) -> Result<(), Failure> {
    let failed =
        |error: std::io::Error| Failure::new(Exit::Os, format!("cannot say that it is ready: {error}"));
    let line = serde_json::json!({
        "ready": true,
        "socket": config.socket,
        "http": http.local_addr().map_err(failed)?.to_string(),
        "ledger": shared.ledger,
        "pid": std::process::id(),
    });
    let mut out = std::io::stdout().lock();
    writeln!(out, "{line}")
        .and_then(|()| out.flush())
        .map_err(failed)?;
    tracing::info!(socket = %config.socket.display(), ledger = %shared.ledger.display(), "ready");
    Ok(())
}

/// A connection needs a descriptor; the usual soft limit of 1024 is fewer than we accept.
fn raise_descriptor_limit() {
    use nix::sys::resource::{Resource, getrlimit, setrlimit};
    let raised = getrlimit(Resource::RLIMIT_NOFILE)
        .and_then(|(_, hard)| setrlimit(Resource::RLIMIT_NOFILE, hard.min(65_536), hard));
    if let Err(error) = raised {
        tracing::warn!(%error, "the limit of open files cannot be raised");
    }
}
