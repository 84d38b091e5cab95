//! `reports`: how long a comprehensive report may take, and how long it is kept.

use std::time::Duration;

use super::section::Section;

/// Comprehensive reports.
#[derive(Debug, Clone)]
pub struct ReportsConfig {
    /// How long one may take unless its request says. Never scaled.
    pub deadline: Duration,
    /// The most that a request may say. Never scaled.
    pub longest: Duration,
    /// How long one is kept after its deadline.
    pub keep: Duration,
    /// Most pages that are read of one search.
    pub pages: u32,
}

impl ReportsConfig {
    pub(super) fn read(mut section: Section<'_>) -> Self {
        let seconds = Duration::from_secs;
        let deadline = section.duration("deadline", seconds(10), seconds(1));
        let longest = section.duration("longest", seconds(60), seconds(1));
        if deadline > longest {
            section.problem("deadline", "has to be at most reports.longest");
        }
        if longest > seconds(600) {
            section.problem("longest", "has to be at most 10m");
        }
        let keep = section.duration("keep", seconds(24 * 3600), seconds(1));
        let pages = section.integer("pages", 20, 1, 1000);
        section.finish();
        Self { deadline, longest, keep, pages }
    }
}
