//! The reader of a line's fields: each stands where the writer puts it, in the one form that it has.

use super::{Broken, Peer};

/// What of a line is still to be read.
pub(super) struct Rest<'a>(pub(super) &'a str);

impl<'a> Rest<'a> {
    fn expect(&mut self, literal: &str) -> Result<(), Broken> {
        let rest = self.0.strip_prefix(literal);
        self.0 = rest.ok_or_else(|| Broken::Malformed(format!("`{literal}` was expected")))?;
        Ok(())
    }

    /// A string without escapes, after `opening` (which ends with its quote).
    pub(super) fn string(&mut self, opening: &str) -> Result<&'a str, Broken> {
        self.expect(opening)?;
        let end = self.0.find('"').ok_or_else(|| malformed("a string has no end"))?;
        let (text, rest) = self.0.split_at(end);
        if text.bytes().any(|b| b == b'\\' || b.is_ascii_control()) {
            return Err(malformed("a string has an escape where none can be"));
        }
        self.0 = rest.get(1..).unwrap_or_default();
        Ok(text)
    }

    /// A decimal number, after `opening`.
    pub(super) fn number(&mut self, opening: &str) -> Result<u64, Broken> {
        self.expect(opening)?;
        let end = self
            .0
            .bytes()
            .position(|b| !b.is_ascii_digit())
            .unwrap_or(self.0.len());
        let (digits, rest) = self.0.split_at(end);
        let number = digits.parse().map_err(|_| malformed("a number was expected"))?;
        if digits.len() > 1 && digits.starts_with('0') {
            return Err(malformed("a number begins with 0"));
        }
        self.0 = rest;
        Ok(number)
    }

    pub(super) fn peer(&mut self) -> Result<Option<Peer>, Broken> {
        self.expect(",\"c\":")?;
        if let Some(rest) = self.0.strip_prefix("null") {
            self.0 = rest;
            return Ok(None);
        }
        let out_of_range = |_| malformed("an id is out of range");
        let uid = u32::try_from(self.number("{\"uid\":")?).map_err(out_of_range)?;
        let gid = u32::try_from(self.number(",\"gid\":")?).map_err(out_of_range)?;
        let pid = i32::try_from(self.number(",\"pid\":")?).map_err(out_of_range)?;
        self.expect("}")?;
        Ok(Some(Peer { uid, gid, pid }))
    }

    /// All that is left.
    pub(super) fn data(&mut self) -> Result<&'a str, Broken> {
        self.expect(",\"d\":")?;
        Ok(std::mem::take(&mut self.0))
    }
}

pub(super) fn malformed(what: &str) -> Broken {
    Broken::Malformed(what.to_owned())
}
