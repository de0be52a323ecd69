//! How long it takes to load a snapshot and to judge by it, with 200 rules of every kind of pattern.
//!
//! ```text
//! cargo run --release -p policies --example speed
//! ```

use argv::{Effect, Invocation, Namespace, Operation, Resource, Tool};
use policies::{Documents, Governance, Level};
use std::hint::black_box;
use std::time::{Duration, Instant};

const ROUNDS: usize = 2000;

struct One(String);

impl Documents for One {
    fn document(&self, _: &str) -> Result<Option<String>, String> {
        Ok(Some(self.0.clone()))
    }
}

fn main() -> Result<(), Box<dyn std::error::Error>> {
    let governance = Governance::load(Level::L2, None, &One(document()))?;
    let snapshot = governance.snapshot();
    println!(
        "{} rules, {} bytes of snapshot, {ROUNDS} rounds",
        200,
        snapshot.len()
    );
    report("load the snapshot", || {
        black_box(Governance::from_snapshot(black_box(&snapshot)).is_ok());
    });
    let allowed = invocation(Effect::Read, "get", "pods", "dev");
    let refused = invocation(Effect::Write, "apply", "deployments.apps", "team-z");
    report("judge what the last rule allows", || {
        black_box(governance.evaluate(black_box(&allowed)));
    });
    report("judge what nothing allows", || {
        black_box(governance.evaluate(black_box(&refused)));
    });
    report("load, and judge once", || {
        black_box(
            Governance::from_snapshot(black_box(&snapshot))
                .map(|new| new.evaluate(&allowed))
                .is_ok(),
        );
    });
    Ok(())
}

/// 200 rules: words, stars, globs that are compiled, regular expressions; deny and allow; the last allows `get`.
fn document() -> String {
    let mut text = "apiVersion: reeve/v1\nkind: Governance\nlevel: L2\nrules:\n".to_owned();
    for number in 0..199 {
        let rule = match number % 5 {
            0 => format!("deny: {{tool: kubectl, verb: [drain, delete], namespace: team-{number}}}"),
            1 => format!("allow: {{tool: kubectl, verb: [logs, top pod], namespace: \"team-{number}-*\"}}"),
            2 => format!("deny: {{tool: kubectl, verb: scale, namespace: \"t?am-{number}\"}}"),
            3 => format!(
                "allow: {{tool: aws, command: [\"ec2 describe-*\", \"s3 ls\"], region: \"eu-*-{number}\"}}"
            ),
            _ => format!("deny: {{tool: kubectl, verb: exec, name: \"/(web|app)-{number}-[a-z]+/\"}}"),
        };
        text.push_str(&format!("  - {{id: r{number}, {rule}}}\n"));
    }
    text.push_str("  - {id: last, allow: {tool: kubectl, verb: get}}\n");
    text
}

fn invocation(effect: Effect, verb: &str, kind: &str, namespace: &str) -> Invocation {
    let mut operation = Operation::new(effect, verb);
    operation.resource = Some(Resource::kind(kind));
    operation.scope.namespace = Namespace::Named(namespace.to_owned());
    Invocation::simple(Tool::Kubectl, verb, operation)
}

fn report(what: &str, mut act: impl FnMut()) {
    let mut times: Vec<Duration> = (0..ROUNDS)
        .map(|_| {
            let begun = Instant::now();
            act();
            begun.elapsed()
        })
        .collect();
    times.sort();
    let at = |share: usize| times.get(ROUNDS * share / 100).copied().unwrap_or_default();
    println!("{what:34} p50 {:>9.1?}  p99 {:>9.1?}", at(50), at(99));
}
