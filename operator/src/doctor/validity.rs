//! Until when a certificate is valid: the one field of X.509 that is looked at here.

use time::macros::format_description;
use time::{OffsetDateTime, PrimitiveDateTime};

const SEQUENCE: u8 = 0x30;
const VERSION: u8 = 0xa0;
const UTC_TIME: u8 = 0x17;
const GENERALIZED_TIME: u8 = 0x18;

/// `notAfter` (RFC 5280, section 4.1); `None` if that isn't a certificate.
pub(super) fn until(certificate: impl AsRef<[u8]>) -> Option<OffsetDateTime> {
    let (SEQUENCE, certificate, _) = part(certificate.as_ref())? else { return None };
    let (SEQUENCE, body, _) = part(certificate)? else { return None };
    let rest = match part(body)? {
        (VERSION, _, rest) => rest,
        _ => body,
    };
    // Serial number, algorithm, issuer.
    let (_, _, rest) = part(rest)?;
    let (_, _, rest) = part(rest)?;
    let (_, _, rest) = part(rest)?;
    let (SEQUENCE, validity, _) = part(rest)? else { return None };
    let (_, _, after) = part(validity)?;
    let (tag, text, _) = part(after)?;
    instant(tag, std::str::from_utf8(text).ok()?)
}

/// The first part of DER: its tag, its content, and what comes after it.
fn part(der: &[u8]) -> Option<(u8, &[u8], &[u8])> {
    let [tag, length, rest @ ..] = der else { return None };
    let (length, rest) = match usize::from(*length) {
        short @ 0..=0x7f => (short, rest),
        long @ 0x81..=0x84 => {
            let (bytes, rest) = rest.split_at_checked(long - 0x80)?;
            (bytes.iter().fold(0, |length, byte| length << 8 | usize::from(*byte)), rest)
        }
        _ => return None,
    };
    let (content, rest) = rest.split_at_checked(length)?;
    Some((*tag, content, rest))
}

fn instant(tag: u8, text: &str) -> Option<OffsetDateTime> {
    let text = match tag {
        // Two digits of a year: 50 and above are of the last century.
        UTC_TIME => format!("{}{text}", if text.get(..2)? < "50" { "20" } else { "19" }),
        GENERALIZED_TIME => text.to_owned(),
        _ => return None,
    };
    let format = format_description!("[year][month][day][hour][minute][second]Z");
    PrimitiveDateTime::parse(&text, &format).ok().map(PrimitiveDateTime::assume_utc)
}

#[cfg(test)]
mod tests {
    use super::*;

    /// A self-signed certificate that is valid until 2031-03-05 12:00:00 UTC, cut off after its validity.
    fn certificate(time: &[u8]) -> Vec<u8> {
        let wrap = |tag: u8, content: &[u8]| [&[tag, content.len() as u8][..], content].concat();
        let validity = wrap(SEQUENCE, &[&wrap(UTC_TIME, b"210305120000Z")[..], time].concat());
        let body = [&[VERSION, 3, 2, 1, 2, 2, 1, 7, SEQUENCE, 0, SEQUENCE, 0][..], &validity].concat();
        wrap(SEQUENCE, &wrap(SEQUENCE, &body))
    }

    #[test]
    fn both_ways_to_write_a_time_are_read_and_garbage_is_not() {
        let utc = until(certificate(b"\x17\x0d310305120000Z")).unwrap();
        let generalized = until(certificate(b"\x18\x0f20310305120000Z")).unwrap();
        assert_eq!((utc, utc.unix_timestamp()), (generalized, 1_930_478_400));
        for cut in 0..30 {
            assert_eq!(until(&certificate(b"\x17\x0d310305120000Z")[..cut]), None);
        }
    }
}
