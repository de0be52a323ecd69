//! The event as it was received, byte for byte, with `kind`, `seq` and `hash` before its own fields: the lines of
//! `events.ndjson`. A record without an `event_id` (the ledger's own) stands under `data`, beside the id it has here.

use crate::sinks::record::Item;

/// One JSON object on one line.
pub fn render(item: &Item) -> String {
    let mut out = String::with_capacity(item.record.data.len().saturating_add(192));
    out.push_str("{\"kind\":");
    push_text(&mut out, &item.record.kind);
    out.push_str(",\"seq\":");
    out.push_str(&item.record.seq.to_string());
    out.push_str(",\"hash\":");
    push_text(&mut out, &item.record.hash);
    let body = item.record.data.trim_start().strip_prefix('{');
    match body.filter(|_| item.is_flat) {
        Some(body) => {
            out.push(',');
            out.push_str(body);
        }
        None => {
            out.push_str(",\"event_id\":");
            push_text(&mut out, &item.id);
            out.push_str(",\"ts\":");
            push_text(&mut out, &item.record.wall);
            out.push_str(",\"data\":");
            out.push_str(&item.record.data);
            out.push('}');
        }
    }
    out
}

fn push_text(out: &mut String, text: &str) {
    let plain = text
        .bytes()
        .all(|b| (0x20..0x7f).contains(&b) && b != b'"' && b != b'\\');
    if plain {
        out.push('"');
        out.push_str(text);
        out.push('"');
    } else {
        out.push_str(&serde_json::Value::from(text).to_string());
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::sinks::record::examples;

    #[test]
    fn vectors() {
        let hash = "ab".repeat(32);
        assert_eq!(
            render(&examples::exit()),
            format!(
                r#"{{"kind":"exit","seq":8,"hash":"{hash}",{}"#,
                &examples::EXIT[1..]
            )
        );
        assert_eq!(
            render(&examples::open()),
            format!(
                r#"{{"kind":"OPEN","seq":0,"hash":"{hash}","event_id":"OPEN.0.abababababababab","ts":"2026-04-07T14:32:03Z","data":{{"format":"audit-chain/1","pid":1}}}}"#
            )
        );
    }
}
