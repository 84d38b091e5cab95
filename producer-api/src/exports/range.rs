//! Which bytes of a file somebody wants (RFC 9110, section 14).

use std::ops::Range;

use axum::http::{HeaderMap, HeaderName, header};

/// What a request asks of a file.
#[derive(Debug, PartialEq, Eq)]
pub(super) enum Asked {
    /// All of it.
    Whole,
    /// These bytes.
    Part(Range<u64>),
    /// Bytes that there are none of.
    Beyond,
}

/// Reads `Range` and `If-Range`. What isn't one range of bytes is no range, as the standard has it; so is one for
/// another version of the file.
pub(super) fn asked(headers: &HeaderMap, size: u64, etag: &str) -> Asked {
    let text = |name: HeaderName| headers.get(name).map(|value| value.to_str().unwrap_or_default());
    let Some(range) = text(header::RANGE) else { return Asked::Whole };
    if text(header::IF_RANGE).is_some_and(|version| version != etag) {
        return Asked::Whole;
    }
    let bounds = range.strip_prefix("bytes=").and_then(|bounds| bounds.trim().split_once('-'));
    let Some((first, last)) = bounds.filter(|(_, last)| !last.contains(',')) else { return Asked::Whole };
    let part = match (number(first), number(last)) {
        (Some(first), Some(last)) if first <= last => first..size.min(last.saturating_add(1)),
        (Some(first), None) if last.is_empty() => first..size,
        // The last so many bytes.
        (None, Some(count)) if first.is_empty() => size.saturating_sub(count)..size,
        _ => return Asked::Whole,
    };
    if part.start < part.end { Asked::Part(part) } else { Asked::Beyond }
}

fn number(text: &str) -> Option<u64> {
    text.bytes().all(|digit| digit.is_ascii_digit()).then(|| text.parse().ok())?
}

#[cfg(test)]
mod tests {
    use super::*;

    fn of(range: &str, version: Option<&str>) -> Asked {
        let mut headers = HeaderMap::new();
        headers.insert(header::RANGE, range.parse().unwrap());
        if let Some(version) = version {
            headers.insert(header::IF_RANGE, version.parse().unwrap());
        }
        asked(&headers, 100, "\"v1\"")
    }

    #[test]
    fn a_range_is_read_as_the_standard_has_it() {
        for (range, expected) in [
            ("bytes=0-0", Asked::Part(0..1)),
            ("bytes=10-19", Asked::Part(10..20)),
            ("bytes=90-", Asked::Part(90..100)),
            ("bytes=90-1000", Asked::Part(90..100)),
            ("bytes=-5", Asked::Part(95..100)),
            ("bytes=-1000", Asked::Part(0..100)),
            ("bytes=100-", Asked::Beyond),
            ("bytes=-0", Asked::Beyond),
            ("bytes=20-10", Asked::Whole),
            ("bytes=0-1,5-6", Asked::Whole),
            ("lines=0-1", Asked::Whole),
            ("bytes=x-", Asked::Whole),
            ("bytes=+1-2", Asked::Whole),
        ] {
            assert_eq!(of(range, None), expected, "{range}");
        }
    }

    #[test]
    fn a_range_of_another_version_is_the_whole_file() {
        assert_eq!(of("bytes=0-9", Some("\"v1\"")), Asked::Part(0..10));
        for version in ["\"v2\"", "W/\"v1\"", "Sun, 06 Nov 1994 08:49:37 GMT"] {
            assert_eq!(of("bytes=0-9", Some(version)), Asked::Whole, "{version}");
        }
    }
}
