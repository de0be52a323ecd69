//! Commands that stay on this machine: configuration, kustomizations, and groups that only show their help.

use super::hazards;
use super::reading::Reading;
use crate::{Effect, Hazard, Unreadable};

/// `config …` and `kuberc set`.
pub(super) fn config(reading: &mut Reading<'_>) -> Result<(), Unreadable> {
    reading.plain(Effect::Local);
    match reading.path {
        "config view" => {
            view(reading);
            Ok(())
        }
        "config current-context" | "config get-clusters" | "config get-contexts" | "config get-users" => {
            Ok(())
        }
        path => {
            reading.hazard(
                Hazard::ChangesTool,
                format!("`{path}` changes kubectl's own configuration"),
            );
            reading.hazard(Hazard::WritesFiles, format!("`{path}` writes a local file"));
            for name in ["kubeconfig", "kuberc"] {
                if let Some(file) = reading.line.value(name) {
                    reading.file(file, true);
                }
            }
            Ok(())
        }
    }
}

/// `config view` blanks out tokens and keys unless told otherwise; kubectl 1.20 leaves passwords in clear.
fn view(reading: &mut Reading<'_>) {
    for name in ["raw", "flatten"] {
        if reading.line.on(name) {
            reading.hazard(
                Hazard::RevealsCredentials,
                format!("`--{name}` shows tokens and keys"),
            );
        }
    }
    // One context's user is what this kubectl runs as anyway; its token and keys are blanked out.
    let narrow = reading.line.on("minify") && !reading.line.has("user") && !reading.line.has("context");
    let picked = reading.line.value("output").is_some_and(picks_harmless_fields);
    if !narrow && !picked {
        reading.hazard(
            Hazard::RevealsCredentials,
            "older versions show the passwords of all users",
        );
    }
}

/// Whether a JSONPath output ends in fields that never hold a password.
fn picks_harmless_fields(output: &str) -> bool {
    const HARMLESS: [&str; 8] = [
        "name",
        "namespace",
        "cluster",
        "server",
        "token",
        "current-context",
        "certificate-authority",
        "proxy-url",
    ];
    let Some(template) = output
        .strip_prefix("jsonpath=")
        .or_else(|| output.strip_prefix("jsonpath-as-json="))
    else {
        return false;
    };
    let mut fields = template
        .split('{')
        .skip(1)
        .filter_map(|part| part.split('}').next())
        .peekable();
    fields.peek().is_some()
        && fields.all(|field| {
            let last = field.rsplit(['.', '[', ' ']).next().unwrap_or("");
            let literal = (field.starts_with('"') && field.ends_with('"')) || field == "end";
            let iteration = field.strip_prefix("range ").is_some();
            literal || iteration || HARMLESS.contains(&last) || field.ends_with(".context.user")
        })
}

/// `kustomize DIRECTORY`.
pub(super) fn kustomize(reading: &mut Reading<'_>) -> Result<(), Unreadable> {
    let arguments = reading.arguments();
    if let Some(extra) = arguments.get(1) {
        return Err(extra.unreadable("is one word too many: one directory is taken"));
    }
    reading.plain(Effect::Local);
    hazards::of_kustomization(reading, arguments.first().map_or(".", |word| word.text));
    let mut built = reading.manifests.unwrap_or_default().iter();
    if built.any(|manifest| manifest.kind == "Secret") {
        reading.hazard(
            Hazard::RevealsCredentials,
            "a secret of the kustomization is shown",
        );
    }
    if let Some(path) = reading.line.value("output") {
        reading.file(path, true);
        reading.hazard(Hazard::WritesFiles, "`-o` writes a local file");
    }
    Ok(())
}

/// An editor is chosen by the environment, and run by a shell.
pub(super) fn editor(reading: &mut Reading<'_>) {
    reading.hazard(
        Hazard::RunsLocalCode,
        format!("`{}` starts an editor", reading.path),
    );
}

/// `diff` runs what `KUBECTL_EXTERNAL_DIFF` says.
pub(super) fn external_diff(reading: &mut Reading<'_>) {
    if reading.around.variable("KUBECTL_EXTERNAL_DIFF").is_some() {
        reading.hazard(
            Hazard::RunsLocalCode,
            "`KUBECTL_EXTERNAL_DIFF` chooses the program that shows the difference",
        );
    }
}

/// A group of commands alone prints its help; a word behind it is no command of the group.
///
/// # Errors
/// [`Unreadable`] for that word, and for a command that is no group: the table has it, but no reader does.
pub(super) fn group(reading: &mut Reading<'_>) -> Result<(), Unreadable> {
    if super::table::subcommand_names(reading.path).next().is_none() {
        return Err(Unreadable::missing(&format!(
            "what `kubectl {}` does is not known",
            reading.path
        )));
    }
    if let Some(word) = reading.line.arguments.first() {
        let fault = word.unreadable(&format!("is no command of `kubectl {}`", reading.path));
        let known = super::table::subcommand_names(reading.path);
        return Err(match super::tree::nearest(word.text, known) {
            Some(known) => fault.hint(format!("did you mean `{known}`?")),
            None => fault,
        });
    }
    reading.plain(Effect::Local);
    Ok(())
}
