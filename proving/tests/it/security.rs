//! docs/SECURITY.md names a test for what it says: each is there.

use crate::documents::{document, named, root, rows, sources};

const PAGE: &str = "SECURITY.md";

#[test]
fn every_test_and_every_file_that_the_document_names_is_there() {
    let (tests, files) = named(&document(PAGE));
    assert!(tests > 30 && files > 5, "{tests} tests and {files} files: the document is read wrongly");
}

#[test]
fn every_hop_and_every_threat_has_its_test_but_for_what_nothing_stops() {
    let document = document(PAGE);
    for heading in ["## What is encrypted", "## Threat model"] {
        let rows = rows(&document, heading);
        assert!(rows.len() > 4, "{heading}");
        for row in rows {
            let mut cells = row.trim_end_matches([' ', '|']).rsplit('|');
            let shown = cells.next().unwrap();
            let nothing = row.contains("| nothing: ");
            let same = shown.trim() == "the same";
            assert!(
                nothing || same || shown.contains('`') || shown.contains("the table of hops above"),
                "{row}"
            );
        }
    }
}

#[test]
fn every_action_that_the_table_of_the_trail_names_stands_in_some_test() {
    let document = document(PAGE);
    let in_tests = |path: &std::path::PathBuf| {
        path.strip_prefix(root()).unwrap().components().any(|part| part.as_os_str() == "tests")
    };
    let tests: String = sources()
        .iter()
        .filter(|path| in_tests(path))
        .map(|path| std::fs::read_to_string(path).unwrap())
        .collect();
    let rows = rows(&document, "## The audit trail");
    let actions = rows.iter().flat_map(|row| row.trim_end_matches([' ', '|']).rsplit('|').next());
    let actions =
        actions.flat_map(|cell| cell.split('`').skip(1).step_by(2)).filter(|word| word.contains('.'));
    let actions: std::collections::BTreeSet<&str> = actions.collect();
    assert!(actions.len() > 30, "the table is read wrongly: {actions:?}");
    let asked = |action: &&str| ['\'', '"'].iter().any(|end| tests.contains(&format!("{end}{action}{end}")));
    let unasked: Vec<&str> = actions.into_iter().filter(|action| !asked(action)).collect();
    assert!(unasked.is_empty(), "no test names {unasked:?}");
}
