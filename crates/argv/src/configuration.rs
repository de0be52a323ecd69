//! What a tool's environment and configuration files make it do beside the command: programs it would start, places it would send
//! requests to.
//!
//! In a session none of this is asked: there the environment and the files are the operator's, pinned. It is for judging a command
//! as it would run right here, with everything that lies around.

use crate::kubectl::Kubeconfig;
use crate::{Hazard, HazardFact, Surroundings, Tool};

/// Pagers that page, called by their bare names.
const PAGERS: [&str; 8] = ["less", "more", "most", "cat", "bat", "delta", "head", "tail"];
/// Programs that hand out credentials for clusters, found in PATH by their bare names.
const CREDENTIAL_PLUGINS: [&str; 11] = [
    "aws",
    "aws-iam-authenticator",
    "az",
    "doctl",
    "gcloud",
    "gke-gcloud-auth-plugin",
    "ibmcloud",
    "kubelogin",
    "oci",
    "tsh",
    "vcluster",
];
/// Variables by which the loader, the C library, Python or the shell run other code in any program.
const LOADERS: [&str; 16] = [
    "BASH_ENV",
    "ENV",
    "GCONV_PATH",
    "GLIBC_TUNABLES",
    "LD_AUDIT",
    "LD_LIBRARY_PATH",
    "LD_PRELOAD",
    "OPENSSL_CONF",
    "OPENSSL_ENGINES",
    "OPENSSL_MODULES",
    "PYTHONBREAKPOINT",
    "PYTHONHOME",
    "PYTHONPATH",
    "PYTHONSTARTUP",
    "PYTHONUSERBASE",
    "PYTHONWARNINGS",
];

/// The hazards of variables that are set.
pub fn of_environment(tool: Tool, around: &Surroundings) -> Vec<HazardFact> {
    let mut found = Vec::new();
    for (name, value) in around.environment.iter().filter(|(_, value)| !value.is_empty()) {
        let upper = name.to_ascii_uppercase();
        let fact = if LOADERS.contains(&name.as_str()) || name.starts_with("BASH_FUNC_") {
            Some((Hazard::RunsLocalCode, "can make the tool run other code"))
        } else if matches!(upper.as_str(), "HTTP_PROXY" | "HTTPS_PROXY" | "ALL_PROXY") {
            Some((
                Hazard::RedirectsEndpoint,
                "sends the requests through another host",
            ))
        } else {
            of_variable(tool, name, value)
        };
        if let Some((hazard, why)) = fact {
            found.push(HazardFact {
                hazard,
                because: format!("`{name}` in the environment {why}"),
            });
        }
    }
    found
}

fn of_variable(tool: Tool, name: &str, value: &str) -> Option<(Hazard, &'static str)> {
    let redirects = Some((Hazard::RedirectsEndpoint, "sends the requests somewhere else"));
    let runs = Some((Hazard::RunsLocalCode, "names a program that the tool starts"));
    match tool {
        Tool::Aws => match name {
            _ if name.starts_with("AWS_ENDPOINT_URL") => redirects,
            "AWS_CONTAINER_CREDENTIALS_FULL_URI" | "AWS_EC2_METADATA_SERVICE_ENDPOINT" => redirects,
            "AWS_PAGER" | "PAGER" if !is_pager(value) => runs,
            "AWS_DATA_PATH" => Some((Hazard::RunsLocalCode, "changes what the tool's commands are")),
            _ => None,
        },
        Tool::Gh => match name {
            "GH_PAGER" | "PAGER" if !is_pager(value) => runs,
            "GIT_EXTERNAL_DIFF"
            | "GIT_SSH"
            | "GIT_SSH_COMMAND"
            | "GIT_ASKPASS"
            | "GIT_EXEC_PATH"
            | "GH_PATH"
            | "GIT_CONFIG_COUNT"
            | "GIT_CONFIG_PARAMETERS"
            | "GIT_CONFIG_GLOBAL"
            | "GIT_CONFIG_SYSTEM"
            | "GIT_CONFIG"
            | "GIT_PROXY_COMMAND"
            | "GIT_TEMPLATE_DIR" => runs,
            _ => None,
        },
        Tool::Kubectl => match name {
            "KUBECTL_EXTERNAL_DIFF" => runs,
            "KUBERNETES_MASTER" => redirects,
            _ => None,
        },
        // Hosts and services are judged with the command; programs are taken out of the environment.
        Tool::Psql | Tool::Described(_) => None,
    }
}

/// Whether this is a pager and nothing else.
fn is_pager(value: &str) -> bool {
    let first = value.split_whitespace().next().unwrap_or_default();
    let plain = !value.contains(['|', ';', '&', '$', '`', '<', '>', '(', ')', '\n', '\\', '\'', '"']);
    plain && PAGERS.contains(&first)
}

/// The hazards of a kubeconfig: programs that it starts for credentials, proxies.
pub fn of_kubeconfig(kubeconfig: &Kubeconfig) -> Vec<HazardFact> {
    let mut found = Vec::new();
    for command in kubeconfig.programs() {
        if !CREDENTIAL_PLUGINS.contains(&command) {
            found.push(HazardFact {
                hazard: Hazard::RunsLocalCode,
                because: "the kubeconfig starts a program for its credentials".to_owned(),
            });
        }
    }
    if kubeconfig.has_proxy {
        found.push(HazardFact {
            hazard: Hazard::RedirectsEndpoint,
            because: "the kubeconfig sends the requests through another host".to_owned(),
        });
    }
    found
}

/// The hazards of aws's `config` and `credentials` files for this profile.
pub fn of_aws(texts: &[&str], profile: Option<&str>) -> Vec<HazardFact> {
    let profile = profile.unwrap_or("default");
    let mut found = Vec::new();
    let mut add = |hazard, because: &str| {
        found.push(HazardFact {
            hazard,
            because: format!("aws's configuration {because}"),
        });
    };
    for text in texts {
        let mut section = String::new();
        for line in text.lines() {
            let bare = line.trim();
            if let Some(inner) = bare.strip_prefix('[') {
                section = inner.split(']').next().unwrap_or_default().trim().to_owned();
                continue;
            }
            let Some((key, value)) = bare.split_once(['=', ':']) else {
                continue;
            };
            let (key, value) = (key.trim().to_ascii_lowercase(), value.trim());
            let name = section.strip_prefix("profile").unwrap_or(&section);
            let name = name.trim().trim_matches(['"', '\'']);
            // What another profile says counts too when this one may borrow its credentials.
            let here = name == profile;
            match key.as_str() {
                _ if section == "plugins" => add(Hazard::RunsLocalCode, "loads plugins"),
                "credential_process" if here || text.contains("source_profile") => {
                    add(Hazard::RunsLocalCode, "starts a program for the credentials");
                }
                "cli_pager" if here && !value.is_empty() && !is_pager(value) => {
                    add(Hazard::RunsLocalCode, "names a program as the pager");
                }
                "endpoint_url" if here || section.starts_with("services") => {
                    add(Hazard::RedirectsEndpoint, "sends the requests somewhere else");
                }
                _ => {}
            }
        }
    }
    found
}

/// The hazards of gh's `config.yml`.
pub fn of_gh(config: &str) -> Vec<HazardFact> {
    config
        .lines()
        .filter_map(|line| line.split_once(':'))
        .filter(|(key, value)| {
            let value = value.trim().trim_matches(['"', '\'']);
            key.trim() == "pager" && !value.is_empty() && !value.starts_with('#') && !is_pager(value)
        })
        .map(|_| HazardFact {
            hazard: Hazard::RunsLocalCode,
            because: "gh's configuration names a program as the pager".to_owned(),
        })
        .collect()
}

#[cfg(test)]
mod tests {
    use super::*;

    fn environment(tool: Tool, name: &str, value: &str) -> Vec<Hazard> {
        let around = Surroundings {
            environment: [(name.to_owned(), value.to_owned())].into(),
            ..Surroundings::default()
        };
        of_environment(tool, &around)
            .into_iter()
            .map(|fact| fact.hazard)
            .collect()
    }

    #[test]
    fn variables_that_run_or_redirect_are_hazards_and_others_are_not() {
        for (tool, name, value, expected) in [
            (
                Tool::Aws,
                "AWS_ENDPOINT_URL_S3",
                "http://x",
                Some(Hazard::RedirectsEndpoint),
            ),
            (
                Tool::Aws,
                "https_proxy",
                "http://x",
                Some(Hazard::RedirectsEndpoint),
            ),
            (Tool::Gh, "HTTPS_PROXY", "", None),
            (Tool::Aws, "PYTHONPATH", ".", Some(Hazard::RunsLocalCode)),
            (Tool::Kubectl, "LD_PRELOAD", "x.so", Some(Hazard::RunsLocalCode)),
            (Tool::Gh, "GH_PAGER", "./p.sh", Some(Hazard::RunsLocalCode)),
            (Tool::Gh, "GH_PAGER", "less -FRX", None),
            (Tool::Gh, "PAGER", "less | sh", Some(Hazard::RunsLocalCode)),
            (Tool::Kubectl, "PAGER", "./p.sh", None),
            (Tool::Gh, "GH_REPO", "o/r", None),
            (Tool::Aws, "AWS_REGION", "eu-west-1", None),
        ] {
            assert_eq!(
                environment(tool, name, value),
                Vec::from_iter(expected),
                "{name}={value}"
            );
        }
    }

    #[test]
    fn a_configuration_that_runs_or_redirects_is_a_hazard_for_its_profile() {
        let config =
            "[default]\nregion = x\n[profile p]\ncredential_process = ./x\n[profile q]\ncli_pager = ./y\n";
        assert_eq!(of_aws(&[config], None), []);
        assert_eq!(of_aws(&[config], Some("p")).len(), 1);
        assert_eq!(of_aws(&[config], Some("q")).len(), 1);
        assert_eq!(
            of_aws(&["[plugins]\nx = y\n"], None)[0].hazard,
            Hazard::RunsLocalCode
        );
        assert_eq!(
            of_aws(&["[services s]\ns3 =\n  endpoint_url = http://x\n"], None)[0].hazard,
            Hazard::RedirectsEndpoint
        );
        assert_eq!(of_gh("pager: less\neditor: vi\n"), []);
        assert_eq!(of_gh("pager: ./p.sh\n").len(), 1);
    }
}
