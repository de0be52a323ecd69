//! The hazards that options bring, whatever the command: other endpoints and identities, logs that show
//! bodies, files written on the side, manifests, output formats that show secret values.

use super::reading::Reading;
use super::targets::Target;
use super::tree::Word;
use crate::{Hazard, Unreadable};

/// Global options that send the request elsewhere or as somebody else.
const REDIRECTING: [(&str, &str); 15] = [
    (
        "server",
        "sends the request, and the credentials, to another server",
    ),
    ("token", "presents another credential"),
    ("username", "presents another credential"),
    ("password", "presents another credential"),
    ("client-certificate", "presents another credential"),
    ("client-key", "presents another credential"),
    ("user", "uses another identity of the configuration"),
    (
        "cluster",
        "sends this identity's credentials to another cluster of the configuration",
    ),
    ("as", "acts as somebody else"),
    ("as-group", "acts as a member of another group"),
    ("as-uid", "acts as somebody else"),
    ("as-user-extra", "acts as somebody else"),
    ("certificate-authority", "trusts another server"),
    ("tls-server-name", "trusts another server"),
    ("kubeconfig", "reads servers and credentials from another file"),
];

/// Global options that name files kubectl reads.
const READ_FILES: [&str; 5] = [
    "client-certificate",
    "client-key",
    "certificate-authority",
    "kubeconfig",
    "kuberc",
];

/// Formats that show the whole object, or whatever part of it is asked for.
const SHOWING: [&str; 13] = [
    "json",
    "yaml",
    "kyaml",
    "go-template",
    "go-template-file",
    "template",
    "templatefile",
    "jsonpath",
    "jsonpath-as-json",
    "jsonpath-file",
    "custom-columns",
    "custom-columns-file",
    "describe",
];

/// What every command's options bring.
///
/// # Errors
/// [`Unreadable`] for a log level that is not a number.
pub(super) fn of_every_command(reading: &mut Reading<'_>) -> Result<(), Unreadable> {
    // These subcommands have options of the same names that only edit the configuration (local.rs).
    if !reading.path.starts_with("config set-") {
        for (name, because) in REDIRECTING {
            // Of a list any value counts, of the others the last one.
            let list = matches!(name, "as-group" | "as-user-extra");
            let given = if list {
                reading.line.values(name).next().is_some()
            } else {
                reading.line.value(name).is_some()
            };
            if given && !local_meaning(reading.path, name) {
                reading.hazard(Hazard::RedirectsEndpoint, format!("`--{name}` {because}"));
            }
        }
        if reading.line.on("insecure-skip-tls-verify") {
            reading.hazard(
                Hazard::RedirectsEndpoint,
                "`--insecure-skip-tls-verify` trusts any server",
            );
        }
        for name in READ_FILES {
            if let Some(path) = reading.line.value(name) {
                reading.file(path, false);
            }
        }
        if reading.line.value("kubeconfig").is_some() {
            reading.hazard(
                Hazard::RunsLocalCode,
                "`--kubeconfig` may name a program that makes credentials",
            );
            reading.hazard(Hazard::ReadsFiles, "`--kubeconfig` reads a local file");
        }
        if reading.line.value("kuberc").is_some() {
            reading.hazard(Hazard::RedirectsEndpoint, "`--kuberc` may set any option");
            reading.hazard(Hazard::RunsLocalCode, "`--kuberc` may set any option");
        }
    }
    of_logging(reading)?;
    of_side_files(reading);
    of_templates(reading)
}

/// `create rolebinding --user` is whom to bind, not the global option.
fn local_meaning(path: &str, name: &str) -> bool {
    name == "user"
        && matches!(
            path,
            "create rolebinding" | "create clusterrolebinding" | "set subject"
        )
}

fn of_logging(reading: &mut Reading<'_>) -> Result<(), Unreadable> {
    let because = "logs requests and answers with their bodies";
    if let (Some(level), Some(word)) = (reading.line.value("v"), reading.line.word("v")) {
        let level: i64 = level.parse().map_err(|_| word.unreadable("is not a log level"))?;
        if level >= 8 {
            reading.hazard(Hazard::RevealsCredentials, format!("`-v={level}` {because}"));
        }
    }
    let deep = reading.line.value("vmodule").is_some_and(|patterns| {
        patterns.split(',').any(|pattern| {
            let level = pattern
                .rsplit_once('=')
                .and_then(|(_, level)| level.trim().parse::<i64>().ok());
            level.is_none_or(|level| level >= 8)
        })
    });
    if deep {
        reading.hazard(Hazard::RevealsCredentials, format!("`--vmodule` {because}"));
    }
    Ok(())
}

fn of_side_files(reading: &mut Reading<'_>) {
    for name in ["cache-dir", "log-file", "log-dir"] {
        if let Some(path) = reading.line.value(name) {
            reading.file(path, true);
            reading.hazard(Hazard::WritesFiles, format!("`--{name}` writes local files"));
        }
    }
    // `debug --profile` is another option of the same name; the value tells.
    let profile = reading.line.value("profile").filter(|kind| *kind != "none");
    if profile.is_some() && reading.path != "debug" {
        reading.file(
            reading.line.value("profile-output").unwrap_or("profile.pprof"),
            true,
        );
        reading.hazard(Hazard::WritesFiles, "`--profile` writes a local file");
    } else if let Some(path) = reading.line.value("profile-output") {
        reading.file(path, true);
        reading.hazard(
            Hazard::WritesFiles,
            "`--profile-output` names a local file to write",
        );
    }
}

/// The name of the output format: `-o jsonpath={.x}` is `jsonpath`, `--template` alone is `go-template`.
///
/// # Errors
/// [`Unreadable`] for a format that no version of kubectl has.
pub(super) fn format(reading: &Reading<'_>) -> Result<Option<String>, Unreadable> {
    // For these, `-o` is a file or has a list of its own.
    if reading.path == "kustomize" {
        return Ok(None);
    }
    let Some(output) = reading.line.value("output") else {
        return Ok(reading.line.value("template").map(|_| "go-template".to_owned()));
    };
    let name = output.split('=').next().unwrap_or(output).to_ascii_lowercase();
    let known = SHOWING.contains(&name.as_str())
        || matches!(name.as_str(), "name" | "wide")
        || (reading.path == "explain" && name.starts_with("plaintext"));
    match reading.line.word("output") {
        Some(word) if !known => Err(word
            .unreadable("is not an output format")
            .hint("`-o` is json, yaml, name, wide, jsonpath=… and the like")),
        _ => Ok(Some(name)),
    }
}

/// Formats that read a file, whose text is then printed or executed as a template.
fn of_templates(reading: &mut Reading<'_>) -> Result<(), Unreadable> {
    let Some(name) = format(reading)? else {
        return Ok(());
    };
    if !matches!(
        name.as_str(),
        "go-template-file" | "templatefile" | "jsonpath-file" | "custom-columns-file"
    ) {
        return Ok(());
    }
    let joined = reading
        .line
        .value("output")
        .and_then(|output| output.split_once('='))
        .map(|(_, path)| path);
    let path = joined
        .filter(|path| !path.is_empty())
        .or_else(|| reading.line.value("template"))
        .unwrap_or("");
    reading.file(path, false);
    reading.hazard(
        Hazard::ReadsFiles,
        format!("`-o {name}` prints what a local file says"),
    );
    Ok(())
}

/// What showing this target in the line's output format reveals.
pub(super) fn of_output(reading: &mut Reading<'_>, target: &Target) {
    let shows = format(reading)
        .ok()
        .flatten()
        .is_some_and(|name| SHOWING.contains(&name.as_str()));
    if shows && target.of.holds_secrets() {
        reveal(reading, target, "is shown with its content");
    }
}

/// A secret, or something that may be one, is shown.
pub(super) fn reveal(reading: &mut Reading<'_>, target: &Target, how: &str) {
    let what = if target.of.kind == "secrets" {
        "a secret"
    } else {
        "what a manifest names, perhaps a secret,"
    };
    reading.hazard(Hazard::RevealsCredentials, format!("{what} {how}"));
}

/// What a change brings: no name means everything there is, and checks may be off.
pub(super) fn of_change(reading: &mut Reading<'_>, target: &Target) {
    let anything = target.from_manifest || target.of.kind == super::resources::UNKNOWN;
    if target.name.is_none() && !anything {
        reading.hazard(
            Hazard::Unbounded,
            format!("no name is given, so any number of {} are meant", target.of.kind),
        );
    }
    for name in ["all", "all-namespaces", "recursive", "prune"] {
        if reading.line.on(name) {
            reading.hazard(
                Hazard::Unbounded,
                format!("`--{name}` acts on any number of objects"),
            );
        }
    }
    for name in ["force", "force-conflicts", "disable-eviction", "now"] {
        if reading.line.on(name) {
            reading.hazard(Hazard::SkipsChecks, format!("`--{name}` skips a safety check"));
        }
    }
    if reading.line.value("grace-period").is_some_and(|seconds| {
        seconds
            .trim_start_matches(['+', '-'])
            .trim_start_matches('0')
            .is_empty()
    }) {
        reading.hazard(
            Hazard::SkipsChecks,
            "`--grace-period=0` does not wait for a clean end",
        );
    }
    if matches!(reading.line.optional("validate"), Some(Some(mode)) if mode.eq_ignore_ascii_case("ignore") || super::flags::truth(mode) == Some(false))
    {
        reading.hazard(Hazard::SkipsChecks, "`--validate` is off");
    }
}

/// Pruning deletes what the manifests do not mention.
pub(super) fn of_prune(reading: &mut Reading<'_>) {
    reading.hazard(
        Hazard::Unbounded,
        "`--prune` acts on whatever the manifests do not mention",
    );
}

/// What `-f` and `-k` name.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Named {
    /// Neither was given.
    Nothing,
    /// Local files, which somebody may have read.
    Files,
    /// Something whose content is not known before kubectl fetches or builds it.
    Anything,
}

/// The files and URLs of `-f` and `-k`.
///
/// # Errors
/// [`Unreadable`] for quoted lists, which kubectl reads as comma-separated values.
pub(super) fn of_manifests(reading: &mut Reading<'_>) -> Result<Named, Unreadable> {
    let files: Vec<Word<'_>> = reading.line.values("filename").collect();
    let mut named = if files.is_empty() {
        Named::Nothing
    } else {
        Named::Files
    };
    for word in &files {
        if word.text.contains(['"', '\n']) {
            return Err(word
                .unreadable("has quotes or line ends in a list of files")
                .hint("repeat `-f` for each file"));
        }
        for path in word.text.split(',').filter(|path| !path.is_empty()) {
            if is_url(path) {
                reading.hazard(Hazard::RemoteInput, "`-f` fetches a manifest from a URL");
                named = Named::Anything;
                continue;
            }
            reading.file(path, false);
            if reading.manifests.is_none() {
                reading.hazard(Hazard::ReadsFiles, "`-f` reads manifests from local files");
            }
        }
    }
    if let Some(base) = reading.line.value("kustomize") {
        of_kustomization(reading, base);
        // Its objects are known where somebody has built it.
        named = if reading.manifests.is_some() {
            Named::Files
        } else {
            Named::Anything
        };
    }
    Ok(named)
}

/// What kubectl fetches itself; anything else is a path.
pub(super) fn is_url(path: &str) -> bool {
    path.starts_with("http://") || path.starts_with("https://")
}

/// A kustomization may fetch, generate and run whatever its files say; one that somebody has built has done nothing of that.
pub(super) fn of_kustomization(reading: &mut Reading<'_>, base: &str) {
    reading.file(base, false);
    if reading.manifests.is_some() {
        return;
    }
    reading.hazard(Hazard::ReadsFiles, "a kustomization reads local files");
    reading.hazard(
        Hazard::RunsLocalCode,
        "a kustomization may fetch with git and run generators",
    );
    if base.contains([':', '?', '@']) || base.contains("//") || base.starts_with("github.com/") {
        reading.hazard(Hazard::RemoteInput, "the kustomization is fetched");
    }
}
