//! Whoever calls nobody outside needs none of the files for that, and whoever is no door and no console no certificate
//! of theirs: in a cluster each pod is given only its own.

use serde_json::json;

use crate::support::{STORED, calm, counts, link, with};

#[tokio::test(flavor = "multi_thread")]
async fn a_worker_for_submissions_and_a_door_start_without_the_files_of_those_who_call_outside() {
    let nowhere = "/nowhere/at-all";
    let auth = json!({
        "kind": "oauth2", "client_id": "epro", "client_secret_file": nowhere,
        "token_url": "https://id.example/token",
    });
    let (url, tls) = ("https://epro.example/it", json!({"ca_file": nowhere}));
    let stack = with(json!({
        "worker": {"lanes": ["submissions"]},
        "hospitals": {"H001": {"url": url, "tls": tls, "auth": auth}},
        "studies": {"ONC-301": {"risk": {"url": url, "tls": tls, "token_file": nowhere}}},
    }))
    .await;
    let of_listeners = [
        ("EPRO__INTAKE__TLS__CERTIFICATE_FILE", nowhere),
        ("EPRO__INTAKE__TLS__KEY_FILE", nowhere),
        ("EPRO__CONSOLE__TLS__CERTIFICATE_FILE", nowhere),
        ("EPRO__CONSOLE__TLS__KEY_FILE", nowhere),
    ];
    // Those who call, the door and the console would refuse them.
    let (code, _, told) = stack.epro_with(&of_listeners, &["config", "check"]).await.unwrap();
    assert_eq!(code, Some(64), "{told}");
    for path in [
        "hospitals.H001.tls",
        "H001.auth.client_secret_file",
        "studies.ONC-301.risk.token_file",
        "intake.tls.certificate_file",
        "intake.tls.key_file",
        "console.tls.certificate_file",
        "console.tls.key_file",
    ] {
        assert!(told.contains(path), "{path}: {told}");
    }
    let api = stack.api().await.unwrap();
    let mut worker = stack.spawn("epro-worker", &of_listeners).unwrap();
    worker.ready().await.unwrap();
    let client = stack.client(&api).unwrap();
    assert_eq!(client.submit("P-1", &calm()).await.unwrap().status, 202);
    counts(&link(&stack).await, STORED, 1).await;
}
