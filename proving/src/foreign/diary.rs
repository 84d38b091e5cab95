//! What a foreign system's own log says about its callers.

use super::Call;

/// When calls came, in seconds since the system was started, in their order.
pub(crate) struct Diary(Vec<f64>);

impl Diary {
    pub(crate) fn of(calls: &[Call]) -> Self {
        let mut at: Vec<f64> = calls.iter().map(|call| call.micros as f64 / 1e6).collect();
        at.sort_by(f64::total_cmp);
        Self(at)
    }

    /// The part of it from `from` until before `to`.
    pub(crate) fn between(&self, from: f64, to: f64) -> Self {
        Self(self.0.iter().copied().filter(|at| *at >= from && *at < to).collect())
    }

    pub(crate) fn len(&self) -> usize {
        self.0.len()
    }

    pub(crate) fn first(&self) -> Option<f64> {
        self.0.first().copied()
    }

    pub(crate) fn last(&self) -> Option<f64> {
        self.0.last().copied()
    }

    /// The call with that number, counted from 0.
    pub(crate) fn nth(&self, number: usize) -> Option<f64> {
        self.0.get(number).copied()
    }

    /// The first call after that.
    pub(crate) fn first_after(&self, moment: f64) -> Option<f64> {
        self.0.iter().copied().find(|at| *at > moment)
    }

    /// The most calls in any window of that many seconds.
    pub(crate) fn busiest(&self, window: f64) -> usize {
        let from = |(place, first): (usize, &f64)| self.0[place..].partition_point(|at| *at < first + window);
        self.0.iter().enumerate().map(from).max().unwrap_or(0)
    }

    /// The fewest calls in any window of that many seconds that lies whole between `from` and `to`.
    pub(crate) fn quietest(&self, window: f64, from: f64, to: f64) -> usize {
        // A window is quietest just behind a call.
        let starts = std::iter::once(from).chain(self.0.iter().map(|at| at + 1e-6));
        let whole = starts.filter(|start| *start >= from && start + window <= to);
        whole.map(|start| self.between(start, start + window).len()).min().unwrap_or(0)
    }

    /// The shortest time between two neighbours.
    pub(crate) fn shortest_gap(&self) -> Option<f64> {
        self.0.windows(2).map(|pair| pair[1] - pair[0]).min_by(f64::total_cmp)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn windows_slide_and_don_t_begin_at_full_seconds() {
        let diary = Diary(vec![0.6, 0.9, 1.2, 1.5, 4.0]);
        assert_eq!(diary.busiest(1.0), 4);
        assert_eq!(diary.quietest(1.0, 0.0, 4.5), 0);
        assert_eq!(diary.quietest(1.0, 0.5, 1.6), 3);
        assert!((diary.shortest_gap().unwrap() - 0.3).abs() < 1e-9);
        assert_eq!((diary.first_after(1.5), diary.between(0.9, 1.5).len()), (Some(4.0), 2));
    }
}
