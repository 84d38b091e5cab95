//! By FHIR R4.

use epro_proving::foreign::manner::{Answer, Manner, Silent};
use epro_proving::sample_hospital::{Access, Client};

use super::*;

fn kinds(hospital: &SampleHospital, kind: &str) -> usize {
    hospital.calls().iter().filter(|call| call.kind == kind).count()
}

#[tokio::test]
async fn a_document_is_there_once_however_often_it_is_brought() {
    let hospital = SampleHospital::start().await.unwrap();
    let caller = caller(hospital.by_fhir(), PATIENT);
    let sample = phq9();
    assert_eq!(caller.call(&sample.document()).await.unwrap().note, "200 OK: 201 201");
    assert_eq!(caller.call(&sample.document()).await.unwrap().note, "200 OK: 200 200");
    let stored = hospital.stored();
    let there: Vec<_> = stored.iter().map(|one| (one.kind.as_str(), one.versions.len())).collect();
    assert_eq!(there, [("QuestionnaireResponse", 1), ("Observation", 1)]);
    assert_eq!(stored[0].identifier, "urn:uuid:6f0a1b2c-3d4e-8f50-a1b2-c3d4e5f60718");
    assert_eq!(did(&hospital), ["created", "known"]);
}

#[tokio::test]
async fn what_was_taken_without_an_answer_is_there_once_after_the_next_try() {
    let hospital = SampleHospital::start().await.unwrap();
    hospital.manner(Manner { silent: Some(Silent::After), times: Some(1), ..Manner::default() });
    let sample = phq9();
    let silent = caller(hospital.by_fhir(), SHORT).call(&sample.document()).await;
    assert_eq!(silent, Err(CallError::Silent { note: "no answer within 500 ms".to_owned() }));
    caller(hospital.by_fhir(), PATIENT).call(&sample.document()).await.unwrap();
    assert_eq!(hospital.stored()[0].versions.len(), 1);
}

#[tokio::test]
async fn an_amendment_is_another_version_of_the_same_resources_whether_the_first_one_came_or_not() {
    let hospital = SampleHospital::start().await.unwrap();
    let caller = caller(hospital.by_fhir(), PATIENT);
    let (first, later) = (phq9(), Sample::phq9(&[3, 2, 2, 2, 1, 1, 2, 0, 0], true));
    let mut base = first.document();
    base.id = later.document().root;
    base.root = base.id;
    caller.call(&base).await.unwrap();
    caller.call(&later.document()).await.unwrap();
    caller.call(&base).await.unwrap();
    assert_eq!(did(&hospital), ["created", "updated", "known"], "a late repeat of the first changes nothing");
    let stored = hospital.stored();
    assert_eq!(stored.len(), 2);
    assert_eq!(stored[0].versions[1]["status"], "amended");
    assert_eq!(stored[1].versions[1]["valueQuantity"]["value"], 13);

    let alone = SampleHospital::start().await.unwrap();
    self::caller(alone.by_fhir(), PATIENT).call(&later.document()).await.unwrap();
    assert_eq!(did(&alone), ["created"]);
    assert_eq!(alone.stored()[0].identifier, stored[0].identifier);
}

#[tokio::test]
async fn a_refusal_is_told_in_codes_and_paths_without_a_word_of_theirs() {
    let hospital = SampleHospital::start().await.unwrap();
    let caller = caller(hospital.by_fhir(), PATIENT);
    let mut sample = phq9();
    sample.subject.clear();
    let refused = caller.call(&sample.document()).await.unwrap_err();
    assert_eq!(
        refused,
        CallError::Refused {
            note: "422 Unprocessable Entity: required QuestionnaireResponse.subject; \
                   required QuestionnaireResponse.source; required Observation.subject"
                .to_owned()
        }
    );
    assert_eq!(hospital.stored().len(), 0);
}

#[tokio::test]
async fn retry_after_is_read_as_seconds_and_as_a_date() {
    let hospital = SampleHospital::start().await.unwrap();
    let caller = caller(hospital.by_fhir(), PATIENT);
    let seconds = async |status: u16, after: &str| {
        hospital.manner(Manner {
            status: Some(status),
            retry_after: Some(after.to_owned()),
            ..Manner::default()
        });
        match caller.call(&phq9().document()).await {
            Err(CallError::Busy { retry_after, .. }) => retry_after.map(|after| after.as_secs()),
            other => panic!("{other:?}"),
        }
    };
    assert_eq!(seconds(503, "7").await, Some(7));
    assert_eq!(seconds(429, "Sat, 01 Jan 2150 00:00:00 GMT").await, Some(3600), "an hour at most");
    assert_eq!(seconds(500, "later").await, None);
}

#[tokio::test]
async fn an_answer_that_lies_about_its_length_never_ends_drips_or_is_a_web_page_is_never_a_receipt() {
    let hospital = SampleHospital::start().await.unwrap();
    let sample = phq9();
    for (answer, timeout, note) in [
        (Answer::Broken, PATIENT, "the answer broke off"),
        (Answer::Giant, PATIENT, "an answer of more than 1 MiB"),
        (Answer::Drip, "1s", "no answer within 1000 ms"),
        (Answer::Html, PATIENT, "200 OK, but not FHIR as JSON"),
    ] {
        hospital.manner(Manner { answer, ..Manner::default() });
        let error = caller(hospital.by_fhir(), timeout).call(&sample.document()).await.unwrap_err();
        assert_eq!(error.note(), note);
        let silent = matches!(error, CallError::Silent { .. });
        assert_eq!(silent, matches!(answer, Answer::Broken | Answer::Drip), "{answer:?}");
    }
}

#[tokio::test]
async fn a_hospital_that_is_down_is_silent() {
    let hospital = SampleHospital::start().await.unwrap();
    hospital.manner(Manner { down: true, ..Manner::default() });
    let caller = caller(hospital.by_fhir(), PATIENT);
    let down = async || {
        let error = caller.call(&phq9().document()).await.err();
        Ok(error.filter(|error| error.note() == "no connection"))
    };
    let error = epro_proving::until("a refused connection", Duration::from_secs(20), down).await.unwrap();
    assert!(matches!(error, CallError::Silent { .. }));
}

fn oauth2(hospital: &SampleHospital, secret_file: &str) -> Value {
    let mut entry = hospital.by_fhir();
    entry["auth"] = json!({
        "kind": "oauth2", "token_url": hospital.token_url(), "client_id": "epro relay", "scope": "system/*.write",
        "client_secret_file": secret_file,
    });
    entry
}

fn client(secret: &str, token_life: u64) -> Access {
    let client = Client { id: "epro relay".to_owned(), secret: secret.to_owned(), token_life };
    Access { client: Some(client), ..Access::default() }
}

#[tokio::test]
async fn a_token_is_fetched_once_for_all_calls_and_anew_when_it_is_refused() {
    let (hospital, folder) = (SampleHospital::start().await.unwrap(), Folder::new());
    hospital.access(client("s:3/cret+", 3600));
    let caller = caller(oauth2(&hospital, &folder.write("secret", "s:3/cret+\n")), PATIENT);
    let sample = phq9();
    let (one, two) = tokio::join!(call_as(&caller, &sample, 1), call_as(&caller, &sample, 2));
    assert_eq!((one.is_ok(), two.is_ok(), kinds(&hospital, "token")), (true, true, 1));

    hospital.access(client("s:3/cret+", 3600)); // and every token is worth nothing any more
    let stale = call_as(&caller, &sample, 3).await;
    assert_eq!(stale, Err(CallError::Stale { note: "401 Unauthorized".to_owned() }), "no call without leave");
    assert_eq!(kinds(&hospital, "fhir"), 3);
    call_as(&caller, &sample, 3).await.unwrap();
    assert_eq!(kinds(&hospital, "token"), 2);
    assert_eq!(did(&hospital).last().map(String::as_str), Some("created"));
}

#[tokio::test]
async fn a_token_that_has_run_out_is_not_shown() {
    let (hospital, folder) = (SampleHospital::start().await.unwrap(), Folder::new());
    hospital.access(client("s3cret", 0));
    let caller = caller(oauth2(&hospital, &folder.write("secret", "s3cret")), PATIENT);
    for id in 1..=2 {
        let denied = call_as(&caller, &phq9(), id).await.unwrap_err();
        assert_eq!(denied.note(), "401 Unauthorized: login");
    }
    assert_eq!(
        (kinds(&hospital, "token"), kinds(&hospital, "fhir")),
        (2, 2),
        "a fresh token is not tried twice"
    );
}

#[tokio::test]
async fn a_rotated_client_secret_is_the_hospitals_or_our_fault_and_a_new_one_needs_no_restart() {
    let (hospital, folder) = (SampleHospital::start().await.unwrap(), Folder::new());
    hospital.access(client("old", 3600));
    let caller = caller(oauth2(&hospital, &folder.write("secret", "old")), PATIENT);
    call_as(&caller, &phq9(), 1).await.unwrap();
    hospital.access(client("new", 3600));
    let stale = call_as(&caller, &phq9(), 2).await.unwrap_err();
    assert!(matches!(stale, CallError::Stale { .. }), "{stale:?}");
    let denied = call_as(&caller, &phq9(), 2).await.unwrap_err();
    let note = "token endpoint: 401 Unauthorized: invalid_client".to_owned();
    assert_eq!(denied, CallError::Denied { note });
    folder.write("secret", "new");
    call_as(&caller, &phq9(), 2).await.unwrap();
}

#[tokio::test]
async fn a_rotated_password_is_shown_once_and_a_new_one_needs_no_restart() {
    let (hospital, folder) = (SampleHospital::start().await.unwrap(), Folder::new());
    let basic = |password: &str| Access {
        basic: Some(("epro".to_owned(), password.to_owned())),
        ..Access::default()
    };
    hospital.access(basic("old"));
    let mut entry = hospital.by_fhir();
    entry["auth"] =
        json!({"kind": "basic", "user": "epro", "password_file": folder.write("password", "old")});
    let caller = caller(entry, PATIENT);
    call_as(&caller, &phq9(), 1).await.unwrap();
    hospital.access(basic("new"));
    let denied = call_as(&caller, &phq9(), 2).await.unwrap_err();
    assert_eq!(denied, CallError::Denied { note: "401 Unauthorized: login".to_owned() });
    assert_eq!(kinds(&hospital, "fhir"), 2, "the same password again would only lock the account");
    folder.write("password", "new");
    let stale = call_as(&caller, &phq9(), 2).await;
    assert!(matches!(stale, Err(CallError::Stale { .. })), "{stale:?}");
    call_as(&caller, &phq9(), 2).await.unwrap();
}
