//! Waiting for an event, with a bound, by looking for it.

use std::time::Duration;

use anyhow::{Result, bail};
use tokio::time::Instant;

/// Looks every 20 ms until `look` gives something, at most `bound` long.
///
/// `what` names the event for the error. An error of `look` counts as "not yet";
/// the last one is named when the bound has passed.
pub async fn until<T, F>(what: &str, bound: Duration, mut look: impl FnMut() -> F) -> Result<T>
where
    F: Future<Output = Result<Option<T>>>,
{
    let end = Instant::now() + bound;
    let mut last = None;
    loop {
        match tokio::time::timeout_at(end, look()).await {
            Ok(Ok(Some(found))) => return Ok(found),
            Ok(Ok(None)) => last = None,
            Ok(Err(error)) => last = Some(error),
            Err(_) => {}
        }
        if Instant::now() >= end {
            match last {
                Some(error) => bail!("waited {bound:?} for {what}; the last look said: {error:#}"),
                None => bail!("waited {bound:?} for {what}"),
            }
        }
        tokio::time::sleep(Duration::from_millis(20)).await;
    }
}
