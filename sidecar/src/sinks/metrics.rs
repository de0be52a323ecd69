//! What is measured of each sink. The only label is the sink's name, and there are at most 32 sinks.

use super::backoff::State;
use crate::metrics::register;
use prometheus::{Gauge, GaugeVec, IntCounter, IntCounterVec, IntGauge, IntGaugeVec, Opts, Registry};
use std::sync::Mutex;
use std::sync::PoisonError;
use std::sync::atomic::{AtomicI64, Ordering};

/// All sinks'.
pub struct SinkMetrics {
    delivered: IntCounterVec,
    skipped: IntCounterVec,
    failures: IntCounterVec,
    dead: IntCounterVec,
    held: IntGaugeVec,
    lag: IntGaugeVec,
    lag_seconds: GaugeVec,
    breaker: IntGaugeVec,
    up: IntGaugeVec,
}

const LABEL: &[&str] = &["sink"];

impl SinkMetrics {
    /// Registers them.
    pub fn new(registry: &Registry) -> SinkMetrics {
        let counters =
            |name: &str, help: &str| register(registry, IntCounterVec::new(Opts::new(name, help), LABEL));
        let gauges =
            |name: &str, help: &str| register(registry, IntGaugeVec::new(Opts::new(name, help), LABEL));
        SinkMetrics {
            delivered: counters(
                "reeve_sink_delivered_total",
                "Records that the receiver has acknowledged",
            ),
            skipped: counters(
                "reeve_sink_skipped_total",
                "Records that the sink's filter keeps out",
            ),
            failures: counters(
                "reeve_sink_failures_total",
                "Batches that failed and are sent again",
            ),
            dead: counters(
                "reeve_sink_dead_letters_total",
                "Records that the receiver will not take",
            ),
            held: gauges("reeve_sink_dead_letters", "Dead letters on disk"),
            lag: gauges("reeve_sink_lag_records", "Durable records that are not done yet"),
            lag_seconds: register(
                registry,
                GaugeVec::new(
                    Opts::new(
                        "reeve_sink_lag_seconds",
                        "Age of the oldest record that is not done yet",
                    ),
                    LABEL,
                ),
            ),
            breaker: gauges("reeve_sink_breaker_state", "0 closed, 1 half open, 2 open"),
            up: gauges(
                "reeve_sink_up",
                "1 when the last try succeeded; 0 when it failed or the configuration is wrong",
            ),
        }
    }

    /// One sink's.
    pub fn of(&self, name: &str) -> OneSink {
        let label = &[name];
        OneSink {
            delivered: self.delivered.with_label_values(label),
            skipped: self.skipped.with_label_values(label),
            failures: self.failures.with_label_values(label),
            dead: self.dead.with_label_values(label),
            held: self.held.with_label_values(label),
            lag: self.lag.with_label_values(label),
            lag_seconds: self.lag_seconds.with_label_values(label),
            breaker: self.breaker.with_label_values(label),
            up: self.up.with_label_values(label),
            at: AtomicI64::new(-1),
            oldest_ns: AtomicI64::new(0),
            why: Mutex::new(None),
        }
    }
}

/// One sink's, and what `reeve sinks` shows of it.
pub struct OneSink {
    /// See [`SinkMetrics::new`], for each.
    pub delivered: IntCounter,
    /// …
    pub skipped: IntCounter,
    /// …
    pub failures: IntCounter,
    /// …
    pub dead: IntCounter,
    /// …
    pub held: IntGauge,
    /// …
    pub lag: IntGauge,
    lag_seconds: Gauge,
    breaker: IntGauge,
    /// …
    pub up: IntGauge,
    /// The cursor; −1 before the first record.
    at: AtomicI64,
    /// The time of the oldest record that waits; 0 when that is not known.
    oldest_ns: AtomicI64,
    why: Mutex<Option<String>>,
}

impl OneSink {
    /// The cursor moved.
    pub fn cursor(&self, at: Option<u64>) {
        let at = at.and_then(|at| i64::try_from(at).ok()).unwrap_or(-1);
        self.at.store(at, Ordering::Relaxed);
    }

    /// Where the cursor stands; −1 before the first record.
    pub fn at(&self) -> i64 {
        self.at.load(Ordering::Relaxed)
    }

    /// The oldest record that waits has this time.
    pub fn oldest(&self, time_ns: i64) {
        self.oldest_ns.store(time_ns, Ordering::Relaxed);
    }

    /// Measures the lag: a sink that hangs cannot do it itself.
    pub fn measure(&self, durable: u64, now_ns: i64) {
        let durable = i64::try_from(durable).unwrap_or(i64::MAX);
        let lag = durable.saturating_sub(self.at()).max(0);
        self.lag.set(lag);
        let oldest = self.oldest_ns.load(Ordering::Relaxed);
        let age = if lag == 0 || oldest == 0 {
            0
        } else {
            now_ns.saturating_sub(oldest).max(0)
        };
        self.lag_seconds
            .set(std::time::Duration::from_nanos(age.unsigned_abs()).as_secs_f64());
    }

    /// The breaker's state.
    pub fn breaker(&self, state: State) {
        self.breaker.set(match state {
            State::Closed => 0,
            State::HalfOpen => 1,
            State::Open { .. } => 2,
        });
    }

    /// The breaker's state, in a word.
    pub fn breaker_word(&self) -> &'static str {
        match self.breaker.get() {
            0 => "closed",
            1 => "half open",
            _ => "open",
        }
    }

    /// Why the last try failed; `None` when it succeeded.
    pub fn explain(&self, why: Option<String>) {
        self.up.set(i64::from(why.is_none()));
        *self.why.lock().unwrap_or_else(PoisonError::into_inner) = why;
    }

    /// Why the last try failed.
    pub fn why(&self) -> Option<String> {
        self.why.lock().unwrap_or_else(PoisonError::into_inner).clone()
    }
}
