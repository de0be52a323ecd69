//! How long a decision takes: reading a command line and judging it by 200 rules of every kind of pattern.
//!
//! ```text
//! cargo bench -p policies
//! ```
//!
//! *warm* is the usual repetition. *cold* is the first decision of a process, which is what a gate makes: the benchmark starts
//! itself anew for each, and the child measures and prints; its tables are in the page cache, but nothing is in its memory.
//! *recorded lines* decides every line of the corpora in its order, many times over: how the times are spread over commands.

use criterion::Criterion;
use policies::{CommandLine, Documents, Governance, Level, Manifests};
use std::hint::black_box;
use std::process::Command;
use std::time::{Duration, Instant};

/// How often a process is started for each line.
const COLD_ROUNDS: usize = 200;

/// How often the recorded lines are decided.
const RECORDED_ROUNDS: usize = 20;

/// One that is allowed and one that is refused, of each tool.
const LINES: [(&str, &str); 6] = [
    ("kubectl allowed", "kubectl get pods -n dev -o wide"),
    ("kubectl refused", "kubectl delete deploy/web -n team-z"),
    (
        "aws allowed",
        "aws ec2 describe-instances --region eu-west-1 --filters Name=tag:a,Values=b",
    ),
    ("aws refused", "aws ec2 terminate-instances --instance-ids i-1"),
    ("gh allowed", "gh api repos/octo/app/pulls --paginate"),
    ("gh refused", "gh api graphql -f query='mutation { x { y } }'"),
];

struct One(String);

impl Documents for One {
    fn document(&self, _: &str) -> Result<Option<String>, String> {
        Ok(Some(self.0.clone()))
    }
}

type Outcome = Result<(), Box<dyn std::error::Error>>;

fn main() -> Outcome {
    let args: Vec<String> = std::env::args().collect();
    if let [_, flag, snapshot, line] = args.as_slice()
        && flag == "--once"
    {
        return once(snapshot, line);
    }
    let governance = Governance::load(Level::L2, None, &One(document()))?;
    let snapshot = governance.snapshot();
    cold(&snapshot)?;
    recorded(&governance)?;
    warm(&governance, &snapshot)
}

/// In the child: loading, then one decision, in nanoseconds.
fn once(snapshot: &str, line: &str) -> Outcome {
    let text = std::fs::read_to_string(snapshot)?;
    let begun = Instant::now();
    let governance = Governance::from_snapshot(&text)?;
    let loaded = begun.elapsed();
    let begun = Instant::now();
    let command = CommandLine::read(line)?;
    black_box(governance.decide(&command, &Manifests::new()));
    println!("{} {}", loaded.as_nanos(), begun.elapsed().as_nanos());
    Ok(())
}

fn cold(snapshot: &str) -> Outcome {
    let file = std::env::temp_dir().join(format!("decision-{}.json", std::process::id()));
    std::fs::write(&file, snapshot)?;
    println!("cold, {COLD_ROUNDS} processes each:  loading p50 / p99    decision p50 / p99");
    for (name, line) in LINES {
        let mut times: [Vec<Duration>; 2] = [Vec::new(), Vec::new()];
        for _ in 0..COLD_ROUNDS {
            let output = Command::new(std::env::current_exe()?)
                .arg("--once")
                .arg(&file)
                .arg(line)
                .output()?;
            let text = String::from_utf8(output.stdout)?;
            for (times, word) in times.iter_mut().zip(text.split_whitespace()) {
                times.push(Duration::from_nanos(word.parse()?));
            }
        }
        let [loading, decision] = times.map(|mut times| {
            times.sort();
            let at = |share: usize| times.get(times.len() * share / 100).copied().unwrap_or_default();
            format!("{:>8.1?} / {:>8.1?}", at(50), at(99))
        });
        println!("  {name:18} {loading}   {decision}");
    }
    std::fs::remove_file(&file)?;
    Ok(())
}

/// Every command line that the real tools were recorded with, [`RECORDED_ROUNDS`] times in turn.
fn recorded(governance: &Governance) -> Outcome {
    let mut lines = Vec::new();
    for tool in ["kubectl", "aws", "gh"] {
        let path = format!("{}/../tests/corpora/wire_{tool}.json", env!("CARGO_MANIFEST_DIR"));
        let cases: Vec<serde_json::Value> = serde_json::from_str(&std::fs::read_to_string(path)?)?;
        for case in cases {
            let words: Vec<String> = serde_json::from_value(case.get("argv").cloned().unwrap_or_default())?;
            let words = words.iter().map(String::as_str);
            // A line that no shell can be given is none of an agent's.
            let Ok(line) = shlex::try_join(std::iter::once(tool).chain(words.skip(1))) else {
                continue;
            };
            lines.push(CommandLine::read(&line)?);
        }
    }
    let nothing = Manifests::new();
    let mut times = Vec::with_capacity(lines.len().saturating_mul(RECORDED_ROUNDS));
    for round in 0..=RECORDED_ROUNDS {
        for line in &lines {
            let begun = Instant::now();
            black_box(governance.decide(black_box(line), &nothing));
            if round > 0 {
                times.push(begun.elapsed()); // the first round warms
            }
        }
    }
    times.sort_unstable();
    let at = |share: usize| times.get(times.len().saturating_mul(share) / 1000).copied();
    let micros = |time: Option<Duration>| time.unwrap_or_default().as_secs_f64() * 1e6;
    println!(
        "recorded lines, {} of them, {RECORDED_ROUNDS} rounds: p50 {:.1} us, p90 {:.1}, p99 {:.1}, p99.9 {:.1}",
        lines.len(),
        micros(at(500)),
        micros(at(900)),
        micros(at(990)),
        micros(at(999)),
    );
    Ok(())
}

fn warm(governance: &Governance, snapshot: &str) -> Outcome {
    let mut criterion = Criterion::default().configure_from_args();
    criterion.bench_function("load 200 rules", |bench| {
        bench.iter(|| black_box(Governance::from_snapshot(black_box(snapshot)).is_ok()));
    });
    let nothing = Manifests::new();
    for (name, line) in LINES {
        let command = CommandLine::read(line)?;
        criterion.bench_function(name, |bench| {
            bench.iter(|| black_box(governance.decide(black_box(&command), &nothing)));
        });
    }
    criterion.final_summary();
    Ok(())
}

/// 200 rules: words, stars, globs that are compiled, regular expressions; deny and allow; the last ones allow reads.
fn document() -> String {
    let mut text = "apiVersion: reeve/v1\nkind: Governance\nlevel: L2\nrules:\n".to_owned();
    for number in 0..197 {
        let rule = match number % 5 {
            0 => format!("deny: {{tool: kubectl, verb: [drain, delete], namespace: team-{number}}}"),
            1 => format!("allow: {{tool: kubectl, verb: [logs, top pod], namespace: \"team-{number}-*\"}}"),
            2 => format!("deny: {{tool: kubectl, verb: scale, namespace: \"t?am-{number}\"}}"),
            3 => format!(
                "allow: {{tool: aws, command: [\"ec2 describe-v*\", \"s3 ls\"], region: \"eu-*-{number}\"}}"
            ),
            _ => format!("deny: {{tool: kubectl, verb: exec, name: \"/(web|app)-{number}-[a-z]+/\"}}"),
        };
        text.push_str(&format!("  - {{id: r{number}, {rule}}}\n"));
    }
    text.push_str("  - {id: get, allow: {tool: kubectl, verb: get}}\n");
    text.push_str("  - {id: aws, allow: {tool: aws, effect: read}}\n");
    text.push_str("  - {id: gh, allow: {tool: gh, effect: read}}\n");
    text
}
