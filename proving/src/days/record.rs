//! What days showed, as it is recorded, and what docs/PROOF.md says of it.

use anyhow::{Context, Result, ensure};
use serde_json::{Value, json};

use super::finding::{self, Finding};
use crate::bench::recorded;
use crate::database::Link;
use crate::services::Services;
use crate::vhost::Management;

/// A run with these figures.
///
/// # Errors
/// If the services don't say which they are.
pub async fn run(findings: &[Finding]) -> Result<Value> {
    let services = Services::from_env()?;
    let (management, link) = (Management::new(&services.management)?, Link::open(&services.database).await?);
    let mut all = recorded::head("days", recorded::machine(&management, &link).await?);
    all.insert("findings".to_owned(), json!(findings));
    Ok(Value::Object(all))
}

/// The figures of one day, without its name before each.
///
/// # Errors
/// If the run has none of that day.
pub fn page(run: &Value, day: &str) -> Result<String> {
    let all: Vec<Finding> =
        serde_json::from_value(run["findings"].clone()).context("a recorded day lacks something")?;
    let before = format!("{day}: ");
    let of_the_day = all.into_iter().filter_map(|finding| {
        let what = finding.what.strip_prefix(&before)?.to_owned();
        Some(Finding { what, ..finding })
    });
    let findings: Vec<Finding> = of_the_day.collect();
    ensure!(!findings.is_empty(), "a recorded run without the day `{day}`");
    Ok(finding::page(&findings))
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::days::finding::Bound;

    #[test]
    fn what_is_recorded_of_a_day_is_shown_without_that_of_others() {
        let findings = [
            Finding::new("evening: patients", 20_000.0, Bound::Is(20_000.0)),
            Finding::new("evening: p99, ms", 812.5, Bound::AtMost(500.0)),
            Finding::new("outage: dead letters", 0.0, Bound::Any),
        ];
        let run = json!({"findings": findings});
        let kept: Vec<Finding> = serde_json::from_value(run["findings"].clone()).unwrap();
        assert_eq!(kept, findings);
        let page = page(&run, "evening").unwrap();
        assert!(page.contains("| patients | 20000 | 20000 | ok |"), "{page}");
        assert!(page.contains("| p99, ms | 812.50 | ≤ 500 | **short** |"), "{page}");
        assert!(!page.contains("dead letters"), "{page}");
        assert!(super::page(&run, "limit").is_err());
    }
}
