//! Who may do what, and what is left behind.

use epro_proving::Stack;

use super::visitor::Visitor;

#[tokio::test(flavor = "multi_thread")]
async fn a_pause_needs_an_operator_a_form_of_ours_and_a_reason_and_is_audited() {
    let stack = Stack::new().await.unwrap();
    let console = stack.console().await.unwrap();
    let link = stack.database().connect().await.unwrap();
    let lane = ("what", "submissions.routine");
    let why = ("reason", "the new form");

    let viewer = Visitor::signed_in(&stack, &console, "vic", &["viewer", "steward"]).await;
    let operator = Visitor::signed_in(&stack, &console, "ann", &["operator"]).await;
    let token = operator.form_token().await;
    let ours = ("form_token", token.as_str());
    let base = console.url();
    let refused = [
        (403, viewer.post("/pauses/set", &[lane, why]).await, "a viewer"),
        (403, viewer.post_from(&base, "/pauses/set", &[lane, why, ours]).await, "another session's form"),
        (403, operator.post_from(&base, "/pauses/set", &[lane, why]).await, "no form of ours"),
        (
            403,
            operator.post_from("https://evil.example", "/pauses/set", &[lane, why, ours]).await,
            "another site's",
        ),
        (403, operator.post_from("null", "/pauses/set", &[lane, why, ours]).await, "nobody's"),
        (422, operator.post_from(&base, "/pauses/set", &[lane, ours, ("reason", "  ")]).await, "no reason"),
        (422, operator.post_from(&base, "/pauses/set", &[("what", "nothing"), why, ours]).await, "no lane"),
        (405, operator.get("/pauses/set?what=submissions.routine&reason=x").await, "an address"),
    ];
    for (status, answer, what) in refused {
        assert_eq!(answer.status, status, "{what}: {}", answer.body);
    }
    assert_eq!(link.count("SELECT count(*) FROM ops.pause").await.unwrap(), 0);

    let paused = operator.post("/pauses/set", &[lane, why]).await;
    assert_eq!((paused.status, paused.header("location")), (303, "/pauses?told=paused"));
    let page = viewer.get("/pauses").await.body;
    assert!(page.contains("the new form") && page.contains("operator:ann"), "{page}");
    assert!(!page.contains("action=\"/pauses/end\""), "a viewer is shown no button");
    operator.post("/pauses/end", &[lane, ("reason", "it is there")]).await;
    let audited = |action: &str, reason: &str| {
        format!(
            "SELECT count(*) FROM audit.event WHERE action = '{action}' AND actor = 'operator:ann'
             AND details ->> 'reason' = '{reason}'"
        )
    };
    assert_eq!(link.count(&audited("pause.set", "the new form")).await.unwrap(), 1);
    assert_eq!(link.count(&audited("pause.ended", "it is there")).await.unwrap(), 1);
    let trail = viewer.get("/audit?action=pause&actor=ann").await.body;
    assert!(trail.contains("pause.set") && trail.contains("pause.ended"), "{trail}");
}
