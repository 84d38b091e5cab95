//! docs/PROOF.md says what the recorded runs say, and names a test for every seam.

use epro_proving::bench::page;
use epro_proving::faults::record;

use crate::documents::{document, named, root, rows};

#[test]
fn what_the_page_says_of_the_faults_is_made_of_the_recorded_runs() {
    let docs = root().join("docs");
    if std::env::var_os("UPDATE_DOCS").is_some() {
        record::draw(&docs).unwrap();
    }
    let (page, plot) = record::drawn(&docs).unwrap();
    let drifted = "drifted: ./dev faults --draw";
    assert!(std::fs::read_to_string(docs.join("PROOF.md")).unwrap() == page, "{drifted}");
    assert!(record::plotted(&docs) == plot, "{drifted}");
}

#[test]
fn what_the_page_says_of_speed_and_memory_is_made_of_the_recorded_runs() {
    let docs = root().join("docs");
    if std::env::var_os("UPDATE_DOCS").is_some() {
        page::draw(&docs).unwrap();
    }
    let kept = std::fs::read_to_string(docs.join("PROOF.md")).unwrap();
    assert!(kept == page::drawn(&docs).unwrap(), "drifted: ./dev bench --draw");
}

#[test]
fn every_plot_of_speed_and_memory_is_what_the_recorded_runs_draw_and_there_is_none_of_others() {
    let docs = root().join("docs");
    for (plot, drawn) in page::plots(&docs).unwrap() {
        let kept = std::fs::read_to_string(docs.join(plot)).ok();
        assert!(kept == drawn, "{plot} drifted: ./dev bench --draw");
    }
}

#[test]
fn every_seam_has_its_test_and_every_fail_point_is_in_the_code() {
    let page = document("PROOF.md");
    let (tests, files) = named(&page);
    assert!(tests >= 10 && files > 0, "{tests} tests and {files} files: the page is read wrongly");
    let fault = |of: &str| std::fs::read_to_string(root().join(of).join("src/fault.rs")).unwrap();
    let points = (fault("worker") + &fault("producer-api")).to_lowercase();
    let rows = rows(&page, "## Seams");
    assert!(rows.len() >= 10, "{rows:?}");
    for row in rows {
        let cells: Vec<&str> = row.split('|').map(str::trim).collect();
        let [_, seam, point, shown, _] = &cells[..] else { panic!("{row}") };
        assert!(shown.contains('`'), "{seam} has no test");
        assert!(*point == "by a cut" || points.contains(point.trim_matches('`')), "there is no {point}");
    }
}
