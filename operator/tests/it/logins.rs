//! With which login somebody acted.

use epro_proving::Stack;

#[tokio::test]
async fn an_act_names_the_login_it_was_done_with_whatever_by_says() {
    let stack = Stack::new().await.unwrap();
    let link = stack.database().connect().await.unwrap();
    let ann = stack.database().login("epro_operator").await.unwrap();
    let bob = stack.database().login("epro_operator").await.unwrap();
    for (login, line, code) in [
        (&ann, ["pause", "submissions.routine"], 0),
        (&bob, ["resume", "submissions.routine"], 0),
        (&bob, ["pause", "nowhere"], 1),
    ] {
        let line = [&line[..], &["--reason", "maintenance", "--by", "ann"]].concat();
        let (ended, out, error) =
            stack.epro_with(&[("EPRO__POSTGRES__URL", login.url())], &line).await.unwrap();
        assert_eq!(ended, Some(code), "{line:?}: {out}{error}");
    }
    let rows =
        "SELECT e.action, e.outcome, e.actor, w.name FROM audit.event e JOIN audit.writer w USING (writer)
                WHERE e.action LIKE 'pause.%' ORDER BY e.at";
    let rows = link.client.query(rows, &[]).await.unwrap();
    let acts = [("pause.set", "ok", &ann), ("pause.ended", "ok", &bob), ("pause.set", "failed", &bob)];
    assert_eq!(rows.len(), acts.len());
    for (row, (action, outcome, login)) in rows.iter().zip(acts) {
        let said: [&str; 3] = std::array::from_fn(|at| row.get(at));
        assert_eq!(said, [action, outcome, "operator:ann"]);
        let writer: &str = row.get(3);
        assert!(writer.starts_with("epro at "), "{writer}");
        assert!(writer.ends_with(&format!(" as {}", login.name())), "{action} was not {writer}'s");
    }
}
