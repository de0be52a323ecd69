//! Load on the sidecar, for whoever wants the numbers of their own disk:
//! `cargo run --release -p acceptance --bin load -- [DIRECTORY] [SECONDS]`.
//!
//! It prints, as one JSON object: the disk's own `fdatasync` (p50 of 600 bytes appended), acknowledged events per second and
//! p50/p99 with 1, 16 and 256 clients, the sidecar's memory, how fast `reeve audit verify` reads what was written, and how
//! long a restart takes.

use acceptance::binaries;
use acceptance::load::{Sidecar, press};
use serde_json::json;
use std::io::Write;
use std::path::{Path, PathBuf};
use std::process::{Command, Stdio};
use std::time::{Duration, Instant};

fn main() {
    let mut arguments = std::env::args_os().skip(1);
    let directory = arguments.next().map_or_else(std::env::temp_dir, PathBuf::from);
    let seconds = arguments
        .next()
        .and_then(|text| text.to_str()?.parse().ok())
        .unwrap_or(5);
    let how_long = Duration::from_secs(seconds);
    let sync = disk(&directory);
    let mut sidecar = Sidecar::start_in(&directory, &[]);
    let idle = sidecar.resident_kib();
    let mut first_id = 1;
    let mut loads = Vec::new();
    for clients in [1, 16, 256] {
        let measured = press(&sidecar.socket(), clients, first_id, how_long);
        first_id += clients;
        loads.push(json!({
            "clients": clients,
            "acknowledged_per_second": measured.rate.round(),
            "p50_us": measured.quantile(0.5).as_micros(),
            "p99_us": measured.quantile(0.99).as_micros(),
        }));
    }
    let loaded = sidecar.resident_kib();
    sidecar.kill();
    let restart = sidecar.restart();
    let restarted = sidecar.resident_kib();
    sidecar.stop();
    let (bytes, took) = verify(&sidecar.ledger());
    let report = json!({
        "fdatasync_p50_us": sync.as_micros(),
        "loads": loads,
        "rss_idle_kib": idle, "rss_loaded_kib": loaded, "rss_restarted_kib": restarted,
        "ledger_bytes": bytes,
        "restart_ms": restart.as_millis(),
        "verify_mb_per_second": (bytes as f64 / 1e6 / took.as_secs_f64()).round(),
    });
    let printed = writeln!(std::io::stdout(), "{report}");
    printed.expect("standard output can be written");
}

/// What one append and `fdatasync` takes there, without us.
fn disk(directory: &Path) -> Duration {
    let mut file = tempfile::tempfile_in(directory).expect("a file can be made");
    let mut taken: Vec<Duration> = (0..500)
        .map(|_| {
            let begun = Instant::now();
            file.write_all(&[b'x'; 600]).expect("the disk takes it");
            file.sync_data().expect("the disk syncs");
            begun.elapsed()
        })
        .collect();
    taken.sort_unstable();
    taken[taken.len() / 2]
}

fn verify(ledger: &Path) -> (u64, Duration) {
    let bytes = std::fs::read_dir(ledger)
        .expect("the ledger is there")
        .filter_map(Result::ok)
        .filter(|entry| entry.file_name().to_string_lossy().starts_with("ledger-"))
        .map(|entry| entry.metadata().map_or(0, |metadata| metadata.len()))
        .sum();
    let begun = Instant::now();
    let status = Command::new(binaries::reeve())
        .args(["audit", "verify"])
        .arg(ledger)
        .stdout(Stdio::null())
        .status()
        .expect("reeve starts");
    assert!(status.success(), "the ledger does not verify");
    (bytes, begun.elapsed())
}
