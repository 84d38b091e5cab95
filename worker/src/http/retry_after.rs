//! `Retry-After` (RFC 9110, section 10.2.3): seconds, or a date.

use std::time::Duration;

use reqwest::header::{DATE, HeaderMap, RETRY_AFTER};
use time::format_description::BorrowedFormatItem;
use time::macros::format_description;
use time::{OffsetDateTime, PrimitiveDateTime};

/// Whoever asks for more rest than this is asked again earlier.
const MOST: Duration = Duration::from_secs(3600);

const FIFTY_YEARS: Duration = Duration::from_secs(50 * 365 * 86_400);

const IMF: &[BorrowedFormatItem<'_>] =
    format_description!("[weekday repr:short], [day] [month repr:short] [year] [hour]:[minute]:[second] GMT");
const ASCTIME: &[BorrowedFormatItem<'_>] = format_description!(
    "[weekday repr:short] [month repr:short] [day padding:space] [hour]:[minute]:[second] [year]"
);

/// How long the other side wants to be left alone, at most an hour; `None` if it doesn't say, or not in a form of
/// the standard. A date is compared with the `Date` of the same answer, if it has one: their clock, not ours.
pub(crate) fn read(headers: &HeaderMap, now: OffsetDateTime) -> Option<Duration> {
    let text = |name| headers.get(name).and_then(|value| value.to_str().ok()).map(str::trim);
    let wanted = text(RETRY_AFTER)?;
    if !wanted.is_empty() && wanted.bytes().all(|byte| byte.is_ascii_digit()) {
        let seconds = wanted.parse::<u64>().unwrap_or(u64::MAX);
        return Some(Duration::from_secs(seconds).min(MOST));
    }
    let at = date(wanted, now)?;
    let theirs = text(DATE).and_then(|text| date(text, now)).unwrap_or(now);
    Some(Duration::try_from(at - theirs).unwrap_or_default().min(MOST))
}

/// A date of HTTP, in each of its three forms (section 5.6.7).
fn date(text: &str, now: OffsetDateTime) -> Option<OffsetDateTime> {
    let read = |format| PrimitiveDateTime::parse(text, format).ok().map(PrimitiveDateTime::assume_utc);
    read(IMF).or_else(|| read(ASCTIME)).or_else(|| rfc_850(text, now))
}

/// Its year has two digits: one that seems to lie more than fifty years ahead is the last one that ends so.
fn rfc_850(text: &str, now: OffsetDateTime) -> Option<OffsetDateTime> {
    let (weekday, rest) = text.split_once(", ")?;
    let [day, month, rest] = rest.splitn(3, '-').collect::<Vec<_>>().try_into().ok()?;
    let year: i32 = rest.get(..2)?.parse().ok()?;
    let weekday = weekday.get(..3).filter(|_| weekday.ends_with("day"))?;
    let of = |year: i32| {
        let text = format!("{weekday}, {day} {month} {year}{}", rest.get(2..)?);
        PrimitiveDateTime::parse(&text, IMF).ok().map(PrimitiveDateTime::assume_utc)
    };
    let this = now.year() / 100 * 100 + year;
    [this + 100, this, this - 100].into_iter().find_map(|year| of(year).filter(|at| *at <= now + FIFTY_YEARS))
}

#[cfg(test)]
mod tests {
    use super::*;
    use reqwest::header::HeaderName;
    use time::macros::datetime;

    fn after(headers: &[(HeaderName, &str)]) -> Option<u64> {
        let headers = headers.iter().map(|(name, value)| (name.clone(), value.parse().unwrap())).collect();
        read(&headers, datetime!(2026-11-23 20:00:00 UTC)).map(|duration| duration.as_secs())
    }

    #[test]
    fn seconds_and_dates_are_understood_and_nothing_else() {
        assert_eq!(after(&[(RETRY_AFTER, "120")]), Some(120));
        assert_eq!(after(&[(RETRY_AFTER, "Mon, 23 Nov 2026 20:00:30 GMT")]), Some(30));
        assert_eq!(after(&[(RETRY_AFTER, "Mon Nov 23 20:00:30 2026")]), Some(30));
        assert_eq!(after(&[(RETRY_AFTER, "Mon Nov  2 20:00:30 2026")]), Some(0));
        assert_eq!(after(&[(RETRY_AFTER, "Monday, 23-Nov-26 20:00:30 GMT")]), Some(30));
        let unread = [
            "",
            "soon",
            "-1",
            "1.5",
            "Mon, 23 Nov 2026 20:00:30 +0800",
            "Monday, 23-Nov-26",
            "Monday, 23-Nov-2026 20:00:30 GMT",
            "Monday, 23-Nov-é6 20:00:30 GMT",
            "23-Nov-26 20:00:30 GMT",
        ];
        for text in unread {
            assert_eq!(after(&[(RETRY_AFTER, text)]), None, "{text}");
        }
        assert_eq!(after(&[]), None);
    }

    #[test]
    fn a_date_is_compared_with_the_date_of_the_answer() {
        let dates = [(RETRY_AFTER, "Mon, 23 Nov 2026 21:10:30 GMT"), (DATE, "Mon, 23 Nov 2026 21:10:00 GMT")];
        assert_eq!(after(&dates), Some(30));
    }

    #[test]
    fn a_year_of_two_digits_is_the_last_one_unless_the_next_is_within_fifty_years() {
        assert_eq!(after(&[(RETRY_AFTER, "Sunday, 06-Nov-94 08:49:37 GMT")]), Some(0), "of 1994");
        assert_eq!(after(&[(RETRY_AFTER, "Tuesday, 23-Nov-70 20:00:00 GMT")]), Some(3600), "of 2070");
    }

    #[test]
    fn a_date_that_is_over_means_at_once_and_nobody_rests_for_longer_than_an_hour() {
        assert_eq!(after(&[(RETRY_AFTER, "Mon, 23 Nov 2026 19:00:00 GMT")]), Some(0));
        assert_eq!(after(&[(RETRY_AFTER, "99999999999999999999999")]), Some(3600));
        assert_eq!(after(&[(RETRY_AFTER, "Mon, 23 Nov 2099 20:00:00 GMT")]), Some(3600));
    }
}
