//! Where each tool looks for its configuration.

use super::MODELS;
use argv::Tool;
use std::path::PathBuf;

/// Where `tool` looks for its configuration, whether or not anything is there. `variable` is the environment that it gets.
pub fn paths(tool: Tool, variable: impl Fn(&str) -> Option<String>) -> Vec<PathBuf> {
    paths_of(tool, &variable)
}

/// Why it is not certain where `tool` looks: aws puts variables, the agent's too, and other users' homes into its paths.
pub fn unclear(tool: Tool, variable: impl Fn(&str) -> Option<String>) -> Option<String> {
    let names = ["AWS_CONFIG_FILE", "AWS_SHARED_CREDENTIALS_FILE"];
    if tool != Tool::Aws {
        return None;
    }
    // aws asks the system for a home then, and looks there for its aliases.
    if !variable("HOME").is_some_and(|home| home.starts_with('/')) {
        return Some(
            "`HOME` is not set, or is no absolute path, so aws may look for its aliases anywhere; set it"
                .to_owned(),
        );
    }
    names
        .into_iter()
        .find(|name| {
            variable(name).is_some_and(|path| path.strip_prefix("~/").unwrap_or(&path).contains(['$', '~']))
        })
        .map(|name| format!("`{name}` has `$` or `~` in it, and may lead anywhere; write the path out"))
}

fn paths_of(tool: Tool, variable: &dyn Fn(&str) -> Option<String>) -> Vec<PathBuf> {
    let set = |name: &str| variable(name).filter(|value| !value.is_empty());
    let home = set("HOME").map(PathBuf::from).unwrap_or_default();
    let or_home = |name: &str, below: &str| {
        set(name).map_or_else(
            || home.join(below),
            |given| match given.strip_prefix("~/") {
                Some(rest) => home.join(rest),
                None => PathBuf::from(given),
            },
        )
    };
    match tool {
        Tool::Kubectl => match set("KUBECONFIG") {
            Some(list) => list
                .split(':')
                .filter(|path| !path.is_empty())
                .map(PathBuf::from)
                .collect(),
            None => vec![home.join(".kube/config")],
        },
        Tool::Aws => vec![
            or_home("AWS_CONFIG_FILE", ".aws/config"),
            or_home("AWS_SHARED_CREDENTIALS_FILE", ".aws/credentials"),
            home.join(".aws/cli/alias"),
            home.join(MODELS),
            home.join(".boto"),
        ],
        Tool::Gh => {
            let directory = set("GH_CONFIG_DIR").map_or_else(
                || {
                    let base = set("XDG_CONFIG_HOME").map_or_else(|| home.join(".config"), PathBuf::from);
                    base.join("gh")
                },
                PathBuf::from,
            );
            vec![directory.join("config.yml"), directory.join("hosts.yml")]
        }
        // `.psqlrc` is not read (`-X`); the others say who connects and whether the server is the right one. The last is read
        // by Debian's starter of psql.
        Tool::Psql => vec![
            or_home("PGPASSFILE", ".pgpass"),
            or_home("PGSERVICEFILE", ".pg_service.conf"),
            home.join(".postgresql"),
            home.join(".postgresqlrc"),
        ],
        // Tools for clusters and clouds: whatever of these says where they go, and what else they run.
        Tool::Described(_) => {
            let kubeconfig = paths_of(Tool::Kubectl, variable);
            // Terraform takes the old name where the new one is not set, and neither with `~`.
            let terraforms = set("TF_CLI_CONFIG_FILE").or_else(|| set("TERRAFORM_CONFIG"));
            // helm's own directories are below those of XDG, and its plugins may be in several.
            let below = |own: &str, base: &str, usual: &str| {
                set(own).map_or_else(
                    || {
                        set(base)
                            .map_or_else(|| home.join(usual), PathBuf::from)
                            .join("helm")
                    },
                    PathBuf::from,
                )
            };
            let data = below("HELM_DATA_HOME", "XDG_DATA_HOME", ".local/share");
            let plugins = set("HELM_PLUGINS").map_or_else(
                || vec![data.join("plugins")],
                |list| std::env::split_paths(&list).collect(),
            );
            let own = [
                or_home("AWS_CONFIG_FILE", ".aws/config"),
                or_home("AWS_SHARED_CREDENTIALS_FILE", ".aws/credentials"),
                terraforms.map_or_else(|| home.join(".terraformrc"), PathBuf::from),
                home.join(".terraform.d"),
                below("HELM_CONFIG_HOME", "XDG_CONFIG_HOME", ".config"),
            ];
            kubeconfig.into_iter().chain(own).chain(plugins).collect()
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn of(tool: Tool, variables: &[(&str, &str)]) -> Vec<String> {
        let variable = |name: &str| {
            let found = variables.iter().find(|(known, _)| *known == name);
            found.map(|(_, value)| (*value).to_owned())
        };
        paths(tool, variable)
            .into_iter()
            .map(|path| path.display().to_string())
            .collect()
    }

    #[test]
    fn each_tool_is_known_to_look_where_it_looks() {
        let home = ("HOME", "/h");
        assert_eq!(of(Tool::Kubectl, &[home]), ["/h/.kube/config"]);
        assert_eq!(of(Tool::Kubectl, &[home, ("KUBECONFIG", "/a::/b")]), ["/a", "/b"]);
        assert_eq!(
            of(Tool::Aws, &[home, ("AWS_CONFIG_FILE", "~/c")])[..2],
            ["/h/c", "/h/.aws/credentials"]
        );
        assert_eq!(
            of(Tool::Gh, &[home, ("XDG_CONFIG_HOME", "/x")])[0],
            "/x/gh/config.yml"
        );
        assert_eq!(of(Tool::Gh, &[home, ("GH_CONFIG_DIR", "/g")])[1], "/g/hosts.yml");
    }

    #[test]
    fn a_path_that_aws_expands_is_unclear() {
        let of = |path: &'static str| {
            let variable = move |name: &str| match name {
                "AWS_CONFIG_FILE" => Some(path.to_owned()),
                "HOME" => Some("/h".to_owned()),
                _ => None,
            };
            [Tool::Aws, Tool::Kubectl].map(|tool| unclear(tool, variable).is_some())
        };
        assert_eq!(of("$HOME/c"), [true, false]);
        assert_eq!(of("~root/c"), [true, false]);
        assert_eq!(of("~/c"), [false, false]);
        assert_eq!(of("/etc/c"), [false, false]);
    }

    #[test]
    fn aws_without_a_home_is_unclear() {
        let of = |home: Option<&'static str>| {
            let variable = move |name: &str| home.filter(|_| name == "HOME").map(str::to_owned);
            [Tool::Aws, Tool::Gh].map(|tool| unclear(tool, variable).is_some())
        };
        assert_eq!(of(Some("/h")), [false, false]);
        for home in [None, Some(""), Some("h")] {
            assert_eq!(of(home), [true, false]);
        }
    }

    #[test]
    fn described_tools_are_known_to_look_where_they_look() {
        let terraform = |variables: &[(&str, &str)]| {
            let all = [&[("HOME", "/h")], variables].concat();
            of(Tool::of_name("terraform").unwrap(), &all)[3].clone()
        };
        assert_eq!(terraform(&[]), "/h/.terraformrc");
        assert_eq!(terraform(&[("TERRAFORM_CONFIG", "/old")]), "/old");
        assert_eq!(
            terraform(&[("TERRAFORM_CONFIG", "/old"), ("TF_CLI_CONFIG_FILE", "/new")]),
            "/new"
        );
        let helm = |variables: &[(&str, &str)]| {
            let all = [&[("HOME", "/h")], variables].concat();
            of(Tool::of_name("helm").unwrap(), &all)[5..].to_vec()
        };
        assert_eq!(helm(&[]), ["/h/.config/helm", "/h/.local/share/helm/plugins"]);
        assert_eq!(
            helm(&[("XDG_CONFIG_HOME", "/c"), ("XDG_DATA_HOME", "/d")]),
            ["/c/helm", "/d/helm/plugins"]
        );
        assert_eq!(
            helm(&[
                ("HELM_CONFIG_HOME", "/c"),
                ("HELM_DATA_HOME", "/d"),
                ("XDG_DATA_HOME", "/x")
            ]),
            ["/c", "/d/plugins"]
        );
        assert_eq!(helm(&[("HELM_PLUGINS", "/p:/q")])[1..], ["/p", "/q"]);
    }
}
