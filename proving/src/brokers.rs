//! What the whole suite of tests came to on each RabbitMQ that it was run on, and what docs/PROOF.md says of it.

use std::fmt::Write as _;
use std::path::Path;

use anyhow::Result;
use serde::{Deserialize, Serialize};

use crate::journal;
use crate::services::Services;

/// Where suites are recorded, below the folder of the documentation.
const SUITES: &str = "proof/brokers.jsonl";
/// Tests of what RabbitMQ 4.0 and newer would hurt, left to themselves: they give up on a message after 20 returns.
pub const RETURNED: [&str; 3] = [
    "what_was_released_25_times_is_still_in_its_queue_at_its_first_attempt",
    "a_message_given_back_25_times_is_still_at_its_first_attempt",
    "a_dead_letter_that_was_given_back_25_times_is_still_there_without_any_policy",
];

/// One run of the whole suite, or that there was none.
#[derive(Clone, Debug, Serialize, Deserialize)]
pub struct Suite {
    /// When it had ended, RFC 3339 in UTC.
    pub at: String,
    /// The commit, with `-dirty` where something was changed since.
    pub commit: Option<String>,
    /// The version of RabbitMQ that was asked for; none is that of the system.
    pub asked: Option<String>,
    /// What it came to; none where that RabbitMQ could not be had.
    pub ran: Option<Ran>,
}

/// What a suite came to.
#[derive(Clone, Debug, Serialize, Deserialize)]
pub struct Ran {
    /// Version of RabbitMQ, as it says itself.
    pub rabbitmq: String,
    /// Version of PostgreSQL.
    pub postgresql: String,
    /// From its first test to its last, in seconds.
    pub seconds: u64,
    /// Whether cargo left with 0.
    pub well: bool,
    /// Its tests.
    pub counted: Counted,
}

/// Tests by their outcome.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
pub struct Counted {
    /// Those that passed.
    pub passed: usize,
    /// Those that failed.
    pub failed: usize,
    /// Those with commands of their own.
    pub ignored: usize,
    /// Those that said that they could not be run there; they count as passed, too.
    pub skipped: usize,
    /// Of [`RETURNED`], those that passed.
    pub returned: usize,
}

impl Suite {
    /// One that ran on these services just now, by what it wrote.
    pub async fn of(
        asked: Option<String>,
        services: &Services,
        log: &str,
        seconds: u64,
        well: bool,
    ) -> Result<Self> {
        let (rabbitmq, postgresql) = services.versions().await?;
        let ran = Ran { rabbitmq, postgresql, seconds, well, counted: Counted::of(log) };
        Ok(Self { ran: Some(ran), ..Self::not_to_be_had(asked)? })
    }

    /// One that did not run: there is no such RabbitMQ here.
    pub fn not_to_be_had(asked: Option<String>) -> Result<Self> {
        Ok(Self { at: journal::now()?, commit: journal::commit(), asked, ran: None })
    }

    /// Adds it to a file, as its last line.
    pub fn append(&self, file: &Path) -> Result<()> {
        journal::append(file, self)
    }
}

impl Counted {
    /// By what `cargo test` wrote.
    pub fn of(log: &str) -> Self {
        let mut all = Self::default();
        for line in log.lines() {
            if let Some([passed, failed, ignored]) = summary(line) {
                all.passed += passed;
                all.failed += failed;
                all.ignored += ignored;
            }
            all.skipped += usize::from(line.starts_with("SKIPPED: "));
            all.returned += usize::from(RETURNED.iter().any(|test| is_passed(line, test)));
        }
        all
    }
}

/// Passed, failed, ignored of one program: `test result: ok. 3 passed; 0 failed; 1 ignored; …`.
fn summary(line: &str) -> Option<[usize; 3]> {
    let (_, counts) = line.strip_prefix("test result: ")?.split_once(". ")?;
    let of = |what: &str| {
        let mut counts = counts.split("; ");
        counts.find_map(|count| count.strip_suffix(what)?.trim_end().parse().ok())
    };
    Some([of("passed")?, of("failed")?, of("ignored")?])
}

/// `test module::name ... ok`
fn is_passed(line: &str, test: &str) -> bool {
    let name = line.strip_prefix("test ").and_then(|rest| rest.strip_suffix(" ... ok"));
    name.is_some_and(|name| name.rsplit("::").next() == Some(test))
}

/// The page's section, of what is recorded.
pub(crate) fn section(docs: &Path) -> Result<String> {
    Ok(table(&journal::read::<Suite>(&docs.join(SUITES))?))
}

fn table(suites: &[Suite]) -> String {
    if suites.is_empty() {
        return journal::NOTHING.to_owned();
    }
    let mut out =
        "| asked for | RabbitMQ | PostgreSQL | day | commit | passed | failed | ignored | skipped | returned 25 \
         times | minutes | |\n|---|---|---|---|---|---|---|---|---|---|---|---|\n"
            .to_owned();
    for suite in suites {
        let asked = suite.asked.as_deref().unwrap_or("the system's");
        let day = suite.at.get(..10).unwrap_or_default();
        let commit = suite.commit.as_deref().unwrap_or("unknown");
        let Some(ran) = &suite.ran else {
            let _ = writeln!(out, "| {asked} | none | | {day} | {commit} | | | | | | | SKIPPED |");
            continue;
        };
        let Counted { passed, failed, ignored, skipped, returned } = ran.counted;
        let of_all = RETURNED.len();
        let _ = writeln!(
            out,
            "| {asked} | {} | {} | {day} | {commit} | {passed} | {failed} | {ignored} | {skipped} | {returned} of \
             {of_all} | {} | {} |",
            ran.rabbitmq,
            ran.postgresql,
            ran.seconds.div_ceil(60),
            if ran.well { "ok" } else { "**failed**" },
        );
    }
    out
}

#[cfg(test)]
mod tests {
    use super::*;

    const LOG: &str = "\
     Running unittests src/lib.rs (target/debug/deps/epro_broker-1)
test consumer::what_was_released_25_times_is_still_in_its_queue_at_its_first_attempt ... ok
test poison::a_message_given_back_25_times_is_still_at_its_first_attempt ... FAILED
SKIPPED: exports to S3
test result: FAILED. 10 passed; 2 failed; 1 ignored; 0 measured; 0 filtered out; finished in 1.20s

   Doc-tests epro_broker
test result: ok. 3 passed; 0 failed; 0 ignored; 0 measured; 0 filtered out; finished in 0.00s
";

    fn suite(asked: Option<&str>, ran: Option<Ran>) -> Suite {
        let (at, commit) = ("2026-11-29T01:02:03Z".to_owned(), Some("abc".to_owned()));
        Suite { at, commit, asked: asked.map(str::to_owned), ran }
    }

    #[test]
    fn what_each_program_counted_is_added_up_and_only_a_test_that_passed_shows_anything() {
        let counted = Counted { passed: 13, failed: 2, ignored: 1, skipped: 1, returned: 1 };
        assert_eq!(Counted::of(LOG), counted);
        assert_eq!(Counted::of("error: could not compile"), Counted::default());
    }

    #[test]
    fn a_row_says_what_was_asked_for_and_found_and_one_that_could_not_be_had_is_skipped() {
        let ran = Ran {
            rabbitmq: "4.0.5".into(),
            postgresql: "15.20".into(),
            seconds: 1021,
            well: false,
            counted: Counted::of(LOG),
        };
        let table = table(&[suite(Some("4.0"), Some(ran)), suite(Some("4.3"), None)]);
        let row = "| 4.0 | 4.0.5 | 15.20 | 2026-11-29 | abc | 13 | 2 | 1 | 1 | 1 of 3 | 18 | **failed** |\n";
        assert!(table.contains(row), "{table}");
        assert!(table.ends_with("| 4.3 | none | | 2026-11-29 | abc | | | | | | | SKIPPED |\n"), "{table}");
        assert_eq!(super::table(&[]), journal::NOTHING);
    }
}
