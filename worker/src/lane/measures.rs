//! What a lane measures of itself, looked up once.

use std::time::{SystemTime, UNIX_EPOCH};

use epro_broker::Delivery;
use metrics::{Gauge, Histogram};

/// The metrics of one lane.
pub(super) struct Measures {
    pub consuming: Gauge,
    pub unsettled: Gauge,
    pub chunk: Histogram,
    age: Histogram,
}

impl Measures {
    pub(super) fn of(lane: &'static str) -> Self {
        crate::settling::count_dead_letters(lane, 0);
        metrics::counter!("epro_lane_self_paused_total", "lane" => lane).increment(0);
        Self {
            consuming: metrics::gauge!("epro_lane_consuming", "lane" => lane),
            unsettled: metrics::gauge!("epro_lane_unsettled", "lane" => lane),
            chunk: metrics::histogram!("epro_lane_chunk_seconds", "lane" => lane),
            age: metrics::histogram!("epro_lane_age_seconds", "lane" => lane),
        }
    }

    /// How old the first of a chunk is.
    pub(super) fn age(&self, deliveries: &[Delivery]) {
        if let Some(published) = deliveries.first().and_then(Delivery::published_at) {
            let now = SystemTime::now().duration_since(UNIX_EPOCH).map_or(0, |since| since.as_secs());
            self.age.record(now.saturating_sub(published) as f64);
        }
    }
}
