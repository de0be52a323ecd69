//! Which environment variables change what a governed tool does.
//!
//! A variable in these tables is *pinned*: the tool gets the operator's value or none, never the agent's. A
//! variable that is not in them (`LANG`, `TERM`, the agent's own) passes as it is. [`forced`] are set for
//! every call, whoever says otherwise. Sources: the tools' own documentation and what they were seen to do.

use crate::Tool;

/// Pinned by exact name: where configuration is found, what runs besides the tool, where traffic goes.
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
    "POSIXLY_CORRECT",
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

/// Pinned by prefix: the dynamic loader's, the C library's, Python's, git's, PostgreSQL's; kubectl's and its credential plugins', aws's, gh's.
const PINNED_PREFIXES: &[&str] = &[
    "AWS_",
    "AZURE_",
    "BASH_FUNC_",
    "BOTO",
    "CLOUDSDK_",
    "CODESPACE",
    "ECS_",
    "GH_",
    "GITHUB_",
    "GIST_",
    "GIT_",
    "GLAMOUR_",
    "GLIBC_",
    "GOOGLE_",
    "GROFF_",
    "GRPC_",
    "HELM_",
    "KUBE",
    "LD_",
    "MALLOC_",
    "MANROFF",
    "PERL", // psql of Debian is started by a program in Perl
    "PG",
    "PSQL",
    "PYTHON",
    "TERRAFORM_", // TERRAFORM_CONFIG is the old name of TF_CLI_CONFIG_FILE, and still read
    "TF_",
    "USE_GKE_",
];

/// Set for every call of the tool. kubectl's user preferences may give any command other flags.
pub fn forced(tool: Tool) -> &'static [(&'static str, &'static str)] {
    match tool {
        Tool::Kubectl => &[("KUBECTL_KUBERC", "false"), ("KUBERC", "off")],
        Tool::Aws | Tool::Gh | Tool::Described(_) => &[],
        // No history on disk; and the bytes of a command are read as the characters that were judged.
        Tool::Psql => &[("PSQL_HISTORY", "/dev/null"), ("PGCLIENTENCODING", "UTF8")],
    }
}

/// Taken away for every call of the tool, whoever set them: programs it would start, and what would make it read its words
/// differently. psql's pager and editor only ever serve a person.
pub fn removed(tool: Tool) -> &'static [&'static str] {
    match tool {
        Tool::Psql => &[
            "EDITOR",
            "PAGER",
            "POSIXLY_CORRECT",
            "PSQLRC",
            "PSQL_EDITOR",
            "PSQL_PAGER",
            "PSQL_WATCH_PAGER",
            "VISUAL",
        ],
        Tool::Kubectl | Tool::Aws | Tool::Gh | Tool::Described(_) => &[],
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
    "PGPASSWORD",
];

/// Whether `name` changes what a governed tool does. One table for all tools: aws writes where KUBECONFIG says, kubectl
/// runs aws for its credentials, and gh runs git.
pub fn is_pinned(name: &str) -> bool {
    PINNED.binary_search(&name).is_ok() || PINNED_PREFIXES.iter().any(|prefix| name.starts_with(prefix))
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
        for name in [
            "KUBECONFIG",
            "KUBECTL_EXTERNAL_DIFF",
            "LD_PRELOAD",
            "AWS_ENDPOINT_URL_S3",
            "PYTHONPATH",
            "GH_PAGER",
            "GIT_CONFIG_COUNT",
            "HTTPS_PROXY",
            "TERRAFORM_CONFIG",
        ] {
            assert!(is_pinned(name), "{name}");
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
            assert!(!is_pinned(name), "{name}");
        }
    }
}
