//! What the client wants to have in the answer.

use axum::http::HeaderMap;

/// `Prefer: return=…`.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Prefer {
    Minimal,
    Representation,
    Outcome,
}

impl Prefer {
    /// The first preference that is understood; the resource, if there is none.
    pub(super) fn of(headers: &HeaderMap) -> Self {
        let lines = headers.get_all("prefer").iter().filter_map(|line| line.to_str().ok());
        let mut words = lines.flat_map(|line| line.split([',', ';'])).map(str::trim);
        let understood = words.find_map(|word| match word.strip_prefix("return=")?.trim_matches('"') {
            "minimal" => Some(Self::Minimal),
            "representation" => Some(Self::Representation),
            "OperationOutcome" => Some(Self::Outcome),
            _ => None,
        });
        understood.unwrap_or(Self::Representation)
    }
}
