//! The files that an installation writes: the gate's orders, the sidecar's pins and service, the agent's PATH.

use super::layout;
use super::tools;
use super::wish::Wish;
use crate::configuration::Configuration;
use crate::exit::Exit;
use crate::operator::Failure;
use crate::tool_path::{KnownVersion, RealTool};
use argv::Tool;
use audit_event::{Pin, Pins};
use std::collections::BTreeMap;

/// The sidecar's pins.
pub fn pins(wish: &Wish) -> Pins {
    let pin = Pin {
        uid: wish.agent.uid.as_raw(),
        profile: wish.profile.clone(),
        level: wish.level.to_string(),
        track: wish.track.as_ref().map(ToString::to_string).unwrap_or_default(),
        policies: wish
            .policies
            .iter()
            .map(|(level, policy)| (level.to_string(), policy.digest.clone()))
            .collect(),
    };
    Pins {
        identities: vec![pin],
    }
}

/// The gate's orders. The tools must be closed to the agent by now: their last change is part of what is known of them.
///
/// # Errors
/// A tool that does not say its version, or cannot be read.
pub fn orders(wish: &Wish, redaction_key: &str) -> Result<Configuration, Failure> {
    let open = |tool: Tool| {
        let governed = wish.tools.iter().find(|governed| governed.tool == tool);
        let real = governed.map(|governed| governed.real.clone()).unwrap_or_default();
        RealTool::open(real).map_err(|error| Failure::new(Exit::NotExecutable, error.to_string()))
    };
    let io = |error: std::io::Error| Failure::new(Exit::NotExecutable, error.to_string());
    let mut versions = BTreeMap::new();
    for (tool, minimum) in &wish.minimum_versions {
        let real = open(*tool)?;
        let known = KnownVersion {
            file: real.pin().clone(),
            version: tools::version(*tool, &real.path)?,
        };
        real.check_version(minimum, Some(&known))
            .map_err(|error| Failure::new(Exit::Configuration, error.to_string()))?;
        versions.insert(*tool, known);
    }
    let mut checksums = BTreeMap::new();
    for governed in wish.tools.iter().filter(|_| wish.checksums) {
        checksums.insert(governed.tool, open(governed.tool)?.checksum().map_err(io)?);
    }
    Ok(Configuration {
        version: 1,
        session: None,
        socket: layout::SOCKET.into(),
        pins: pins(wish),
        policies: wish
            .policies
            .keys()
            .map(|level| (*level, policy_name(*level).into()))
            .collect(),
        path: layout::tools_path(),
        environment: wish.environment.clone(),
        secrets: BTreeMap::new(),
        files: None,
        tools: None,
        checksums,
        minimum_versions: wish.minimum_versions.clone(),
        versions,
        redaction_key: Some(redaction_key.to_owned()),
        // Without a sidecar nothing runs on a host: the spool would be the agent's own file.
        spool: None,
        deadline_ms: 5_000,
    })
}

/// A policy's file, beside the orders.
pub fn policy_name(level: policies::Level) -> String {
    format!("policy-{level}.json")
}

/// Puts the shims first in the agent's PATH, and in nobody else's.
pub fn login_script(wish: &Wish) -> String {
    format!(
        "# Made by `reeve install`; `reeve uninstall` removes it. The agent's kubectl, aws and gh are the gate.\n\
         # Convenience only: without this the agent finds tools that it may not start.\n\
         if [ \"$(id -u)\" = {uid} ]; then\n\
         \x20 case \":$PATH:\" in\n\
         \x20   *:{shims}:*) ;;\n\
         \x20   *) PATH={shims}:$PATH; export PATH ;;\n\
         \x20 esac\n\
         fi\n",
        uid = wish.agent.uid,
        shims = crate::configuration::INSTALLED_SHIMS
    )
}

/// How the sidecar is started: its words.
pub fn sidecar_words() -> String {
    format!(
        "{} --dir {} --socket {} --identity {}",
        layout::library("bin/reeved").display(),
        layout::RECORD,
        layout::SOCKET,
        layout::etc("identity.json").display()
    )
}

/// How the socket's directory is made: the socket gets the gate's group from it, which the sidecar itself has not.
pub fn socket_directory() -> String {
    format!(
        "/usr/bin/install -d -o {user} -g {group} -m 2750 /run/reeve",
        user = layout::SIDECAR,
        group = layout::GROUP
    )
}

/// The sidecar's service.
pub fn unit() -> String {
    format!(
        "# Made by `reeve install`; `reeve uninstall` removes it.\n\
         [Unit]\n\
         Description=Audit sidecar of Reeve\n\
         Documentation=man:reeve(1)\n\
         After=network.target\n\
         \n\
         [Service]\n\
         User={user}\n\
         Group={user}\n\
         UMask=0077\n\
         # Sinks and other settings: REEVED_CONFIG=FILE and the like.\n\
         EnvironmentFile=-{etc}/reeved.env\n\
         ExecStartPre=+{socket_directory}\n\
         ExecStart={words}\n\
         Restart=always\n\
         RestartSec=100ms\n\
         LimitNOFILE=65536\n\
         NoNewPrivileges=yes\n\
         CapabilityBoundingSet=\n\
         ProtectSystem=strict\n\
         ReadWritePaths={record} /run/reeve\n\
         ProtectHome=yes\n\
         PrivateTmp=yes\n\
         PrivateDevices=yes\n\
         ProtectKernelTunables=yes\n\
         ProtectKernelModules=yes\n\
         ProtectControlGroups=yes\n\
         RestrictAddressFamilies=AF_UNIX AF_INET AF_INET6\n\
         RestrictNamespaces=yes\n\
         RestrictSUIDSGID=yes\n\
         LockPersonality=yes\n\
         MemoryDenyWriteExecute=yes\n\
         \n\
         [Install]\n\
         WantedBy=multi-user.target\n",
        user = layout::SIDECAR,
        etc = layout::ETC,
        socket_directory = socket_directory(),
        words = sidecar_words(),
        record = layout::RECORD
    )
}
