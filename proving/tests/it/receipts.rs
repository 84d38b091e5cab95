//! Whoever has a receipt saw the broker's confirm or the database's COMMIT: there is no other way to one.

use crate::documents::{root, sources};

#[test]
fn nothing_but_a_confirm_and_a_commit_is_a_receipt_outside_of_tests() {
    let mut found = Vec::new();
    for path in sources() {
        let path = path.strip_prefix(root()).unwrap();
        let of_tests =
            path.components().any(|part| part.as_os_str() == "tests") || path.ends_with("tests.rs");
        let text = std::fs::read_to_string(root().join(path)).unwrap();
        if !of_tests && text.contains("Receipt for ") {
            found.push((path.to_str().unwrap().to_owned(), text.matches("Receipt for ").count()));
        }
    }
    found.sort();
    let once = |path: &str| (path.to_owned(), 1);
    assert_eq!(found, [once("broker/src/publisher.rs"), once("store/src/submissions.rs")]);
}
