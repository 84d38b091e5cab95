//! Which form a client wants its answer in: JSON, or none that we have.

use axum::http::{HeaderMap, Uri, header};

use super::TYPES;
use crate::refusal::Kind;

/// What `_format` may say besides the media types.
const SHORT: [&str; 2] = ["json", "text/json"];

/// Whether JSON will do. `_format`, for clients that can't set a header, goes before `Accept`.
pub(super) fn json_will_do(uri: &Uri, headers: &HeaderMap) -> Result<(), Kind> {
    let wanted = match format(uri) {
        Some(format) => is_json(&format),
        None => accepts(headers),
    };
    if wanted { Ok(()) } else { Err(Kind::NotAcceptable) }
}

fn format(uri: &Uri) -> Option<String> {
    let pairs = uri.query()?.split('&');
    let value = pairs.into_iter().find_map(|pair| pair.strip_prefix("_format="))?;
    // A plus in a media type comes as it is, as a space, or percent-encoded, and so does a slash.
    Some(value.replace("%2F", "/").replace("%2f", "/").replace("%2B", "+").replace("%2b", "+"))
}

fn accepts(headers: &HeaderMap) -> bool {
    let mut lines = headers.get_all(header::ACCEPT).iter().peekable();
    if lines.peek().is_none() {
        return true;
    }
    let lines = lines.filter_map(|line| line.to_str().ok());
    lines.flat_map(|line| line.split(',')).any(|range| {
        let mut parts = range.split(';').map(str::trim);
        let name = parts.next().unwrap_or_default();
        let refused = parts.any(|part| matches!(part, "q=0" | "q=0.0" | "q=0.00" | "q=0.000"));
        !refused && (matches!(name, "*/*" | "application/*") || is_json(name))
    })
}

fn is_json(name: &str) -> bool {
    let name = name.split(';').next().unwrap_or_default().trim().to_ascii_lowercase().replace(' ', "+");
    TYPES.contains(&name.as_str()) || SHORT.contains(&name.as_str())
}

#[cfg(test)]
mod tests {
    use super::*;

    fn judged(query: &str, accept: Option<&str>) -> bool {
        let uri: Uri = format!("/fhir/R4/metadata{query}").parse().unwrap();
        let mut headers = HeaderMap::new();
        if let Some(accept) = accept {
            headers.insert(header::ACCEPT, accept.parse().unwrap());
        }
        json_will_do(&uri, &headers).is_ok()
    }

    #[test]
    fn json_in_every_spelling_and_anything_at_all_will_do() {
        for accept in [
            "*/*",
            "application/*;q=0.5",
            "application/fhir+xml, application/fhir+json;q=0.9",
            "application/fhir+json; fhirVersion=4.0",
            "application/json+fhir",
            "Application/JSON",
        ] {
            assert!(judged("", Some(accept)), "{accept}");
        }
        assert!(judged("", None));
    }

    #[test]
    fn what_has_no_json_in_it_will_not() {
        for accept in ["application/fhir+xml", "text/html", "application/json;q=0", ""] {
            assert!(!judged("", Some(accept)), "{accept}");
        }
    }

    #[test]
    fn a_format_in_the_query_goes_before_the_header() {
        for query in
            ["?_format=json", "?x=1&_format=application/fhir%2Bjson", "?_format=application%2Ffhir+json"]
        {
            assert!(judged(query, Some("application/fhir+xml")), "{query}");
        }
        assert!(!judged("?_format=xml", Some("application/fhir+json")));
    }
}
