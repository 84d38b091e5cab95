//! Each of the 18 classes by the routes that take many at once: in the item of a batch that is in order, and in those
//! beside it that are refused one by one; in a whole that is none.

use super::classes::{Told, diaries, response};
use super::*;

type Classes = [(&'static str, &'static [&'static str]); 18];

const BATCH: &str = "/api/v1/epro/submit/batch";

/// One that is in order; somebody else's; one with an unknown key, and with an unknown item, of these words.
fn items(who: &str, words: &str) -> [Value; 4] {
    let [good, _] = diaries(who, words);
    let (mut named, mut keyed, mut answered) = (calm(), calm(), calm());
    named["subject_id"] = json!(format!("{who} "));
    keyed[words] = json!(who);
    answered["answers"][words] = json!(who);
    [good, named, keyed, answered]
}

/// The same in FHIR, with the words also beside the resources; and a condition that isn't kept to.
fn entries(who: &str, words: &str) -> [Value; 5] {
    let [good, mut unknown, conditional] = [(); 3].map(|()| response(who, words));
    unknown["item"][0]["linkId"] = json!(words);
    let named = response(&format!("{who} x"), words);
    let typed = json!({"resourceType": words});
    let entry = |resource: Value| {
        let request = json!({"method": "POST", "url": "QuestionnaireResponse"});
        json!({"fullUrl": format!("urn:x:{words}"), "resource": resource, "request": request})
    };
    let mut conditional = entry(conditional);
    conditional["request"]["ifNoneExist"] = json!(format!("identifier={words}"));
    [entry(good), entry(unknown), entry(named), entry(typed), conditional]
}

/// Tells the door batches, by turns as an array and one item a line. One of each is received.
pub(super) async fn natively(told: &Told<'_>, classes: &Classes, places: &mut Places) {
    for (number, (class, spellings)) in classes.iter().enumerate() {
        let (who, words) = (spellings[0], spellings.join("; "));
        let items = items(who, &words).map(|item| item.to_string());
        let (kind, whole) = if number % 2 == 0 {
            ("application/json", format!("[{}]", items.join(",")))
        } else {
            ("application/x-ndjson", items.join("\n"))
        };
        let answer = told.send_as(who, BATCH, kind, whole.as_bytes()).await;
        let told_apart = answer.contains("\"received\":1,\"refused\":3,");
        assert!(answer.starts_with("HTTP/1.1 200") && told_apart, "{class}: {answer}");
        places.add(format!("the answer to a batch of {class}"), answer);
        let answer = told.send_as(who, BATCH, kind, format!("[{words}").as_bytes()).await;
        assert!(answer.starts_with("HTTP/1.1 4"), "{class}: {answer}");
        places.add(format!("the answer to no batch of {class}"), answer);
    }
}

/// Tells the FHIR door bundles, and waits until one entry of each is stored.
pub(super) async fn in_fhir(told: &Told<'_>, classes: &Classes, places: &mut Places) {
    for (class, spellings) in classes {
        let (who, words) = (spellings[0], spellings.join("; "));
        let bundle = json!({"resourceType": "Bundle", "type": "batch", "entry": entries(who, &words)});
        let answer = told.send(who, fhir::BUNDLE, &bundle).await;
        let refused = answer.matches("OperationOutcome").count();
        assert!(answer.starts_with("HTTP/1.1 200") && refused == 4, "{class}: {answer}");
        places.add(format!("the answer to a bundle of {class}"), answer);
        let none = json!({"resourceType": "Bundle", "type": words, "entry": [{(words.as_str()): who}]});
        let answer = told.send(who, fhir::BUNDLE, &none).await;
        assert!(answer.starts_with("HTTP/1.1 4"), "{class}: {answer}");
        places.add(format!("the answer to no bundle of {class}"), answer);
    }
}
