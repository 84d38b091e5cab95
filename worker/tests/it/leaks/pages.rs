//! What the console and the terminal show an operator who may not open a seal.

use epro_proving::database::Link;
use epro_proving::pages::PAGES;
use epro_proving::{Stack, until};

use super::marks::Places;
use super::wire::Caller;
use super::{BOUND, TRACE, operate};

/// A page for each of these, with the id at its end.
const EACH: [(&str, &str); 4] = [
    ("/alerts/", "SELECT alert_id::text FROM ops.alert"),
    ("/dead-letters/", "SELECT id::text FROM ops.dead_letter"),
    ("/submissions?id=", "SELECT submission_id::text FROM identified.submission"),
    ("/audit?submission=", "SELECT submission_id::text FROM identified.submission"),
];

/// Looks at every page, and with every command that tells of submissions.
pub(super) async fn look(places: &mut Places, stack: &Stack, link: &Link) {
    let some = "SELECT min(submission_id::text) FROM identified.submission GROUP BY site_id";
    for id in ids(link, some).await {
        operate(places, stack, &["trace", &id]).await;
    }
    operate(places, stack, &["queues"]).await;
    operate(places, stack, &["exports", "list"]).await;
    operate(places, stack, &["audit", "export", "--reason", "an inspection"]).await;

    let mut console = stack.console_with(&[TRACE]).await.unwrap();
    let caller = Caller { from: "127.0.0.1", to: console.listen().to_owned() };
    let cookie = signed_in(&caller, stack).await;
    let get = async |path: &str| caller.send("GET", path, &cookie, b"").await;
    until("the console to have seen the tables", BOUND, || async {
        Ok(get("/hospitals").await.contains("H001").then_some(()))
    })
    .await
    .unwrap();
    let mut paths: Vec<String> = PAGES.map(str::to_owned).into();
    for (page, sql) in EACH {
        paths.extend(ids(link, sql).await.iter().map(|id| format!("{page}{id}")));
    }
    for path in paths {
        let page = get(&path).await;
        assert!(page.starts_with("HTTP/1.1 200"), "{path}: {page}");
        places.add(format!("the console's {path}"), page);
    }
    console.drain(BOUND).await.unwrap();
    places.add("what the console wrote", console.output());
}

/// The header of an operator's session; a steward's it isn't.
pub(super) async fn signed_in(caller: &Caller, stack: &Stack) -> Vec<(String, String)> {
    let token = stack.minter().operator("ann", &["operator"]).unwrap();
    let head = [
        ("Content-Type".to_owned(), "application/x-www-form-urlencoded".to_owned()),
        ("Origin".to_owned(), format!("http://{}", caller.to)),
    ];
    let answer = caller.send("POST", "/sign-in", &head, format!("token={token}").as_bytes()).await;
    let cookie = answer.lines().find_map(|line| line.strip_prefix("set-cookie: "));
    let cookie = cookie.and_then(|cookie| cookie.split(';').next()).unwrap_or_else(|| panic!("{answer}"));
    vec![("Cookie".to_owned(), cookie.to_owned())]
}

async fn ids(link: &Link, sql: &str) -> Vec<String> {
    link.client.query(sql, &[]).await.unwrap().iter().map(|row| row.get(0)).collect()
}
