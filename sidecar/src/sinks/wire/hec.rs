//! Splunk's HTTP event collector: objects one after the other, `{"time","host","source","sourcetype","index","event",
//! "fields"}`, and its answers, with and without indexer acknowledgement.

use super::http_status::{self, Answer};
use crate::sinks::record::Item;
use crate::sinks::shape::Shape;
use crate::sinks::verdict::{SendError, Verdict, all_done};
use serde::Deserialize;
use std::collections::BTreeMap;

/// What stands in each event beside the record.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Options {
    /// `index`; the token's own when `None`.
    pub index: Option<String>,
    /// `source`.
    pub source: String,
    /// `sourcetype`.
    pub sourcetype: String,
    /// `host`.
    pub host: String,
}

/// Appends one event.
pub fn push_event(out: &mut Vec<u8>, item: &Item, shape: Shape, options: &Options) {
    let (seconds, nanoseconds) = item.time();
    let text = |value: &str| serde_json::Value::from(value).to_string();
    let index = options
        .index
        .as_ref()
        .map_or_else(String::new, |index| format!("\"index\":{},", text(index)));
    let event = format!(
        "{{\"time\":{seconds}.{:03},\"host\":{},\"source\":{},\"sourcetype\":{},{index}\"event\":{},\"fields\":{{\
         \"event_id\":{},\"seq\":\"{}\",\"hash\":{}}}}}",
        nanoseconds / 1_000_000,
        text(&options.host),
        text(&options.source),
        text(&options.sourcetype),
        shape.object(item),
        text(&item.id),
        item.record.seq,
        text(&item.record.hash),
    );
    out.extend_from_slice(event.as_bytes());
}

#[derive(Deserialize)]
struct Told {
    #[serde(default)]
    code: Option<i64>,
    #[serde(default, rename = "invalid-event-number")]
    invalid: Option<usize>,
    #[serde(default, rename = "ackId")]
    ack: Option<u64>,
}

/// What an answer to events says.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Received {
    /// Each record's fate.
    Verdicts(Vec<Verdict>),
    /// Taken; indexed when this id is acknowledged.
    Pending(u64),
}

/// Reads the answer to `count` events. Of a batch that has a bad event, the others are sent again, also those before it:
/// the collector says only that they may be in.
pub fn judge(answer: &Answer, count: usize, with_acks: bool) -> Result<Received, SendError> {
    let told: Option<Told> = serde_json::from_slice(&answer.body).ok();
    let code = told.as_ref().and_then(|told| told.code);
    match (answer.status, code) {
        (200, Some(0)) => match told.and_then(|told| told.ack) {
            Some(ack) if with_acks => Ok(Received::Pending(ack)),
            None if with_acks => Err(SendError::alarm(
                "the token has no indexer acknowledgement; switch it on, or set `acks: false`",
            )),
            _ => Ok(Received::Verdicts(all_done(count))),
        },
        (200..=299, _) => Err(SendError::retry(format!(
            "not an answer of an event collector: {}",
            answer.shown()
        ))),
        (401 | 403, _) | (_, Some(1..=4 | 10 | 11 | 14)) => Err(SendError::alarm(format!(
            "the collector refuses the token or the channel: {}; check `token` and `acks`",
            answer.shown()
        ))),
        (400, Some(7)) => Err(SendError::alarm(format!(
            "the index is not one that the token may write: {}; check `index`",
            answer.shown()
        ))),
        (400, Some(_)) => match told.and_then(|told| told.invalid).filter(|at| *at < count) {
            Some(bad) => Ok(Received::Verdicts(
                (0..count)
                    .map(|at| {
                        if at == bad {
                            Verdict::Dead(answer.shown())
                        } else {
                            Verdict::Again("another event of the batch was refused".to_owned())
                        }
                    })
                    .collect(),
            )),
            None => Err(SendError::Halve { why: answer.shown() }),
        },
        _ => http_status::judge(answer, count).map(Received::Verdicts),
    }
}

/// Whether `ack` is acknowledged by the answer to a poll.
///
/// # Errors
/// When the answer is not one.
pub fn is_acknowledged(answer: &Answer, ack: u64) -> Result<bool, SendError> {
    #[derive(Deserialize)]
    struct Acks {
        acks: BTreeMap<String, bool>,
    }
    if answer.status != 200 {
        return Err(match http_status::judge(answer, 0) {
            Err(SendError::Alarm { why }) => SendError::Alarm { why },
            _ => answer.retry(),
        });
    }
    let acks: Acks = serde_json::from_slice(&answer.body)
        .map_err(|error| SendError::retry(format!("the acknowledgement is not one: {error}")))?;
    Ok(acks.acks.get(&ack.to_string()).copied().unwrap_or(false))
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::sinks::record::examples;

    fn answer(status: u16, body: &str) -> Answer {
        Answer {
            status,
            retry_after: None,
            body: body.as_bytes().to_vec(),
        }
    }

    #[test]
    fn vector() {
        let options = Options {
            index: Some("main".into()),
            source: "reeve".into(),
            sourcetype: "reeve:audit".into(),
            host: "h".into(),
        };
        let mut out = Vec::new();
        push_event(&mut out, &examples::event(), Shape::Native, &options);
        assert_eq!(
            String::from_utf8(out).unwrap(),
            format!(
                r#"{{"time":1775572321.123,"host":"h","source":"reeve","sourcetype":"reeve:audit","index":"main","event":{},"fields":{{"event_id":"0192f0c1-7b3e-7a10-8b1e-0123456789ab","seq":"7","hash":"{}"}}}}"#,
                Shape::Native.line(&examples::event()),
                "ab".repeat(32)
            )
        );
    }

    #[test]
    fn answers() {
        let ok = r#"{"text":"Success","code":0}"#;
        assert_eq!(
            judge(&answer(200, ok), 2, false),
            Ok(Received::Verdicts(all_done(2)))
        );
        assert_eq!(
            judge(&answer(200, r#"{"code":0,"ackId":4}"#), 2, true),
            Ok(Received::Pending(4))
        );
        assert!(matches!(
            judge(&answer(200, ok), 2, true),
            Err(SendError::Alarm { .. })
        ));
        assert!(matches!(
            judge(&answer(200, "<html>"), 2, false),
            Err(SendError::Retry { .. })
        ));
        assert!(matches!(
            judge(&answer(503, r#"{"code":9}"#), 2, false),
            Err(SendError::Retry { .. })
        ));
        assert!(matches!(
            judge(&answer(403, r#"{"code":4}"#), 2, false),
            Err(SendError::Alarm { .. })
        ));
        assert!(matches!(
            judge(&answer(400, r#"{"code":10}"#), 2, false),
            Err(SendError::Alarm { .. })
        ));
        assert!(matches!(
            judge(&answer(400, r#"{"code":6}"#), 2, false),
            Err(SendError::Halve { .. })
        ));
        let Ok(Received::Verdicts(verdicts)) =
            judge(&answer(400, r#"{"code":12,"invalid-event-number":1}"#), 3, false)
        else {
            panic!("verdicts");
        };
        assert!(matches!(
            verdicts[..],
            [Verdict::Again(_), Verdict::Dead(_), Verdict::Again(_)]
        ));
        // An index beyond the batch is not believed.
        assert!(judge(&answer(400, r#"{"code":12,"invalid-event-number":9}"#), 3, false).is_err());
    }

    #[test]
    fn acknowledgements() {
        assert_eq!(
            is_acknowledged(&answer(200, r#"{"acks":{"4":true,"5":false}}"#), 4),
            Ok(true)
        );
        assert_eq!(
            is_acknowledged(&answer(200, r#"{"acks":{"4":false}}"#), 4),
            Ok(false)
        );
        assert_eq!(is_acknowledged(&answer(200, r#"{"acks":{}}"#), 4), Ok(false));
        assert!(is_acknowledged(&answer(200, "x"), 4).is_err());
    }
}
