//! Where a sink sends: a URI (RFC 3986), read into what the protocols need. No files, no sockets.
//!
//! An address never carries a secret: one with a user or a password is refused, and no message of this module repeats
//! what stands before an `@`.

use fluent_uri::Uri;
use thiserror::Error;

/// What is spoken.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Protocol {
    /// Rolling NDJSON files.
    File,
    /// NDJSON on our standard output.
    Stdout,
    /// Fluent forward v1.
    Forward,
    /// RFC 5424.
    Syslog,
    /// Splunk's HTTP event collector.
    Hec,
    /// The bulk API of Elasticsearch and OpenSearch.
    Bulk,
    /// Loki's push API.
    Loki,
    /// OTLP logs over HTTP.
    Otlp,
    /// NATS JetStream.
    Nats,
    /// NDJSON, posted.
    Http,
}

impl Protocol {
    /// Whether records are posted.
    pub fn is_http(self) -> bool {
        match self {
            Protocol::Hec | Protocol::Bulk | Protocol::Loki | Protocol::Otlp | Protocol::Http => true,
            Protocol::File | Protocol::Stdout | Protocol::Forward | Protocol::Syslog | Protocol::Nats => {
                false
            }
        }
    }
}

/// What carries it.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Carrier {
    /// The file system, or standard output.
    Local,
    /// Datagrams.
    Udp,
    /// A stream.
    Tcp,
    /// A stream under TLS.
    Tls,
    /// A Unix stream socket.
    Unix,
}

/// Scheme, what it means, and the port when none is given (0: one must be).
const SCHEMES: &[(&str, Protocol, Carrier, u16)] = &[
    ("file", Protocol::File, Carrier::Local, 0),
    ("stdout", Protocol::Stdout, Carrier::Local, 0),
    ("forward+tcp", Protocol::Forward, Carrier::Tcp, 24224),
    ("forward+tls", Protocol::Forward, Carrier::Tls, 24224),
    ("forward+unix", Protocol::Forward, Carrier::Unix, 0),
    ("syslog+udp", Protocol::Syslog, Carrier::Udp, 514),
    ("syslog+tcp", Protocol::Syslog, Carrier::Tcp, 601),
    ("syslog+tls", Protocol::Syslog, Carrier::Tls, 6514),
    ("syslog+unix", Protocol::Syslog, Carrier::Unix, 0),
    ("splunk-hec+https", Protocol::Hec, Carrier::Tls, 8088),
    ("splunk-hec+http", Protocol::Hec, Carrier::Tcp, 8088),
    ("elasticsearch+https", Protocol::Bulk, Carrier::Tls, 9200),
    ("elasticsearch+http", Protocol::Bulk, Carrier::Tcp, 9200),
    ("opensearch+https", Protocol::Bulk, Carrier::Tls, 9200),
    ("opensearch+http", Protocol::Bulk, Carrier::Tcp, 9200),
    ("loki+https", Protocol::Loki, Carrier::Tls, 3100),
    ("loki+http", Protocol::Loki, Carrier::Tcp, 3100),
    ("otlp+https", Protocol::Otlp, Carrier::Tls, 4318),
    ("otlp+http", Protocol::Otlp, Carrier::Tcp, 4318),
    ("nats", Protocol::Nats, Carrier::Tcp, 4222),
    ("nats+tls", Protocol::Nats, Carrier::Tls, 4222),
    ("https", Protocol::Http, Carrier::Tls, 443),
    ("http", Protocol::Http, Carrier::Tcp, 80),
];

/// The longest address, in bytes.
const MAX_LENGTH: usize = 2048;

/// A sink's address.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Address {
    /// What is spoken.
    pub protocol: Protocol,
    /// What carries it.
    pub carrier: Carrier,
    /// Host name or IP address, without brackets; empty for files and Unix sockets.
    pub host: String,
    /// Port; 0 for files and Unix sockets.
    pub port: u16,
    /// Decoded for files and Unix sockets; as written, query included, for HTTP.
    pub path: String,
    /// The address as it may be shown.
    pub text: String,
}

/// Why a text is not a sink's address. `at` counts bytes from 1.
#[derive(Debug, Clone, PartialEq, Eq, Error)]
#[error("column {at}: {what}; expected {expected}")]
pub struct BadAddress {
    /// Where.
    pub at: usize,
    /// What is wrong there.
    pub what: String,
    /// What should be there.
    pub expected: String,
}

impl Address {
    /// Reads an address.
    ///
    /// # Errors
    /// Says where the text stops being one, and what was expected there.
    pub fn parse(text: &str) -> Result<Address, BadAddress> {
        if text.len() > MAX_LENGTH {
            return Err(bad(
                MAX_LENGTH,
                format!("the address has {} bytes", text.len()),
                "at most 2048",
            ));
        }
        let uri = Uri::parse(text).map_err(|error| {
            bad(
                error.index(),
                "this is not a URI".to_owned(),
                "scheme://host:port, in the characters of RFC 3986",
            )
        })?;
        let scheme = uri.scheme().as_str();
        let after_scheme = scheme.len().saturating_add(1);
        let (_, protocol, carrier, default_port) = SCHEMES
            .iter()
            .find(|(name, ..)| *name == scheme)
            .copied()
            .ok_or_else(|| unknown(scheme))?;
        if let Some(authority) = uri.authority()
            && authority.userinfo().is_some()
        {
            return Err(bad(
                after_scheme.saturating_add(2),
                "a user or a password stands in the address".to_owned(),
                "the host; put `user` and `password: {file: …}` beside `to`",
            ));
        }
        if uri.fragment().is_some() || (uri.query().is_some() && protocol != Protocol::Http) {
            let at = text.find(['?', '#']).unwrap_or(text.len());
            return Err(bad(
                at,
                "the address goes on".to_owned(),
                "its end; options are keys beside `to`",
            ));
        }
        let mut address = Address {
            protocol,
            carrier,
            host: String::new(),
            port: 0,
            path: uri.path().as_str().to_owned(),
            text: text.to_owned(),
        };
        match carrier {
            Carrier::Local | Carrier::Unix => address.local(&uri, after_scheme)?,
            Carrier::Udp | Carrier::Tcp | Carrier::Tls => {
                address.remote(&uri, after_scheme, default_port)?;
            }
        }
        Ok(address)
    }

    fn local(&mut self, uri: &Uri<&str>, after_scheme: usize) -> Result<(), BadAddress> {
        if uri
            .authority()
            .is_some_and(|authority| !authority.host().is_empty())
        {
            return Err(bad(
                after_scheme.saturating_add(2),
                "a host stands in a local address".to_owned(),
                "an absolute path: `file:///var/log/reeve/audit.ndjson`",
            ));
        }
        if self.protocol == Protocol::Stdout {
            return Ok(());
        }
        self.path = uri
            .path()
            .decode()
            .to_string()
            .ok()
            .map(String::from)
            .filter(|path| path.starts_with('/') && !path.ends_with('/') && !path.contains('\0'))
            .ok_or_else(|| {
                bad(
                    after_scheme,
                    "this is not a file's path".to_owned(),
                    "an absolute path in UTF-8",
                )
            })?;
        Ok(())
    }

    fn remote(&mut self, uri: &Uri<&str>, after_scheme: usize, default_port: u16) -> Result<(), BadAddress> {
        let authority = uri
            .authority()
            .filter(|authority| !authority.host().is_empty())
            .ok_or_else(|| bad(after_scheme, "the host is missing".to_owned(), "//host:port"))?;
        let host_at = after_scheme.saturating_add(2);
        let host = authority.host();
        self.host = host
            .strip_prefix('[')
            .and_then(|host| host.strip_suffix(']'))
            .unwrap_or(host)
            .to_owned();
        if self.host.contains('%') {
            return Err(bad(
                host_at,
                "the host has percent signs".to_owned(),
                "a host name or an IP address",
            ));
        }
        let port_at = host_at.saturating_add(host.len()).saturating_add(1);
        self.port = match authority.port_to_u16() {
            Ok(None) => default_port,
            Ok(Some(port)) if port > 0 => port,
            _ => return Err(bad(port_at, "this is not a port".to_owned(), "1 to 65535")),
        };
        let takes_path = matches!(
            self.protocol,
            Protocol::Http | Protocol::Hec | Protocol::Bulk | Protocol::Loki | Protocol::Otlp
        );
        if !takes_path && !matches!(self.path.as_str(), "" | "/") {
            return Err(bad(
                uri.as_str().len().saturating_sub(self.path.len()),
                "a path stands after the host".to_owned(),
                "the address's end",
            ));
        }
        if let Some(query) = uri.query() {
            self.path = format!("{}?{query}", self.path);
        }
        Ok(())
    }

    /// Whether the carrier is encrypted, or never leaves this host.
    pub fn is_protected(&self) -> bool {
        match self.carrier {
            Carrier::Local | Carrier::Unix | Carrier::Tls => true,
            Carrier::Udp | Carrier::Tcp => {
                self.host == "localhost"
                    || self
                        .host
                        .parse::<std::net::IpAddr>()
                        .is_ok_and(|ip| ip.is_loopback())
            }
        }
    }

    /// `host:port` as a header or a socket wants it.
    pub fn authority(&self) -> String {
        if self.host.contains(':') {
            format!("[{}]:{}", self.host, self.port)
        } else {
            format!("{}:{}", self.host, self.port)
        }
    }
}

fn bad(index: usize, what: String, expected: &str) -> BadAddress {
    BadAddress {
        at: index.saturating_add(1),
        what,
        expected: expected.to_owned(),
    }
}

fn unknown(scheme: &str) -> BadAddress {
    let names = SCHEMES.iter().map(|(name, ..)| *name);
    let nearest = names
        .clone()
        .min_by_key(|name| strsim::damerau_levenshtein(name, scheme))
        .filter(|name| strsim::damerau_levenshtein(name, scheme) <= 3);
    let expected = match nearest {
        Some(name) => format!("`{name}`, perhaps"),
        None => format!("one of {}", names.collect::<Vec<_>>().join(", ")),
    };
    let shown: String = scheme.chars().take(40).collect();
    bad(0, format!("the scheme `{shown}` is not known"), &expected)
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    fn read(text: &str) -> Address {
        Address::parse(text).unwrap()
    }

    #[test]
    fn addresses_are_read() {
        let tls = read("forward+tls://collector.example:24225");
        assert_eq!(
            (tls.protocol, tls.carrier, tls.authority().as_str()),
            (Protocol::Forward, Carrier::Tls, "collector.example:24225")
        );
        assert_eq!(read("syslog+tls://[::1]").authority(), "[::1]:6514");
        assert_eq!(read("file:///var/log/a%20b.ndjson").path, "/var/log/a b.ndjson");
        assert_eq!(read("https://h/x?y=1").path, "/x?y=1");
        assert_eq!(read("stdout:").protocol, Protocol::Stdout);
        assert!(read("nats://127.0.0.1").is_protected());
        assert!(!read("nats://10.0.0.1").is_protected());
    }

    #[test]
    fn what_is_wrong_is_placed() {
        for (text, said) in [
            (
                "forward+tpc://h",
                "column 1: the scheme `forward+tpc` is not known; expected `forward+tcp`, perhaps",
            ),
            (
                "gopher://h",
                "column 1: the scheme `gopher` is not known; expected one of file, stdout",
            ),
            (
                "forward+tcp:",
                "column 13: the host is missing; expected //host:port",
            ),
            ("forward+tcp://", "column 13: the host is missing"),
            (
                "nats://h:99999",
                "column 10: this is not a port; expected 1 to 65535",
            ),
            ("nats://h:0", "column 10: this is not a port"),
            ("nats://h/sub", "column 9: a path stands after the host"),
            ("nats://h x", "column 9: this is not a URI"),
            (
                "https://u:hunter2@h/",
                "column 9: a user or a password stands in the address",
            ),
            ("loki+http://h?a=b", "column 14: the address goes on"),
            ("file:relative", "column 6: this is not a file's path"),
            ("file://host/x", "column 8: a host stands in a local address"),
        ] {
            let error = Address::parse(text).unwrap_err().to_string();
            assert!(error.starts_with(said), "{text}: {error}");
            assert!(!error.contains("hunter2"));
        }
    }

    proptest! {
        #[test]
        fn no_text_panics_and_no_password_is_repeated(scheme in "[a-z+]{1,12}", secret in "[A-Z]{12}", rest in ".{0,20}") {
            let text = format!("{scheme}://u:{secret}@{rest}");
            if let Err(error) = Address::parse(&text) {
                prop_assert!(!error.to_string().contains(&secret));
            }
        }
    }
}
