//! docs/PROOF.md says what the recorded runs say, and names a test for every seam.

use std::collections::BTreeSet;

use epro_proving::bench::page;
use epro_proving::brokers::RETURNED;
use epro_proving::faults::record;

use crate::documents::{document, named, root, rows, sources};

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
fn each_test_that_a_suite_is_searched_for_is_there() {
    let quoted: String = RETURNED.iter().map(|test| format!("`{test}` ")).collect();
    assert_eq!(named(&quoted), (RETURNED.len(), 0));
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
fn the_readme_shows_of_faults_and_speed_what_the_recorded_runs_say() {
    let docs = root().join("docs");
    let kept = std::fs::read_to_string(root().join("README.md")).unwrap();
    assert!(kept == record::in_readme(&docs).unwrap(), "drifted: ./dev faults --draw");
    assert!(kept == page::in_readme(&docs).unwrap(), "drifted: ./dev bench --draw");
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
fn every_seam_has_its_test_and_every_fail_point_is_in_the_code_and_planted_by_that_test() {
    let page = document("PROOF.md");
    let (tests, files) = named(&page);
    assert!(tests >= 10 && files > 0, "{tests} tests and {files} files: the page is read wrongly");
    let points = fail_points();
    let rows = rows(&page, "## Seams");
    assert!(rows.len() >= 10, "{rows:?}");
    for row in rows {
        let cells: Vec<&str> = row.split('|').map(str::trim).collect();
        let [_, seam, point, shown, _] = &cells[..] else { panic!("{row}") };
        let first = shown.split('`').nth(1).unwrap_or_else(|| panic!("{seam} has no test"));
        if *point == "by a cut" {
            continue;
        }
        let point = point.trim_matches('`');
        assert!(points.contains(point), "there is no {point} among {points:?}");
        assert!(plants(first, point), "{first} doesn't plant {point}");
    }
}

/// As `EPRO_FAULT` names them: those of the worker by their variants, those of the door as it looks for them.
fn fail_points() -> BTreeSet<String> {
    let fault = |of: &str| std::fs::read_to_string(root().join(of).join("src/fault.rs")).unwrap();
    let (worker, door) = (fault("worker"), fault("producer-api"));
    let variants = worker.split_once("enum Seam {").unwrap().1.split_once("\n}").unwrap().0;
    let variants = variants.lines().filter_map(|line| line.trim().strip_suffix(','));
    let planted = door.split("is_planted(&format!(\"").skip(1).filter_map(|rest| rest.split_once(':'));
    variants.map(str::to_lowercase).chain(planted.map(|(name, _)| name.to_owned())).collect()
}

/// Whether that test makes a process fail there: it names the point, by itself or to what plants it in the same file.
fn plants(test: &str, point: &str) -> bool {
    let begins = format!("fn {test}(");
    let mut files = sources().into_iter().map(|path| std::fs::read_to_string(path).unwrap());
    let file = files.find(|text| text.contains(&begins)).unwrap();
    let body = file.split_once(&begins).unwrap().1.split("\n}").next().unwrap();
    let named = ['"', ':', '='].iter().any(|end| body.contains(&format!("\"{point}{end}")));
    named && file.contains("EPRO_FAULT")
}
