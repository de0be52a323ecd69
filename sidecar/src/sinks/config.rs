//! The section `sinks` of the configuration file: one mapping per sink, read into what the senders need.
//!
//! ```yaml
//! sinks:
//!   siem:
//!     to: forward+tls://collector.example:24224
//!     shared_key: {file: /etc/reeve/forward.key}
//!     tls: {ca: /etc/reeve/ca.pem}
//!     only: {decision: [BLOCKED, ESCALATED]}
//! ```
//!
//! A sink with faults does not start; the others do. Secrets are named by file or variable, never written here.

use super::address::{Address, Carrier, Protocol};
use super::filter::Filter;
use super::record::Decision;
use super::secret::Secret;
use super::shape::Shape;
use super::wire::{nats, syslog};
use crate::yaml::{Fault, Keys, fault};
use marked_yaml::types::MarkedMappingNode;
use std::path::PathBuf;
use std::time::Duration;

/// The most sinks: each has metrics of its own.
pub const MAX_SINKS: usize = 32;

/// One sink.
#[derive(Debug, Clone)]
pub struct SinkConfig {
    /// Its name: a metric label and a file name.
    pub name: String,
    /// Where it sends.
    pub to: Address,
    /// How records look.
    pub shape: Shape,
    /// Which records.
    pub filter: Filter,
    /// How TLS is done.
    pub tls: TlsConfig,
    /// A user, for those that know users.
    pub user: Option<String>,
    /// A password for the user.
    pub password: Option<Secret>,
    /// A bearer token, or Splunk's.
    pub token: Option<Secret>,
    /// The key of the forward protocol.
    pub shared_key: Option<Secret>,
    /// How long one exchange may take.
    pub timeout: Duration,
    /// The most records of one batch.
    pub batch: usize,
    /// Whether what is posted is compressed.
    pub gzip: bool,
    /// What only one protocol knows.
    pub own: Own,
}

/// How TLS is done.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct TlsConfig {
    /// Certificate authorities in PEM; the system's when `None`.
    pub ca: Option<PathBuf>,
    /// Our certificate in PEM.
    pub certificate: Option<PathBuf>,
    /// Its key in PEM.
    pub key: Option<PathBuf>,
    /// The name in the receiver's certificate, when it is not the host.
    pub server_name: Option<String>,
}

/// What only one protocol knows; each has its default.
#[derive(Debug, Clone)]
pub struct Own {
    /// Forward: the tag.
    pub tag: String,
    /// Syslog.
    pub syslog: syslog::Options,
    /// Syslog: how many messages are sent again after a broken connection.
    pub resend: usize,
    /// Bulk and HEC.
    pub index: Option<String>,
    /// HEC.
    pub source: String,
    /// HEC.
    pub sourcetype: String,
    /// HEC: whether to wait for indexer acknowledgement.
    pub acks: bool,
    /// Loki: `X-Scope-OrgID`.
    pub tenant: Option<String>,
    /// Loki.
    pub cluster: Option<String>,
    /// Loki.
    pub namespace: Option<String>,
    /// NATS.
    pub subject: String,
    /// File: a new one begins beyond so many bytes.
    pub rotate_bytes: u64,
    /// File: how many old ones stay.
    pub keep: usize,
}

/// A sink as it was found: good, or with its faults.
#[derive(Debug)]
pub struct Found {
    /// Its name.
    pub name: String,
    /// What it became.
    pub sink: Result<SinkConfig, Vec<Fault>>,
}

/// Reads the section.
pub fn read(section: &MarkedMappingNode, host: &str) -> (Vec<Found>, Vec<Fault>) {
    let mut faults = Vec::new();
    let mut found = Vec::new();
    for (key, node) in section.iter() {
        let name = key.as_str();
        if !is_name(name) {
            let shown: String = name.chars().take(40).collect();
            faults.push(fault(
                key.span(),
                format!("`{shown}` is not a sink's name; 1 to 32 of a-z 0-9 - are expected"),
            ));
            continue;
        }
        if found.len() >= MAX_SINKS {
            faults.push(fault(
                key.span(),
                format!("there are more than {MAX_SINKS} sinks"),
            ));
            break;
        }
        let sink = match node.as_mapping() {
            Some(map) => sink(name, map, host),
            None => Err(vec![fault(node.span(), "a mapping with `to` is expected")]),
        };
        found.push(Found {
            name: name.to_owned(),
            sink,
        });
    }
    (found, faults)
}

/// Whether a text may name a sink.
pub fn is_name(name: &str) -> bool {
    (1..=32).contains(&name.len())
        && name
            .bytes()
            .all(|b| b.is_ascii_lowercase() || b.is_ascii_digit() || b == b'-')
}

fn sink(name: &str, map: &MarkedMappingNode, host: &str) -> Result<SinkConfig, Vec<Fault>> {
    let mut faults = Vec::new();
    let mut keys = Keys::of(map);
    let to = address(&mut keys, map, &mut faults);
    let shape = shape(&mut keys, &mut faults);
    let filter = filter(&mut keys, &mut faults);
    let tls = tls(&mut keys, &mut faults);
    let user = keys.text("user", &mut faults);
    let password = secret(&mut keys, "password", &mut faults);
    let token = secret(&mut keys, "token", &mut faults);
    let shared_key = secret(&mut keys, "shared_key", &mut faults);
    let timeout = keys.number("timeout_seconds", 1..=300, &mut faults).unwrap_or(30);
    let batch = keys.number("batch", 1..=10_000, &mut faults).unwrap_or(2000);
    let gzip = keys.flag("gzip", &mut faults).unwrap_or(false);
    let own = own(&mut keys, host, &mut faults);
    keys.finish(&mut faults);
    let Some(to) = to else { return Err(faults) };
    let config = SinkConfig {
        name: name.to_owned(),
        to,
        shape,
        filter,
        tls,
        user,
        password,
        token,
        shared_key,
        timeout: Duration::from_secs(timeout),
        batch: usize::try_from(batch).unwrap_or(2000),
        gzip,
        own,
    };
    config.contradictions(map, &mut faults);
    if faults.is_empty() {
        Ok(config)
    } else {
        Err(faults)
    }
}

impl SinkConfig {
    /// What each key allows, and together is wrong.
    fn contradictions(&self, map: &MarkedMappingNode, faults: &mut Vec<Fault>) {
        let mut say = |what: String| faults.push(fault(map.span(), what));
        let has_secret = self.password.is_some() || self.token.is_some();
        if has_secret && !self.to.is_protected() {
            say(format!(
                "{} is not encrypted, so its password or token would be sent in the clear; use the scheme with TLS",
                self.to.text
            ));
        }
        if self.to.carrier != Carrier::Tls && self.tls != TlsConfig::default() {
            say(format!("`tls` is set, but {} has no TLS", self.to.text));
        }
        if self.tls.certificate.is_some() != self.tls.key.is_some() {
            say("`tls` needs both `certificate` and `key`, or neither".to_owned());
        }
        if self.to.protocol == Protocol::Hec && self.token.is_none() {
            say("a Splunk collector needs `token: {file: …}`".to_owned());
        }
        if self.user.is_some() != self.password.is_some() {
            say("`user` and `password` go together".to_owned());
        }
        if self.to.protocol == Protocol::Forward && self.user.is_some() && self.shared_key.is_none() {
            say("the forward protocol has users only together with `shared_key`".to_owned());
        }
        if self.shared_key.is_some() && self.to.protocol != Protocol::Forward {
            say("`shared_key` belongs to the forward protocol".to_owned());
        }
        if self.gzip && !self.to.protocol.is_http() {
            say(format!(
                "`gzip` is for sinks over HTTP, and {} is none",
                self.to.text
            ));
        }
        if !nats::is_subject(&self.own.subject) {
            say("`subject` is expected to be words between dots, without wildcards".to_owned());
        }
    }
}

fn address(keys: &mut Keys<'_>, map: &MarkedMappingNode, faults: &mut Vec<Fault>) -> Option<Address> {
    let Some(node) = keys.take("to") else {
        faults.push(fault(
            map.span(),
            "`to` is missing: where the sink sends, as a URI",
        ));
        return None;
    };
    let text = node.as_scalar().map(|scalar| scalar.as_str()).unwrap_or_default();
    match Address::parse(text) {
        Ok(address) => Some(address),
        Err(error) => {
            faults.push(fault(node.span(), format!("`to`, {error}")));
            None
        }
    }
}

fn shape(keys: &mut Keys<'_>, faults: &mut Vec<Fault>) -> Shape {
    let Some(node) = keys.take("shape") else {
        return Shape::default();
    };
    let text = node.as_scalar().map(|scalar| scalar.as_str()).unwrap_or_default();
    let known = Shape::NAMES.iter().find(|(name, _)| *name == text);
    known.map(|(_, shape)| *shape).unwrap_or_else(|| {
        faults.push(fault(node.span(), "`shape` is one of native, ecs, ocsf, cef"));
        Shape::default()
    })
}

fn filter(keys: &mut Keys<'_>, faults: &mut Vec<Fault>) -> Filter {
    let mut filter = Filter::default();
    if let Some(node) = keys.take("sample_allowed_reads") {
        let part = node
            .as_scalar()
            .and_then(|scalar| scalar.as_str().parse::<f64>().ok())
            .filter(|part| (0.0..=1.0).contains(part));
        match part {
            // Within 0 to a million, so nothing is cut off.
            Some(part) => filter.reads_per_million = Some((part * 1e6).round() as u32),
            None => faults.push(fault(
                node.span(),
                "`sample_allowed_reads` is a number from 0 to 1",
            )),
        }
    }
    let Some(only) = keys.mapping("only", faults) else {
        return filter;
    };
    let mut only = Keys::of(only);
    filter.kinds = only.list("kind", faults);
    filter.tools = only.list("tool", faults);
    filter.levels = only.list("level", faults);
    filter.tracks = only.list("track", faults);
    for name in only.list("decision", faults) {
        match name.as_str() {
            "ALLOWED" => filter.decisions.push(Decision::Allowed),
            "BLOCKED" => filter.decisions.push(Decision::Blocked),
            "ESCALATED" => filter.decisions.push(Decision::Escalated),
            _ => faults.push(fault(only.span(), "`decision` is of ALLOWED, BLOCKED, ESCALATED")),
        }
    }
    for level in &filter.levels {
        if !matches!(level.as_str(), "L1" | "L2" | "L3" | "L4") {
            faults.push(fault(only.span(), "`level` is of L1, L2, L3, L4"));
        }
    }
    only.finish(faults);
    filter
}

fn tls(keys: &mut Keys<'_>, faults: &mut Vec<Fault>) -> TlsConfig {
    let Some(map) = keys.mapping("tls", faults) else {
        return TlsConfig::default();
    };
    let mut keys = Keys::of(map);
    let tls = TlsConfig {
        ca: keys.text("ca", faults).map(PathBuf::from),
        certificate: keys.text("certificate", faults).map(PathBuf::from),
        key: keys.text("key", faults).map(PathBuf::from),
        server_name: keys.text("server_name", faults),
    };
    keys.finish(faults);
    tls
}

fn secret(keys: &mut Keys<'_>, name: &'static str, faults: &mut Vec<Fault>) -> Option<Secret> {
    let node = keys.take(name)?;
    let wrong = || {
        fault(
            node.span(),
            format!("`{name}` is expected as {{file: PATH}} or {{env: NAME}}, never in clear"),
        )
    };
    let Some(map) = node.as_mapping() else {
        faults.push(wrong());
        return None;
    };
    let mut inner = Keys::of(map);
    let (file, env) = (inner.text("file", faults), inner.text("env", faults));
    inner.finish(faults);
    let read = match (file, env) {
        (Some(file), None) => Secret::from_file(&PathBuf::from(file)),
        (None, Some(env)) => Secret::from_env(&env),
        _ => {
            faults.push(wrong());
            return None;
        }
    };
    read.map_err(|why| faults.push(fault(node.span(), format!("`{name}`: {why}"))))
        .ok()
}

fn own(keys: &mut Keys<'_>, host: &str, faults: &mut Vec<Fault>) -> Own {
    let framing = match keys.text("framing", faults).as_deref() {
        None | Some("octets") => syslog::Framing::OctetCounting,
        Some("newline") => syslog::Framing::Newline,
        Some(_) => {
            faults.push(fault(keys.span(), "`framing` is one of octets, newline"));
            syslog::Framing::OctetCounting
        }
    };
    let small =
        |number: Option<u64>, default: u64| usize::try_from(number.unwrap_or(default)).unwrap_or(usize::MAX);
    Own {
        tag: keys
            .text("tag", faults)
            .unwrap_or_else(|| "reeve.audit".to_owned()),
        syslog: syslog::Options {
            pen: keys
                .number("pen", 1..=u64::from(u32::MAX), faults)
                .and_then(|pen| u32::try_from(pen).ok())
                .unwrap_or(32473),
            facility: keys
                .number("facility", 0..=23, faults)
                .and_then(|facility| u8::try_from(facility).ok())
                .unwrap_or(13),
            bom: keys.flag("bom", faults).unwrap_or(false),
            framing,
            host: host.to_owned(),
        },
        resend: small(keys.number("resend", 1..=100_000, faults), 4096),
        index: keys.text("index", faults),
        source: keys.text("source", faults).unwrap_or_else(|| "reeve".to_owned()),
        sourcetype: keys
            .text("sourcetype", faults)
            .unwrap_or_else(|| "reeve:audit".to_owned()),
        acks: keys.flag("acks", faults).unwrap_or(false),
        tenant: keys.text("tenant", faults),
        cluster: keys.text("cluster", faults),
        namespace: keys.text("namespace", faults),
        subject: keys
            .text("subject", faults)
            .unwrap_or_else(|| "reeve.audit".to_owned()),
        rotate_bytes: keys
            .number("rotate_bytes", 4096..=1 << 40, faults)
            .unwrap_or(64 << 20),
        keep: small(keys.number("keep", 0..=100_000, faults), 10),
    }
}

#[cfg(test)]
pub mod tests {
    use super::*;
    use crate::yaml;

    /// A sink from its YAML.
    pub fn parse(yaml: &str) -> Result<SinkConfig, Vec<Fault>> {
        let document = yaml::read(&format!("s:\n{yaml}")).unwrap();
        let (mut found, faults) = read(&document, "host-1");
        assert!(faults.is_empty(), "{faults:?}");
        found.remove(0).sink
    }

    fn faults(yaml: &str) -> String {
        let list: Vec<String> = parse(yaml).unwrap_err().iter().map(ToString::to_string).collect();
        list.join("\n")
    }

    #[test]
    fn a_sink_has_defaults() {
        let sink = parse("  to: forward+tcp://127.0.0.1\n").unwrap();
        assert_eq!(
            (sink.to.port, sink.shape, sink.own.tag.as_str()),
            (24224, Shape::Native, "reeve.audit")
        );
        let sink = parse("  to: loki+https://l\n  shape: ecs\n  only: {decision: [BLOCKED], tool: kubectl}\n  sample_allowed_reads: 0.25\n").unwrap();
        assert_eq!(sink.filter.decisions, [Decision::Blocked]);
        assert_eq!(
            (sink.filter.tools, sink.filter.reads_per_million),
            (vec!["kubectl".to_owned()], Some(250_000))
        );
    }

    #[test]
    fn faults_are_all_said_with_place_and_remedy() {
        let said = faults("  too: x\n  shape: xml\n  batch: 0\n  password: hunter2\n");
        for part in [
            "line 3: `shape` is one of native, ecs, ocsf, cef",
            "`to` is missing",
            "line 2: unknown key `too`; did you mean `to`?",
            "line 4: `batch` is expected to be a number from 1 to 10000",
            "line 5: `password` is expected as {file: PATH} or {env: NAME}, never in clear",
        ] {
            assert!(said.contains(part), "{part} in {said}");
        }
        assert!(!said.contains("hunter2"));
    }

    #[test]
    fn contradictions() {
        for (yaml, said) in [
            ("  to: splunk-hec+https://h\n", "needs `token"),
            ("  to: https://h\n  user: u\n", "go together"),
            ("  to: http://h\n  tls: {ca: /x}\n", "has no TLS"),
            (
                "  to: https://h\n  tls: {key: /x}\n",
                "both `certificate` and `key`",
            ),
            ("  to: nats://h\n  subject: a.>\n", "without wildcards"),
            ("  to: nats://h\n  gzip: true\n", "`gzip` is for sinks over HTTP"),
            (
                "  to: https://u:hunter2@h\n",
                "line 2: `to`, column 9: a user or a password",
            ),
        ] {
            let text = faults(yaml);
            assert!(text.contains(said), "{said} in {text}");
            assert!(!text.contains("hunter2"));
        }
        let directory = tempfile::tempdir().unwrap();
        let path = directory.path().join("t");
        std::fs::write(&path, "hunter2").unwrap();
        let text = faults(&format!(
            "  to: http://h\n  token: {{file: {}}}\n",
            path.display()
        ));
        assert!(
            text.contains("in the clear") && !text.contains("hunter2"),
            "{text}"
        );
        let text = faults("  to: https://h\n  token: {file: /nonexistent/t}\n");
        assert!(
            text.contains("`token`: the secret's file /nonexistent/t"),
            "{text}"
        );
    }

    #[test]
    fn names_are_file_names() {
        for bad in ["", "../x", "A", "a_b", "a.b", &"a".repeat(33)] {
            assert!(!is_name(bad), "{bad}");
        }
        assert!(is_name("siem-1"));
    }
}
