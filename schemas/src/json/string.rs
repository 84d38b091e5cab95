//! Strings of JSON.

use std::borrow::Cow;

use super::{Flaw, NotJson, Reader};

impl<'a> Reader<'a> {
    /// Reads the string that begins here. A string that is JSON but can't be
    /// used is read to its end, so that reading goes on behind it.
    pub(super) fn string(&mut self) -> Result<Result<Cow<'a, str>, Flaw>, NotJson> {
        self.at += 1;
        let plain = self.plain()?;
        if self.byte() == Some(b'"') {
            self.at += 1;
            return Ok(Ok(Cow::Borrowed(plain)));
        }
        let mut text = plain.to_owned();
        let mut flaw = None;
        while self.byte() == Some(b'\\') {
            match self.escape()? {
                Ok(symbol) => text.push(symbol),
                Err(found) => flaw = flaw.or(Some(found)),
            }
            text.push_str(self.plain()?);
        }
        self.at += 1;
        Ok(flaw.map_or(Ok(Cow::Owned(text)), Err))
    }

    /// What comes before the next quote or backslash.
    fn plain(&mut self) -> Result<&'a str, NotJson> {
        let start = self.at;
        loop {
            match self.byte() {
                Some(b'"' | b'\\') => return Ok(self.text.get(start..self.at).unwrap_or_default()),
                Some(0..=0x1f) => return Err(self.not("a control character in a string")),
                Some(_) => self.at += 1,
                None => return Err(self.not("the end, where a string is open,")),
            }
        }
    }

    fn escape(&mut self) -> Result<Result<char, Flaw>, NotJson> {
        self.at += 1;
        let symbol = match self.byte() {
            Some(symbol @ (b'"' | b'\\' | b'/')) => char::from(symbol),
            Some(b'b') => '\u{8}',
            Some(b'f') => '\u{c}',
            Some(b'n') => '\n',
            Some(b'r') => '\r',
            Some(b't') => '\t',
            Some(b'u') => {
                self.at += 1;
                return self.unicode();
            }
            _ => return Err(self.not("an unknown escape in a string")),
        };
        self.at += 1;
        Ok(Ok(symbol))
    }

    /// What stands behind `\u`.
    fn unicode(&mut self) -> Result<Result<char, Flaw>, NotJson> {
        let unit = self.hex()?;
        let code = match unit {
            0 => return Ok(Err(Flaw::Nul)),
            0xD800..0xDC00 if self.text.as_bytes().get(self.at..self.at + 2) == Some(b"\\u") => {
                let high = self.at;
                self.at += 2;
                match self.hex()? {
                    low @ 0xDC00..0xE000 => 0x10000 + ((unit - 0xD800) << 10) + (low - 0xDC00),
                    _ => {
                        // Not its other half: read it again, by itself.
                        self.at = high;
                        return Ok(Err(Flaw::Surrogate));
                    }
                }
            }
            code => code,
        };
        Ok(char::from_u32(code).ok_or(Flaw::Surrogate))
    }

    fn hex(&mut self) -> Result<u32, NotJson> {
        let mut unit = 0;
        for _ in 0..4 {
            let digit = self.byte().and_then(|b| char::from(b).to_digit(16));
            unit = unit << 4 | digit.ok_or_else(|| self.not("an unknown escape in a string"))?;
            self.at += 1;
        }
        Ok(unit)
    }
}
