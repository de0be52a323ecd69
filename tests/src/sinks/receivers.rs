//! What is asked of every receiver that writes what it gets to a file: that it has everything, also when it was restarted
//! meanwhile, and that it takes nothing from who has no certificate.

use super::programs::Program;
use super::{Received, Sidecar, certificates, events, patience};
use std::collections::BTreeMap;
use std::path::Path;
use std::time::{Duration, Instant};

/// What a receiver has written.
pub fn lines(path: &Path) -> Received {
    let received = Received::default();
    let text = std::fs::read(path).unwrap_or_default();
    for line in text.split(|byte| *byte == b'\n') {
        // A line that the receiver was writing when it died is not one.
        if let Ok(record) = serde_json::from_slice::<serde_json::Value>(line) {
            received.add_json(&record);
        }
    }
    received
}

/// Waits until the receiver, which works behind its socket, has written as many as the ledger has.
pub fn settled(sidecar: &Sidecar, read: impl Fn() -> BTreeMap<u64, String>) -> BTreeMap<u64, String> {
    let (begun, expected) = (Instant::now(), sidecar.records().len());
    loop {
        let records = read();
        if records.len() >= expected || begun.elapsed() > patience() {
            return records;
        }
        std::thread::sleep(Duration::from_millis(100));
    }
}

/// A receiver that runs has every one of so many events at the end; returns what it has. `sink` is the sink's keys.
pub fn has_everything(events: u64, sink: &str, out: &Path) -> Received {
    let mut sidecar = Sidecar::new(events, &format!("  s:\n{sink}"));
    sidecar.start();
    has_all(&sidecar, sink, out)
}

/// A receiver on TCP that is stopped three times while it receives, running for `spell` each time, has everything at the end.
pub fn has_everything_after_restarts(
    program: &mut Program,
    port: u16,
    sink: &str,
    spell: Duration,
    out: &Path,
) {
    let mut sidecar = Sidecar::new(events(), &format!("  s:\n{sink}"));
    sidecar.start();
    for _ in 0..3 {
        program.start(port);
        std::thread::sleep(spell);
        program.stop();
    }
    program.start(port);
    has_all(&sidecar, sink, out);
}

/// Waits for the sink `s` with these keys, then for its receiver, which must have all that the ledger has.
fn has_all(sidecar: &Sidecar, sink: &str, out: &Path) -> Received {
    sidecar.wait_for("s");
    settled(sidecar, || lines(out).records());
    let received = lines(out);
    println!(
        "{}: {} records, {} repeated",
        sink.trim().lines().next().unwrap_or_default(),
        received.records().len(),
        received.repeats()
    );
    sidecar.assert_received_by(|| lines(out));
    received
}

/// A receiver that runs, and wants a certificate of its clients, has everything once from the sink that presents one
/// ([`certificates::make`] has put it into `directory`). The sink that presents none delivers nothing, and says so in these
/// words of the receiver's. `address` is the keys of both, `read` what the receiver has.
pub fn takes_nothing_without_a_certificate(
    directory: &Path,
    events: u64,
    address: &str,
    refusal: &str,
    read: impl Fn() -> Received,
) {
    let mut sidecar = Sidecar::new(
        events,
        &format!(
            "  good:\n{address}{}  nobody:\n{address}{}",
            certificates::client(directory),
            certificates::nobody(directory)
        ),
    );
    sidecar.start();
    sidecar.wait_for("good");
    settled(&sidecar, || read().records());
    let received = read();
    sidecar.assert_received_by(&read);
    assert_eq!(
        received.repeats(),
        0,
        "what came without a certificate was not taken"
    );
    let (_, said) = sidecar.reeve(&["sinks"]);
    assert!(
        said.contains(refusal) && said.contains("`tls.certificate`"),
        "{said}"
    );
    assert!(
        sidecar.metric("reeve_sink_delivered_total{sink=\"nobody\"}") <= 0.0,
        "{said}"
    );
}
