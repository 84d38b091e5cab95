//! `epro dead-letters discard`: gives up dead letters. They are kept; nobody looks at them any more.

use std::process::ExitCode;

use epro_store::Bound;
use epro_store::dead_letters::Filter;
use serde_json::json;

use crate::arguments::Discard;
use crate::outside::Outside;
use crate::{dead_letters, deed, screen};

/// Dead letters in one transaction.
const PAGE: u32 = 500;

pub(crate) async fn run(outside: &Outside<'_>, wanted: &Discard, json: bool) -> anyhow::Result<ExitCode> {
    let store = outside.store()?;
    let (filter, counted) = dead_letters::touched(&store, &wanted.touched, &Bound::default()).await?;
    if !wanted.touched.yes || counted.is_empty() {
        if json {
            screen::json(&json!({"would_discard": counted, "discarded": 0}))?;
        } else if counted.is_empty() {
            screen::line("no dead letters")?;
        } else {
            dead_letters::show_counts(&counted)?;
            screen::line("nothing was done; --yes gives them up")?;
        }
        return Ok(ExitCode::SUCCESS);
    }
    // All are found before the first one is given up: what fails meanwhile isn't meant.
    let ids = ids(&store, filter).await?;
    let mut chain = deed::chain();
    let (mut done, mut not_open) = (0, Vec::new());
    for page in ids.chunks(PAGE as usize) {
        let discarded = store.discard(&mut chain, page, &wanted.deed.by, &wanted.deed.reason).await?;
        done += discarded.now.len();
        not_open.extend(discarded.not_open);
    }
    if json {
        screen::json(&json!({"discarded": done, "not_open": not_open}))?;
    } else {
        screen::line(format!("{done} discarded"))?;
        if !not_open.is_empty() {
            let ids: Vec<String> = not_open.iter().map(ToString::to_string).collect();
            screen::line(format!("not open any more: {}", ids.join(", ")))?;
        }
    }
    Ok(match (not_open.len(), done) {
        (0, _) => ExitCode::SUCCESS,
        (_, 0) => ExitCode::FAILURE,
        _ => ExitCode::from(deed::IN_PART),
    })
}

async fn ids(store: &epro_store::Store, filter: Filter) -> anyhow::Result<Vec<i64>> {
    let found = store.dead_letters(&filter).await?;
    Ok(found.into_iter().map(|found| found.id).collect())
}
