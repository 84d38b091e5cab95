//! A Bundle into its entries, whose resources stay the bytes that they are.

use crate::json::{self, Json};
use crate::submission::parse::field;
use crate::submission::split::{elements, end_of_string};
use crate::violation::Violation;

/// The most members of a Bundle or an entry.
const MAX_MEMBERS: usize = 32;

/// What is asked for.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum BundleKind {
    /// Each entry on its own.
    Batch,
    /// All or nothing.
    Transaction,
}

/// Several requests in one.
#[derive(Debug)]
pub struct Bundle<'a> {
    /// What is asked for.
    pub kind: BundleKind,
    /// In the order as sent; one that is no request is told so in its place.
    pub entries: Vec<Result<BundleEntry<'a>, Violation>>,
}

/// A request to create a QuestionnaireResponse.
#[derive(Debug)]
pub struct BundleEntry<'a> {
    /// The resource, not looked into.
    pub resource: &'a [u8],
    /// `ifNoneExist` of the request.
    pub none_exist: Option<String>,
}

impl<'a> Bundle<'a> {
    /// Reads a Bundle of at least one entry; of more than `most` there are `most` + 1 in it.
    ///
    /// # Errors
    /// What makes it no Bundle that can be answered entry by entry.
    pub fn parse(body: &'a [u8], most: usize) -> Result<Self, Violation> {
        let members = Members::of(body.trim_ascii(), "")?;
        if members.text("resourceType", "")?.as_deref() != Some("Bundle") {
            return Err(Violation::new("", "must be a Bundle"));
        }
        let kind = match members.text("type", "Bundle.type")?.as_deref() {
            Some("batch") => BundleKind::Batch,
            Some("transaction") => BundleKind::Transaction,
            _ => return Err(Violation::new("Bundle.type", "must be batch")),
        };
        let entries = members.find("entry").unwrap_or_default();
        let entries = match entries.strip_prefix(b"[") {
            Some(rest) => {
                elements(rest, most, b']').map_err(|wrong| Violation::new("Bundle.entry", wrong.rule))?
            }
            None => Vec::new(),
        };
        if entries.is_empty() {
            return Err(Violation::new("Bundle.entry", "must be a list of at least one"));
        }
        let read = |(n, entry)| BundleEntry::parse(entry, &format!("Bundle.entry[{n}]"));
        Ok(Self { kind, entries: entries.into_iter().enumerate().map(read).collect() })
    }
}

impl<'a> BundleEntry<'a> {
    fn parse(entry: &'a [u8], path: &str) -> Result<Self, Violation> {
        let members = Members::of(entry, path)?;
        let place = format!("{path}.request");
        let request = members.find("request").ok_or_else(|| Violation::new(&place, "is required"))?;
        let request = Members::of(request, &place)?;
        let method = request.text("method", &place)?;
        let url = request.text("url", &place)?;
        if (method.as_deref(), url.as_deref()) != (Some("POST"), Some("QuestionnaireResponse")) {
            return Err(Violation::new(place, "must be POST to QuestionnaireResponse"));
        }
        let none_exist = request.text("ifNoneExist", &place)?;
        let missing = || Violation::new(format!("{path}.resource"), "is required");
        Ok(Self { resource: members.find("resource").ok_or_else(missing)?, none_exist })
    }
}

/// The members of an object, each value as its bytes.
struct Members<'a>(Vec<(&'a [u8], &'a [u8])>);

impl<'a> Members<'a> {
    fn of(object: &'a [u8], path: &str) -> Result<Self, Violation> {
        let not = || Violation::new(path, "must be a JSON object");
        let rest = object.strip_prefix(b"{").ok_or_else(not)?;
        let parts = elements(rest, MAX_MEMBERS, b'}').map_err(|_| not())?;
        if parts.len() > MAX_MEMBERS {
            return Err(Violation::new(path, "has too many elements"));
        }
        let mut members: Vec<(&[u8], &[u8])> = Vec::with_capacity(parts.len());
        for part in parts {
            if part.first() != Some(&b'"') {
                return Err(not());
            }
            let (key, rest) = part.split_at_checked(end_of_string(part, 0) + 1).ok_or_else(not)?;
            let value = rest.trim_ascii_start().strip_prefix(b":").ok_or_else(not)?.trim_ascii_start();
            if members.iter().any(|(before, _)| *before == key) {
                return Err(Violation::new(path, "has an element twice"));
            }
            members.push((key, value));
        }
        Ok(Self(members))
    }

    fn find(&self, name: &str) -> Option<&'a [u8]> {
        let is = |key: &[u8]| {
            key.strip_prefix(b"\"").and_then(|key| key.strip_suffix(b"\"")) == Some(name.as_bytes())
        };
        self.0.iter().find(|(key, _)| is(key)).map(|(_, value)| *value)
    }

    fn text(&self, name: &str, path: &str) -> Result<Option<String>, Violation> {
        let Some(value) = self.find(name) else { return Ok(None) };
        let not = |rule: &str| Violation::new(path, format!("{name} {rule}"));
        let value = json::parse(value).unwrap_or(Json::Null);
        field::text(value).map(|text| Some(text.into_owned())).map_err(not)
    }
}

#[cfg(test)]
mod tests {
    use super::{Bundle, BundleKind};

    const REQUEST: &str = r#""request": {"method": "POST", "url": "QuestionnaireResponse"}"#;

    #[test]
    fn the_resources_of_a_bundle_stay_the_bytes_that_they_are() {
        let text = format!(
            r#" {{"resourceType":"Bundle", "type" : "batch", "entry": [
            {{"resource": {{"a": [1, "}}"] }} , {REQUEST}}}, {{"resource": 7}}, {{{REQUEST}}}]}} "#
        );
        let bundle = Bundle::parse(text.as_bytes(), 5).unwrap();
        assert_eq!(bundle.kind, BundleKind::Batch);
        assert_eq!(bundle.entries[0].as_ref().unwrap().resource, br#"{"a": [1, "}"] }"#);
        let problem = |n: usize| bundle.entries[n].as_ref().unwrap_err().to_string();
        assert_eq!(problem(1), "Bundle.entry[1].request: is required");
        assert_eq!(problem(2), "Bundle.entry[2].resource: is required");
    }

    #[test]
    fn what_is_no_bundle_is_told_so_by_its_place() {
        for (text, place) in [
            ("", ""),
            ("[]", ""),
            (r#"{"resourceType":"Patient"}"#, ""),
            (r#"{"resourceType":"Bundle","type":"batch","type":"batch"}"#, ""),
            (r#"{"resourceType":"Bundle","type":"history"}"#, "Bundle.type"),
            (r#"{"resourceType":"Bundle","type":"batch"}"#, "Bundle.entry"),
            (r#"{"resourceType":"Bundle","type":"batch","entry":[{},,{}]}"#, "Bundle.entry"),
        ] {
            assert_eq!(Bundle::parse(text.as_bytes(), 5).unwrap_err().pointer, place, "{text}");
        }
    }
}
