//! Every connection that PostgreSQL allows is taken, those too that were ours.

use std::time::Duration;

use anyhow::{Result, ensure};
use tokio::time::{Instant, sleep};
use tokio_postgres::error::SqlState;

use crate::database::Link;
use crate::faults::field::World;
use crate::faults::struck::Effect;

/// How long it may take until nobody but who takes them has one: ours come again, and some of them are faster.
const TAKEN: Duration = Duration::from_secs(15);
/// Ends whoever else has one, and says how many these were. Who takes them is called hog.
const OTHERS: &str = "SELECT count(pg_terminate_backend(pid)) FROM pg_stat_activity
    WHERE datname = current_database() AND backend_type = 'client backend' AND application_name <> 'hog'";

/// Nobody of ours is connected, and whoever connects is refused: SQLSTATE 53300.
pub(super) async fn none_left(world: &World<'_>, held: Duration) -> Result<Effect> {
    let url = world.stack.database().url();
    let url = format!("{url}{}application_name=hog", if url.contains('?') { '&' } else { '?' });
    let first = Link::open(&url).await?;
    let (mut more, mut alone) = (Vec::new(), false);
    let end = Instant::now() + TAKEN;
    while !alone && Instant::now() < end {
        take_the_rest(&url, &mut more).await?;
        alone = first.count(OTHERS).await? == 0;
    }
    sleep(held).await;
    Ok(Effect::shown(alone))
}

/// Until there is none.
async fn take_the_rest(url: &str, taken: &mut Vec<Link>) -> Result<()> {
    loop {
        match Link::open(url).await {
            Ok(link) => taken.push(link),
            Err(error) => {
                let refused = error.downcast_ref::<tokio_postgres::Error>();
                let refused = refused.and_then(tokio_postgres::Error::code);
                let full = refused == Some(&SqlState::TOO_MANY_CONNECTIONS);
                ensure!(full, "refused for another reason than that all are taken: {error:#}");
                return Ok(());
            }
        }
    }
}
