//! docs/SCALING.md and its picture say what the simulation, the manifests and their rules come to.

use std::path::Path;

use epro_proving::k8s::{policy, render, settings};
use epro_proving::scaling::scenarios::{self, Hour, MEASURED};
use epro_proving::scaling::{Rule, plot};

use crate::documents::{document, named, root, rows};

fn hours() -> (Rule, Vec<Hour>) {
    let rule = Rule::shipped().unwrap();
    let hours = scenarios::all(&rule, MEASURED);
    (rule, hours)
}

#[test]
fn the_picture_of_the_four_hours_is_that_of_the_shipped_rule() {
    let (rule, hours) = hours();
    let kept = std::fs::read_to_string(root().join("docs/scaling.svg")).unwrap();
    assert!(kept == plot::svg(&hours, rule.max), "drifted: ./dev scale --plot docs/scaling.svg");
}

#[test]
fn the_table_of_the_four_hours_says_what_they_come_to() {
    let page = document("SCALING.md");
    let (rows, (_, hours)) = (rows(&page, "## Four bad hours"), hours());
    assert_eq!(rows.len(), hours.len());
    for (row, hour) in rows.iter().zip(&hours) {
        let cells: Vec<&str> = row.split('|').map(str::trim).collect();
        let [_, title, most, drained, _] = &cells[..] else { panic!("{row}") };
        assert_eq!(*most, hour.most().to_string(), "{title}");
        assert!(drained.contains(&hour.end()), "{title}: {}", hour.end());
    }
}

#[test]
fn every_test_and_file_that_the_page_of_scaling_names_is_there() {
    let (tests, files) = named(&document("SCALING.md"));
    assert!(tests > 0 && files > 1, "{tests} tests and {files} files: the page is read wrongly");
}

#[tokio::test]
async fn the_sum_of_connections_on_the_page_is_that_of_the_manifests() {
    if !render::here().await {
        return;
    }
    let example = Path::new(env!("CARGO_MANIFEST_DIR")).join("../k8s/overlays/production-example");
    let objects = render(&example).await.unwrap();
    let (settings, refused) = settings::of(&objects).await.unwrap();
    assert!(refused.is_empty(), "{refused:#?}");
    let (sum, most) = policy::connections(&objects, &settings).expect("somebody says how many there may be");
    let said = format!("**{sum} of {most}**");
    assert!(document("SCALING.md").contains(&said), "the page doesn't say {said}");
}
