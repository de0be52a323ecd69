//! The counters, with their published names. Labels come from the pinned identity and from closed sets, never from a
//! command line, so the number of series is bounded. Counters begin at zero with each start.

use audit_event::{Decision, ErrorCode, Event, Pin, Pins};
use prometheus::{
    Encoder, Gauge, GaugeVec, Histogram, HistogramOpts, HistogramVec, IntCounter, IntCounterVec, IntGauge,
    IntGaugeVec, Opts, Registry, TextEncoder,
};
use std::collections::BTreeSet;
use std::time::Duration;

const TOOLS: &[&str] = &["kubectl", "aws", "gh", "psql", "helm", "terraform"];
const REASONS: &[&str] = &[
    "allowed",
    "held",
    "no_rule",
    "denied_by_rule",
    "above_ceiling",
    "over_limit",
    "hazard",
    "unreadable",
    "configuration",
    "frozen",
];
const LEVELS: &[&str] = &["L1", "L2", "L3", "L4"];
const OTHER: &str = "other";
/// The most profiles with series of their own, in the order of the identity file; the others share one.
const MAX_PROFILES: usize = 200;

/// All of them.
#[derive(Debug)]
pub struct Metrics {
    registry: Registry,
    profiles: BTreeSet<String>,
    /// Those that share one series.
    others: BTreeSet<String>,
    frozen: IntGaugeVec,
    overflow: IntCounterVec,
    denied: IntCounterVec,
    escalated: IntCounterVec,
    decisions: IntCounterVec,
    applies: IntCounterVec,
    outcomes: IntCounter,
    rejected: IntCounterVec,
    connections: IntGauge,
    head: IntGauge,
    size: IntGauge,
    available: IntGauge,
    disk_stage: IntGauge,
    segment: IntGauge,
    checkpoint_age: IntGauge,
    incomplete: IntCounter,
    running: IntGauge,
    append: Histogram,
    batch: Histogram,
}

impl Metrics {
    /// Registers everything.
    pub fn new(pins: &Pins) -> Metrics {
        let registry = Registry::new();
        let counters = |name: &str, help: &str, labels: &[&str]| {
            register(&registry, IntCounterVec::new(Opts::new(name, help), labels))
        };
        let rule = ["profile", "track", "level", "tool", "reason"];
        let metrics = Metrics {
            profiles: pins
                .identities
                .iter()
                .take(MAX_PROFILES)
                .map(|pin| pin.profile.clone())
                .collect(),
            others: pins
                .identities
                .iter()
                .skip(MAX_PROFILES)
                .map(|pin| pin.profile.clone())
                .collect(),
            frozen: register(
                &registry,
                IntGaugeVec::new(
                    Opts::new(
                        "reeve_agent_frozen",
                        "1 while no command of the profile may run, by an operator's order",
                    ),
                    &["profile"],
                ),
            ),
            overflow: counters(
                "reeve_metrics_overflow_total",
                "Values that are counted as `other`, because their label would have too many or is not known",
                &["label"],
            ),
            denied: counters(
                "hermes_governance_denied_total",
                "Commands that were refused",
                &rule,
            ),
            escalated: counters(
                "hermes_governance_escalated_total",
                "Commands that were held for a person",
                &rule,
            ),
            decisions: counters(
                "hermes_governance_decisions_total",
                "Commands that were judged",
                &["profile", "track", "level", "tool", "decision"],
            ),
            applies: counters(
                "hermes_kubectl_apply_total",
                "kubectl apply, by how it ended",
                &["profile", "track", "outcome"],
            ),
            rejected: counters(
                "reeve_ingest_rejected_total",
                "Requests that were not recorded, by error code",
                &["code"],
            ),
            outcomes: register(
                &registry,
                IntCounter::new("reeve_outcomes_total", "Outcomes that were recorded"),
            ),
            connections: register(
                &registry,
                IntGauge::new("reeve_ingest_connections", "Open connections of gates"),
            ),
            head: register(
                &registry,
                IntGauge::new(
                    "reeve_ledger_head_seq",
                    "Sequence number of the last durable record",
                ),
            ),
            size: register(
                &registry,
                IntGauge::new("reeve_ledger_size_bytes", "Durable bytes of the live segment"),
            ),
            available: register(
                &registry,
                IntGauge::new("reeve_ledger_available", "1 when the ledger can record"),
            ),
            disk_stage: register(
                &registry,
                IntGauge::new(
                    "reeve_ledger_disk_stage",
                    "0 free, 1 getting full, 2 nothing new may run, 3 nothing is recorded",
                ),
            ),
            checkpoint_age: register(
                &registry,
                IntGauge::new(
                    "reeve_checkpoint_age_seconds",
                    "Seconds since the last signed checkpoint of the ledger",
                ),
            ),
            segment: register(
                &registry,
                IntGauge::new("reeve_ledger_segment", "Number of the live segment"),
            ),
            incomplete: register(
                &registry,
                IntCounter::new(
                    "reeve_outcomes_incomplete_total",
                    "Allowed commands of which nobody said how they ended",
                ),
            ),
            running: register(
                &registry,
                IntGauge::new(
                    "reeve_commands_running",
                    "Allowed commands of which no outcome is recorded yet",
                ),
            ),
            append: register(
                &registry,
                Histogram::with_opts(
                    HistogramOpts::new(
                        "reeve_ledger_append_duration_seconds",
                        "Write and fdatasync of one batch",
                    )
                    .buckets(vec![
                        5e-5, 1e-4, 2e-4, 5e-4, 1e-3, 2e-3, 5e-3, 0.01, 0.05, 0.1, 0.5, 1.0, 5.0,
                    ]),
                ),
            ),
            batch: register(
                &registry,
                Histogram::with_opts(
                    HistogramOpts::new(
                        "reeve_ledger_batch_records",
                        "Records made durable by one fdatasync",
                    )
                    .buckets(vec![1.0, 2.0, 4.0, 8.0, 16.0, 32.0, 64.0, 128.0, 256.0, 512.0]),
                ),
            ),
            registry,
        };
        metrics.begin(pins);
        metrics
    }

    /// Series that dashboards expect from the start.
    fn begin(&self, pins: &Pins) {
        let build: GaugeVec = register(
            &self.registry,
            GaugeVec::new(
                Opts::new("reeve_build_info", "The version that runs; always 1"),
                &["version"],
            ),
        );
        build.with_label_values(&[env!("CARGO_PKG_VERSION")]).set(1.0);
        let started: Gauge = register(
            &self.registry,
            Gauge::new(
                "process_start_time_seconds",
                "Start time of the process since unix epoch in seconds",
            ),
        );
        let now = std::time::SystemTime::now().duration_since(std::time::UNIX_EPOCH);
        started.set(now.map(|since| since.as_secs_f64()).unwrap_or_default());
        let pending: IntGaugeVec = register(
            &self.registry,
            IntGaugeVec::new(
                Opts::new("hermes_approval_pending_total", "Commands that wait for a person"),
                &["profile"],
            ),
        );
        let approvals: HistogramVec = register(
            &self.registry,
            HistogramVec::new(
                HistogramOpts::new(
                    "hermes_approval_duration_seconds",
                    "How long commands waited for a person",
                )
                .buckets(vec![
                    1.0, 5.0, 15.0, 30.0, 60.0, 120.0, 300.0, 600.0, 1800.0, 3600.0,
                ]),
                &["profile", "outcome"],
            ),
        );
        for label in ["profile", "level", "tool", "reason"] {
            self.overflow.with_label_values(&[label]);
        }
        for pin in pins.identities.iter().take(MAX_PROFILES) {
            // There is no approval desk yet, so nothing waits: what is held has ended with 75.
            pending.with_label_values(&[&pin.profile]).set(0);
            for outcome in ["approved", "rejected", "expired"] {
                approvals.with_label_values(&[&pin.profile, outcome]);
            }
            for decision in [Decision::Allowed, Decision::Blocked, Decision::Escalated] {
                for tool in ["kubectl", "aws", "gh"] {
                    self.decisions.with_label_values(&[
                        &pin.profile,
                        &pin.track,
                        &pin.level,
                        tool,
                        decision.name(),
                    ]);
                }
            }
        }
    }

    /// A decision is durable.
    pub fn decided(&self, pin: &Pin, event: &Event) {
        let profile = self.profile(pin);
        let level = self.known("level", &event.governance_level, LEVELS);
        let tool = self.known("tool", &event.wrapper, TOOLS);
        let reason = self.known("reason", &event.reason, REASONS);
        let rule = [profile, pin.track.as_str(), level, tool, reason];
        match event.decision {
            Decision::Blocked => self.denied.with_label_values(&rule).inc(),
            Decision::Escalated => self.escalated.with_label_values(&rule).inc(),
            Decision::Allowed => {}
        }
        let labels = [profile, pin.track.as_str(), level, tool, event.decision.name()];
        self.decisions.with_label_values(&labels).inc();
        if event.wrapper == "kubectl" && event.operation == "apply" {
            match event.decision {
                Decision::Blocked => self.apply(pin, "blocked"),
                Decision::Escalated => self.apply(pin, "escalated"),
                Decision::Allowed => {} // counted when it ends
            }
        }
    }

    fn profile<'p>(&self, pin: &'p Pin) -> &'p str {
        if self.profiles.contains(&pin.profile) {
            return &pin.profile;
        }
        self.overflow.with_label_values(&["profile"]).inc();
        OTHER
    }

    fn known(&self, label: &str, value: &str, known: &'static [&'static str]) -> &'static str {
        let found = one_of(value, known);
        if found == OTHER {
            self.overflow.with_label_values(&[label]).inc();
        }
        found
    }

    /// An allowed `kubectl apply` ended.
    pub fn applied(&self, pin: &Pin, succeeded: bool) {
        self.apply(pin, if succeeded { "success" } else { "failure" });
    }

    fn apply(&self, pin: &Pin, outcome: &str) {
        self.applies
            .with_label_values(&[self.profile(pin), pin.track.as_str(), outcome])
            .inc();
    }

    /// Profiles were frozen or not any more.
    pub fn frozen(&self, is_frozen: impl Fn(&str) -> bool) {
        for profile in &self.profiles {
            self.frozen
                .with_label_values(&[profile])
                .set(i64::from(is_frozen(profile)));
        }
        if !self.others.is_empty() {
            let any = self.others.iter().any(|profile| is_frozen(profile));
            self.frozen.with_label_values(&[OTHER]).set(i64::from(any));
        }
    }

    /// An outcome is durable.
    pub fn ended(&self) {
        self.outcomes.inc();
    }

    /// A request was not recorded.
    pub fn rejected(&self, code: ErrorCode) {
        let name = match code {
            ErrorCode::BadRequest => "bad_request",
            ErrorCode::TooLarge => "too_large",
            ErrorCode::Version => "version",
            ErrorCode::Identity => "identity",
            ErrorCode::Unavailable => "unavailable",
            ErrorCode::Busy => "busy",
            ErrorCode::ShuttingDown => "shutting_down",
            ErrorCode::Frozen => "frozen",
        };
        self.rejected.with_label_values(&[name]).inc();
    }

    /// Connections came or went.
    pub fn connected(&self, change: i64) {
        self.connections.add(change);
    }

    /// A batch was written and synced, or was tried to.
    pub fn appended(&self, took: Duration, records: usize) {
        self.append.observe(took.as_secs_f64());
        self.batch
            .observe(f64::from(u32::try_from(records).unwrap_or(u32::MAX)));
    }

    /// The chain's head moved.
    pub fn head(&self, seq: u64) {
        self.head.set(i64::try_from(seq).unwrap_or(i64::MAX));
    }

    /// The segment grew.
    pub fn ledger_size(&self, bytes: u64) {
        self.size.set(i64::try_from(bytes).unwrap_or(i64::MAX));
    }

    /// How full the disk is.
    pub fn disk_stage(&self, number: i64) {
        self.disk_stage.set(number);
    }

    /// A segment began.
    pub fn segment(&self, number: u64) {
        self.segment.set(i64::try_from(number).unwrap_or(i64::MAX));
    }

    /// The last checkpoint is so old.
    pub fn checkpoint_age(&self, age: Duration) {
        self.checkpoint_age
            .set(i64::try_from(age.as_secs()).unwrap_or(i64::MAX));
    }

    /// So many commands have no outcome yet.
    pub fn running(&self, count: usize) {
        self.running.set(i64::try_from(count).unwrap_or(i64::MAX));
    }

    /// A command was closed without an outcome of its own.
    pub fn incomplete(&self) {
        self.incomplete.inc();
    }

    /// Whether the ledger can record.
    pub fn available(&self, yes: bool) {
        self.available.set(i64::from(yes));
    }

    /// Where others register theirs.
    pub fn registry(&self) -> &Registry {
        &self.registry
    }

    /// The exposition, Prometheus text format 0.0.4.
    pub fn text(&self) -> Result<Vec<u8>, prometheus::Error> {
        let mut out = Vec::new();
        TextEncoder::new().encode(&self.registry.gather(), &mut out)?;
        Ok(out)
    }
}

/// A label out of a closed set.
fn one_of(value: &str, known: &[&'static str]) -> &'static str {
    known
        .iter()
        .find(|candidate| **candidate == value)
        .copied()
        .unwrap_or(OTHER)
}

#[expect(
    clippy::expect_used,
    reason = "names and labels are constants of this file; every test of the sidecar makes them all"
)]
pub fn register<M: prometheus::core::Collector + Clone + 'static>(
    registry: &Registry,
    made: prometheus::Result<M>,
) -> M {
    let metric = made.expect("a metric's name and labels are well formed");
    registry
        .register(Box::new(metric.clone()))
        .expect("a metric's name is used once");
    metric
}

#[cfg(test)]
mod tests {
    use super::*;

    fn pins() -> Pins {
        let pin = Pin {
            uid: 1,
            profile: "p".into(),
            level: "L2".into(),
            track: String::new(),
            policies: std::collections::BTreeMap::new(),
        };
        Pins {
            identities: vec![pin],
        }
    }

    #[test]
    fn the_published_names_are_there_from_the_start() {
        let text = String::from_utf8(Metrics::new(&pins()).text().unwrap()).unwrap();
        for name in [
            "hermes_governance_decisions_total{",
            "hermes_approval_pending_total{profile=\"p\"} 0",
            "reeve_build_info{",
        ] {
            assert!(text.contains(name), "{name} in {text}");
        }
    }

    #[test]
    fn series_are_bounded_whatever_the_identities_are() {
        let pins = Pins {
            identities: (0..1000)
                .map(|uid| Pin {
                    uid,
                    profile: format!("p{uid}"),
                    level: "L2".into(),
                    track: String::new(),
                    policies: std::collections::BTreeMap::new(),
                })
                .collect(),
        };
        let metrics = Metrics::new(&pins);
        for pin in &pins.identities {
            metrics.applied(pin, true);
        }
        let text = String::from_utf8(metrics.text().unwrap()).unwrap();
        let series = text
            .lines()
            .filter(|line| line.starts_with("hermes_kubectl_apply_total{"))
            .count();
        assert_eq!(series, MAX_PROFILES + 1);
        assert!(
            text.contains("reeve_metrics_overflow_total{label=\"profile\"} 800"),
            "{text}"
        );
    }

    #[test]
    fn what_is_not_in_the_set_is_other() {
        assert_eq!(one_of("kubectl", TOOLS), "kubectl");
        assert_eq!(one_of("kubectl\"} 1", TOOLS), "other");
    }
}
