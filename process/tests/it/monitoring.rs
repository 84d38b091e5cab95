//! The dashboard and the alarms speak of metrics that there are, and each alarm leads to a section that there is.

use std::collections::{BTreeMap, BTreeSet};

use epro_process::telemetry::{Kind, METRICS};
use serde_json::Value;

use crate::metrics::root;

/// What every runbook's link begins with.
const RUNBOOKS: &str = "{{ $externalLabels.runbooks }}docs/OPERATIONS.md#";

fn read(path: &str) -> String {
    std::fs::read_to_string(root().join(path)).unwrap()
}

fn yaml(path: &str) -> Value {
    serde_saphyr::from_str(&read(path)).unwrap()
}

/// The alarms, as they stand in the file.
fn alarms() -> Vec<Value> {
    let file = yaml("monitoring/prometheus/rules.yml");
    let groups = file["groups"].as_array().unwrap().iter();
    groups.flat_map(|group| group["rules"].as_array().unwrap().clone()).collect()
}

/// Every name that begins like one of ours, as Prometheus knows it.
fn named(text: &str) -> BTreeSet<&str> {
    let word = |c: char| !(c.is_ascii_alphanumeric() || c == '_');
    text.split(word).filter(|word| word.starts_with("epro_")).collect()
}

/// The names under which Prometheus keeps what the table says.
fn kept() -> BTreeSet<String> {
    let series = |metric: &epro_process::telemetry::Metric| match metric.kind {
        Kind::Histogram => {
            ["_bucket", "_count", "_sum"].map(|part| format!("{}{part}", metric.name)).to_vec()
        }
        Kind::Counter | Kind::Gauge => vec![metric.name.to_owned()],
    };
    METRICS.iter().flat_map(series).collect()
}

#[test]
fn dashboard_alarms_and_documents_name_only_metrics_that_there_are() {
    let kept = kept();
    for path in [
        "monitoring/grafana/epro-relay.json",
        "monitoring/prometheus/rules.yml",
        "monitoring/prometheus/rules.test.yml",
    ] {
        let text = read(path);
        let unknown: Vec<_> = named(&text).into_iter().filter(|name| !kept.contains(*name)).collect();
        assert!(unknown.is_empty(), "{path}: {unknown:?}");
    }
    for path in ["docs/OPERATIONS.md", "docs/METRICS.md", "docs/ARCHITECTURE.md", "README.md"] {
        let text = read(path);
        let known = |name: &&str| kept.contains(*name) || METRICS.iter().any(|metric| metric.name == *name);
        // Crates and roles of the database are named so, too.
        let crates =
            ["epro_process", "epro_broker", "epro_store", "epro_schemas", "epro_worker", "epro_proving"];
        let roles = ["epro_intake", "epro_worker", "epro_operator", "epro_auditor"];
        let unknown: Vec<_> = named(&text)
            .into_iter()
            .filter(|name| !known(name) && !crates.contains(name) && !roles.contains(name))
            .collect();
        assert!(unknown.is_empty(), "{path}: {unknown:?}");
    }
}

#[test]
fn the_dashboard_shows_every_metric() {
    let dashboard: Value = serde_json::from_str(&read("monitoring/grafana/epro-relay.json")).unwrap();
    let text = dashboard.to_string();
    let named = named(&text);
    let shown = |name: &str| named.iter().any(|seen| *seen == name || *seen == format!("{name}_bucket"));
    let missing: Vec<_> = METRICS.iter().map(|m| m.name).filter(|name| !shown(name)).collect();
    assert!(missing.is_empty(), "{missing:?}");
    let panels = dashboard["panels"].as_array().unwrap();
    let ids: BTreeSet<_> = panels.iter().map(|panel| panel["id"].as_u64().unwrap()).collect();
    assert_eq!(ids.len(), panels.len());
}

#[test]
fn every_alarm_leads_to_its_section_and_fires_in_its_test() {
    let operations = read("docs/OPERATIONS.md");
    let sections = sections(&operations);
    let tests = yaml("monitoring/prometheus/rules.test.yml");
    let mut fired = BTreeSet::new();
    for test in tests["tests"].as_array().unwrap() {
        for expected in test["alert_rule_test"].as_array().into_iter().flatten() {
            if expected["exp_alerts"].as_array().is_some_and(|alerts| !alerts.is_empty()) {
                fired.insert(expected["alertname"].as_str().unwrap().to_owned());
            }
        }
    }
    for alarm in alarms() {
        let name = alarm["alert"].as_str().unwrap();
        let runbook = alarm["annotations"]["runbook_url"].as_str().unwrap();
        let section = runbook.strip_prefix(RUNBOOKS).unwrap();
        let section = sections.get(section).unwrap_or_else(|| panic!("{name}: no section {section}"));
        for part in ["Means: ", "Look at: ", "Do: "] {
            let told = section.iter().any(|line| line.starts_with(part));
            assert!(told, "{name}: its section doesn't say “{part}”");
        }
        assert!(section.iter().any(|line| line.contains(&format!("`{name}`"))), "{name}: another's section");
        assert!(["page", "ticket"].contains(&alarm["labels"]["severity"].as_str().unwrap()), "{name}");
        assert!(fired.contains(name), "{name} fires in no test");
    }
}

#[test]
fn what_operations_leads_to_in_itself_is_there() {
    let operations = read("docs/OPERATIONS.md");
    let sections = sections(&operations);
    let links = operations.split("](#").skip(1).filter_map(|rest| rest.split(')').next());
    let missing: Vec<_> = links.filter(|link| !sections.contains_key(*link)).collect();
    assert!(missing.is_empty(), "{missing:?}");
}

#[test]
fn the_quiet_evening_that_raises_no_alarm_has_every_metric_that_one_looks_at() {
    let tests = yaml("monitoring/prometheus/rules.test.yml");
    let evening = &tests["tests"][0];
    assert_eq!(evening["name"], "a quiet evening");
    let series = evening["input_series"].as_array().unwrap().iter();
    let there: BTreeSet<&str> = series.flat_map(|series| named(series["series"].as_str().unwrap())).collect();
    for alarm in alarms() {
        let looked_at = named(alarm["expr"].as_str().unwrap());
        let missing: Vec<_> = looked_at.difference(&there).collect();
        assert!(missing.is_empty(), "{}: {missing:?}", alarm["alert"]);
    }
}

#[test]
fn the_cluster_has_the_same_alarms() {
    let path = root().join("k8s/components/monitoring/rules.yaml");
    let rules = read("monitoring/prometheus/rules.yml");
    let groups = &rules[rules.find("groups:").unwrap()..];
    let indented: String = groups
        .lines()
        .map(|line| if line.is_empty() { "\n".to_owned() } else { format!("  {line}\n") })
        .collect();
    let made = format!("{CLUSTER}{indented}");
    if std::env::var_os("UPDATE_DOCS").is_some() {
        std::fs::write(&path, &made).unwrap();
    }
    assert!(read("k8s/components/monitoring/rules.yaml") == made, "UPDATE_DOCS=1 cargo test -p epro-process");
}

const CLUSTER: &str = "\
# Made of monitoring/prometheus/rules.yml by a test of epro-process (UPDATE_DOCS=1): change that file.
apiVersion: monitoring.coreos.com/v1
kind: PrometheusRule
metadata:
  name: epro
spec:
";

/// The lines under each heading, by what it is called in a link.
fn sections(text: &str) -> BTreeMap<String, Vec<&str>> {
    let mut sections: BTreeMap<String, Vec<&str>> = BTreeMap::new();
    let mut under = String::new();
    for line in text.lines() {
        if line.starts_with('#') {
            under = anchor(line);
        }
        sections.entry(under.clone()).or_default().push(line);
    }
    sections
}

/// What a heading is called in a link.
fn anchor(heading: &str) -> String {
    let text = heading.trim_start_matches('#').trim().to_lowercase();
    let kept = text.chars().filter(|c| c.is_alphanumeric() || [' ', '-', '_'].contains(c));
    kept.map(|c| if c == ' ' { '-' } else { c }).collect()
}
