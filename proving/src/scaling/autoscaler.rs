//! Depth and present replicas in, wanted replicas out: what KEDA hands to the HorizontalPodAutoscaler, and what that
//! makes of it. Steps and their order are those of Kubernetes' controller: the ratio with its tolerance, the
//! stabilization windows, the policies, the bounds.

use super::rule::{Pace, Rule};

/// How often Kubernetes decides, in seconds.
pub const SYNC: f64 = 15.0;
/// A ratio so near to one changes nothing.
const TOLERANCE: f64 = 0.1;

/// The autoscaler and what it remembers. Time is in seconds since whenever.
#[derive(Clone, Debug)]
pub struct Autoscaler {
    rule: Rule,
    /// What was wanted, and when: as far back as the longer window.
    wanted: Vec<(f64, u32)>,
    /// By how much the number was changed, and when: as far back as the longer period.
    changes: Vec<(f64, i64)>,
    failed: u32,
}

impl Autoscaler {
    /// One that remembers nothing.
    pub fn new(rule: Rule) -> Self {
        Self { rule, wanted: Vec::new(), changes: Vec::new(), failed: 0 }
    }

    /// The rule that it follows.
    pub fn rule(&self) -> &Rule {
        &self.rule
    }

    /// Decides. `depths` are those of the rule's queues, in its order, unacked included; `None` when nobody could
    /// be asked.
    pub fn decide(&mut self, now: f64, current: u32, depths: Option<&[f64]>) -> u32 {
        let wanted = match depths {
            Some(depths) => {
                self.failed = 0;
                self.proposal(current, depths)
            }
            None => {
                self.failed += 1;
                if self.failed <= self.rule.failures {
                    return current;
                }
                current.max(self.rule.fallback)
            }
        };
        let wanted = self.stabilized(now, current, wanted);
        let next = self.paced(now, current, wanted).clamp(self.rule.min, self.rule.max);
        if next != current {
            self.changes.push((now, i64::from(next) - i64::from(current)));
        }
        next
    }

    /// The most that any queue asks for.
    fn proposal(&self, current: u32, depths: &[f64]) -> u32 {
        let each = self.rule.triggers.iter().zip(depths).map(|(trigger, depth)| {
            let ratio = depth / (trigger.value * f64::from(current.max(1)));
            if (1.0 - ratio).abs() <= TOLERANCE { current } else { (depth / trigger.value).ceil() as u32 }
        });
        each.max().unwrap_or(current).clamp(self.rule.min, self.rule.max)
    }

    /// Up to what was wanted throughout the window for up, down to what was wanted throughout that for down.
    fn stabilized(&mut self, now: f64, current: u32, wanted: u32) -> u32 {
        let longest = self.rule.up.window.max(self.rule.down.window);
        self.wanted.retain(|(at, _)| *at > now - longest);
        let within =
            |window: f64| self.wanted.iter().filter(move |(at, _)| *at > now - window).map(|(_, n)| *n);
        let up = within(self.rule.up.window).fold(wanted, u32::min);
        let down = within(self.rule.down.window).fold(wanted, u32::max);
        self.wanted.push((now, wanted));
        current.max(up).min(down)
    }

    /// No further than the policies allow from where the period began.
    fn paced(&mut self, now: f64, current: u32, wanted: u32) -> u32 {
        let longest = self.rule.up.period.max(self.rule.down.period);
        self.changes.retain(|(at, _)| *at > now - longest);
        let began = |pace: Pace| {
            let since = self.changes.iter().filter(|(at, _)| *at > now - pace.period).map(|(_, by)| by);
            i64::from(current) - since.sum::<i64>()
        };
        let (up, down) = (self.rule.up, self.rule.down);
        let most = (began(up) + i64::from(up.pods)).max(i64::from(current));
        let fewest = (began(down) - i64::from(down.pods)).min(i64::from(current));
        u32::try_from(i64::from(wanted).clamp(fewest, most)).unwrap_or(0)
    }
}
