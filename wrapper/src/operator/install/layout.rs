//! Where everything of an installation lies, and whose it is.
//!
//! ```text
//! /usr/lib/reeve/bin/reeve      root:reeve 2755   the gate, and the only way to the group `reeve`
//! /usr/lib/reeve/bin/reeved     root:root  0755   the sidecar
//! /usr/lib/reeve/bin/ungroup    root:root  0755   starts git, ssh, pagers … for a tool, without the group (`crate::ungroup`)
//! /usr/lib/reeve/shims/         kubectl … -> ../bin/reeve   first in the agent's PATH
//! /usr/lib/reeve/ungrouped/     git … -> ../bin/ungroup     first in the tools' PATH
//! /usr/lib/reeve/tools/         kubectl … -> the real ones  next in the tools' PATH
//! /etc/reeve/gate.json          root:reeve 0640   the gate's orders
//! /etc/reeve/identity.json      root:root  0644   the sidecar's pins
//! /etc/reeve/policy-L2.json …   root:root  0644   the policies' snapshots
//! /etc/reeve/redaction.key      root:root  0600
//! /etc/reeve/install.json       root:root  0600   what was made and how it was before (`state`)
//! /var/lib/reeve/               reeved:reeved 0750   the record
//! /var/lib/reeve-home/          root:reeve 0750   the tools' HOME; below it, caches that they may write
//! /run/reeve/reeved.sock        reeved:reeve 0660, in a directory 2750
//! the real tools                root:reeve 0750
//! credentials                   root:reeve 0640
//! ```

use crate::configuration::HOST_FILE;
use std::path::{Path, PathBuf};

/// The gate's group: it has the tools and the credentials.
pub const GROUP: &str = "reeve";
/// The sidecar's user, and its group. It has the record, and neither tools nor credentials.
pub const SIDECAR: &str = "reeved";
/// Programs and links.
pub const LIBRARY: &str = "/usr/lib/reeve";
/// Configuration and state.
pub const ETC: &str = "/etc/reeve";
/// The record.
pub const RECORD: &str = "/var/lib/reeve";
/// The tools' HOME.
pub const HOME: &str = "/var/lib/reeve-home";
/// The sidecar's socket.
pub const SOCKET: &str = "/run/reeve/reeved.sock";
/// Puts the shims into the agent's PATH.
pub const LOGIN_SCRIPT: &str = "/etc/profile.d/reeve.sh";
/// The sidecar's service.
pub const UNIT: &str = "/etc/systemd/system/reeved.service";
/// Where tools are looked for besides what is named.
pub const TOOL_DIRECTORIES: [&str; 9] = [
    "/usr/local/sbin",
    "/usr/local/bin",
    "/usr/sbin",
    "/usr/bin",
    "/sbin",
    "/bin",
    "/opt/bin",
    "/snap/bin",
    "/usr/lib/google-cloud-sdk/bin",
];
/// Directories that the tools may write below their HOME: caches and state.
pub const CACHES: [&str; 4] = [".cache", ".kube/cache", ".aws/cli/cache", ".local/state"];

/// A path below [`LIBRARY`].
pub fn library(below: &str) -> PathBuf {
    Path::new(LIBRARY).join(below)
}

/// A path below [`ETC`].
pub fn etc(below: &str) -> PathBuf {
    Path::new(ETC).join(below)
}

/// The gate's orders.
pub fn orders() -> PathBuf {
    PathBuf::from(HOST_FILE)
}

/// Where the real tools are searched, and the PATH they get.
pub fn tools_path() -> String {
    format!(
        "{LIBRARY}/ungrouped:{LIBRARY}/tools:/usr/local/sbin:/usr/local/bin:/usr/sbin:/usr/bin:/sbin:/bin"
    )
}
