//! Which environment variables change what a governed tool does.
//!
//! A variable in these tables is *pinned*: the tool gets the operator's value or none, never the agent's. A
//! variable that is not in them (`LANG`, `TERM`, the agent's own) passes as it is. [`FORCED`] are set for
//! every call, whoever says otherwise. Sources: the tools' own documentation and what they were seen to do.

use crate::Tool;

/// Pinned for every tool, by exact name: where configuration is found, what runs besides the tool, where traffic goes.
const PINNED: &[&str] = &[
    "ALL_PROXY",
    "BASH_ENV",
    "BROWSER",
    "CURL_CA_BUNDLE",
    "EDITOR",
    "ENV",
    "GCONV_PATH",
    "GETCONF_DIR",
    "GOCOVERDIR",
    "GODEBUG",
    "GOTRACEBACK",
    "HOME",
    "HOSTALIASES",
    "HTTPS_PROXY",
    "HTTP_PROXY",
    "IFS",
    "LESS",
    "LESSCLOSE",
    "LESSKEY",
    "LESSOPEN",
    "LOCALDOMAIN",
    "LOCPATH",
    "MANPAGER",
    "NIS_PATH",
    "NLSPATH",
    "NO_PROXY",
    "OPENSSL_CONF",
    "OPENSSL_ENGINES",
    "OPENSSL_MODULES",
    "PAGER",
    "PATH",
    "REQUESTS_CA_BUNDLE",
    "RESOLV_HOST_CONF",
    "RES_OPTIONS",
    "SHELL",
    "SHELLOPTS",
    "SSH_ASKPASS",
    "SSH_AUTH_SOCK",
    "SSLKEYLOGFILE",
    "SSL_CERT_DIR",
    "SSL_CERT_FILE",
    "TERMINFO",
    "TERMINFO_DIRS",
    "TMPDIR",
    "TZDIR",
    "VISUAL",
    "XDG_CACHE_HOME",
    "XDG_CONFIG_DIRS",
    "XDG_CONFIG_HOME",
    "XDG_DATA_DIRS",
    "XDG_DATA_HOME",
    "XDG_STATE_HOME",
    "all_proxy",
    "http_proxy",
    "https_proxy",
    "no_proxy",
];

/// Pinned for every tool, by prefix: the dynamic loader's, the C library's, Python's, git's.
const PINNED_PREFIXES: &[&str] = &["BASH_FUNC_", "GIT_", "GLIBC_", "LD_", "MALLOC_", "PYTHON"];

/// Pinned besides, by tool.
fn tool_prefixes(tool: Tool) -> &'static [&'static str] {
    match tool {
        Tool::Kubectl => &[
            "KUBE",
            "GRPC_",
            "AWS_",
            "GOOGLE_",
            "AZURE_",
            "CLOUDSDK_",
            "USE_GKE_",
        ],
        Tool::Aws => &["AWS_", "BOTO_", "BOTOCORE_", "ECS_", "GROFF_", "MANROFF"],
        Tool::Gh => &["GH_", "GITHUB_", "CODESPACE", "GLAMOUR_", "GIST_"],
    }
}

/// Set for every call of the tool. kubectl's user preferences may give any command other flags.
pub fn forced(tool: Tool) -> &'static [(&'static str, &'static str)] {
    match tool {
        Tool::Kubectl => &[("KUBECTL_KUBERC", "false"), ("KUBERC", "off")],
        Tool::Aws | Tool::Gh => &[],
    }
}

/// Holds a credential: never written down, only compared.
const SECRET: &[&str] = &[
    "AWS_ACCESS_KEY_ID",
    "AWS_SECRET_ACCESS_KEY",
    "AWS_SECURITY_TOKEN",
    "AWS_SESSION_TOKEN",
    "AWS_CONTAINER_AUTHORIZATION_TOKEN",
    "GH_ENTERPRISE_TOKEN",
    "GH_TOKEN",
    "GITHUB_ENTERPRISE_TOKEN",
    "GITHUB_TOKEN",
];

/// Whether `name` changes what `tool` does.
pub fn is_pinned(tool: Tool, name: &str) -> bool {
    PINNED.binary_search(&name).is_ok()
        || PINNED_PREFIXES
            .iter()
            .chain(tool_prefixes(tool))
            .any(|prefix| name.starts_with(prefix))
}

/// Whether `name` changes what any governed tool does.
pub fn is_pinned_for_any(name: &str) -> bool {
    Tool::ALL.into_iter().any(|tool| is_pinned(tool, name))
}

/// Whether the value of `name` is a credential.
pub fn is_secret(name: &str) -> bool {
    SECRET.contains(&name)
        || ["_TOKEN", "_SECRET", "_PASSWORD", "_PRIVATE_KEY"]
            .iter()
            .any(|suffix| name.ends_with(suffix))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_table_is_sorted_for_the_search() {
        assert!(PINNED.is_sorted());
    }

    #[test]
    fn what_redirects_or_runs_code_is_pinned() {
        for (tool, name) in [
            (Tool::Kubectl, "KUBECONFIG"),
            (Tool::Kubectl, "KUBECTL_EXTERNAL_DIFF"),
            (Tool::Kubectl, "LD_PRELOAD"),
            (Tool::Aws, "AWS_ENDPOINT_URL_S3"),
            (Tool::Aws, "PYTHONPATH"),
            (Tool::Gh, "GH_PAGER"),
            (Tool::Gh, "GIT_CONFIG_COUNT"),
            (Tool::Gh, "HTTPS_PROXY"),
        ] {
            assert!(is_pinned(tool, name), "{tool} {name}");
        }
    }

    #[test]
    fn what_only_changes_the_look_passes() {
        for name in [
            "LANG",
            "TERM",
            "COLUMNS",
            "NO_COLOR",
            "LC_ALL",
            "TZ",
            "AGENT_API_KEY",
        ] {
            assert!(!is_pinned_for_any(name), "{name}");
        }
    }
}
