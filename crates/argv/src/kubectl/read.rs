//! Commands that only read from the cluster.

use super::hazards::{self, reveal};
use super::reading::{Reading, Run};
use super::resources::Type;
use super::targets::{self, Target};
use super::{local, raw};
use crate::unreadable::is_deceptive;
use crate::{Effect, Hazard, Unreadable, Workload};

/// `get`.
pub(super) fn get(reading: &mut Reading<'_>) -> Result<(), Unreadable> {
    if let Some(path) = reading.line.value("raw") {
        return raw::read(reading, path);
    }
    let subresource = reading.subresource()?;
    let targets = reading.targets(&reading.arguments())?;
    reading.act(Run::Real, Effect::Read, &targets, subresource);
    Ok(())
}

/// `describe`: prints the tokens of service-account Secrets; which Secrets those are cannot be told by name.
pub(super) fn describe(reading: &mut Reading<'_>) -> Result<(), Unreadable> {
    let targets = reading.targets(&reading.arguments())?;
    reading.act(Run::Real, Effect::Read, &targets, None);
    for target in &targets {
        if target.of.kind == "serviceaccounts" {
            // kubectl up to 1.33 lists the namespace's Secrets to find the account's tokens; it prints their names.
            let tokens = Target {
                of: Type::built_in("secrets"),
                name: None,
                ..target.clone()
            };
            reading.act(Run::Real, Effect::Read, &[tokens], None);
        }
    }
    for target in targets.iter().filter(|target| target.of.holds_secrets()) {
        reveal(
            reading,
            target,
            "may hold a service account's token, which is printed",
        );
    }
    Ok(())
}

/// `rollout status`, `rollout history`, `apply view-last-applied`.
pub(super) fn inspect(reading: &mut Reading<'_>) -> Result<(), Unreadable> {
    let targets = reading.targets(&reading.arguments())?;
    reading.act(Run::Real, Effect::Read, &targets, None);
    if reading.path == "apply view-last-applied" {
        for target in targets.iter().filter(|target| target.of.holds_secrets()) {
            reveal(reading, target, "is printed as it was last applied");
        }
    }
    Ok(())
}

/// `wait`.
pub(super) fn wait(reading: &mut Reading<'_>) -> Result<(), Unreadable> {
    if reading.line.on("local") {
        return Err(local_is_refused(reading));
    }
    let targets = reading.targets(&reading.arguments())?;
    reading.act(Run::Real, Effect::Read, &targets, None);
    let compares = reading
        .line
        .values("for")
        .any(|condition| condition.text.contains("jsonpath"));
    for target in targets
        .iter()
        .filter(|target| compares && target.of.holds_secrets())
    {
        reveal(reading, target, "is compared with what the line says");
    }
    Ok(())
}

fn local_is_refused(reading: &Reading<'_>) -> Unreadable {
    let problem = "has no meaning that is known for this command";
    reading
        .line
        .word("local")
        .map_or_else(|| Unreadable::missing(problem), |word| word.unreadable(problem))
}

/// `logs POD`, `logs TYPE/NAME`, `logs -l …`.
pub(super) fn logs(reading: &mut Reading<'_>) -> Result<(), Unreadable> {
    let arguments = reading.arguments();
    let chosen = reading.line.value("selector").is_some();
    let target = match arguments.as_slice() {
        [] if chosen => Target::every(Type::built_in("pods")),
        [] => return Err(Unreadable::missing("`kubectl logs` does not say whose").hint("name a pod")),
        [word] | [word, _] => targets::named(*word, "pods")?,
        [_, _, extra, ..] => {
            return Err(extra.unreadable("is one word too many: a pod and a container are enough"));
        }
    };
    if target.of.kind == "pods" {
        reading.operate(Effect::Read, "logs", &target, Some("log"));
    } else {
        reading.operate(Effect::Read, "logs", &target, None);
        reading.operate(
            Effect::Read,
            "logs",
            &Target::every(Type::built_in("pods")),
            Some("log"),
        );
    }
    Ok(())
}

/// `events`, all or those `--for TYPE/NAME`.
pub(super) fn events(reading: &mut Reading<'_>) -> Result<(), Unreadable> {
    if let Some(extra) = reading.line.arguments.first() {
        return Err(extra
            .unreadable("does not go with `events`")
            .hint("use `--for TYPE/NAME`"));
    }
    let about: Vec<_> = reading.line.values("for").collect();
    for word in about {
        targets::pair(word)?;
    }
    reading.operate(
        Effect::Read,
        "events",
        &Target::every(Type::built_in("events")),
        None,
    );
    Ok(())
}

/// `top pod`, `top node`.
pub(super) fn top(reading: &mut Reading<'_>) -> Result<(), Unreadable> {
    let (kind, metrics) = if reading.path == "top pod" {
        ("pods", "pods.metrics.k8s.io")
    } else {
        ("nodes", "nodes.metrics.k8s.io")
    };
    let arguments = reading.arguments();
    if let Some(extra) = arguments.get(1) {
        return Err(extra.unreadable("is one word too many: one name, or a selector"));
    }
    let name = arguments
        .first()
        .map(|word| targets::name(*word, word.text))
        .transpose()?
        .map(str::to_owned);
    let target = |kind| Target {
        of: Type::built_in(kind),
        name: name.clone(),
        namespace: None,
        from_manifest: false,
        workload: Workload::default(),
    };
    reading.operate(Effect::Read, reading.path, &target(metrics), None);
    if kind == "nodes" {
        reading.operate(Effect::Read, reading.path, &target(kind), None);
    }
    Ok(())
}

/// `cluster-info` names its services; `cluster-info dump` reads what is there, and every pod's log.
pub(super) fn cluster_info(reading: &mut Reading<'_>) -> Result<(), Unreadable> {
    // kubectl pays no attention to arguments here.
    if reading.path == "cluster-info" {
        let mut system = Target::every(Type::built_in("services"));
        // kube-system unless `-n` says otherwise; the context's namespace does not count.
        let is_named = reading
            .line
            .value("namespace")
            .is_some_and(|name| !name.is_empty());
        system.namespace = (!is_named).then(|| "kube-system".to_owned());
        reading.operate(Effect::Read, reading.path, &system, None);
        return Ok(());
    }
    reading.operate(
        Effect::Read,
        reading.path,
        &Target::every(Type::built_in("nodes")),
        None,
    );
    let listed: Vec<String> = reading
        .line
        .values("namespaces")
        .flat_map(|word| word.text.split(',').map(str::to_owned).collect::<Vec<_>>())
        .collect();
    if let (Some(word), true) = (reading.line.word("namespaces"), listed.len() > 100) {
        return Err(word.unreadable("lists too many namespaces"));
    }
    if let (Some(word), true) = (
        reading.line.word("namespaces"),
        listed.iter().any(|name| name.chars().any(is_deceptive)),
    ) {
        return Err(word.unreadable("contains characters that cannot be seen"));
    }
    for (kind, subresource) in [
        ("events", None),
        ("replicationcontrollers", None),
        ("services", None),
        ("daemonsets.apps", None),
        ("deployments.apps", None),
        ("replicasets.apps", None),
        ("pods", None),
        ("pods", Some("log")),
    ] {
        dump(reading, kind, subresource, &listed);
    }
    if let Some(directory) = reading
        .line
        .value("output-directory")
        .filter(|directory| *directory != "-")
    {
        reading.file(directory, true);
        reading.hazard(Hazard::WritesFiles, "`--output-directory` writes local files");
    }
    Ok(())
}

fn dump(reading: &mut Reading<'_>, kind: &str, subresource: Option<&str>, namespaces: &[String]) {
    let every = Target::every(Type::built_in(kind));
    if reading.line.on("all-namespaces") || namespaces.is_empty() {
        // Without `-A` or `--namespaces` it is the current namespace and kube-system.
        reading.operate(Effect::Read, reading.path, &every, subresource);
    }
    let system = ["kube-system".to_owned()];
    let also = if namespaces.is_empty() && !reading.line.on("all-namespaces") {
        &system[..]
    } else {
        namespaces
    };
    for namespace in also {
        let there = Target {
            namespace: Some(namespace.clone()),
            ..every.clone()
        };
        reading.operate(Effect::Read, reading.path, &there, subresource);
    }
}

/// `auth can-i`, `auth whoami`: questions about oneself, asked by POST.
pub(super) fn review(reading: &mut Reading<'_>) -> Result<(), Unreadable> {
    let kind = match (reading.path, reading.line.on("list")) {
        ("auth whoami", _) => "selfsubjectreviews.authentication.k8s.io",
        (_, true) => "selfsubjectrulesreviews.authorization.k8s.io",
        _ => "selfsubjectaccessreviews.authorization.k8s.io",
    };
    reading.operate(
        Effect::Read,
        reading.path,
        &Target::every(Type::built_in(kind)),
        None,
    );
    Ok(())
}

/// `version`, `api-resources`, `api-versions`, `explain`: about the server itself.
pub(super) fn server(reading: &mut Reading<'_>) -> Result<(), Unreadable> {
    let client = reading.path == "version" && reading.line.on("client");
    reading.plain(if client { Effect::Local } else { Effect::Read });
    Ok(())
}

/// `diff`: a read and a server-side dry run per object, and a local program that shows the difference.
pub(super) fn diff(reading: &mut Reading<'_>) -> Result<(), Unreadable> {
    if let Some(extra) = reading.line.arguments.first() {
        return Err(extra.unreadable("does not go with `diff`").hint("use `-f`"));
    }
    let targets = reading.targets(&[])?;
    reading.act(Run::Real, Effect::Read, &targets, None);
    for target in targets.iter().filter(|target| target.of.holds_secrets()) {
        reveal(reading, target, "is compared with its annotations in clear");
    }
    if reading.line.on("prune") {
        hazards::of_prune(reading);
    }
    local::external_diff(reading);
    Ok(())
}
