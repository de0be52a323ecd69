//! OTLP logs over HTTP, protobuf. Field numbers from opentelemetry-proto 1.x, `logs/v1` and `collector/logs/v1`.

use super::http_status::Answer;
use crate::sinks::record::{Decision, Item};
use crate::sinks::shape::Shape;
use crate::sinks::verdict::{SendError, Verdict, all_done};
use prost::Message;

/// The request's path, below the address's own.
pub const PATH: &str = "/v1/logs";

/// The request.
#[derive(Clone, PartialEq, Message)]
pub struct Request {
    /// One of ours.
    #[prost(message, repeated, tag = "1")]
    pub resource_logs: Vec<ResourceLogs>,
}

/// Logs of one resource.
#[derive(Clone, PartialEq, Message)]
pub struct ResourceLogs {
    /// Whose.
    #[prost(message, optional, tag = "1")]
    pub resource: Option<Resource>,
    /// What.
    #[prost(message, repeated, tag = "2")]
    pub scope_logs: Vec<ScopeLogs>,
}

/// A resource.
#[derive(Clone, PartialEq, Message)]
pub struct Resource {
    /// Its attributes.
    #[prost(message, repeated, tag = "1")]
    pub attributes: Vec<KeyValue>,
}

/// Logs of one scope.
#[derive(Clone, PartialEq, Message)]
pub struct ScopeLogs {
    /// Which.
    #[prost(message, optional, tag = "1")]
    pub scope: Option<Scope>,
    /// The records.
    #[prost(message, repeated, tag = "2")]
    pub log_records: Vec<LogRecord>,
}

/// A scope.
#[derive(Clone, PartialEq, Message)]
pub struct Scope {
    /// Its name.
    #[prost(string, tag = "1")]
    pub name: String,
    /// Its version.
    #[prost(string, tag = "2")]
    pub version: String,
}

/// A record.
#[derive(Clone, PartialEq, Message)]
pub struct LogRecord {
    /// Nanoseconds since 1970.
    #[prost(fixed64, tag = "1")]
    pub time: u64,
    /// 9, 13 or 17.
    #[prost(int32, tag = "2")]
    pub severity_number: i32,
    /// `INFO` …
    #[prost(string, tag = "3")]
    pub severity_text: String,
    /// The shaped record.
    #[prost(message, optional, tag = "5")]
    pub body: Option<AnyValue>,
    /// Its attributes.
    #[prost(message, repeated, tag = "6")]
    pub attributes: Vec<KeyValue>,
    /// Nanoseconds since 1970; the same as `time`, so that a retry has the same bytes.
    #[prost(fixed64, tag = "11")]
    pub observed: u64,
    /// The record's kind.
    #[prost(string, tag = "12")]
    pub event_name: String,
}

/// An attribute.
#[derive(Clone, PartialEq, Message)]
pub struct KeyValue {
    /// Its name.
    #[prost(string, tag = "1")]
    pub key: String,
    /// Its value.
    #[prost(message, optional, tag = "2")]
    pub value: Option<AnyValue>,
}

/// A value.
#[derive(Clone, PartialEq, Message)]
pub struct AnyValue {
    /// Which.
    #[prost(oneof = "AnyOf", tags = "1, 3")]
    pub value: Option<AnyOf>,
}

/// The values that we send.
#[derive(Clone, PartialEq, prost::Oneof)]
pub enum AnyOf {
    /// A text.
    #[prost(string, tag = "1")]
    Text(String),
    /// A number.
    #[prost(int64, tag = "3")]
    Number(i64),
}

/// The answer.
#[derive(Clone, PartialEq, Message)]
pub struct Reply {
    /// What was not taken.
    #[prost(message, optional, tag = "1")]
    pub partial: Option<Partial>,
}

/// What was not taken.
#[derive(Clone, PartialEq, Message)]
pub struct Partial {
    /// How many; it does not say which.
    #[prost(int64, tag = "1")]
    pub rejected: i64,
    /// Why.
    #[prost(string, tag = "2")]
    pub message: String,
}

/// The body for a batch.
pub fn body(items: &[&Item], shape: Shape, host: &str) -> Vec<u8> {
    let version = env!("CARGO_PKG_VERSION").to_owned();
    let resource = Resource {
        attributes: vec![
            attribute("service.name", "reeved"),
            attribute("service.version", &version),
            attribute("host.name", host),
        ],
    };
    let scope = Scope {
        name: "reeve.audit".to_owned(),
        version,
    };
    let scope_logs = ScopeLogs {
        scope: Some(scope),
        log_records: items.iter().map(|item| record(item, shape)).collect(),
    };
    let logs = ResourceLogs {
        resource: Some(resource),
        scope_logs: vec![scope_logs],
    };
    Request {
        resource_logs: vec![logs],
    }
    .encode_to_vec()
}

fn record(item: &Item, shape: Shape) -> LogRecord {
    let (severity_number, severity_text) = match item.decision {
        Decision::Blocked => (17, "ERROR"),
        Decision::Escalated => (13, "WARN"),
        Decision::Allowed | Decision::None => (9, "INFO"),
    };
    let time = u64::try_from(item.time_ns).unwrap_or_default();
    let mut attributes = vec![
        attribute("log.record.uid", &item.id),
        KeyValue {
            key: "reeve.seq".to_owned(),
            value: Some(AnyValue {
                value: Some(AnyOf::Number(i64::try_from(item.record.seq).unwrap_or(i64::MAX))),
            }),
        },
        attribute("reeve.hash", &item.record.hash),
    ];
    for (key, value) in [
        ("reeve.decision", item.decision.name()),
        ("reeve.tool", &item.tool),
        ("reeve.level", &item.level),
        ("reeve.track", &item.track),
    ] {
        if !value.is_empty() {
            attributes.push(attribute(key, value));
        }
    }
    LogRecord {
        time,
        severity_number,
        severity_text: severity_text.to_owned(),
        body: Some(text(&shape.line(item))),
        attributes,
        observed: time,
        event_name: format!("reeve.{}", item.record.kind),
    }
}

fn attribute(key: &str, value: &str) -> KeyValue {
    KeyValue {
        key: key.to_owned(),
        value: Some(text(value)),
    }
}

fn text(value: &str) -> AnyValue {
    AnyValue {
        value: Some(AnyOf::Text(value.to_owned())),
    }
}

/// Reads the answer: any 2xx has all, unless some were rejected. Which ones it does not say, so the whole batch goes to
/// the dead letters and is never sent again by itself. Only 429, 502, 503 and 504 come again as they are; another 5xx
/// is not to be retried, and its records are nobody's fault, so the sink stops and says so.
pub fn judge(answer: &Answer, count: usize) -> Result<Vec<Verdict>, SendError> {
    match answer.status {
        200..=299 => match Reply::decode(answer.body.as_slice()) {
            Ok(Reply {
                partial: Some(partial),
            }) if partial.rejected > 0 => {
                let said: String = partial.message.chars().take(200).collect();
                let why = format!(
                    "the receiver rejected {} of {count} records: {said}",
                    partial.rejected
                );
                Ok(vec![Verdict::Dead(why); count])
            }
            Ok(_) => Ok(all_done(count)),
            Err(_) => Err(SendError::retry(format!(
                "not an answer of an OTLP receiver: {}",
                answer.shown()
            ))),
        },
        429 | 502 | 503 | 504 => Err(answer.retry()),
        401 | 403 | 404 | 405 | 415 => super::http_status::judge(answer, count),
        500..=599 => Err(SendError::alarm(format!(
            "the receiver fails: {}",
            answer.shown()
        ))),
        _ => Err(SendError::Halve { why: answer.shown() }),
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::sinks::record::examples;

    #[test]
    fn field_numbers_byte_for_byte() {
        let record = LogRecord {
            time: 1,
            severity_number: 9,
            severity_text: "I".into(),
            body: Some(text("b")),
            attributes: vec![attribute("k", "v")],
            observed: 2,
            event_name: "e".into(),
        };
        let expected: &[u8] = &[
            0x09, 1, 0, 0, 0, 0, 0, 0, 0, // 1: fixed64
            0x10, 9, // 2: varint
            0x1a, 1, b'I', // 3
            0x2a, 3, 0x0a, 1, b'b', // 5: {1: "b"}
            0x32, 8, 0x0a, 1, b'k', 0x12, 3, 0x0a, 1, b'v', // 6: {1: "k", 2: {1: "v"}}
            0x59, 2, 0, 0, 0, 0, 0, 0, 0, // 11: fixed64
            0x62, 1, b'e', // 12
        ];
        assert_eq!(record.encode_to_vec(), expected);
    }

    #[test]
    fn a_batch_reads_back() {
        let (event, exit) = (examples::event(), examples::exit());
        let request = Request::decode(body(&[&event, &exit], Shape::Ocsf, "h").as_slice()).unwrap();
        let records = &request.resource_logs[0].scope_logs[0].log_records;
        assert_eq!(records.len(), 2);
        assert_eq!((records[0].severity_number, records[1].severity_number), (17, 9));
        assert_eq!(records[0].attributes[0], attribute("log.record.uid", &event.id));
    }

    #[test]
    fn answers() {
        let of = |status, body: Vec<u8>| {
            judge(
                &Answer {
                    status,
                    retry_after: None,
                    body,
                },
                2,
            )
        };
        assert_eq!(of(200, vec![]), Ok(all_done(2)));
        assert_eq!(of(201, vec![]), Ok(all_done(2)));
        let partial = |rejected| {
            Reply {
                partial: Some(Partial {
                    rejected,
                    message: "no".into(),
                }),
            }
            .encode_to_vec()
        };
        assert_eq!(of(200, partial(0)), Ok(all_done(2)), "a warning only");
        assert!(matches!(
            of(200, partial(1)).unwrap()[..],
            [Verdict::Dead(_), Verdict::Dead(_)]
        ));
        assert!(matches!(
            of(200, b"<html>".to_vec()),
            Err(SendError::Retry { .. })
        ));
        assert!(matches!(of(503, vec![]), Err(SendError::Retry { .. })));
        assert!(
            matches!(of(500, vec![]), Err(SendError::Alarm { .. })),
            "500 is not to be retried as it is"
        );
        assert!(matches!(of(400, vec![]), Err(SendError::Halve { .. })));
    }
}
