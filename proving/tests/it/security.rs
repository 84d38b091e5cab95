//! docs/SECURITY.md names a test for what it says: each is there.

use crate::documents::{document, named, rows};

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
