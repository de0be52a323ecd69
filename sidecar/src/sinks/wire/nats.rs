//! NATS, as far as publishing to JetStream needs it: HPUB with a reply subject and `Nats-Msg-Id`, and what the server says.
//! The server drops a repeat of an id within the stream's `duplicate_window` (2 minutes by default).

use crate::sinks::record::Item;
use crate::sinks::shape::Shape;
use crate::sinks::verdict::Verdict;
use serde::Deserialize;

/// The longest line of control, in bytes.
const MAX_LINE: usize = 64 * 1024;
/// The longest message to us, in bytes.
const MAX_MESSAGE: usize = 1 << 20;

/// What the server says of itself.
#[derive(Debug, Clone, PartialEq, Eq, Deserialize)]
pub struct Info {
    /// The longest payload, headers included.
    #[serde(default = "default_payload")]
    pub max_payload: usize,
    /// Whether it speaks headers.
    #[serde(default)]
    pub headers: bool,
    /// Whether it wants TLS.
    #[serde(default)]
    pub tls_required: bool,
}

fn default_payload() -> usize {
    1 << 20
}

/// One thing that the server said.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Said {
    /// `INFO`
    Info(Info),
    /// `PING`: it wants a `PONG`.
    Ping,
    /// `PONG`
    Pong,
    /// `+OK`
    Ok,
    /// `-ERR`
    Error(String),
    /// A message: its subject, its status line when it has headers, and its payload.
    Message {
        /// Where it was sent.
        subject: String,
        /// `503` and the like; empty without one.
        status: String,
        /// The payload.
        payload: Vec<u8>,
    },
}

/// Takes one thing from the front of `buffer`: how many bytes it has, and what it is; `None` when it is not whole yet.
///
/// # Errors
/// When this is not a NATS server.
pub fn read(buffer: &[u8]) -> Result<Option<(usize, Said)>, String> {
    let Some(end) = buffer.windows(2).position(|pair| pair == b"\r\n") else {
        return if buffer.len() > MAX_LINE {
            Err(not_nats())
        } else {
            Ok(None)
        };
    };
    let line = std::str::from_utf8(buffer.get(..end).unwrap_or_default()).map_err(|_| not_nats())?;
    let after = end.saturating_add(2);
    let (word, rest) = line.split_once([' ', '\t']).unwrap_or((line, ""));
    let said = match word.to_ascii_uppercase().as_str() {
        "INFO" => Said::Info(serde_json::from_str(rest).map_err(|_| not_nats())?),
        "PING" => Said::Ping,
        "PONG" => Said::Pong,
        "+OK" => Said::Ok,
        "-ERR" => Said::Error(rest.trim_matches('\'').chars().take(200).collect()),
        "MSG" => return message(buffer, after, rest, false),
        "HMSG" => return message(buffer, after, rest, true),
        _ => return Err(not_nats()),
    };
    Ok(Some((after, said)))
}

fn not_nats() -> String {
    "the receiver does not speak NATS; check the sink's `to`".to_owned()
}

fn message(
    buffer: &[u8],
    begin: usize,
    words: &str,
    has_headers: bool,
) -> Result<Option<(usize, Said)>, String> {
    let words: Vec<&str> = words.split_ascii_whitespace().collect();
    let number = |word: Option<&&str>| {
        word.and_then(|word| word.parse::<usize>().ok())
            .ok_or_else(not_nats)
    };
    let total = number(words.last())?;
    let head = if has_headers {
        number(words.len().checked_sub(2).and_then(|at| words.get(at)))?
    } else {
        0
    };
    if total > MAX_MESSAGE || head > total {
        return Err(not_nats());
    }
    let end = begin.saturating_add(total);
    let whole = end.saturating_add(2);
    if buffer.len() < whole {
        return Ok(None);
    }
    let body = buffer.get(begin..end).unwrap_or_default();
    let (headers, payload) = body.split_at_checked(head).unwrap_or_default();
    let status = String::from_utf8_lossy(headers)
        .lines()
        .next()
        .and_then(|line| line.split_ascii_whitespace().nth(1))
        .unwrap_or_default()
        .to_owned();
    let said = Said::Message {
        subject: (*words.first().ok_or_else(not_nats)?).to_owned(),
        status,
        payload: payload.to_vec(),
    };
    Ok(Some((whole, said)))
}

/// Appends one publication.
pub fn push_publish(out: &mut Vec<u8>, subject: &str, reply: &str, item: &Item, shape: Shape) {
    let headers = format!("NATS/1.0\r\nNats-Msg-Id: {}\r\n\r\n", plain(&item.id));
    let payload = shape.line(item);
    let total = headers.len().saturating_add(payload.len());
    out.extend_from_slice(format!("HPUB {subject} {reply} {} {total}\r\n", headers.len()).as_bytes());
    out.extend_from_slice(headers.as_bytes());
    out.extend_from_slice(payload.as_bytes());
    out.extend_from_slice(b"\r\n");
}

/// A header's value cannot have line breaks.
fn plain(text: &str) -> String {
    text.chars().filter(|c| !c.is_control()).collect()
}

/// Whether `subject` may be published to: words of printable ASCII between dots, without wildcards.
pub fn is_subject(subject: &str) -> bool {
    subject.len() <= 255
        && subject.split('.').all(|word| {
            !word.is_empty()
                && word
                    .bytes()
                    .all(|b| (b'!'..=b'~').contains(&b) && b != b'*' && b != b'>')
        })
}

#[derive(Deserialize)]
struct Acknowledgement {
    #[serde(default)]
    stream: Option<String>,
    #[serde(default)]
    error: Option<Refusal>,
}

#[derive(Deserialize)]
struct Refusal {
    #[serde(default)]
    code: u32,
    #[serde(default)]
    description: String,
}

/// What JetStream made of a publication. `Err` concerns the stream and not the record.
pub fn judge(status: &str, payload: &[u8]) -> Result<Verdict, String> {
    if status == "503" {
        return Err("no stream takes this subject; create one, or check `subject`".to_owned());
    }
    let told: Acknowledgement = serde_json::from_slice(payload)
        .map_err(|_| "the answer is no acknowledgement of JetStream".to_owned())?;
    match (told.stream, told.error) {
        (Some(stream), None) if !stream.is_empty() => Ok(Verdict::Done),
        (_, Some(refusal)) => {
            let why = format!("{} {}", refusal.code, refusal.description);
            // 503: no leader, no space; 400: this message.
            Ok(if refusal.code == 400 {
                Verdict::Dead(why)
            } else {
                Verdict::Again(why)
            })
        }
        _ => Err("the answer is no acknowledgement of JetStream".to_owned()),
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::sinks::record::examples;
    use proptest::prelude::*;

    #[test]
    fn vector() {
        let mut out = Vec::new();
        push_publish(
            &mut out,
            "audit.x",
            "_INBOX.a.0",
            &examples::open(),
            Shape::Native,
        );
        let payload = Shape::Native.line(&examples::open());
        let headers = "NATS/1.0\r\nNats-Msg-Id: OPEN.0.abababababababab\r\n\r\n";
        assert_eq!(
            String::from_utf8(out).unwrap(),
            format!(
                "HPUB audit.x _INBOX.a.0 {} {}\r\n{headers}{payload}\r\n",
                headers.len(),
                headers.len() + payload.len()
            )
        );
    }

    #[test]
    fn the_server_is_read() {
        let text = b"INFO {\"max_payload\":9,\"headers\":true}\r\nPING\r\nMSG _I.0 1 4\r\nabcd\r\nHMSG _I.1 1 16 18\r\nNATS/1.0 503\r\n\r\nxy\r\n-ERR 'no'\r\nMSG _I";
        let mut rest = &text[..];
        let mut said = Vec::new();
        while let Some((used, next)) = read(rest).unwrap() {
            said.push(next);
            rest = &rest[used..];
        }
        let message = |subject: &str, status: &str, payload: &str| Said::Message {
            subject: subject.into(),
            status: status.into(),
            payload: payload.into(),
        };
        assert_eq!(
            said,
            [
                Said::Info(Info {
                    max_payload: 9,
                    headers: true,
                    tls_required: false
                }),
                Said::Ping,
                message("_I.0", "", "abcd"),
                message("_I.1", "503", "xy"),
                Said::Error("no".into())
            ]
        );
        assert!(read(b"HTTP/1.1 400 Bad Request\r\n").is_err());
        assert!(read(b"MSG a 1 99999999999\r\n").is_err());
    }

    #[test]
    fn answers() {
        assert_eq!(
            judge("", br#"{"stream":"A","seq":3,"duplicate":true}"#),
            Ok(Verdict::Done)
        );
        assert!(judge("503", b"").unwrap_err().contains("no stream"));
        assert!(matches!(
            judge("", br#"{"error":{"code":503,"description":"x"}}"#),
            Ok(Verdict::Again(_))
        ));
        assert!(judge("", b"{}").is_err());
        assert!(is_subject("reeve.audit") && !is_subject("a..b") && !is_subject("a.>") && !is_subject("a b"));
    }

    proptest! {
        #[test]
        fn no_bytes_panic(bytes in proptest::collection::vec(any::<u8>(), 0..200), word in "(MSG|HMSG|INFO|-ERR) [0-9a-z {}\":]{0,30}\r\n") {
            let mut text = word.into_bytes();
            text.extend(bytes);
            let _any = read(&text).is_ok();
        }
    }
}
