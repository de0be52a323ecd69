//! Measures the forward sink, and what sinks cost the gate, on this machine:
//!
//! ```text
//! cargo build --release -p reeved -p acceptance --bin reeved --bin sink_bench
//! cd target/release && REEVE_BIN_DIR=. ./sink_bench forward [EVENTS]   # 200000: throughput of the sink, three times
//!                      REEVE_BIN_DIR=. ./sink_bench ingest [EVENTS]    # 500000: recording alone and while a sink drains
//!                      REEVE_BIN_DIR=. ./sink_bench dead [SECONDS]     # 600: two sinks whose receivers are dead
//! ```
//!
//! - `forward`: the receiver's own ceiling (chunks of the sink's kind from a client that does nothing else), then events
//!   per second from the first byte to the last acknowledgement, out of a ledger on disk, and per second of processor time
//!   of the sinks' thread.
//! - `ingest`: one sidecar with a backlog, and four gates without a pause. Every 400 ms the receiver stops or goes on, so
//!   recording alone and recording while the sink drains take turns in one process, until the backlog is gone. The receiver
//!   is on this machine, too: a third party that a real one has not.
//! - `dead`: one sidecar with two sinks (a receiver that hangs, one that refuses) and one without, two gates with a pause
//!   of 5 ms each, in turns of 5 s: latency of both, and their resident memory over the time.
//!
//! A run says the machine's load before and after; its numbers hold on an idle machine.

use acceptance::sinks::Sidecar;
use acceptance::sinks::measure::{Decided, Gates, Receiver, median, micros, processor_seconds, resident_kib};
use std::time::{Duration, Instant};

/// How long the receiver stops, and goes on.
const TURN: Duration = Duration::from_millis(400);
/// What of a turn's beginning belongs to none: what was under way when it began.
const BETWEEN: Duration = Duration::from_millis(50);

fn main() {
    let words: Vec<String> = std::env::args().skip(1).collect();
    let number = |default: u64| words.get(1).and_then(|word| word.parse().ok()).unwrap_or(default);
    load();
    match words.first().map(String::as_str) {
        Some("forward") => forward(number(200_000)),
        Some("ingest") => ingest(number(500_000)),
        Some("dead") => dead(Duration::from_secs(number(600))),
        _ => {
            eprintln!("sink_bench forward [EVENTS] | ingest [ROUNDS] | dead [SECONDS]");
            std::process::exit(64);
        }
    }
    load();
}

fn load() {
    let load = std::fs::read_to_string("/proc/loadavg").unwrap_or_default();
    println!("load of the machine: {}", load.trim_end());
}

fn forward(events: u64) {
    println!("receiver's own ceiling: {:.0} events/s", Receiver::ceiling());
    let mut rates = Vec::new();
    for _ in 0..3 {
        let receiver = Receiver::start(false);
        let mut sidecar = Sidecar::new(events, &sink("f", &receiver));
        // A ledger that was recorded long ago is on the disk; one that was just made would be written while it is read.
        nix::unistd::sync();
        sidecar.start();
        while receiver.count() < events {
            std::thread::sleep(Duration::from_millis(2));
        }
        let rate = receiver.rate();
        let cpu = processor_seconds(sidecar.pid(), "sinks");
        println!(
            "{rate:.0} events/s acknowledged; {cpu:.2} s of processor time, {:.0} events per second of it",
            events as f64 / cpu
        );
        rates.push(rate);
    }
    println!("forward, median: {:.0} events/s acknowledged", median(rates));
}

fn sink(name: &str, receiver: &Receiver) -> String {
    format!(
        "  {name}:\n    to: forward+tcp://127.0.0.1:{}\n    timeout_seconds: 300\n",
        receiver.port
    )
}

fn ingest(events: u64) {
    let receiver = Receiver::start(true);
    let mut sidecar = Sidecar::new(events, &sink("f", &receiver));
    sidecar.pace = 1;
    sidecar.start();
    let gates = Gates::start(&sidecar.socket(), 4, Duration::ZERO);
    std::thread::sleep(Duration::from_secs(1));
    // Each turn: when it began to count, when it ended, and what the sink delivered in it.
    let (mut alone, mut draining) = (Vec::new(), Vec::new());
    let begun = Instant::now();
    while receiver.count() < events && begun.elapsed() < Duration::from_secs(120) {
        for (is_held, turns) in [(true, &mut alone), (false, &mut draining)] {
            receiver.hold(is_held);
            std::thread::sleep(BETWEEN);
            let (from, before) = (Instant::now(), receiver.count());
            std::thread::sleep(TURN);
            turns.push((from, Instant::now(), receiver.count() - before));
        }
    }
    let cpu = processor_seconds(sidecar.pid(), "sinks");
    let decided = gates.stop();
    let within = |(from, to, _): &(Instant, Instant, u64)| -> Vec<Decided> {
        decided
            .iter()
            .filter(|one| (*from..*to).contains(&one.at))
            .copied()
            .collect()
    };
    let rate = |turn: &(Instant, Instant, u64)| within(turn).len() as f64 / (turn.1 - turn.0).as_secs_f64();
    for (name, turns) in [("alone", &alone), ("draining", &draining)] {
        let all: Vec<Decided> = turns.iter().flat_map(within).collect();
        println!(
            "recording {name}: {:.0} commands/s, decision p50 {:.0} us, p99 {:.0} us; {:.0} records/s out (medians of {} turns)",
            median(turns.iter().map(rate)),
            micros(&all, 500),
            micros(&all, 990),
            median(
                turns
                    .iter()
                    .map(|turn| turn.2 as f64 / (turn.1 - turn.0).as_secs_f64())
            ),
            turns.len()
        );
    }
    println!(
        "recording while a sink drains: {:.3} of recording alone (median of the pairs' ratios); the sinks' thread used {cpu:.2} s",
        median(alone.iter().zip(&draining).map(|(a, b)| rate(b) / rate(a)))
    );
}

fn dead(during: Duration) {
    let hanging = Receiver::start(true);
    let sinks = format!(
        "  hangs:\n    to: forward+tcp://127.0.0.1:{}\n    timeout_seconds: 5\n  refuses:\n    to: loki+http://127.0.0.1:1\n",
        hanging.port
    );
    // Nothing passes this one's filter: as good as no sink.
    let mut sidecars = [
        Sidecar::new(1000, "  none:\n    to: 'stdout:'\n    only: {kind: [none]}\n"),
        Sidecar::new(1000, &sinks),
    ];
    for sidecar in &mut sidecars {
        sidecar.pace = 1;
        sidecar.start();
    }
    let mut recorded: [Vec<Decided>; 2] = [Vec::new(), Vec::new()];
    let mut memory: [Vec<u64>; 2] = [Vec::new(), Vec::new()];
    let (begun, mut said) = (Instant::now(), 0);
    while begun.elapsed() < during {
        for ((sidecar, recorded), memory) in sidecars.iter().zip(&mut recorded).zip(&mut memory) {
            let gates = Gates::start(&sidecar.socket(), 2, Duration::from_millis(5));
            std::thread::sleep(Duration::from_secs(5));
            recorded.extend(gates.stop());
            memory.push(resident_kib(sidecar.pid()));
        }
        let tenth = begun.elapsed().as_secs() * 10 / during.as_secs().max(1);
        if tenth > said {
            said = tenth;
            println!(
                "after {:3} s: resident {} KiB without sinks, {} KiB with two dead ones",
                begun.elapsed().as_secs(),
                memory[0].last().expect("one"),
                memory[1].last().expect("one")
            );
        }
    }
    for ((name, recorded), memory) in ["no sink", "two dead sinks"].iter().zip(&recorded).zip(&memory) {
        println!(
            "{name}: decision p50 {:.0} us, p99 {:.0} us, p99.9 {:.0} us; resident {} KiB at first, {} at most, {} at last",
            micros(recorded, 500),
            micros(recorded, 990),
            micros(recorded, 999),
            memory.first().expect("one"),
            memory.iter().max().expect("one"),
            memory.last().expect("one")
        );
    }
    let failures = |sink: &str| sidecars[1].metric(&format!("reeve_sink_failures_total{{sink=\"{sink}\"}}"));
    println!(
        "the dead sinks failed {} and {} times, and were {} records behind",
        failures("hangs"),
        failures("refuses"),
        sidecars[1].metric("reeve_sink_lag_records{sink=\"hangs\"}")
    );
}
