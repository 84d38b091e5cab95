//! Figures, times and ages as people read them.

use time::OffsetDateTime;
use time::format_description::BorrowedFormatItem;
use time::macros::format_description;

const INSTANT: &[BorrowedFormatItem<'_>] =
    format_description!("[year]-[month]-[day] [hour]:[minute]:[second] UTC");

/// A figure with as many places as matter.
pub(crate) fn figure(value: f64) -> String {
    if value == 0.0 || value >= 100.0 || value.fract() == 0.0 {
        grouped(value.round())
    } else if value >= 0.1 {
        format!("{value:.1}")
    } else {
        format!("{value:.2}")
    }
}

/// A count with its thousands apart.
pub(crate) fn count(value: impl TryInto<i64>) -> String {
    value.try_into().map_or_else(|_| "many".to_owned(), |value| grouped(value as f64))
}

fn grouped(value: f64) -> String {
    let digits = format!("{:.0}", value.abs());
    let mut out = if value < 0.0 { "-".to_owned() } else { String::new() };
    for (at, digit) in digits.chars().enumerate() {
        if at > 0 && (digits.len() - at).is_multiple_of(3) {
            out.push(',');
        }
        out.push(digit);
    }
    out
}

/// What isn't known is said to be so.
pub(crate) fn or_unknown(text: Option<String>) -> String {
    text.unwrap_or_else(|| "unknown".to_owned())
}

/// An instant to the second.
pub(crate) fn instant(at: OffsetDateTime) -> String {
    at.to_offset(time::UtcOffset::UTC).format(INSTANT).unwrap_or_default()
}

/// How long ago.
pub(crate) fn age(since: OffsetDateTime) -> String {
    crate::screen::age(OffsetDateTime::now_utc() - since)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn figures_are_short_and_thousands_stand_apart() {
        let said: Vec<String> = [0.0, 0.04, 3.26, 12.0, 250.4, 1_234_567.0].map(figure).into();
        assert_eq!(said, ["0", "0.04", "3.3", "12", "250", "1,234,567"]);
        assert_eq!(count(12_000_u64), "12,000");
    }
}
