//! The tools' own configuration: what it says of where a command goes, and handing the tool the very files that say so.

mod aws_home;

use crate::inputs::Inputs;
use crate::tool_files::{self, Found};
use crate::understand::Whose;
use argv::aws::AwsConfig;
use argv::configuration::of_kubeconfig;
use argv::kubectl::Kubeconfig;
use argv::{Hazard, Invocation, Surroundings, Tool};
use std::io;
use std::path::{Path, PathBuf};

/// Fills in where kubectl goes, and hands it the very kubeconfig that says so.
pub fn bind_kubeconfig(
    invocation: &mut Invocation,
    inputs: &mut Inputs,
    files: &[Found],
    whose: Whose,
) -> io::Result<Vec<argv::HazardFact>> {
    // With `--kubeconfig` it is another file that counts, and a command that changes the configuration must find the real one.
    let names_another = |fact: &argv::HazardFact| fact.because.starts_with("`--kubeconfig`");
    if invocation.hazards.iter().any(names_another) || invocation.has_hazard(Hazard::ChangesTool) {
        return Ok(Vec::new());
    }
    let texts: Option<Vec<&str>> = files.iter().map(Found::text).collect();
    let Some(kubeconfig) = texts.and_then(|texts| Kubeconfig::read(&texts)) else {
        let unclear = argv::HazardFact {
            hazard: Hazard::RunsLocalCode,
            because: "the kubeconfig is not understood, so it may start any program".to_owned(),
        };
        let is_nobodys = whose == Whose::Anybody && !files.is_empty();
        return Ok(is_nobodys.then_some(unclear).into_iter().collect());
    };
    // What goes elsewhere is not where the context says.
    if !invocation.has_hazard(Hazard::RedirectsEndpoint) {
        kubeconfig.resolve(invocation);
    }
    // Elsewhere its relative paths would mean other files.
    if !kubeconfig.has_relative_paths {
        let contents: Vec<&[u8]> = files.iter().map(|file| file.content.as_slice()).collect();
        inputs.hold_kubeconfig(&contents)?;
    }
    Ok(match whose {
        Whose::Operator => Vec::new(),
        Whose::Anybody => of_kubeconfig(&kubeconfig),
    })
}

/// Fills in where aws goes, and hands it the very files that say so. Not where something that they start may look for them, or the
/// command may write them. With a `place` for it, it gets a HOME, too, in which its aliases and service models are as they were read.
pub fn bind_aws(
    invocation: &mut Invocation,
    inputs: &mut Inputs,
    files: &[Found],
    around: &Surroundings,
    place: Option<&Path>,
) -> io::Result<()> {
    let paths = tool_files::paths(Tool::Aws, |name| around.variable(name).map(str::to_owned));
    let text = |path: Option<&PathBuf>| {
        let path = path?;
        match files.iter().find(|file| file.path == *path) {
            Some(file) => file.text(),
            // What is there and was not read is not a file; aws may see something in it all the same.
            None => path.symlink_metadata().is_err().then_some(""),
        }
    };
    let (Some(config), Some(credentials)) = (text(paths.first()), text(paths.get(1))) else {
        return Ok(());
    };
    let found = AwsConfig::read(config, credentials);
    if let Some(found) = &found {
        found.resolve(invocation, around);
    }
    let first = invocation.command.split(' ').next().unwrap_or_default();
    let writes_them = matches!(first, "configure" | "emr" | "login" | "logout" | "sso");
    let starts_programs = found.as_ref().is_some_and(|found| found.starts_programs);
    let stays = writes_them
        || starts_programs
        || invocation.has_hazard(Hazard::RunsLocalCode)
        || invocation.has_hazard(Hazard::ChangesTool);
    if stays {
        return Ok(());
    }
    // What is not understood is handed over as it is all the same: then it is at least what was pinned.
    inputs.hold_file("AWS_CONFIG_FILE", config.as_bytes())?;
    inputs.hold_file("AWS_SHARED_CREDENTIALS_FILE", credentials.as_bytes())?;
    if let (Some(place), Some(home)) = (place, around.variable("HOME").map(Path::new)) {
        let is_set = |name: &str| around.variable(name).is_some();
        aws_home::make_caches(home, &[config, credentials], is_set)?;
        aws_home::hand_over(inputs, home, files, place)?;
    }
    Ok(())
}

/// Hands gh the very files that were read, in a directory of links to them. Not where the command may write them: newer versions
/// rewrite a configuration that does not say its version, and put its tokens elsewhere.
pub fn bind_gh(
    invocation: &Invocation,
    inputs: &mut Inputs,
    files: &[Found],
    place: Option<&Path>,
) -> io::Result<()> {
    let (Some(place), Some(config)) = (place, named(files, "config.yml")) else {
        return Ok(());
    };
    let says_its_version = config
        .text()
        .is_some_and(|text| text.lines().any(|line| line.starts_with("version:")));
    let first = invocation.command.split(' ').next().unwrap_or_default();
    let writes_them = matches!(first, "alias" | "auth" | "config" | "extension");
    let stays = !says_its_version
        || writes_them
        || invocation.has_hazard(Hazard::RunsLocalCode)
        || invocation.has_hazard(Hazard::ChangesTool);
    if stays {
        return Ok(());
    }
    let mut held = vec![("config.yml", config.content.as_slice())];
    held.extend(named(files, "hosts.yml").map(|hosts| ("hosts.yml", hosts.content.as_slice())));
    inputs.hold_directory("GH_CONFIG_DIR", place, &held)
}

fn named<'f>(files: &'f [Found], name: &str) -> Option<&'f Found> {
    files
        .iter()
        .find(|file| file.path.file_name().is_some_and(|found| found == name))
}

/// The host that gh takes where none is named.
pub fn hosts(tool: Tool, files: &[Found]) -> Option<String> {
    let hosts = named(files, "hosts.yml").filter(|_| tool == Tool::Gh)?;
    argv::gh::only_host(hosts.text()?)
}

/// The text in which the tool has its aliases.
pub fn aliases(tool: Tool, files: &[Found]) -> String {
    let name = match tool {
        Tool::Kubectl | Tool::Psql | Tool::Described(_) => return String::new(),
        Tool::Aws => "alias",
        Tool::Gh => "config.yml",
    };
    let text = named(files, name).and_then(Found::text);
    text.unwrap_or_default().to_owned()
}
