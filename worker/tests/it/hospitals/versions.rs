//! Amendments: the hospital gets the newest version once, and a correction only of what it may have.

use epro_proving::client::phq9;
use serde_json::{Value, json};

use super::desk::Manner;
use super::stand::{ONE, Stand};
use crate::support::STUDY;

pub(super) fn amends(base: &Value) -> Value {
    let mut amendment = phq9(STUDY, ONE);
    amendment["amends"] = base["submission_id"].clone();
    amendment["reason"] = json!("a slip");
    amendment["answers"]["44250-9"] = json!(1);
    amendment
}

/// How often the hospital wrote it, and the status of what it keeps.
fn kept(stand: &Stand) -> Vec<(String, usize)> {
    let kept = stand.desk(ONE).kept().into_iter();
    kept.map(|(response, written)| (response["status"].as_str().unwrap().to_owned(), written)).collect()
}

#[tokio::test(flavor = "multi_thread")]
async fn a_base_that_the_hospital_has_not_had_is_never_sent() {
    let stand = Stand::new(json!({})).await;
    let (patient, base) = stand.store(ONE, 1).await.remove(0);
    let second = amends(&base);
    stand.put(&patient, &second).await;
    stand.stored(&second).await;
    let third = amends(&second);
    stand.put(&patient, &third).await;
    stand.stored(&third).await;
    let _caller = stand.caller().await;
    stand.are(ONE, "done", 1).await;
    stand.are(ONE, "superseded", 2).await;
    assert_eq!(stand.desk(ONE).calls().len(), 1, "the newest version, once");
    assert_eq!(kept(&stand), [("amended".to_owned(), 1)]);
}

#[tokio::test(flavor = "multi_thread")]
async fn an_amendment_of_what_the_hospital_has_corrects_it() {
    let stand = Stand::new(json!({})).await;
    let _caller = stand.caller().await;
    let (patient, base) = stand.store(ONE, 1).await.remove(0);
    stand.are(ONE, "done", 1).await;
    let amendment = amends(&base);
    stand.put(&patient, &amendment).await;
    stand.are(ONE, "done", 2).await;
    assert_eq!(kept(&stand), [("amended".to_owned(), 2)]);
    assert_eq!(stand.desk(ONE).calls().len(), 2);
}

#[tokio::test(flavor = "multi_thread")]
async fn a_base_that_nobody_answered_for_is_corrected_as_the_hospital_may_have_it() {
    let stand = Stand::paced(1.0, json!({"timeout": "500ms"})).await;
    stand.desk(ONE).set(Manner { silent: true, times: Some(1), ..Manner::default() });
    let _caller = stand.caller().await;
    let (patient, base) = stand.store(ONE, 1).await.remove(0);
    // It waits for five seconds now.
    stand.are(ONE, "waits", 1).await;
    let amendment = amends(&base);
    stand.put(&patient, &amendment).await;
    stand.are(ONE, "done", 1).await;
    stand.are(ONE, "superseded", 1).await;
    assert_eq!(kept(&stand), [("amended".to_owned(), 1)]);
}
