//! Where a segment's records end.
//!
//! A segment that is being written may have room behind its last record: zeros up to the file's end, at most [`ROOM`] of them.
//! They are written in advance, because bytes that change nothing of a file's size are durable sooner. No record has a zero byte,
//! so the records end with the last LF before the first zero; what follows is the *tail*.

use std::io::{self, BufRead, Read};

/// The most room that a segment has, in bytes.
pub const ROOM: u64 = 1 << 20;

/// Splits a segment, or what is left of it from the beginning of a line on, into whole lines and the tail.
pub fn split(bytes: &[u8]) -> (&[u8], &[u8]) {
    // `contains` is many times as fast as finding the place, and there hardly ever is one.
    let zero = bytes
        .contains(&0)
        .then(|| bytes.iter().position(|byte| *byte == 0));
    let written = zero.flatten().and_then(|zero| bytes.get(..zero)).unwrap_or(bytes);
    let end = written.iter().rposition(|byte| *byte == b'\n');
    bytes.split_at(end.map_or(0, |at| at.saturating_add(1)))
}

/// A line without its LF, if these bytes are a whole one.
pub fn line(bytes: &[u8]) -> Option<&[u8]> {
    let line = bytes.strip_suffix(b"\n")?;
    (!line.contains(&0)).then_some(line)
}

/// What [`read_line`] found.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Next {
    /// A whole line.
    Line,
    /// The end of the file.
    End,
    /// Room, or a line without its end: there may be more by the next look, which must not take what was read ahead.
    Unfinished,
}

/// Reads the next line with its LF, of at most `most` bytes; nothing of room.
///
/// # Errors
/// As the reader.
pub fn read_line(reader: &mut impl BufRead, most: u64, into: &mut Vec<u8>) -> io::Result<Next> {
    into.clear();
    match reader.fill_buf()?.first() {
        None => return Ok(Next::End),
        Some(0) => return Ok(Next::Unfinished),
        Some(_) => {}
    }
    reader.take(most).read_until(b'\n', into)?;
    Ok(match line(into) {
        Some(_) => Next::Line,
        None => Next::Unfinished,
    })
}

/// More stands in a tail than a crash leaves there.
#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
#[error("more stands behind the last whole record than one that was being written")]
pub struct Strange;

/// What of the tail is a record that was being written when the power went; empty when the tail is room. Records are written
/// into room one at a time, so there is at most one, of which some pages may have reached the disk and others not.
///
/// # Errors
/// When it is something else.
pub fn torn(tail: &[u8]) -> Result<&[u8], Strange> {
    let end = tail.iter().rposition(|byte| *byte != 0);
    let (torn, zeros) = tail.split_at(end.map_or(0, |at| at.saturating_add(1)));
    let line_end = torn.iter().position(|byte| *byte == b'\n');
    if zeros.len() as u64 > ROOM || line_end.is_some_and(|at| at.saturating_add(1) < torn.len()) {
        return Err(Strange);
    }
    Ok(torn)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn records_end_with_the_last_line_before_the_first_zero() {
        for (bytes, whole, tail) in [
            ("", "", ""),
            ("a\nb\n", "a\nb\n", ""),
            ("a\nb", "a\n", "b"),
            ("a\n\0\0", "a\n", "\0\0"),
            ("a\nb\0\0", "a\n", "b\0\0"),
            ("a\n\0b\n\0", "a\n", "\0b\n\0"),
            ("a\nb\0c\nd\n", "a\n", "b\0c\nd\n"),
        ] {
            assert_eq!(
                split(bytes.as_bytes()),
                (whole.as_bytes(), tail.as_bytes()),
                "{bytes:?}"
            );
        }
    }

    #[test]
    fn a_tail_is_room_or_one_record_with_holes() {
        for (tail, torn) in [
            ("", Ok("")),
            ("\0\0\0", Ok("")),
            ("{\"a", Ok("{\"a")),
            ("{\"a\0\0", Ok("{\"a")),
            ("\0\0b}\n", Ok("\0\0b}\n")),
            ("{\"\0\0b}\n\0", Ok("{\"\0\0b}\n")),
            ("\0\0b}\n{\"c", Err(Strange)),
            ("\0\0b}\n\0\0c", Err(Strange)),
            ("\0\n\n", Err(Strange)),
        ] {
            assert_eq!(super::torn(tail.as_bytes()), torn.map(str::as_bytes), "{tail:?}");
        }
    }

    #[test]
    fn lines_are_read_until_there_are_no_more_whole_ones() {
        let read = |bytes: &[u8], most| {
            let (mut reader, mut line) = (bytes, Vec::new());
            let mut found = Vec::new();
            loop {
                let next = read_line(&mut reader, most, &mut line).unwrap();
                found.push((next, line.clone()));
                if next != Next::Line {
                    return found;
                }
            }
        };
        let line = |text: &str| (Next::Line, text.as_bytes().to_vec());
        assert_eq!(
            read(b"a\nb\n", 9),
            [line("a\n"), line("b\n"), (Next::End, vec![])]
        );
        assert_eq!(read(b"a\n\0\0b\n", 9), [line("a\n"), (Next::Unfinished, vec![])]);
        assert_eq!(read(b"a\nb", 9), [line("a\n"), (Next::Unfinished, b"b".to_vec())]);
        assert_eq!(read(b"b\0c\n", 9), [(Next::Unfinished, b"b\0c\n".to_vec())]);
        assert_eq!(read(b"abc\n", 2), [(Next::Unfinished, b"ab".to_vec())]);
    }

    #[test]
    fn room_has_a_bound() {
        let most = usize::try_from(ROOM).unwrap();
        let mut tail = b"{\"a".to_vec();
        tail.resize(3 + most, 0);
        assert_eq!(torn(&tail), Ok(&b"{\"a"[..]));
        tail.push(0);
        assert_eq!(torn(&tail), Err(Strange));
    }

    #[test]
    fn a_line_is_whole_with_its_end_and_without_zeros() {
        assert_eq!(line(b"a\n"), Some(&b"a"[..]));
        assert_eq!([line(b"a"), line(b"\0\n"), line(b"")], [None, None, None]);
    }
}
