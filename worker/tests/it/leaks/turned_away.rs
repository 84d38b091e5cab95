//! Each of the 18 classes where all of it is refused: at the door's other routes (reports, exports, acknowledgements),
//! and in the console's forms. What is answered is looked at, and what the console writes.

use std::collections::BTreeSet;

use super::*;

type Classes = [(&'static str, &'static [&'static str]); 18];

/// Nobody's export, report or alert.
const NOBODYS: &str = "0198f2b0-5c1e-7d7a-9f0e-0b1b44113a07";

/// As a path or a form takes it.
fn sent(text: &str) -> String {
    text.bytes().map(|byte| format!("%{byte:02X}")).collect()
}

/// One after the other laid over what is in order.
fn bodies(good: &Value, changes: &[Value]) -> Vec<Vec<u8>> {
    let spoilt = |change: &Value| {
        let mut body = good.clone();
        for (key, value) in change.as_object().unwrap() {
            body[key.as_str()] = value.clone();
        }
        body.to_string().into_bytes()
    };
    changes.iter().map(spoilt).collect()
}

fn reports(who: &str, words: &str) -> Vec<Vec<u8>> {
    let good = json!({"study_id": STUDY, "site_id": SITE, "subject_id": who});
    let changes = [
        json!({"subject_id": format!("{who} ")}),
        json!({"subject_id": who.repeat(17)}),
        json!({"study_id": who}),
        json!({"site_id": words}),
        json!({"within_seconds": words}),
        json!({words: 1}),
    ];
    bodies(&good, &changes)
}

fn exports(who: &str, words: &str) -> Vec<Vec<u8>> {
    let (from, to) = ("2026-01-01T00:00:00Z", "2027-01-01T00:00:00Z");
    let good = json!({"site_id": "H004", "from": from, "to": to, "format": "csv"});
    let changes = [
        json!({"site_id": who}),
        json!({"study_ids": [who]}),
        json!({"instruments": [words]}),
        json!({"from": who}),
        json!({"to": words}),
        json!({"format": words}),
        json!({"identified": who}),
        json!({words: 1}),
    ];
    bodies(&good, &changes)
}

/// What the door must refuse: method, path, body.
fn requests(who: &str, words: &str) -> Vec<(&'static str, String, Vec<u8>)> {
    let (id, said) = (sent(who), words.as_bytes().to_vec());
    let to = |path: &'static str| move |body: Vec<u8>| ("POST", path.to_owned(), body);
    let mut requests: Vec<_> = reports(who, words).into_iter().map(to("/api/v1/reports")).collect();
    requests.extend(exports(who, words).into_iter().map(to("/api/v1/exports")));
    for path in ["/api/v1/reports", "/api/v1/exports"] {
        requests.push(("POST", path.to_owned(), said.clone()));
        requests.push(("GET", format!("{path}/{id}"), Vec::new()));
        requests.push(("GET", format!("{path}/{NOBODYS}?name={id}"), Vec::new()));
    }
    requests.push(("DELETE", format!("/api/v1/exports/{id}"), Vec::new()));
    for export in [id.as_str(), NOBODYS] {
        requests.push(("GET", format!("/api/v1/exports/{export}/files/{id}"), Vec::new()));
    }
    for alert in [id.clone(), format!("{NOBODYS}%0A{id}")] {
        requests.push(("POST", format!("/api/v1/alerts/{alert}/acknowledge?why={id}"), said.clone()));
    }
    requests
}

/// Asks the door for everything that it must refuse, as staff of that name.
pub(super) async fn at_the_door(places: &mut Places, stack: &Stack, caller: &Caller, classes: &Classes) {
    for (class, spellings) in classes {
        let claims = json!({
            "sub": spellings[0], "scope": "report export acknowledge", "study": [STUDY], "site": [SITE, "H004"],
        });
        let token = stack.minter().token(&claims).unwrap();
        let head = [("Authorization".to_owned(), format!("Bearer {token}"))];
        for (method, path, body) in requests(spellings[0], &spellings.join("; ")) {
            let answer = caller.send(method, &path, &head, &body).await;
            let refused = answer.starts_with("HTTP/1.1 4") && !answer.starts_with("HTTP/1.1 429");
            assert!(refused, "{class}: {method} {path}: {answer}");
            places.add(format!("the refusal of {class} at {method} {}", &path[..12]), answer);
        }
    }
}

/// Forms of acts that the console must refuse, but for their token.
fn forms(who: &str, words: &str) -> Vec<(String, String)> {
    let (id, words, long) = (sent(who), sent(words), sent(&words.repeat(40)));
    let mut forms = vec![
        ("/sign-in".to_owned(), format!("token={words}")),
        ("/pauses/set".to_owned(), format!("what=submissions.routine&reason={long}")),
        (format!("/alerts/{id}/close"), format!("reason={words}")),
        (format!("/dead-letters/{id}/reveal"), format!("reason={words}")),
        (format!("/dead-letters/{id}/discard"), format!("reason={words}")),
        (format!("/redrives/{id}/cancel"), format!("reason={words}")),
        (format!("/redrives/{id}/resume"), format!("reason={words}")),
    ];
    for act in ["set", "end"] {
        forms.push((format!("/pauses/{act}"), format!("what={id}&reason={words}")));
    }
    for field in ["rate", "limit", "id", "submission", "since", "until"] {
        forms.push(("/redrives".to_owned(), format!("{field}={words}&reason={words}")));
    }
    forms
}

/// Sends the console all of them, of its own page and of none, as an operator.
pub(super) async fn at_the_console(places: &mut Places, stack: &Stack, classes: &Classes) {
    let mut console = stack.console_with(&[TRACE]).await.unwrap();
    let caller = Caller { from: "127.0.0.1", to: console.listen().to_owned() };
    let mut head = pages::signed_in(&caller, stack).await;
    let page = caller.send("GET", "/pauses", &head, b"").await;
    let (_, rest) = page.split_once("name=\"form_token\" value=\"").expect("a form");
    let token = rest.split('"').next().unwrap();
    head.push(("Content-Type".to_owned(), "application/x-www-form-urlencoded".to_owned()));
    head.push(("Origin".to_owned(), format!("http://{}", caller.to)));
    // Most are the same, and what is long is looked at once.
    let mut answers = BTreeSet::new();
    for (class, spellings) in classes {
        for (path, form) in forms(spellings[0], &spellings.join("; ")) {
            for form in [format!("{form}&form_token={token}"), form] {
                let answer = caller.send("POST", &path, &head, form.as_bytes()).await;
                assert!(answer.starts_with("HTTP/1.1 4"), "{class}: {path}: {answer}");
                answers.insert(answer);
            }
        }
    }
    for answer in answers {
        places.add("the console's refusal of a form", answer);
    }
    console.drain(BOUND).await.unwrap();
    places.add("what the console wrote of what it refused", console.output());
}
