//! Instants on the command line and on the screen.

use time::format_description::well_known::Rfc3339;
use time::{Duration, OffsetDateTime};

/// `2026-11-27T03:00:00Z`, or how long ago: `45s`, `90m`, `12h`, `3d`.
pub(crate) fn parse(text: &str) -> Result<OffsetDateTime, String> {
    if let Ok(at) = OffsetDateTime::parse(text, &Rfc3339) {
        return Ok(at);
    }
    let wrong = || "is neither an instant (2026-11-27T03:00:00Z) nor how long ago (90m, 12h, 3d)".to_owned();
    let seconds = match text.char_indices().last() {
        Some((at, unit)) => text[..at].parse::<u32>().ok().zip(match unit {
            's' => Some(1),
            'm' => Some(60),
            'h' => Some(3_600),
            'd' => Some(86_400),
            _ => None,
        }),
        None => None,
    };
    let (count, unit) = seconds.ok_or_else(wrong)?;
    let ago = Duration::seconds(i64::from(count) * unit);
    OffsetDateTime::now_utc().checked_sub(ago).ok_or_else(wrong)
}

/// To the second, as RFC 3339.
pub(crate) fn shown(at: OffsetDateTime) -> String {
    at.replace_nanosecond(0).unwrap_or(at).format(&Rfc3339).unwrap_or_default()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn an_instant_or_how_long_ago_and_nothing_else() {
        assert_eq!(parse("2026-11-27T03:00:00Z").unwrap().unix_timestamp(), 1_795_748_400);
        let ago = OffsetDateTime::now_utc() - parse("90m").unwrap();
        assert!((ago - Duration::minutes(90)).abs() < Duration::minutes(1), "{ago}");
        for text in ["", "h", "-1h", "12", "3w", "9999999d", "yesterday"] {
            assert!(parse(text).is_err(), "{text}");
        }
    }
}
