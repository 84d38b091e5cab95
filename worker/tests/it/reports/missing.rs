//! What is missing is named with its reason, and what is under way at the deadline is cancelled.

use epro_proving::foreign::manner::{Answer, Manner};
use epro_proving::sample_hospital::{Access, Client, Searches};
use epro_proving::{SampleHospital, until};
use serde_json::json;
use time::OffsetDateTime;

use super::ward::{REPORTS, VITALS, Ward, all_of, count, missing};
use crate::support::{BOUND, SITE};

#[tokio::test(flavor = "multi_thread")]
async fn a_service_that_stalls_is_cancelled_at_the_hospital_and_the_others_are_there() {
    let ward = Ward::new(json!({}), json!({})).await;
    // The one that is asked first: the others don't wait for it.
    ward.stalls(VITALS);
    let _worker = ward.worker().await;
    let report = ward.report(3).await;
    assert_eq!((&report["complete"], missing(&report)), (&json!(false), vec![("vitals", "late")]));
    assert_eq!(["vitals", "medication", "laboratory"].map(|service| count(&report, service)), [0, 4, 4]);
    until("the hospital to see that the caller hung up", BOUND, || async {
        let calls = ward.questions();
        let stalled = calls.iter().find(|call| call.names == VITALS);
        Ok(stalled.filter(|call| call.hung_up).map(drop))
    })
    .await
    .unwrap();
    assert_eq!(ward.questions().iter().filter(|call| call.hung_up).count(), 1);
}

#[tokio::test(flavor = "multi_thread")]
async fn a_deadline_that_has_passed_in_the_queue_ends_as_a_report_that_asked_nobody() {
    let ward = Ward::new(json!({}), json!({})).await;
    let place = ward.post(1).await;
    let deadline = OffsetDateTime::now_utc() + time::Duration::seconds(1);
    until("the deadline", BOUND, || async { Ok((OffsetDateTime::now_utc() > deadline).then_some(())) })
        .await
        .unwrap();
    let _worker = ward.worker().await;
    let report = ward.read(&place).await;
    assert_eq!(missing(&report), all_of("not_started"));
    assert_eq!(ward.hospital.calls().len(), 0);
}

#[tokio::test(flavor = "multi_thread")]
async fn a_hospital_that_fails_is_left_alone_and_that_is_said() {
    let breaker = json!({"breaker": {"minimum_calls": 2, "sleep": "10m"}});
    let ward = Ward::new(breaker, json!({})).await;
    ward.hospital.manner(Manner { status: Some(503), ..Manner::default() });
    let _worker = ward.worker().await;
    let report = ward.report(20).await;
    assert_eq!(report["complete"], json!(false));
    let asked = ward.questions().len();
    assert!((2..=3).contains(&asked), "{asked}");
    assert_eq!(missing(&ward.report(20).await), all_of("hospital_closed"));
    assert_eq!(ward.questions().len(), asked);
}

#[tokio::test(flavor = "multi_thread")]
async fn a_question_that_is_refused_does_not_close_the_hospital() {
    let ward = Ward::new(json!({"breaker": {"minimum_calls": 2, "sleep": "10m"}}), json!({})).await;
    for what in [VITALS, "MedicationRequest", REPORTS] {
        let manner = Manner { status: Some(403), ..Manner::default() };
        ward.hospital.searches(what, Searches { manner, ..Searches::default() });
    }
    let _worker = ward.worker().await;
    for _ in 0..2 {
        assert_eq!(missing(&ward.report(20).await), all_of("refused"));
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn pages_are_followed_within_their_bound_and_never_to_another_address() {
    let other = SampleHospital::start().await.unwrap();
    let ward = Ward::new(json!({}), json!({"reports": {"pages": 3}})).await;
    let paged = |resources: usize| Searches { resources, page: 2, ..Searches::default() };
    ward.hospital.searches(VITALS, paged(6));
    ward.hospital.searches("MedicationStatement", paged(7));
    let elsewhere = Some(format!("{}/", other.fhir_url()));
    ward.hospital.searches(REPORTS, Searches { elsewhere, ..paged(6) });
    let _worker = ward.worker().await;
    let report = ward.report(20).await;
    assert_eq!(count(&report, "vitals"), 6);
    assert_eq!(missing(&report), [("medication", "too_many_pages"), ("laboratory", "elsewhere")]);
    assert_eq!(other.calls().len(), 0);
}

#[tokio::test(flavor = "multi_thread")]
async fn an_answer_about_two_patients_or_none_that_is_fhir_is_in_no_report() {
    let ward = Ward::new(json!({}), json!({})).await;
    ward.hospital.searches(VITALS, Searches { patients: 2, ..Searches::default() });
    let _worker = ward.worker().await;
    assert!(missing(&ward.report(20).await).contains(&("vitals", "ambiguous")));
    let html = Manner { answer: Answer::Html, ..Manner::default() };
    ward.hospital.searches(VITALS, Searches { manner: html, ..Searches::default() });
    assert_eq!(missing(&ward.report(20).await), [("vitals", "unusable")]);
}

#[tokio::test(flavor = "multi_thread")]
async fn a_hospital_that_speaks_hl7_can_not_be_asked() {
    let sample = SampleHospital::start().await.unwrap();
    let ward = Ward::new(sample.by_mllp(), json!({})).await;
    let _worker = ward.worker().await;
    let report = ward.report(20).await;
    assert_eq!((missing(&report), &report["site_id"]), (all_of("not_supported"), &json!(SITE)));
}

#[tokio::test(flavor = "multi_thread")]
async fn a_token_that_was_withdrawn_is_fetched_anew_and_a_wrong_secret_is_said() {
    let sample = SampleHospital::start().await.unwrap();
    let auth =
        json!({"kind": "oauth2", "token_url": sample.token_url(), "client_id": "epro", "client_secret": "s"});
    let ward = Ward::new(json!({"url": sample.fhir_url(), "auth": auth}), json!({})).await;
    let client = |secret: &str| Client { id: "epro".into(), secret: secret.into(), token_life: 600 };
    let access = |secret: &str| Access { client: Some(client(secret)), ..Access::default() };
    let _worker = ward.worker().await;
    for _ in 0..2 {
        // Whoever sets it makes worthless what was given out.
        sample.access(access("s"));
        assert_eq!(ward.report(20).await["complete"], json!(true));
    }
    sample.access(access("another"));
    let report = ward.report(20).await;
    let reasons: Vec<&str> = missing(&report).iter().map(|(_, reason)| *reason).collect();
    assert!(
        reasons.len() == 3 && reasons.iter().all(|reason| ["failed", "hospital_closed"].contains(reason))
    );
}

#[tokio::test(flavor = "multi_thread")]
async fn an_answer_without_an_end_one_that_breaks_off_and_one_that_drips_are_told_apart() {
    let ward = Ward::new(json!({}), json!({})).await;
    for (what, answer) in
        [(VITALS, Answer::Drip), ("MedicationRequest", Answer::Broken), (REPORTS, Answer::Giant)]
    {
        let manner = Manner { answer, ..Manner::default() };
        ward.hospital.searches(what, Searches { manner, ..Searches::default() });
    }
    let _worker = ward.worker().await;
    let expected = [("vitals", "late"), ("medication", "failed"), ("laboratory", "too_large")];
    assert_eq!(missing(&ward.report(3).await), expected);
}
