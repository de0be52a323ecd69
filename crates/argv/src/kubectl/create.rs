//! Commands that make new objects: `create` in all its forms, and `run`.

use super::reading::{Reading, Run};
use super::resources::Type;
use super::targets::{self, Target};
use super::tree::Word;
use super::{local, raw};
use crate::{Effect, Hazard, Unreadable};

/// `create -f`, `create --raw`.
pub(super) fn from_manifest(reading: &mut Reading<'_>) -> Result<(), Unreadable> {
    if let Some(path) = reading.line.value("raw") {
        reading.manifest_targets()?;
        return raw::read(reading, path);
    }
    if let Some(extra) = reading.line.arguments.first() {
        return Err(extra.unreadable("is nothing `kubectl create` knows; plugins are not run"));
    }
    let run = reading.run()?;
    let targets = reading.targets(&[])?;
    if reading.line.on("edit") {
        local::editor(reading);
    }
    // Asking by POST whether something is allowed changes nothing.
    let (asking, making): (Vec<Target>, Vec<Target>) = targets
        .into_iter()
        .partition(|target| raw::is_review(&target.of.kind));
    reading.act(run, Effect::Read, &asking, None);
    reading.act(run, Effect::Write, &making, None);
    Ok(())
}

/// `create deployment NAME` and its like, which make one object from options alone.
pub(super) fn generated(reading: &mut Reading<'_>) -> Result<(), Unreadable> {
    let Some(kind) = generated_kind(reading.path) else {
        return local::group(reading);
    };
    let mut target = Target::named(Type::built_in(kind), only_name(reading)?);
    if reading.line.on("append-hash") {
        // The name that is made goes on with a digest of the content.
        target.name = None;
    }
    local_sources(reading);
    let run = reading.run()?;
    let copied = reading.line.values("from").next();
    if let Some(source) = copied {
        let source = targets::pair(source)?;
        let verb = format!("{}{}", reading.path, run.mark());
        reading.operate(Effect::Read, &verb, &source, None);
    }
    let effect = match run {
        Run::Real => Effect::Write,
        Run::CLIENT => Effect::Local,
        Run::Only(_) => Effect::Read,
    };
    let verb = format!("{}{}", reading.path, run.mark());
    reading.operate(effect, &verb, &target, None);
    Ok(())
}

/// `create token SERVICEACCOUNT`: it has no dry run, and prints what it makes.
pub(super) fn token(reading: &mut Reading<'_>) -> Result<(), Unreadable> {
    let target = Target::named(Type::built_in("serviceaccounts"), only_name(reading)?);
    reading.operate(Effect::Write, "create token", &target, Some("token"));
    reading.hazard(Hazard::RevealsCredentials, "a new token is printed");
    Ok(())
}

/// `run NAME --image …`: a pod, perhaps a service, perhaps attached, perhaps removed afterwards.
pub(super) fn run(reading: &mut Reading<'_>) -> Result<(), Unreadable> {
    let word = *reading
        .line
        .arguments
        .first()
        .filter(|_| reading.line.dash != Some(0))
        .ok_or_else(|| Unreadable::missing("`kubectl run` does not say a name"))?;
    let pod = Target::named(Type::built_in("pods"), targets::name(word, word.text)?);
    let service = Target {
        of: Type::built_in("services"),
        ..pod.clone()
    };
    reading.manifest_targets()?;
    let exposes = reading.line.on("expose");
    match reading.run()? {
        run @ Run::Only(_) => {
            let effect = if run == Run::CLIENT {
                Effect::Local
            } else {
                Effect::Read
            };
            let verb = format!("run{}", run.mark());
            reading.operate(effect, &verb, &pod, None);
            if exposes {
                reading.operate(effect, &verb, &service, None);
            }
        }
        Run::Real => {
            reading.operate(Effect::Execute, "run", &pod, None);
            reading.hazard(Hazard::RunsRemoteCode, "`run` starts a container");
            if exposes {
                reading.operate(Effect::Write, "run", &service, None);
            }
            if ["attach", "stdin", "tty"]
                .into_iter()
                .any(|name| reading.line.on(name))
            {
                reading.operate(Effect::Execute, "run", &pod, Some("attach"));
            }
            if reading.line.on("rm") {
                reading.operate(Effect::Delete, "run", &pod, None);
            }
        }
    }
    Ok(())
}

fn generated_kind(path: &str) -> Option<&'static str> {
    Some(match path {
        "create clusterrole" => "clusterroles.rbac.authorization.k8s.io",
        "create clusterrolebinding" => "clusterrolebindings.rbac.authorization.k8s.io",
        "create configmap" => "configmaps",
        "create cronjob" => "cronjobs.batch",
        "create deployment" => "deployments.apps",
        "create ingress" => "ingresses.networking.k8s.io",
        "create job" => "jobs.batch",
        "create namespace" => "namespaces",
        "create poddisruptionbudget" => "poddisruptionbudgets.policy",
        "create priorityclass" => "priorityclasses.scheduling.k8s.io",
        "create quota" => "resourcequotas",
        "create role" => "roles.rbac.authorization.k8s.io",
        "create rolebinding" => "rolebindings.rbac.authorization.k8s.io",
        "create secret docker-registry" | "create secret generic" | "create secret tls" => "secrets",
        "create service clusterip"
        | "create service externalname"
        | "create service loadbalancer"
        | "create service nodeport" => "services",
        "create serviceaccount" => "serviceaccounts",
        _ => return None,
    })
}

/// Exactly one name stands before `--`; what is behind it is the container's command.
fn only_name<'a>(reading: &Reading<'a>) -> Result<&'a str, Unreadable> {
    let before = reading.line.dash.unwrap_or(reading.line.arguments.len());
    let mut names = reading.line.arguments.iter().take(before).copied();
    let word = names
        .next()
        .ok_or_else(|| Unreadable::missing(&format!("`kubectl {}` does not say a name", reading.path)))?;
    match names.next() {
        Some(extra) => Err(extra.unreadable("is one word too many: exactly one name is taken")),
        None => targets::name(word, word.text),
    }
}

/// Files and environment whose content goes into the object.
fn local_sources(reading: &mut Reading<'_>) {
    let mut sources: Vec<(&str, Word<'_>)> = Vec::new();
    for name in ["from-file", "from-env-file"] {
        sources.extend(reading.line.values(name).map(|word| (name, word)));
    }
    if reading.path == "create secret tls" {
        for name in ["cert", "key"] {
            sources.extend(reading.line.values(name).map(|word| (name, word)));
        }
    }
    for (name, word) in sources {
        for source in word.text.split(',') {
            let path = if name == "from-file" {
                source.split_once('=').map_or(source, |(_, path)| path)
            } else {
                source
            };
            reading.file(path, false);
        }
        reading.hazard(
            Hazard::ReadsFiles,
            format!("`--{name}` puts a local file into the object"),
        );
        if name == "from-env-file" {
            reading.hazard(
                Hazard::RevealsCredentials,
                "`--from-env-file` takes values from the environment where the file has a name alone",
            );
        }
    }
}
