//! What the parts of the sidecar know of each other: pins, metrics, and whether the ledger can record.

use crate::freeze::Freeze;
use crate::metrics::Metrics;
use crate::rate::Rate;
use audit_event::Pins;
use audit_event::frame::Status;
use std::path::PathBuf;
use std::sync::atomic::{AtomicU64, Ordering};
use std::sync::{Mutex, PoisonError};
use std::time::{Duration, Instant};

/// A writer that has not been heard of for so long makes no progress.
const STUCK_AFTER: Duration = Duration::from_secs(15);

/// One per process.
#[derive(Debug)]
pub struct Shared {
    /// Who may send what.
    pub pins: Pins,
    /// The live segment.
    pub ledger: PathBuf,
    /// The counters.
    pub metrics: Metrics,
    /// Requests per user.
    pub rate: Rate,
    /// Whose commands may not run.
    pub freeze: Freeze,
    /// One more than the last durable number; 0 before the first.
    durable: AtomicU64,
    account: Mutex<Account>,
}

#[derive(Debug)]
struct Account {
    status: Status,
    heartbeat: Instant,
}

impl Shared {
    /// Before anything was recorded.
    pub fn new(pins: Pins, ledger: PathBuf, rate: u32, freeze: Freeze) -> Shared {
        let status = Status {
            ledger: ledger.display().to_string(),
            ..Status::default()
        };
        let metrics = Metrics::new(&pins);
        metrics.frozen(|profile| freeze.is_frozen(profile));
        let account = Mutex::new(Account {
            status,
            heartbeat: Instant::now(),
        });
        Shared {
            pins,
            ledger,
            metrics,
            rate: Rate::new(rate),
            freeze,
            durable: AtomicU64::new(0),
            account,
        }
    }

    /// The present state.
    pub fn status(&self) -> Status {
        self.account
            .lock()
            .unwrap_or_else(PoisonError::into_inner)
            .status
            .clone()
    }

    /// The last sequence number that is durable; `None` before the writer has said so for the first time. Sinks ask here
    /// from a thread that may be put off for long, so it must not hold what the writer waits for.
    pub fn durable(&self) -> Option<u64> {
        self.durable.load(Ordering::Acquire).checked_sub(1)
    }

    /// The writer changes the state.
    pub fn update(&self, change: impl FnOnce(&mut Status)) {
        let mut account = self.account.lock().unwrap_or_else(PoisonError::into_inner);
        change(&mut account.status);
        if !account.status.head.is_empty() {
            let next = account.status.seq.saturating_add(1);
            self.durable.store(next, Ordering::Release);
        }
        account.heartbeat = Instant::now();
        self.metrics.available(account.status.unavailable.is_none());
    }

    /// Whether the writer makes progress.
    pub fn is_alive(&self) -> bool {
        self.account
            .lock()
            .unwrap_or_else(PoisonError::into_inner)
            .heartbeat
            .elapsed()
            < STUCK_AFTER
    }
}
