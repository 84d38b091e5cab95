//! The foreign systems behave as they are told.

use std::time::Duration;

use epro_proving::foreign::manner::{Answer, Manner, Silent};
use epro_proving::{RiskModel, until};
use serde_json::{Value, json};

const PATIENCE: Duration = Duration::from_secs(20);

async fn ask(model: &RiskModel) -> reqwest::Result<reqwest::Response> {
    epro_proving::http::client(PATIENCE)?.post(model.url()).body(r#"{"submission_id":"x"}"#).send().await
}

#[tokio::test]
async fn the_risk_model_has_the_opinion_that_it_was_told() {
    let model = RiskModel::start().await.unwrap();
    model.opinion("risk-2", 0.9);
    let answer = ask(&model).await.unwrap().json::<Value>().await.unwrap();
    assert_eq!(answer, json!({"version": "risk-2", "score": 0.9}));
    let call = &model.calls()[0];
    assert_eq!(
        (call.kind, call.names.as_str(), call.did.as_str(), call.answered),
        ("risk", "x", "scored", true)
    );
}

#[tokio::test]
async fn a_manner_holds_for_as_many_calls_as_it_says_and_is_changed_while_the_system_runs() {
    let model = RiskModel::start().await.unwrap();
    let http = epro_proving::http::client(PATIENCE).unwrap();
    let manner = json!({"status": 503, "retry_after": "7", "times": 2});
    let put = http.put(format!("{}/manner", model.control())).json(&manner).send().await.unwrap();
    assert_eq!(put.status(), 200);
    let busy = ask(&model).await.unwrap();
    assert_eq!((busy.status().as_u16(), busy.headers()["retry-after"].to_str().unwrap()), (503, "7"));
    assert_eq!(ask(&model).await.unwrap().status(), 503);
    assert_eq!(ask(&model).await.unwrap().status(), 200);
    let calls = http.get(format!("{}/calls", model.control())).send().await.unwrap();
    assert_eq!(calls.json::<Value>().await.unwrap().as_array().unwrap().len(), 3);
}

#[tokio::test]
async fn silence_is_after_the_work_or_before_it_and_is_never_logged_as_an_answer() {
    let model = RiskModel::start().await.unwrap();
    for (silent, done) in [(Silent::Before, "nothing"), (Silent::After, "scored")] {
        model.manner(Manner { silent: Some(silent), ..Manner::default() });
        let last = async || Ok(model.calls().pop().filter(|call| call.did == done));
        tokio::select! {
            answer = ask(&model) => panic!("{answer:?}"),
            call = until("a call that is dealt with", PATIENCE, last) => assert!(!call.unwrap().answered),
        }
    }
    assert_eq!(model.asked().len(), 1);
}

#[tokio::test]
async fn a_system_that_is_down_refuses_connections_until_it_is_up_at_the_same_address() {
    let model = RiskModel::start().await.unwrap();
    model.manner(Manner { down: true, ..Manner::default() });
    let refused = async || Ok(ask(&model).await.err().filter(reqwest::Error::is_connect));
    until("a refused connection", PATIENCE, refused).await.unwrap();
    model.manner(Manner::default());
    let taken = async || Ok(ask(&model).await.ok().filter(|answer| answer.status() == 200));
    until("an open door", PATIENCE, taken).await.unwrap();
}

#[tokio::test]
async fn an_answer_may_lie_about_its_length_never_end_or_drip() {
    let model = RiskModel::start().await.unwrap();
    for answer in [Answer::Broken, Answer::Giant, Answer::Drip] {
        model.manner(Manner { answer, ..Manner::default() });
        let mut response = ask(&model).await.unwrap();
        let mut read = 0;
        let ended = loop {
            match response.chunk().await {
                Ok(Some(_)) if read < 10 => read += 1,
                Ok(Some(_)) => break "goes on",
                Ok(None) => break "ended",
                Err(_) => break "broke",
            }
        };
        assert_eq!(ended, if answer == Answer::Broken { "broke" } else { "goes on" }, "{answer:?}");
    }
}
