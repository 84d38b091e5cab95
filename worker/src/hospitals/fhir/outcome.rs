//! An OperationOutcome, reduced to what can't repeat a patient's words: codes and paths of the standard.

use serde_json::Value;

/// Of more than so many issues the first are told.
const ISSUES: usize = 5;
/// Of more than so many paths of an issue the first are told.
const PATHS: usize = 3;

/// The codes of <http://hl7.org/fhir/R4/valueset-issue-type.html>.
const CODES: [&str; 31] = [
    "invalid",
    "structure",
    "required",
    "value",
    "invariant",
    "security",
    "login",
    "unknown",
    "expired",
    "forbidden",
    "suppressed",
    "processing",
    "not-supported",
    "duplicate",
    "multiple-matches",
    "not-found",
    "deleted",
    "too-long",
    "code-invalid",
    "extension",
    "too-costly",
    "business-rule",
    "conflict",
    "transient",
    "lock-error",
    "no-store",
    "exception",
    "timeout",
    "incomplete",
    "throttled",
    "informational",
];

/// The words that a path into a resource of ours is made of.
const ELEMENTS: [&str; 46] = [
    "Bundle",
    "QuestionnaireResponse",
    "Observation",
    "Coding",
    "Reference",
    "Identifier",
    "Quantity",
    "type",
    "entry",
    "fullUrl",
    "resource",
    "request",
    "method",
    "url",
    "ifNoneExist",
    "identifier",
    "system",
    "value",
    "questionnaire",
    "status",
    "subject",
    "authored",
    "author",
    "source",
    "item",
    "linkId",
    "text",
    "answer",
    "valueCoding",
    "valueInteger",
    "valueDecimal",
    "valueBoolean",
    "valueString",
    "valueQuantity",
    "code",
    "coding",
    "display",
    "extension",
    "category",
    "effective",
    "effectiveDateTime",
    "performer",
    "derivedFrom",
    "interpretation",
    "dataAbsentReason",
    "unit",
];

/// Codes and expressions: `required QuestionnaireResponse.item[2].answer; value`. Whatever isn't of the standard is
/// a `?`. Empty if the body is no OperationOutcome.
pub(super) fn reduced(body: &[u8]) -> String {
    let Ok(outcome) = serde_json::from_slice::<Value>(body) else { return String::new() };
    if outcome["resourceType"] != "OperationOutcome" {
        return String::new();
    }
    let issues = outcome["issue"].as_array().map_or(&[][..], Vec::as_slice);
    issues.iter().take(ISSUES).map(issue).collect::<Vec<_>>().join("; ")
}

fn issue(issue: &Value) -> String {
    let code = issue["code"].as_str().filter(|code| CODES.contains(code)).unwrap_or("?");
    let paths = issue["expression"].as_array().map_or(&[][..], Vec::as_slice);
    let paths = paths.iter().take(PATHS).filter_map(Value::as_str).map(path);
    std::iter::once(code.to_owned()).chain(paths).collect::<Vec<_>>().join(" ")
}

/// A FHIRPath of elements and indexes; every other part is a `?`.
fn path(text: &str) -> String {
    let parts = text.split('.').take(12).map(|part| {
        let (name, index) = part.split_once('[').unwrap_or((part, ""));
        let known = ELEMENTS.contains(&name);
        let digits = index.strip_suffix(']').filter(|n| n.len() < 5 && n.bytes().all(|b| b.is_ascii_digit()));
        match (known, index.is_empty(), digits) {
            (true, true, _) => name.to_owned(),
            (true, false, Some(digits)) => format!("{name}[{digits}]"),
            _ => "?".to_owned(),
        }
    });
    parts.collect::<Vec<_>>().join(".")
}

#[cfg(test)]
mod tests {
    use super::*;
    use serde_json::json;

    #[test]
    fn codes_and_paths_are_kept_and_no_word_of_theirs() {
        let outcome = json!({
            "resourceType": "OperationOutcome",
            "issue": [
                {"severity": "error", "code": "required", "diagnostics": "Marta Planted has no date of birth",
                 "details": {"text": "Marta Planted"}, "location": ["Marta"],
                 "expression": ["Bundle.entry[0].resource.item[12].answer[0].valueCoding",
                                "Patient.name.where(family='Planted')"]},
                {"code": "Marta-Planted", "expression": ["QuestionnaireResponse.Marta", "item[Marta]", 7]},
            ],
        });
        assert_eq!(
            reduced(outcome.to_string().as_bytes()),
            "required Bundle.entry[0].resource.item[12].answer[0].valueCoding ?.?.?; ? QuestionnaireResponse.? ?"
        );
    }

    #[test]
    fn anything_else_says_nothing() {
        for body in
            ["", "{}", "[]", "<html>Marta</html>", r#"{"resourceType":"Patient","issue":[{"code":"value"}]}"#]
        {
            assert_eq!(reduced(body.as_bytes()), "");
        }
    }
}
