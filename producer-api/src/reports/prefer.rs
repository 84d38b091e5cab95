//! `Prefer: wait=N` (RFC 7240, section 4.3).

use std::time::Duration;

use axum::http::HeaderMap;

/// How long the client would wait for the report itself; `None` if it doesn't say, or says it in another way. Of
/// several preferences of that name the first one counts.
pub(super) fn wait(headers: &HeaderMap) -> Option<Duration> {
    let lines = headers.get_all("prefer").iter().filter_map(|line| line.to_str().ok());
    let mut preferences = lines.flat_map(|line| line.split(','));
    let seconds = preferences.find_map(|preference| {
        // Parameters behind a semicolon say nothing that we know.
        let (name, value) = preference.split(';').next()?.split_once('=')?;
        name.trim().eq_ignore_ascii_case("wait").then(|| value.trim().trim_matches('"').parse::<u32>())
    });
    seconds?.ok().map(|seconds| Duration::from_secs(seconds.into()))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_wait_is_found_among_other_preferences() {
        for (lines, seconds) in [
            (&["wait=10"][..], Some(10)),
            (&["respond-async, WAIT = \"10\""], Some(10)),
            (&["return=minimal", "handling=lenient; x=1, wait=7;a=b"], Some(7)),
            (&["wait=5, wait=9"], Some(5)),
            (&["wait=soon, wait=9"], None),
            (&["wait", "waits=3"], None),
            (&["wait=-1"], None),
            (&[], None),
        ] {
            let mut headers = HeaderMap::new();
            for line in lines {
                headers.append("prefer", line.parse().unwrap());
            }
            assert_eq!(wait(&headers), seconds.map(Duration::from_secs), "{lines:?}");
        }
    }
}
