//! RFC 5424, and its framings: octet counting (RFC 6587), or a line break where an option asks for it.
//!
//! `<PRI>1 TIMESTAMP HOST reeve - KIND [audit@PEN id="…" seq="…" hash="…"][meta sequenceId="N"] MSG`

use crate::sinks::record::{Decision, Item};
use crate::sinks::shape::Shape;

/// What the operator may choose.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Options {
    /// The private enterprise number in the structured data's name.
    pub pen: u32,
    /// 0 to 23; 13 is "log audit".
    pub facility: u8,
    /// Whether MSG begins with a byte order mark, as RFC 5424 asks of UTF-8. Some receivers keep it in the text.
    pub bom: bool,
    /// How messages in a stream are told apart.
    pub framing: Framing,
    /// Our host's name.
    pub host: String,
}

/// How messages in a stream are told apart.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub enum Framing {
    /// The length in decimal and a space before each.
    #[default]
    OctetCounting,
    /// A line break after each.
    Newline,
}

/// One message, without framing.
pub fn message(item: &Item, shape: Shape, options: &Options) -> String {
    let severity: u16 = match item.decision {
        Decision::Blocked => 4,
        Decision::Escalated => 5,
        Decision::Allowed | Decision::None => 6,
    };
    let priority = u16::from(options.facility)
        .saturating_mul(8)
        .saturating_add(severity);
    let bom = if options.bom { "\u{feff}" } else { "" };
    format!(
        "<{priority}>1 {} {} reeve - {} [audit@{} id=\"{}\" seq=\"{}\" hash=\"{}\"][meta sequenceId=\"{}\"] {bom}{}",
        item.rfc3339(),
        header(&options.host, 255),
        header(&item.record.kind, 32),
        options.pen,
        parameter(&item.id),
        item.record.seq,
        parameter(&item.record.hash),
        sequence_id(item.record.seq),
        shape.line(item)
    )
}

/// Appends a message with its framing.
pub fn push_frame(out: &mut Vec<u8>, message: &str, framing: Framing) {
    match framing {
        Framing::OctetCounting => {
            out.extend_from_slice(message.len().to_string().as_bytes());
            out.push(b' ');
            out.extend_from_slice(message.as_bytes());
        }
        Framing::Newline => {
            out.extend_from_slice(message.replace('\n', "\\n").as_bytes());
            out.push(b'\n');
        }
    }
}

/// 1 to 2³¹−1, then 1 again.
fn sequence_id(seq: u64) -> u64 {
    (seq % 0x7fff_ffff).saturating_add(1)
}

/// A header field: printable ASCII, cut to its limit; `-` for nothing.
fn header(text: &str, limit: usize) -> String {
    let kept: String = text
        .chars()
        .filter(|c| ('!'..='~').contains(c))
        .take(limit)
        .collect();
    if kept.is_empty() { "-".to_owned() } else { kept }
}

/// A parameter's value: `"`, `\` and `]` escaped.
fn parameter(text: &str) -> String {
    let mut out = String::with_capacity(text.len());
    for c in text.chars() {
        if matches!(c, '"' | '\\' | ']') {
            out.push('\\');
        }
        out.push(if c == '\n' { ' ' } else { c });
    }
    out
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::sinks::record::examples;
    use proptest::prelude::*;

    fn options() -> Options {
        Options {
            pen: 32473,
            facility: 13,
            bom: false,
            framing: Framing::OctetCounting,
            host: "node 1".into(),
        }
    }

    #[test]
    fn vector() {
        let hash = "ab".repeat(32);
        let message = message(&examples::exit(), Shape::Native, &options());
        assert_eq!(
            message,
            format!(
                "<110>1 2026-04-07T14:32:02.000000Z node1 reeve - exit [audit@32473 \
                 id=\"0192f0c1-7b3e-7a10-8b1e-0123456789ab.exit\" seq=\"8\" hash=\"{hash}\"][meta sequenceId=\"9\"] {}",
                Shape::Native.line(&examples::exit())
            )
        );
        let mut out = Vec::new();
        push_frame(&mut out, "<1>1 é", Framing::OctetCounting);
        push_frame(&mut out, "a\nb", Framing::Newline);
        assert_eq!(out, "7 <1>1 éa\\nb\n".as_bytes());
    }

    #[test]
    fn a_refusal_is_a_warning_and_the_mark_is_switchable() {
        let with = Options {
            bom: true,
            ..options()
        };
        let message = message(&examples::event(), Shape::Cef, &with);
        assert!(message.starts_with("<108>1 ") && message.contains("] \u{feff}CEF:0|"));
    }

    #[test]
    fn the_sequence_wraps() {
        assert_eq!(
            (sequence_id(0), sequence_id(0x7fff_fffe), sequence_id(0x7fff_ffff)),
            (1, 0x7fff_ffff, 1)
        );
    }

    proptest! {
        #[test]
        fn headers_and_parameters_cannot_be_broken_out_of(text in any::<String>()) {
            let field = header(&text, 32);
            prop_assert!((1..=32).contains(&field.len()) && field.bytes().all(|b| (33..=126).contains(&b)));
            let value = parameter(&text);
            let mut escaped = false;
            for c in value.chars() {
                prop_assert!(escaped || !matches!(c, '"' | ']'));
                escaped = !escaped && c == '\\';
            }
            prop_assert!(!escaped);
        }
    }
}
