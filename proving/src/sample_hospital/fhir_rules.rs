//! What a transaction has to look like, after <http://hl7.org/fhir/R4/>: `http.html`, `questionnaireresponse.html`,
//! `observation.html`, `datatypes.html`.

use serde_json::Value;
use time::OffsetDateTime;
use time::format_description::well_known::Rfc3339;

const URI: &str = "urn:ietf:rfc:3986";

/// One thing that is wrong.
#[derive(Debug)]
pub(super) struct Issue {
    pub code: &'static str,
    pub path: String,
}

impl Issue {
    pub(super) fn new(code: &'static str, path: impl Into<String>) -> Self {
        Self { code, path: path.into() }
    }
}

/// One entry, understood.
pub(super) struct Entry<'b> {
    pub kind: &'b str,
    pub identifier: &'b str,
    pub resource: &'b Value,
    /// A conditional update; otherwise a conditional create.
    pub replaces: bool,
}

/// Every entry, or everything that is wrong.
pub(super) fn understand(bundle: &Value) -> Result<Vec<Entry<'_>>, Vec<Issue>> {
    let mut wrong = Wrong::default();
    wrong.unless(bundle["resourceType"] == "Bundle", "structure", "Bundle");
    wrong.unless(bundle["type"] == "transaction", "value", "Bundle.type");
    let list = bundle["entry"].as_array().map_or(&[][..], Vec::as_slice);
    wrong.unless(!list.is_empty(), "required", "Bundle.entry");
    let urls: Vec<&str> = list.iter().filter_map(|entry| entry["fullUrl"].as_str()).collect();
    let mut entries = Vec::new();
    for (n, entry) in list.iter().enumerate() {
        let at = format!("Bundle.entry[{n}]");
        let resource = &entry["resource"];
        let kind = resource["resourceType"].as_str().unwrap_or_default();
        let identifier = match kind {
            "QuestionnaireResponse" => {
                wrong.response(resource);
                &resource["identifier"]
            }
            "Observation" => {
                wrong.observation(resource, &urls);
                &resource["identifier"][0]
            }
            _ => {
                wrong.add("not-supported", format!("{at}.resource"));
                continue;
            }
        };
        let value = identifier["value"].as_str().unwrap_or_default();
        let uuid = value.strip_prefix("urn:uuid:").and_then(|uuid| uuid.parse::<uuid::Uuid>().ok());
        wrong.unless(identifier["system"] == URI && uuid.is_some(), "value", format!("{kind}.identifier"));
        let replaces = wrong.request(&entry["request"], kind, value, &at);
        let status = resource["status"].as_str().unwrap_or_default();
        let versions = if replaces { ["amended", "amended"] } else { ["completed", "final"] };
        wrong.unless(versions.contains(&status), "business-rule", format!("{kind}.status"));
        entries.push(Entry { kind, identifier: value, resource, replaces });
    }
    if wrong.0.is_empty() { Ok(entries) } else { Err(wrong.0) }
}

#[derive(Default)]
struct Wrong(Vec<Issue>);

impl Wrong {
    fn add(&mut self, code: &'static str, path: impl Into<String>) {
        self.0.push(Issue::new(code, path));
    }

    fn unless(&mut self, good: bool, code: &'static str, path: impl Into<String>) {
        if !good {
            self.add(code, path);
        }
    }

    /// Whether it replaces. The search must be for the resource's own identifier.
    fn request(&mut self, request: &Value, kind: &str, identifier: &str, at: &str) -> bool {
        let url = request["url"].as_str().unwrap_or_default();
        let search = format!("identifier={URI}|{identifier}");
        let decoded =
            |text: &str| text.replace("%3A", ":").replace("%3a", ":").replace("%7C", "|").replace("%7c", "|");
        match request["method"].as_str() {
            Some("POST") => {
                self.unless(url == kind, "value", format!("{at}.request.url"));
                let asked = decoded(request["ifNoneExist"].as_str().unwrap_or_default());
                self.unless(asked == search, "business-rule", format!("{at}.request.ifNoneExist"));
                false
            }
            Some("PUT") => {
                self.unless(decoded(url) == format!("{kind}?{search}"), "value", format!("{at}.request.url"));
                true
            }
            _ => {
                self.add("not-supported", format!("{at}.request.method"));
                false
            }
        }
    }

    fn reference(&mut self, subject: &Value, path: &str) {
        let (system, value) = (&subject["identifier"]["system"], &subject["identifier"]["value"]);
        let named = |text: &Value| text.as_str().is_some_and(|text| !text.is_empty());
        self.unless(named(system) && named(value) && subject["type"] == "Patient", "required", path);
    }

    fn date_time(&mut self, value: &Value, path: &str) {
        let read = value.as_str().map(|text| OffsetDateTime::parse(text, &Rfc3339));
        self.unless(matches!(read, Some(Ok(_))), "value", path);
    }

    fn response(&mut self, response: &Value) {
        const AT: &str = "QuestionnaireResponse";
        let questionnaire = response["questionnaire"].as_str().unwrap_or_default();
        self.unless(questionnaire.split_once('|').is_some(), "required", format!("{AT}.questionnaire"));
        self.reference(&response["subject"], "QuestionnaireResponse.subject");
        self.reference(&response["source"], "QuestionnaireResponse.source");
        self.date_time(&response["authored"], "QuestionnaireResponse.authored");
        let items = response["item"].as_array().map_or(&[][..], Vec::as_slice);
        self.unless(!items.is_empty(), "required", format!("{AT}.item"));
        let mut seen = Vec::new();
        for (n, item) in items.iter().enumerate() {
            let link_id = item["linkId"].as_str().unwrap_or_default();
            self.unless(
                !link_id.is_empty() && !seen.contains(&link_id),
                "invariant",
                format!("{AT}.item[{n}].linkId"),
            );
            seen.push(link_id);
            let answers = item["answer"].as_array().map_or(&[][..], Vec::as_slice);
            self.unless(!answers.is_empty(), "required", format!("{AT}.item[{n}].answer"));
            for answer in answers {
                self.unless(is_answer(answer), "structure", format!("{AT}.item[{n}].answer[0].value"));
            }
        }
    }

    fn observation(&mut self, observation: &Value, urls: &[&str]) {
        let coding = &observation["code"]["coding"][0];
        let coded = coding["system"].is_string() && coding["code"].is_string();
        self.unless(coded, "required", "Observation.code");
        self.reference(&observation["subject"], "Observation.subject");
        self.date_time(&observation["effectiveDateTime"], "Observation.effective");
        let quantity = &observation["valueQuantity"];
        let valued = quantity["value"].is_number() && quantity["system"] == "http://unitsofmeasure.org";
        let absent = observation["dataAbsentReason"].is_object();
        self.unless(valued != absent, "invariant", "Observation.value");
        let from = observation["derivedFrom"][0]["reference"].as_str().unwrap_or_default();
        self.unless(urls.contains(&from), "not-found", "Observation.derivedFrom[0]");
    }
}

/// Exactly one value, of a type that R4 has here.
fn is_answer(answer: &Value) -> bool {
    let Some(keys) = answer.as_object() else { return false };
    let Some((kind, value)) = keys.iter().next().filter(|_| keys.len() == 1) else { return false };
    match kind.as_str() {
        "valueCoding" => value["system"].is_string() && value["code"].is_string(),
        "valueInteger" => value.is_i64(),
        "valueDecimal" => value.is_number(),
        "valueBoolean" => value.is_boolean(),
        "valueString" => value.as_str().is_some_and(|text| !text.is_empty()),
        _ => false,
    }
}
