//! Medians, percentiles, CPU and memory.

use std::time::Duration;

use anyhow::{Context, Result};

/// The median of some figures; an error when there are none.
pub fn median(figures: &[f64]) -> Result<f64> {
    let mut sorted = figures.to_vec();
    sorted.sort_by(f64::total_cmp);
    let middle = sorted.len() / 2;
    let upper = *sorted.get(middle).context("no figures")?;
    Ok(if sorted.len().is_multiple_of(2) { (sorted[middle - 1] + upper) / 2.0 } else { upper })
}

/// The part-th value (0.99 is the 99th percentile) in milliseconds.
pub fn percentile(latencies: &mut [Duration], part: f64) -> Result<f64> {
    latencies.sort_unstable();
    let at = (latencies.len() as f64 * part).ceil() as usize;
    let found = latencies.get(at.saturating_sub(1)).context("no latencies")?;
    Ok(found.as_secs_f64() * 1000.0)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_median_is_the_middle_and_a_percentile_one_of_the_values() {
        assert_eq!(median(&[3.0, 1.0, 2.0]).unwrap(), 2.0);
        assert_eq!(median(&[4.0, 1.0, 2.0, 3.0]).unwrap(), 2.5);
        assert!(median(&[]).is_err());
        let mut latencies: Vec<_> = (1..=100).map(Duration::from_millis).collect();
        assert_eq!(percentile(&mut latencies, 0.99).unwrap(), 99.0);
        assert_eq!(percentile(&mut latencies, 0.5).unwrap(), 50.0);
    }
}
