//! A report is about whom the study calls exactly so, whatever the characters of that mean in a search.

use serde_json::{Value, json};

use super::ward::{PATIENT, Ward, asked, count, missing};
use crate::support::STUDY;

/// What the hospital calls somebody who is in no study.
const MRN: &str = "http://his.example/mrn";
const SOMEBODY: &str = "4711";

/// A report of whom the study calls so, which must be whole.
async fn report_of(ward: &Ward, subject: &str) -> Value {
    let mut asked = asked(20);
    asked["subject_id"] = json!(subject);
    let reply = ward.client.report(&ward.token, &asked, Some(21)).await.unwrap();
    assert_eq!(reply.status, 200, "{subject}: {}", reply.body);
    let report = reply.json().unwrap();
    assert!(missing(&report).is_empty(), "{subject}: {report}");
    report
}

/// Whom each of its resources is about.
fn whom(report: &Value) -> Vec<(&str, &str)> {
    let resources = ["vitals", "medication", "laboratory"].map(|service| report[service].as_array().unwrap());
    let named = resources.into_iter().flatten().map(|resource| &resource["subject"]["identifier"]);
    named.map(|named| (named["system"].as_str().unwrap(), named["value"].as_str().unwrap())).collect()
}

#[tokio::test(flavor = "multi_thread")]
async fn whoever_is_called_by_what_delimits_in_a_search_is_found_and_nobody_else() {
    let ward = Ward::new(json!({}), json!({})).await;
    let study = format!("urn:epro:study:{STUDY}");
    let literal = [
        "nobody,http://his.example/mrn|4711",
        "nobody,4711",
        "P-1|P-2",
        "P-1$P-2",
        r"P-1\P-2",
        r"P-1\,P-2",
        r"nobody\,http://his.example/mrn\|4711",
        r"P-1\",
        r"\,|$",
    ];
    ward.hospital.admits(MRN, SOMEBODY);
    for part in ["P-1", "P-2", PATIENT] {
        ward.hospital.admits(&study, part);
    }
    let _worker = ward.worker().await;
    for subject in literal {
        let report = report_of(&ward, subject).await;
        assert!(whom(&report).is_empty(), "nobody is called {subject} yet: {report}");
    }
    for subject in literal {
        ward.hospital.admits(&study, subject);
        let report = report_of(&ward, subject).await;
        assert_eq!(whom(&report), vec![(study.as_str(), subject); 10], "{subject}");
    }
    // Nobody was lost over it who is called as everybody else.
    let report = report_of(&ward, PATIENT).await;
    assert_eq!((count(&report, "vitals"), whom(&report).len()), (2, 10));
}
