//! The shared-key handshake of fluent forward: HELO, PING, PONG. Digests are SHA-512, lower-case hex, compared in
//! constant time. The PING is one write, below 1 KiB: a known receiver reads it in one read.

use super::msgpack::{push_array, push_str};
use crate::sinks::secret::Secret;
use rmpv::Value;
use sha2::{Digest, Sha512};
use subtle::ConstantTimeEq;

/// What the server said first. Both may be any bytes.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Helo {
    nonce: Vec<u8>,
    auth: Vec<u8>,
}

/// What we know.
#[derive(Debug)]
pub struct Credentials<'a> {
    /// Our host name.
    pub host: &'a str,
    /// Fresh for each connection.
    pub salt: &'a str,
    /// The shared key.
    pub key: &'a Secret,
    /// The user and the password, when the server asks for them.
    pub user: Option<(&'a str, &'a Secret)>,
}

/// Reads `["HELO", {"nonce", "auth", "keepalive"}]`.
///
/// # Errors
/// When it is something else.
pub fn helo(value: &Value) -> Result<Helo, String> {
    let fail =
        || "the receiver did not begin with HELO: it is no forward server with a shared key".to_owned();
    let list = value.as_array().ok_or_else(fail)?;
    let (Some(word), Some(options)) = (list.first(), list.get(1)) else {
        return Err(fail());
    };
    if word.as_str() != Some("HELO") {
        return Err(fail());
    }
    let option = |name: &str| {
        let map = options.as_map()?;
        let (_, value) = map.iter().find(|(key, _)| key.as_str() == Some(name))?;
        value.as_slice().map(<[u8]>::to_vec)
    };
    Ok(Helo {
        nonce: option("nonce").ok_or_else(fail)?,
        auth: option("auth").unwrap_or_default(),
    })
}

/// `["PING", host, salt, digest, user, password digest]`.
///
/// # Errors
/// When the server wants a user and the sink has none.
pub fn ping(helo: &Helo, with: &Credentials<'_>) -> Result<Vec<u8>, String> {
    let digest = hex_digest(&[
        with.salt.as_bytes(),
        with.host.as_bytes(),
        &helo.nonce,
        with.key.dangerous_reveal().as_bytes(),
    ]);
    let (user, password) = match (helo.auth.is_empty(), with.user) {
        (true, _) => ("", String::new()),
        (false, Some((user, password))) => (
            user,
            hex_digest(&[
                &helo.auth,
                user.as_bytes(),
                password.dangerous_reveal().as_bytes(),
            ]),
        ),
        (false, None) => {
            return Err(
                "the receiver wants a user; put `user` and `password` beside `shared_key`".to_owned(),
            );
        }
    };
    let mut out = Vec::with_capacity(512);
    push_array(&mut out, 6);
    for text in ["PING", with.host, with.salt, &digest, user, &password] {
        push_str(&mut out, text);
    }
    Ok(out)
}

/// Checks `["PONG", ok, reason, server host, digest]`: the server, too, must know the key.
///
/// # Errors
/// Says who refused whom.
pub fn pong(value: &Value, helo: &Helo, with: &Credentials<'_>) -> Result<(), String> {
    let list = value
        .as_array()
        .filter(|list| list.first().and_then(Value::as_str) == Some("PONG"))
        .ok_or_else(|| "the receiver did not answer PING with PONG".to_owned())?;
    let text = |at: usize| list.get(at).and_then(Value::as_slice).unwrap_or_default();
    if list.get(1).and_then(Value::as_bool) != Some(true) {
        let reason: String = String::from_utf8_lossy(text(2)).chars().take(200).collect();
        return Err(format!(
            "the receiver refuses the handshake: {reason}; check `shared_key`, `user` and `password`"
        ));
    }
    let expected = hex_digest(&[
        with.salt.as_bytes(),
        text(3),
        &helo.nonce,
        with.key.dangerous_reveal().as_bytes(),
    ]);
    if bool::from(expected.as_bytes().ct_eq(text(4))) {
        Ok(())
    } else {
        Err(
            "the receiver does not know the shared key: it may be somebody else; check `shared_key`"
                .to_owned(),
        )
    }
}

fn hex_digest(parts: &[&[u8]]) -> String {
    let mut hasher = Sha512::new();
    for part in parts {
        hasher.update(part);
    }
    base16ct::lower::encode_string(&hasher.finalize())
}

#[cfg(test)]
mod tests {
    use super::*;

    fn hello(auth: &str) -> Value {
        let options = vec![
            ("nonce".into(), Value::Binary(vec![0xff, 0x00, 0x80])),
            ("auth".into(), Value::from(auth)),
        ];
        Value::Array(vec!["HELO".into(), Value::Map(options)])
    }

    fn pong_of(key: &str, ok: bool) -> Value {
        let digest = hex_digest(&[b"salt", b"server", &[0xff, 0x00, 0x80], key.as_bytes()]);
        Value::Array(vec![
            "PONG".into(),
            ok.into(),
            "no".into(),
            "server".into(),
            digest.into(),
        ])
    }

    #[test]
    fn both_sides_prove_the_key() {
        let key = Secret::from("k");
        let with = Credentials {
            host: "me",
            salt: "salt",
            key: &key,
            user: None,
        };
        let greeting = helo(&hello("")).unwrap();
        let bytes = ping(&greeting, &with).unwrap();
        let read = rmpv::decode::read_value(&mut &bytes[..]).unwrap();
        let list = read.as_array().unwrap();
        let expected = hex_digest(&[b"saltme", &[0xff, 0x00, 0x80], b"k"]);
        assert_eq!(list[3].as_str(), Some(expected.as_str()));
        assert_eq!((list[4].as_str(), list[5].as_str()), (Some(""), Some("")));
        assert!(bytes.len() < 1024);
        assert_eq!(pong(&pong_of("k", true), &greeting, &with), Ok(()));
        assert!(
            pong(&pong_of("other", true), &greeting, &with)
                .unwrap_err()
                .contains("does not know")
        );
        assert!(
            pong(&pong_of("k", false), &greeting, &with)
                .unwrap_err()
                .contains("refuses")
        );
        assert!(pong(&Value::Nil, &greeting, &with).is_err());
    }

    #[test]
    fn a_user_is_sent_only_when_asked_for() {
        let (key, password) = (Secret::from("k"), Secret::from("p"));
        let greeting = helo(&hello("a")).unwrap();
        let with = Credentials {
            host: "me",
            salt: "s",
            key: &key,
            user: None,
        };
        assert!(ping(&greeting, &with).unwrap_err().contains("wants a user"));
        let with = Credentials {
            user: Some(("u", &password)),
            ..with
        };
        let bytes = ping(&greeting, &with).unwrap();
        let read = rmpv::decode::read_value(&mut &bytes[..]).unwrap();
        let expected = hex_digest(&[b"aup"]);
        assert_eq!(read.as_array().unwrap()[5].as_str(), Some(expected.as_str()));
    }

    #[test]
    fn anything_else_is_no_helo() {
        for value in [
            Value::Nil,
            Value::Array(vec!["HELO".into()]),
            Value::Array(vec!["PONG".into(), Value::Map(vec![])]),
        ] {
            assert!(helo(&value).is_err());
        }
    }
}
