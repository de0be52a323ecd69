//! Where psql goes: host, port, user and database, from options, connection strings and URIs, and the environment.
//!
//! Facts: libpq's `fe-connect.c`. A connection string in the place of the database's name beats the options. Another host,
//! port or user than the environment's (the operator's) is a redirection; another database is not, rules see it. An empty value
//! of an option counts for nothing, but one in a connection string or URI takes the environment's place, the gate's own
//! `PGOPTIONS` too.

use crate::{Hazard, Surroundings, Unreadable};

/// Parameters that change neither where the connection goes nor who makes it nor what may be done in it.
const HARMLESS: &[&str] = &[
    "application_name",
    "connect_timeout",
    "fallback_application_name",
    "keepalives",
    "keepalives_count",
    "keepalives_idle",
    "keepalives_interval",
    "sslcompression",
    "sslsni",
    "tcp_user_timeout",
];

/// Where the connection goes, as far as it is known.
#[derive(Debug, Default, Clone, PartialEq, Eq)]
pub(super) struct Target {
    /// With `:PORT` where that is not 5432.
    pub host: Option<String>,
    pub user: Option<String>,
    pub database: Option<String>,
    pub hazards: Vec<(Hazard, String)>,
}

/// What the options say, with the positions of their words.
#[derive(Debug, Default, Clone, Copy)]
pub(super) struct Options<'w> {
    pub host: Option<(usize, &'w str)>,
    pub port: Option<(usize, &'w str)>,
    pub user: Option<(usize, &'w str)>,
    pub database: Option<(usize, &'w str)>,
}

/// Resolves the target.
pub(super) fn target(options: &Options<'_>, around: &Surroundings) -> Result<Target, Unreadable> {
    let mut said: Vec<(String, String)> = Vec::new();
    for (key, value) in [
        ("host", options.host),
        ("port", options.port),
        ("user", options.user),
    ] {
        if let Some((at, value)) = value {
            visible(at, value)?;
            said.push((key.to_owned(), value.to_owned()));
        }
    }
    if let Some((at, text)) = options.database {
        visible(at, text)?;
        match parameters(text) {
            Ok(Some(parameters)) => {
                if let Some((key, _)) = parameters.iter().find(|(_, value)| value.is_empty()) {
                    return Err(Unreadable::at(
                        at,
                        key,
                        "is empty in a connection string, which takes back what the operator set",
                    ));
                }
                said.extend(parameters);
            }
            Ok(None) => said.push(("dbname".to_owned(), text.to_owned())),
            Err(problem) => return Err(Unreadable::at(at, "connection string", problem)),
        }
    }
    let position = options.database.map_or(0, |(at, _)| at);
    let mut target = Target::default();
    for (key, value) in said.iter().filter(|(_, value)| !value.is_empty()) {
        judge(key, value, around, &mut target).map_err(|problem| Unreadable::at(position, key, &problem))?;
    }
    for name in ["PGSERVICE", "PGSERVICEFILE"] {
        if around.variable(name).is_some() {
            let because = format!(
                "`{name}` in the environment may name another server or take back that the session only reads"
            );
            target.hazards.push((Hazard::RedirectsEndpoint, because));
        }
    }
    let last = |key: &str| {
        said.iter()
            .rfind(|(known, value)| known == key && !value.is_empty())
            .map(|(_, value)| value.clone())
    };
    let or_variable =
        |key: &str, variable: &str| last(key).or_else(|| around.variable(variable).map(str::to_owned));
    let port = or_variable("port", "PGPORT").filter(|port| port != "5432");
    target.host = or_variable("host", "PGHOST").map(|host| match port {
        Some(port) => format!("{host}:{port}"),
        None => host,
    });
    target.user = or_variable("user", "PGUSER");
    target.database = or_variable("dbname", "PGDATABASE");
    Ok(target)
}

fn visible(at: usize, text: &str) -> Result<(), Unreadable> {
    if text.chars().any(crate::unreadable::is_deceptive) {
        return Err(Unreadable::at(at, text, "has characters that hide what it says"));
    }
    Ok(())
}

fn judge(key: &str, value: &str, around: &Surroundings, target: &mut Target) -> Result<(), String> {
    let pinned = |variable: &str, default: Option<&str>| {
        around
            .variable(variable)
            .or(default)
            .is_some_and(|pinned| pinned == value)
    };
    let mut add = |hazard, because: String| target.hazards.push((hazard, because));
    let redirects = |what: &str, variable: &str| {
        format!(
            "the command names a {what}, which is not the environment's; have the operator set {variable}"
        )
    };
    match key {
        "dbname" => {}
        "host" if pinned("PGHOST", None) => {}
        "hostaddr" if pinned("PGHOSTADDR", None) => {}
        "port" if pinned("PGPORT", Some("5432")) => {}
        "user" if pinned("PGUSER", None) => {}
        "host" | "hostaddr" => add(Hazard::RedirectsEndpoint, redirects("host", "PGHOST")),
        "port" => add(Hazard::RedirectsEndpoint, redirects("port", "PGPORT")),
        "user" => add(Hazard::RedirectsEndpoint, redirects("user", "PGUSER")),
        "password" => add(
            Hazard::RevealsCredentials,
            "a password on the command line can be seen by others; use a password file".to_owned(),
        ),
        "sslmode" if pinned("PGSSLMODE", None) => {}
        "channel_binding" if pinned("PGCHANNELBINDING", None) => {}
        "sslmode" if around.variable("PGSSLMODE").is_some() => {
            add(Hazard::RedirectsEndpoint, redirects("TLS mode", "PGSSLMODE"));
        }
        "channel_binding" if around.variable("PGCHANNELBINDING").is_some() => add(
            Hazard::RedirectsEndpoint,
            redirects("channel binding", "PGCHANNELBINDING"),
        ),
        "channel_binding" if matches!(value, "prefer" | "require") => {}
        "target_session_attrs" if pinned("PGTARGETSESSIONATTRS", Some("any")) => {}
        "target_session_attrs" => add(
            Hazard::RedirectsEndpoint,
            redirects("kind of server", "PGTARGETSESSIONATTRS"),
        ),
        "load_balance_hosts" if pinned("PGLOADBALANCEHOSTS", Some("disable")) => {}
        "load_balance_hosts" => add(
            Hazard::RedirectsEndpoint,
            redirects("way to choose a server", "PGLOADBALANCEHOSTS"),
        ),
        "sslmode" if matches!(value, "require" | "verify-ca" | "verify-full") => {}
        "sslmode"
        | "channel_binding"
        | "gssencmode"
        | "sslnegotiation"
        | "ssl_min_protocol_version"
        | "ssl_max_protocol_version" => {
            add(
                Hazard::SkipsChecks,
                format!("`{key}` changes how the connection is protected"),
            );
        }
        "client_encoding" if value.eq_ignore_ascii_case("utf8") || value.eq_ignore_ascii_case("utf-8") => {}
        key if HARMLESS.contains(&key) => {}
        _ => {
            return Err(
                "is a parameter that changes who connects, how, or what the session may do".to_owned(),
            );
        }
    }
    Ok(())
}

/// The parameters of a connection string; nothing where the text is the name of a database.
fn parameters(text: &str) -> Result<Option<Vec<(String, String)>>, &'static str> {
    if text.chars().any(|c| c.is_whitespace() && c != ' ') {
        return Err("has white space that libpq takes for letters");
    }
    for scheme in ["postgresql://", "postgres://"] {
        if let Some(rest) = text.strip_prefix(scheme) {
            return uri(rest).map(Some);
        }
    }
    if text.contains('=') {
        pairs(text).map(Some)
    } else {
        Ok(None)
    }
}

/// `key = value key2 = 'v \'2'`.
fn pairs(text: &str) -> Result<Vec<(String, String)>, &'static str> {
    let mut found = Vec::new();
    let mut rest = text.trim_start();
    while !rest.is_empty() {
        let (key, behind) = rest.split_once('=').ok_or("has a parameter without a value")?;
        let key = key.trim_end();
        if key.is_empty() || !key.bytes().all(|b| b.is_ascii_lowercase() || b == b'_') {
            return Err("has a parameter with an odd name");
        }
        let (value, behind) = value(behind.trim_start())?;
        found.push((key.to_owned(), value));
        rest = behind.trim_start();
    }
    Ok(found)
}

fn value(text: &str) -> Result<(String, &str), &'static str> {
    let quoted = text.strip_prefix('\'');
    let mut value = String::new();
    let body = quoted.unwrap_or(text);
    let mut letters = body.char_indices();
    while let Some((at, c)) = letters.next() {
        match c {
            '\\' => value.extend(letters.next().map(|(_, c)| c)),
            '\'' if quoted.is_some() => {
                let behind = body.get(at.saturating_add(1)..).unwrap_or_default();
                let ends = behind.is_empty() || behind.starts_with(char::is_whitespace);
                return if ends {
                    Ok((value, behind))
                } else {
                    Err("has letters right behind a quote")
                };
            }
            c if c.is_whitespace() && quoted.is_none() => {
                return Ok((value, body.get(at..).unwrap_or_default()));
            }
            c => value.push(c),
        }
    }
    if quoted.is_some() {
        Err("has a quote that does not end")
    } else {
        Ok((value, ""))
    }
}

/// What stands behind `postgresql://`.
fn uri(text: &str) -> Result<Vec<(String, String)>, &'static str> {
    let (path, query) = text.split_once('?').unwrap_or((text, ""));
    let (authority, database) = path.split_once('/').unwrap_or((path, ""));
    let (user, hosts) = match authority.rsplit_once('@') {
        Some((user, hosts)) => (user, hosts),
        None => ("", authority),
    };
    if user.contains('@') || hosts.contains('#') {
        return Err("is a URI that can be read in two ways");
    }
    let mut found = Vec::new();
    let (user, password) = user.split_once(':').unwrap_or((user, ""));
    let mut names = Vec::new();
    let mut ports = Vec::new();
    for host in hosts.split(',') {
        let split = if host.starts_with('[') {
            let end = host.find(']').ok_or("has an address without its bracket")?;
            let behind = host.get(end.saturating_add(1)..).unwrap_or_default();
            (
                host.get(1..end).unwrap_or_default(),
                behind.strip_prefix(':').unwrap_or_default(),
            )
        } else {
            host.split_once(':').unwrap_or((host, ""))
        };
        names.push(decode(split.0)?);
        // With several hosts, a port that is left out is 5432 and not the environment's.
        ports.push(decode(split.1)?);
    }
    for (key, value) in [
        ("user", decode(user)?),
        ("password", decode(password)?),
        ("host", names.join(",")),
        ("port", ports.join(",")),
        ("dbname", decode(database)?),
    ] {
        if !value.is_empty() {
            found.push((key.to_owned(), value));
        }
    }
    for pair in query.split('&').filter(|pair| !pair.is_empty()) {
        let (key, value) = pair.split_once('=').ok_or("has a parameter without a value")?;
        let (key, value) = (decode(key)?, decode(value)?);
        match key.as_str() {
            // JDBC's word for it.
            "ssl" if value == "true" => found.push(("sslmode".to_owned(), "require".to_owned())),
            _ => found.push((key, value)),
        }
    }
    Ok(found)
}

fn decode(text: &str) -> Result<String, &'static str> {
    let mut bytes = Vec::with_capacity(text.len());
    let mut rest = text.bytes();
    while let Some(byte) = rest.next() {
        if byte != b'%' {
            bytes.push(byte);
            continue;
        }
        let mut digit = || {
            rest.next()
                .and_then(|b| char::from(b).to_digit(16))
                .and_then(|d| u8::try_from(d).ok())
        };
        let (Some(high), Some(low)) = (digit(), digit()) else {
            return Err("has a `%` that begins no byte");
        };
        bytes.push(high.wrapping_mul(16).wrapping_add(low));
    }
    let text = String::from_utf8(bytes).map_err(|_| "is not valid UTF-8")?;
    if text.chars().any(crate::unreadable::is_deceptive) {
        return Err("has characters that hide what it says");
    }
    Ok(text)
}
