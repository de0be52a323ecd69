//! Commands that run code in a container, or open a way to one.

use super::reading::Reading;
use super::resources::Type;
use super::targets::{self, Target};
use super::tree::Word;
use crate::unreadable::is_deceptive;
use crate::{Effect, Hazard, Unreadable};

/// `exec`, `attach`.
pub(super) fn execute(reading: &mut Reading<'_>) -> Result<(), Unreadable> {
    // With `-f` every word is part of the command.
    let from_file = reading.manifest_targets()?;
    if from_file.is_empty() {
        let target = first_target(reading, "pods")?;
        through(reading, Effect::Execute, &target, reading.path);
    } else {
        reading.operate(
            Effect::Execute,
            reading.path,
            &Target::every(Type::built_in("pods")),
            Some(reading.path),
        );
    }
    reading.hazard(
        Hazard::RunsRemoteCode,
        format!("`{}` reaches a program in a container", reading.path),
    );
    Ok(())
}

/// `port-forward`, `proxy`.
pub(super) fn tunnel(reading: &mut Reading<'_>) -> Result<(), Unreadable> {
    reading.hazard(
        Hazard::OpensTunnel,
        format!("`{}` listens for others on this machine", reading.path),
    );
    if reading.path == "port-forward" {
        let target = first_target(reading, "pods")?;
        through(reading, Effect::Connect, &target, "portforward");
        return Ok(());
    }
    if let Some(extra) = reading.line.arguments.first() {
        return Err(extra.unreadable("does not go with `proxy`"));
    }
    reading.plain(Effect::Connect);
    if let Some(directory) = reading.line.value("www") {
        reading.file(directory, false);
        reading.hazard(Hazard::ReadsFiles, "`--www` serves local files");
    }
    if let Some(socket) = reading.line.value("unix-socket") {
        reading.file(socket, true);
        reading.hazard(Hazard::WritesFiles, "`--unix-socket` makes a local file");
    }
    Ok(())
}

/// An operation on a pod, or on the one that some other object leads to.
fn through(reading: &mut Reading<'_>, effect: Effect, target: &Target, subresource: &str) {
    let verb = reading.path;
    if target.of.kind == "pods" {
        reading.operate(effect, verb, target, Some(subresource));
    } else {
        reading.operate(Effect::Read, verb, target, None);
        reading.operate(
            effect,
            verb,
            &Target::every(Type::built_in("pods")),
            Some(subresource),
        );
    }
}

fn first_target(reading: &Reading<'_>, default_type: &str) -> Result<Target, Unreadable> {
    let word =
        reading.line.arguments.first().ok_or_else(|| {
            Unreadable::missing(&format!("`kubectl {}` does not say which pod", reading.path))
        })?;
    targets::named(*word, default_type)
}

/// `debug`: a container in the pod, a copy of it, or a pod on the node.
pub(super) fn debug(reading: &mut Reading<'_>) -> Result<(), Unreadable> {
    let before = reading.line.dash.unwrap_or(reading.line.arguments.len());
    let words: Vec<Word<'_>> = reading.arguments().into_iter().take(before).collect();
    let mut targets = targets::all_named(&words, "pods")?;
    targets.extend(reading.manifest_targets()?);
    if targets.is_empty() {
        return Err(Unreadable::missing("`kubectl debug` does not say what"));
    }
    if let Some(path) = reading.line.value("custom") {
        reading.file(path, false);
        reading.hazard(Hazard::ReadsFiles, "`--custom` reads a local file");
    }
    let attaches = ["attach", "stdin", "tty"]
        .into_iter()
        .any(|name| reading.line.on(name));
    for target in &targets {
        debug_one(reading, target)?;
    }
    if attaches {
        reading.operate(
            Effect::Execute,
            "debug",
            &Target::every(Type::built_in("pods")),
            Some("attach"),
        );
    }
    reading.hazard(Hazard::RunsRemoteCode, "`debug` starts a container");
    Ok(())
}

fn debug_one(reading: &mut Reading<'_>, target: &Target) -> Result<(), Unreadable> {
    let pods = Type::built_in("pods");
    if target.of.kind == "nodes" {
        reading.operate(Effect::Read, "debug", target, None);
        reading.operate(Effect::Execute, "debug", &Target::every(pods), None);
    } else if let (Some(copy), Some(word)) = (reading.line.value("copy-to"), reading.line.word("copy-to")) {
        let copy = Target::named(pods, targets::name(word, copy)?);
        reading.operate(Effect::Read, "debug", target, None);
        reading.operate(Effect::Execute, "debug", &copy, None);
        if reading.line.on("replace") {
            reading.operate(Effect::Delete, "debug", target, None);
        }
    } else {
        reading.operate(Effect::Execute, "debug", target, Some("ephemeralcontainers"));
    }
    Ok(())
}

/// `cp FROM TO`: runs `tar` in the container, in both directions.
pub(super) fn copy(reading: &mut Reading<'_>) -> Result<(), Unreadable> {
    let arguments = reading.arguments();
    let [from, to] = arguments.as_slice() else {
        return Err(Unreadable::missing("`kubectl cp` takes two places: from and to"));
    };
    let mut remote = 0;
    for (word, writes) in [(from, false), (to, true)] {
        match place(*word)? {
            Some(pod) => {
                remote += 1;
                reading.operate(Effect::Execute, "cp", &pod, Some("exec"));
            }
            None => {
                reading.file(word.text, writes);
                let (hazard, because) = if writes {
                    (Hazard::WritesFiles, "`cp` writes local files")
                } else {
                    (Hazard::ReadsFiles, "`cp` sends local files")
                };
                reading.hazard(hazard, because);
            }
        }
    }
    if remote != 1 {
        return Err(to.unreadable("and the place before it: one must be in a pod, and one must not"));
    }
    reading.hazard(Hazard::RunsRemoteCode, "`cp` runs `tar` in the container");
    Ok(())
}

/// `PATH`, `POD:PATH` or `NAMESPACE/POD:PATH`; `None` for a local one.
fn place(word: Word<'_>) -> Result<Option<Target>, Unreadable> {
    let Some((pod, _)) = word.text.split_once(':') else {
        return Ok(None);
    };
    let (namespace, name) = match pod.split_once('/') {
        Some((namespace, name)) => (Some(namespace), name),
        None => (None, pod),
    };
    let mut target = Target::named(Type::built_in("pods"), targets::name(word, name)?);
    if let Some(namespace) = namespace {
        if namespace.is_empty() || namespace.chars().any(is_deceptive) {
            return Err(word.unreadable("does not name a pod"));
        }
        target.namespace = Some(namespace.to_owned());
    }
    Ok(Some(target))
}
