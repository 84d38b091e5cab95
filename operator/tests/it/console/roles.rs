//! Who may do what, cell by cell, as docs/SECURITY.md has it.

use epro_proving::Stack;

use super::visitor::Visitor;

const DOCUMENT: &str = include_str!("../../../../docs/SECURITY.md");

fn cells(row: &str) -> Vec<&str> {
    row.trim_matches('|').split('|').map(|cell| cell.trim().trim_matches('`')).collect()
}

#[tokio::test(flavor = "multi_thread")]
async fn at_the_console_each_role_may_do_what_the_table_says_and_nothing_else() {
    let (_, table) = DOCUMENT.split_once("## Who may do what at the console").unwrap();
    let lines = table.lines().skip_while(|line| !line.starts_with('|'));
    let rows: Vec<Vec<&str>> = lines.take_while(|line| line.starts_with('|')).map(cells).collect();
    let [head, _, rows @ ..] = &rows[..] else { panic!("no table") };
    assert_eq!((head.len(), rows.len()), (4, 8), "every act of every role");
    let stack = Stack::new().await.unwrap();
    let console = stack.console().await.unwrap();
    for (column, scope) in head.iter().enumerate().skip(1) {
        let role = scope.strip_prefix("console:").unwrap();
        let somebody = Visitor::signed_in(&stack, &console, "ann", &[role]).await;
        for row in rows {
            // A reason is lacking, which is looked at once one may.
            let id = if row[0].starts_with("/alerts") { "0198f2a0-0000-7000-8000-000000000000" } else { "1" };
            let status = somebody.post(&row[0].replace("{id}", id), &[]).await.status;
            let expected = match row[column] {
                "yes" => 422,
                "–" => 403,
                other => panic!("{other}"),
            };
            assert_eq!(status, expected, "{} as {role}", row[0]);
        }
    }
}
