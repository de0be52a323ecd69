//! Our own diagnostics: human on a terminal, JSON otherwise, rolling files when asked. Never the audit path.

use crate::exit::{Exit, Failure};
use std::io::IsTerminal;
use std::path::Path;
use tracing_appender::non_blocking::WorkerGuard;
use tracing_subscriber::EnvFilter;

/// Starts logging; the guard writes what is left when it is dropped.
pub fn start(directory: Option<&Path>) -> Result<Option<WorkerGuard>, Failure> {
    let filter = EnvFilter::try_from_env("REEVED_LOG_LEVEL").unwrap_or_else(|_| EnvFilter::new("info"));
    let base = tracing_subscriber::fmt()
        .with_env_filter(filter)
        .with_target(false)
        // A line that standard error does not take (a full disk, a reader that is gone) is lost. Told of it, the
        // subscriber would say so on standard error, and that would panic: a log must not end the record.
        .log_internal_errors(false);
    let (guard, done) = match directory {
        Some(directory) => {
            let appender = tracing_appender::rolling::Builder::new()
                .rotation(tracing_appender::rolling::Rotation::DAILY)
                .filename_prefix("reeved")
                .filename_suffix("log")
                .max_log_files(14)
                .build(directory)
                .map_err(|error| {
                    Failure::new(Exit::CannotCreate, format!("{}: {error}", directory.display()))
                })?;
            let (writer, guard) = tracing_appender::non_blocking(appender);
            (Some(guard), base.json().with_writer(writer).try_init())
        }
        None if std::io::stderr().is_terminal() => (None, base.with_writer(std::io::stderr).try_init()),
        None => (None, base.json().with_writer(std::io::stderr).try_init()),
    };
    done.map_err(|error| Failure::new(Exit::Os, format!("cannot start logging: {error}")))?;
    Ok(guard)
}
