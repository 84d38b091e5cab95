//! One hospital, a hundred, four hundred: what they cost one worker. There is no limit beside it: nothing bare has
//! hospitals.

use std::time::Duration;

use anyhow::{Context, Result};

use super::{ROUNDS, Series};
use crate::days::many::{Cost, Field};

const HOSPITALS: [usize; 3] = [1, 100, 400];
/// How long nothing happens.
const IDLE: Duration = Duration::from_secs(8);

pub(super) async fn measure() -> Result<Vec<Series>> {
    let mut owned = Series::new("hospitals: until all are consumed by one worker", "s", "hospitals");
    let mut idle = Series::new("  that worker with nothing to do", "% of a core", "hospitals");
    let mut delivered = Series::new("  a submission to each of them", "s", "hospitals");
    let mut peak = Series::new("  its peak RSS", "MiB", "hospitals");
    for hospitals in HOSPITALS {
        eprintln!("growth: {hospitals} hospital(s)");
        let mut field = Field::with(hospitals).await.with_context(|| format!("{hospitals} hospitals"))?;
        let mut costs = Vec::new();
        for _ in 0..ROUNDS {
            costs.push(field.cost(IDLE).await?);
        }
        let of = |figure: fn(&Cost) -> f64| costs.iter().map(figure).collect::<Vec<_>>();
        let at = hospitals as f64;
        owned.point(at, of(|cost| cost.owned), Vec::new())?;
        idle.point(at, of(|cost| cost.idle), Vec::new())?;
        delivered.point(at, of(|cost| cost.delivered), Vec::new())?;
        peak.point(at, of(|cost| cost.peak), Vec::new())?;
    }
    Ok(vec![owned, idle, delivered, peak])
}
