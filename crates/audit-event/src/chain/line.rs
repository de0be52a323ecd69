//! A line that was written, read again: with its data as JSON ([`Line`]), or only its fields where they stand ([`Fields`]).

use super::rest::{Rest, malformed};
use super::{Broken, Hash, Kind, Peer, link};
use serde_json::value::RawValue;

/// `,"h":"` + 64 hex digits + `"}`.
const TAIL: usize = 6 + 64 + 2;

/// A line that was read and is whole in itself; whether it fits its neighbours is [`Cursor::check`](super::Cursor::check).
#[derive(Debug)]
pub struct Line {
    /// `w`
    pub writer: String,
    /// `e`
    pub epoch: u64,
    /// `n`
    pub seq: u64,
    /// `t`
    pub wall: String,
    /// `m`
    pub monotonic_ns: u64,
    /// `k`
    pub kind: Kind,
    /// `c`
    pub peer: Option<Peer>,
    /// `p`
    pub previous: Hash,
    /// `d`, as stored.
    pub data: Box<RawValue>,
    /// `h`
    pub hash: Hash,
}

impl Line {
    /// Reads one line (without its LF), checks its own hash, and that its data is JSON.
    ///
    /// # Errors
    /// [`Broken::Malformed`] or [`Broken::Edited`].
    pub fn read(bytes: &[u8]) -> Result<Line, Broken> {
        let fields = Fields::read(bytes)?;
        let data = RawValue::from_string(fields.data.to_owned())
            .map_err(|error| Broken::Malformed(format!("its data is not JSON: {error}")))?;
        Ok(Line {
            writer: fields.writer.to_owned(),
            epoch: fields.epoch,
            seq: fields.seq,
            wall: fields.wall.to_owned(),
            monotonic_ns: fields.monotonic_ns,
            kind: fields.kind,
            peer: fields.peer,
            previous: fields.previous,
            data,
            hash: fields.hash,
        })
    }

    /// The fields as [`Fields::read`] gives them.
    pub fn fields(&self) -> Fields<'_> {
        Fields {
            writer: &self.writer,
            epoch: self.epoch,
            seq: self.seq,
            wall: &self.wall,
            monotonic_ns: self.monotonic_ns,
            kind: self.kind,
            peer: self.peer,
            previous: self.previous,
            data: self.data.get(),
            hash: self.hash,
        }
    }
}

/// A line's fields where they stand; whole in itself, but whether `data` is JSON was not looked at.
#[derive(Debug, Clone, Copy)]
pub struct Fields<'a> {
    /// `w`
    pub writer: &'a str,
    /// `e`
    pub epoch: u64,
    /// `n`
    pub seq: u64,
    /// `t`
    pub wall: &'a str,
    /// `m`
    pub monotonic_ns: u64,
    /// `k`
    pub kind: Kind,
    /// `c`
    pub peer: Option<Peer>,
    /// `p`
    pub previous: Hash,
    /// `d`, as stored.
    pub data: &'a str,
    /// `h`
    pub hash: Hash,
}

impl<'a> Fields<'a> {
    /// Finds the fields of one line (without its LF) and checks its own hash. The writer has one form for each record, so
    /// any other form is not a record: this reads faster than a JSON parser, and leaves nothing to interpret.
    ///
    /// # Errors
    /// [`Broken::Malformed`] or [`Broken::Edited`].
    pub fn read(bytes: &'a [u8]) -> Result<Fields<'a>, Broken> {
        let (fields, hashed) = Fields::split(bytes)?;
        if link(fields.previous, fields.seq, hashed.as_bytes()) == fields.hash {
            Ok(fields)
        } else {
            Err(Broken::Edited { seq: fields.seq })
        }
    }

    /// The same without looking at the hash: for readers that pass records on together with it.
    ///
    /// # Errors
    /// [`Broken::Malformed`].
    pub fn read_unchecked(bytes: &'a [u8]) -> Result<Fields<'a>, Broken> {
        Fields::split(bytes).map(|(fields, _)| fields)
    }

    /// The fields, and the part of the line that is hashed.
    fn split(bytes: &'a [u8]) -> Result<(Fields<'a>, &'a str), Broken> {
        let text = std::str::from_utf8(bytes).map_err(|_| malformed("not UTF-8"))?;
        let split = text
            .len()
            .checked_sub(TAIL)
            .ok_or_else(|| malformed("too short"))?;
        let (hashed, tail) = text
            .split_at_checked(split)
            .ok_or_else(|| malformed("no hash at its end"))?;
        let hash = tail
            .strip_prefix(",\"h\":\"")
            .and_then(|tail| tail.strip_suffix("\"}"))
            .and_then(Hash::from_hex)
            .ok_or_else(|| malformed("no hash of 64 hex digits at its end"))?;
        let mut rest = Rest(hashed);
        let fields = Fields {
            writer: rest.string("{\"w\":\"")?,
            epoch: rest.number(",\"e\":")?,
            seq: rest.number(",\"n\":")?,
            wall: rest.string(",\"t\":\"")?,
            monotonic_ns: rest.number(",\"m\":")?,
            kind: Kind::from_name(rest.string(",\"k\":\"")?)
                .ok_or_else(|| malformed("an unknown kind; a newer version may know it"))?,
            peer: rest.peer()?,
            previous: Hash::from_hex(rest.string(",\"p\":\"")?)
                .ok_or_else(|| malformed("`p` is not 64 hex digits"))?,
            data: rest.data()?,
            hash,
        };
        Ok((fields, hashed))
    }
}
