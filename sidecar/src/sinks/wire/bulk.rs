//! The bulk API of Elasticsearch and OpenSearch: pairs of lines, `create` with the record's id, and one status per item.

use super::http_status::{self, Answer};
use crate::sinks::record::Item;
use crate::sinks::shape::Shape;
use crate::sinks::verdict::{SendError, Verdict};
use serde::Deserialize;

/// The request's path, below the address's own.
pub const PATH: &str = "/_bulk?filter_path=errors,items.*.status,items.*.error.type,items.*.error.reason";

/// Appends one pair of lines. `index` may hold `{date}`: the day of the event, not of the sending, so that a retry over
/// midnight goes to the same place.
pub fn push_pair(out: &mut Vec<u8>, item: &Item, shape: Shape, index: &str) {
    let time = item.rfc3339();
    let day = time.get(..10).unwrap_or_default().replace('-', ".");
    let action = serde_json::json!({"create": {"_index": index.replace("{date}", &day), "_id": item.id}});
    out.extend_from_slice(action.to_string().as_bytes());
    out.push(b'\n');
    out.extend_from_slice(shape.object(item).as_bytes());
    out.push(b'\n');
}

#[derive(Deserialize)]
struct Told {
    items: Vec<Action>,
}

#[derive(Deserialize)]
struct Action {
    create: Created,
}

#[derive(Deserialize)]
struct Created {
    status: u16,
    #[serde(default)]
    error: Option<Error>,
}

#[derive(Deserialize, Default)]
struct Error {
    #[serde(default, rename = "type")]
    kind: String,
    #[serde(default)]
    reason: String,
}

/// Reads the answer to `count` items: 201 and 409 are done (409: it is there already), 429 and 5xx come again, any
/// other status is final.
pub fn judge(answer: &Answer, count: usize) -> Result<Vec<Verdict>, SendError> {
    if answer.status != 200 {
        return match http_status::judge(answer, count) {
            Ok(_) => Err(SendError::retry(format!("not a bulk answer: {}", answer.shown()))),
            Err(error) => Err(error),
        };
    }
    let told: Told = serde_json::from_slice(&answer.body)
        .map_err(|error| SendError::retry(format!("not a bulk answer: {error}: {}", answer.shown())))?;
    if told.items.len() != count {
        return Err(SendError::retry(format!(
            "the receiver answered {} items of {count}",
            told.items.len()
        )));
    }
    Ok(told
        .items
        .into_iter()
        .map(|action| verdict(action.create))
        .collect())
}

fn verdict(created: Created) -> Verdict {
    let error = created.error.unwrap_or_default();
    let why = format!("{} {}: {}", created.status, error.kind, error.reason);
    match created.status {
        200 | 201 | 409 => Verdict::Done,
        429 | 500..=599 => Verdict::Again(why),
        _ => Verdict::Dead(why),
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::sinks::record::examples;
    use crate::sinks::verdict::all_done;

    fn of(body: &str, count: usize) -> Result<Vec<Verdict>, SendError> {
        judge(
            &Answer {
                status: 200,
                retry_after: None,
                body: body.as_bytes().to_vec(),
            },
            count,
        )
    }

    #[test]
    fn vector() {
        let mut out = Vec::new();
        push_pair(&mut out, &examples::exit(), Shape::Native, "audit-{date}");
        assert_eq!(
            String::from_utf8(out).unwrap(),
            format!(
                "{{\"create\":{{\"_id\":\"0192f0c1-7b3e-7a10-8b1e-0123456789ab.exit\",\"_index\":\"audit-2026.04.07\"}}}}\n{}\n",
                Shape::Native.line(&examples::exit())
            )
        );
    }

    #[test]
    fn each_item_has_its_own_fate() {
        let body = r#"{"errors":true,"items":[{"create":{"status":201}},
            {"create":{"status":409,"error":{"type":"version_conflict_engine_exception","reason":"there"}}},
            {"create":{"status":429,"error":{"type":"es_rejected_execution_exception","reason":"full"}}},
            {"create":{"status":400,"error":{"type":"mapper_parsing_exception","reason":"bad field"}}}]}"#;
        assert_eq!(
            of(body, 4).unwrap(),
            [
                Verdict::Done,
                Verdict::Done,
                Verdict::Again("429 es_rejected_execution_exception: full".into()),
                Verdict::Dead("400 mapper_parsing_exception: bad field".into())
            ]
        );
    }

    #[test]
    fn a_status_alone_means_nothing() {
        for body in ["", "{}", "<html>", r#"{"errors":false,"items":[]}"#] {
            assert!(matches!(of(body, 2), Err(SendError::Retry { .. })), "{body}");
        }
        assert_eq!(
            of(r#"{"errors":false,"items":[{"create":{"status":201}}]}"#, 1),
            Ok(all_done(1))
        );
        let too_large = Answer {
            status: 413,
            ..Answer::default()
        };
        assert!(matches!(judge(&too_large, 2), Err(SendError::Halve { .. })));
    }
}
