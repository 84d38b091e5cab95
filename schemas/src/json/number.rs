//! Numbers of JSON, by their value and not by their spelling.

/// The largest whole number that every JSON implementation holds exactly (RFC 7493).
pub(crate) const MAX_WHOLE: i64 = (1 << 53) - 1;

const MAX_LENGTH: usize = 64;

/// What a number says.
#[derive(Clone, Copy, Debug, PartialEq)]
pub(crate) enum Number {
    /// Whole, whatever its spelling: `2`, `2.0`, `20e-1`; `-0` is 0.
    Whole(i64),
    /// Not whole.
    Decimal(f64),
}

/// Reads a number in JSON's grammar. Wholeness is decided on the digits as
/// written: no rounding makes 1.9999999999999999999 a 2.
pub(crate) fn read(text: &str) -> Result<Number, &'static str> {
    const FAR: &str = "must lie within ±9007199254740991";
    if text.len() > MAX_LENGTH {
        return Err("must be a number of at most 64 characters");
    }
    if text.len() < 16
        && let Ok(whole) = text.parse()
    {
        return Ok(Number::Whole(whole));
    }
    let (digits, scale) = digits(text);
    if digits.is_empty() {
        return Ok(Number::Whole(0));
    }
    if scale < 0 {
        let decimal: f64 = text.parse().map_err(|_| FAR)?;
        return match decimal {
            d if d.abs() > MAX_WHOLE as f64 => Err(FAR),
            // Also what vanishes: 1e-400 is not 0.
            d if d.fract() == 0.0 => Err("has more digits than a double holds"),
            d => Ok(Number::Decimal(d)),
        };
    }
    let mut whole = 0_i64;
    let zeros = usize::try_from(scale).unwrap_or(usize::MAX).min(MAX_LENGTH);
    for digit in digits.into_iter().chain(std::iter::repeat_n(0, zeros)) {
        whole = whole * 10 + i64::from(digit);
        if whole > MAX_WHOLE {
            return Err(FAR);
        }
    }
    Ok(Number::Whole(if text.starts_with('-') { -whole } else { whole }))
}

/// The significant digits, without zeros at either end, and the power of ten
/// that they are to be multiplied with.
fn digits(text: &str) -> (Vec<u8>, i64) {
    let (mantissa, exponent) = text.split_once(['e', 'E']).unwrap_or((text, "0"));
    // Only the sign matters of an exponent that i64 can't hold.
    let huge = if exponent.starts_with('-') { i64::from(i32::MIN) } else { i64::from(i32::MAX) };
    let exponent = exponent.parse::<i32>().map_or(huge, i64::from);
    let (whole, fraction) = mantissa.split_once('.').unwrap_or((mantissa, ""));

    let mut digits: Vec<u8> =
        whole.bytes().chain(fraction.bytes()).filter(u8::is_ascii_digit).map(|b| b - b'0').collect();
    let mut scale = exponent - i64::try_from(fraction.len()).unwrap_or(0);
    while digits.last() == Some(&0) {
        digits.pop();
        scale += 1;
    }
    let leading = digits.iter().take_while(|&&digit| digit == 0).count();
    digits.drain(..leading);
    (digits, scale)
}

#[cfg(test)]
mod tests {
    use super::{Number, read};

    #[test]
    fn a_number_is_whole_by_its_value_not_by_its_spelling() {
        for (text, whole) in [
            ("2", 2),
            ("2.0", 2),
            ("20e-1", 2),
            ("0.2E1", 2),
            ("0.2e+1", 2),
            ("-2.000000000000000000000", -2),
            ("1e2", 100),
            ("-0", 0),
            ("0.0", 0),
            ("0e999999999999999999999", 0),
            ("-0e-999999999999999999999", 0),
            ("9007199254740991", 9_007_199_254_740_991),
            ("-9007199254740991.0", -9_007_199_254_740_991),
        ] {
            assert_eq!(read(text), Ok(Number::Whole(whole)), "{text}");
        }
        assert_eq!(read("0.5"), Ok(Number::Decimal(0.5)));
        assert_eq!(read("-5e-1"), Ok(Number::Decimal(-0.5)));
        assert_eq!(read("0.30000000000000004"), Ok(Number::Decimal(0.1 + 0.2)));
    }

    #[test]
    fn a_number_that_a_double_does_not_hold_is_refused() {
        for text in [
            "9007199254740992",
            "-9007199254740992",
            "9223372036854775808",
            "18446744073709551616",
            "1e16",
            "1e400",
            "-1e400",
            "1e99999999999999999999",
            "9007199254740993.5",
            "1e-400",
            "1e-99999999999999999999",
            "2.0000000000000000001",
            "1.9999999999999999999",
            "0.00000000000000000000000000000000000000000000000000000000000000001",
        ] {
            assert!(read(text).is_err(), "{text}");
        }
    }
}
