//! With which login somebody acted.

use epro_proving::Stack;
use epro_proving::database::Link;
use epro_proving::stack::Plan;

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

#[tokio::test]
async fn by_hand_an_operators_login_ends_no_pause_that_the_trail_does_not_hear_of() {
    let stack = Stack::with(Plan { without_topology: true, ..Plan::default() }).await.unwrap();
    let ann = stack.database().login("epro_operator").await.unwrap();
    let env = [("EPRO__POSTGRES__URL", ann.url())];
    let epro = async |verb: &str| {
        let line = [verb, "submissions.routine", "--reason", "maintenance"];
        let (ended, out, error) = stack.epro_with(&env, &line).await.unwrap();
        assert_eq!(ended, Some(0), "{verb}: {out}{error}");
    };
    epro("pause").await;
    let by_hand = Link::open(ann.url()).await.unwrap();
    let refused = by_hand.client.batch_execute("DELETE FROM ops.pause").await.unwrap_err();
    assert_eq!(refused.code().map(|code| code.code()), Some("EP002"), "{refused}");
    assert_eq!(by_hand.count("SELECT count(*) FROM ops.pause").await.unwrap(), 1);
    epro("resume").await;
    assert_eq!(by_hand.count("SELECT count(*) FROM ops.pause").await.unwrap(), 0);
}
