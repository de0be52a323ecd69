//! What `reeved` is told by flags and the environment; `settings` adds the file.

use crate::exit::{Exit, Failure};
use crate::freeze::Freeze;
use crate::ledger::Limits;
use crate::trusted;
use audit_event::Pins;
use clap::Parser;
use std::net::SocketAddr;
use std::path::PathBuf;
use std::time::Duration;

/// The audit sidecar: records what gates decide, before they act on it
#[derive(Debug, Parser)]
#[command(name = "reeved", version)]
pub struct Config {
    /// The configuration file, YAML: what flags say, under their names with `_`, and where the record is forwarded to
    #[arg(long, env = "REEVED_CONFIG", value_name = "FILE")]
    pub config: Option<PathBuf>,
    /// Where the ledger is kept
    #[arg(long, env = "REEVED_DIR", default_value = "/var/lib/reeve")]
    pub dir: PathBuf,
    /// The socket that gates connect to
    #[arg(long, env = "REEVED_SOCKET", default_value = "/run/reeve/reeved.sock")]
    pub socket: PathBuf,
    /// The socket's mode, octal
    #[arg(long, env = "REEVED_SOCKET_MODE", default_value = "0660", value_parser = octal)]
    pub socket_mode: u32,
    /// Who may send events, at which level: a JSON file that only root or this user can write
    #[arg(long, env = "REEVED_IDENTITY", default_value = "/etc/reeve/identity.json")]
    pub identity: PathBuf,
    /// Address for /metrics and the probes; port 0 picks a free one
    #[arg(long, env = "REEVED_HTTP", default_value = "127.0.0.1:9464")]
    pub http: SocketAddr,
    /// Requests per second that one user may send
    #[arg(long, env = "REEVED_RATE", default_value_t = 20_000)]
    pub rate: u32,
    /// Seal a segment of the ledger and begin the next beyond this many bytes
    #[arg(long, env = "REEVED_SEGMENT_BYTES", default_value_t = 32 << 20, value_parser = clap::value_parser!(u64).range(4096..))]
    pub segment_bytes: u64,
    /// Seal a segment of the ledger and begin the next after this many hours
    #[arg(long, env = "REEVED_SEGMENT_HOURS", default_value_t = 24, value_parser = clap::value_parser!(u64).range(1..))]
    pub segment_hours: u64,
    /// Remove the oldest sealed segments beyond this many bytes in all, once every sink has them [default: keep all]
    #[arg(long, env = "REEVED_KEEP_BYTES")]
    pub keep_bytes: Option<u64>,
    /// Remove sealed segments older than this many days, once every sink has them [default: keep all]
    #[arg(long, env = "REEVED_KEEP_DAYS")]
    pub keep_days: Option<u64>,
    /// Take in what gates have recorded in this directory while there was no sidecar
    #[arg(long, env = "REEVED_SPOOL", value_name = "DIR")]
    pub spool: Option<PathBuf>,
    /// Go on although records that were signed are gone from the end; why is recorded in a GAP, once
    #[arg(long, value_name = "REASON", value_parser = clap::builder::NonEmptyStringValueParser::new())]
    pub accept_loss: Option<String>,
    /// Write our own diagnostics to rolling files in this directory, not to standard error
    #[arg(long, env = "REEVED_LOG", value_name = "DIR")]
    pub log: Option<PathBuf>,
    /// Stop when standard input ends, as a session's sidecar does
    #[arg(long)]
    pub until_stdin_closes: bool,
    /// Check the configuration and end
    #[arg(long)]
    pub check: bool,
}

fn octal(text: &str) -> Result<u32, String> {
    u32::from_str_radix(text, 8)
        .ok()
        .filter(|mode| *mode <= 0o777)
        .ok_or_else(|| format!("`{text}` is not a mode; 0600, 0660 and the like are"))
}

impl Config {
    /// What the ledger may keep.
    pub fn limits(&self) -> Limits {
        let hours = |hours: u64| Duration::from_secs(hours.saturating_mul(3600));
        Limits {
            segment_bytes: self.segment_bytes,
            segment_age: hours(self.segment_hours),
            keep_bytes: self.keep_bytes,
            keep_age: self.keep_days.map(|days| hours(days.saturating_mul(24))),
        }
    }

    /// What of it matters to a reader of the ledger: the CONFIG record.
    pub fn account(&self, pins: &Pins, freeze: &Freeze) -> serde_json::Value {
        serde_json::json!({
            "segment_bytes": self.segment_bytes,
            "segment_hours": self.segment_hours,
            "keep_bytes": self.keep_bytes,
            "keep_days": self.keep_days,
            "rate": self.rate,
            "spool": self.spool,
            "pins": pins,
            "frozen": freeze.account(),
        })
    }

    /// The pinned identities.
    pub fn pins(&self) -> Result<Pins, Failure> {
        let path = &self.identity;
        let fail = |why: String| Failure::new(Exit::Configuration, format!("{}: {why}", path.display()));
        let text = trusted::read(path).map_err(fail)?;
        let pins: Pins = serde_json::from_str(&text).map_err(|error| {
            fail(format!(
                "line {}, column {}: {error}",
                error.line(),
                error.column()
            ))
        })?;
        if pins.identities.is_empty() {
            return Err(fail(
                "names no identity, so nobody could record anything".to_owned(),
            ));
        }
        Ok(pins)
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use clap::CommandFactory;

    #[test]
    fn the_definition_is_sound() {
        Config::command().debug_assert();
    }
}
