//! The table of metrics, the code that counts and docs/METRICS.md say the same.

use std::collections::{BTreeMap, BTreeSet};
use std::path::{Path, PathBuf};

use epro_process::telemetry::{Kind, METRICS, Metric};

/// Kind and labels of a metric.
type Shape = (&'static str, BTreeSet<String>);

/// The folder of the workspace.
pub(crate) fn root() -> PathBuf {
    Path::new(env!("CARGO_MANIFEST_DIR")).parent().unwrap().to_owned()
}

#[test]
fn what_the_code_counts_is_in_the_table_and_what_is_in_the_table_is_counted() {
    let table: BTreeMap<String, Shape> = METRICS
        .iter()
        .map(|m| (m.name.into(), (m.kind.as_str(), m.labels.iter().map(|l| (*l).into()).collect())))
        .collect();
    assert_eq!(table.len(), METRICS.len(), "a name twice");
    let mut counted: BTreeMap<String, Shape> = BTreeMap::new();
    for (place, name, shape) in uses() {
        let told = table.get(&name).unwrap_or_else(|| panic!("{place}: {name} is not in the table"));
        assert_eq!(*told, shape, "{place}: {name} is told otherwise in the table");
        counted.insert(name, shape);
    }
    let uncounted: Vec<_> = table.keys().filter(|name| !counted.contains_key(*name)).collect();
    assert!(uncounted.is_empty(), "nothing counts {uncounted:?}");
}

#[test]
fn names_say_noun_and_unit_and_no_label_is_an_id() {
    for metric in METRICS {
        let name = metric.name;
        assert!(
            name.starts_with("epro_") && name.bytes().all(|b| b.is_ascii_lowercase() || b == b'_'),
            "{name}"
        );
        assert_eq!(name.ends_with("_total"), metric.kind == Kind::Counter, "{name}");
        assert_eq!(name.ends_with("_seconds"), metric.unit == "seconds", "{name}");
        assert!(metric.labels.iter().all(|label| !label.ends_with("id")), "{name}");
        assert!(metric.buckets().windows(2).all(|pair| pair[0] < pair[1]), "{name}");
        assert_eq!(metric.buckets().is_empty(), metric.kind != Kind::Histogram, "{name}");
    }
}

#[test]
fn the_table_of_the_documentation_is_made_of_the_code() {
    let path = root().join("docs/METRICS.md");
    let text = std::fs::read_to_string(&path).unwrap();
    let (before, after) = text.split_once("<!-- table -->\n").unwrap();
    let (_, after) = after.split_once("<!-- end of the table -->").unwrap();
    let made = format!("{before}<!-- table -->\n{}<!-- end of the table -->{after}", written());
    if std::env::var_os("UPDATE_DOCS").is_some() {
        std::fs::write(&path, &made).unwrap();
    }
    assert!(
        std::fs::read_to_string(&path).unwrap() == made,
        "drifted: UPDATE_DOCS=1 cargo test -p epro-process"
    );
}

fn written() -> String {
    let row = |metric: &Metric| {
        let bounds: Vec<String> = metric.buckets().iter().map(ToString::to_string).collect();
        let labels: Vec<String> = metric.labels.iter().map(|label| format!("`{label}`")).collect();
        format!(
            "| `{}` | {} | {} | {} | {} | {} | {} |\n",
            metric.name,
            metric.kind.as_str(),
            metric.unit,
            labels.join(", "),
            bounds.join(" "),
            metric.of.join(", "),
            metric.meaning,
        )
    };
    let head =
        "| name | type | unit | labels | upper bounds | of | meaning |\n|---|---|---|---|---|---|---|\n";
    head.to_owned() + &METRICS.iter().map(row).collect::<String>()
}

/// Every place of the code that counts: where, what, and how.
fn uses() -> Vec<(String, String, Shape)> {
    let mut found = Vec::new();
    for krate in ["process", "broker", "store", "producer-api", "worker", "operator"] {
        for path in sources(&root().join(krate).join("src")) {
            let text = std::fs::read_to_string(&path).unwrap();
            let place = path.display().to_string();
            for kind in ["counter", "gauge", "histogram"] {
                for call in text.split(&format!("metrics::{kind}!(")).skip(1) {
                    let call = call.split(';').next().unwrap();
                    let Some((name, rest)) = literal(call) else { continue };
                    found.push((place.clone(), name.to_owned(), (kind, labels(rest))));
                }
            }
            for (name, _) in text.split("counted: ").skip(1).filter_map(literal) {
                let labels = ["lane".to_owned(), "outcome".to_owned()].into();
                found.push((place.clone(), name.to_owned(), ("counter", labels)));
            }
        }
    }
    assert!(found.len() > METRICS.len());
    found
}

fn sources(folder: &Path) -> Vec<PathBuf> {
    let mut found = Vec::new();
    for entry in std::fs::read_dir(folder).unwrap() {
        let path = entry.unwrap().path();
        if path.is_dir() {
            found.extend(sources(&path));
        } else if path.extension().is_some_and(|extension| extension == "rs") {
            found.push(path);
        }
    }
    found
}

/// The string that a text begins with, and the rest.
fn literal(text: &str) -> Option<(&str, &str)> {
    text.trim_start().strip_prefix('"')?.split_once('"')
}

/// Every `"label" =>` of a call.
fn labels(call: &str) -> BTreeSet<String> {
    let before = call.split("=>").collect::<Vec<_>>();
    let ends = before[..before.len() - 1].iter();
    ends.filter_map(|text| text.trim_end().strip_suffix('"')?.rsplit('"').next()).map(str::to_owned).collect()
}
