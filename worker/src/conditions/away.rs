//! PostgreSQL away: then no lease says who tells operators, and nothing says who was told. The replica that had the
//! duty when PostgreSQL last answered keeps it for this one thing, and remembers; the others say nothing.

use std::time::{Duration, Instant};

use epro_store::StoreError;
use epro_store::conditions::Condition;
use time::OffsetDateTime;
use uuid::Uuid;

/// What this replica knows of an absence.
pub(super) struct Away {
    patience: Duration,
    /// It had the duty when PostgreSQL last answered.
    duty: bool,
    absence: Option<Absence>,
}

struct Absence {
    condition: Condition,
    began: Instant,
    /// When it was last noticed.
    seen: Instant,
}

impl Away {
    /// It begins, and is over, as every condition once that has been so for `patience`.
    pub(super) fn new(patience: Duration) -> Self {
        Self { patience, duty: false, absence: None }
    }

    /// PostgreSQL doesn't answer. Gives the beginning, if operators are to be told of it by us.
    pub(super) fn silent(&mut self, why: &StoreError, now: Instant) -> Option<Condition> {
        if self.absence.is_none() && !self.duty {
            return None;
        }
        let absence = self.absence.get_or_insert_with(|| Absence::new(now));
        absence.seen = now;
        absence.condition.detail = why.to_string();
        let over = now - absence.began >= self.patience;
        (over && !absence.condition.began_told).then(|| absence.condition.clone())
    }

    /// PostgreSQL answers, and says whether we have the duty. Gives the end, if operators are to be told of it by us.
    pub(super) fn answered(&mut self, duty: bool, now: Instant) -> Option<Condition> {
        self.duty = duty;
        let absence = self.absence.as_ref().filter(|absence| now - absence.seen >= self.patience)?;
        if !absence.condition.began_told {
            self.absence = None;
            return None;
        }
        let ended = OffsetDateTime::now_utc() - (now - absence.seen);
        Some(Condition { cleared_at: Some(ended), ..absence.condition.clone() })
    }

    /// Operators were told.
    pub(super) fn told(&mut self, condition: &Condition) {
        if condition.cleared_at.is_some() {
            self.absence = None;
        } else if let Some(absence) = &mut self.absence {
            absence.condition.began_told = true;
        }
    }
}

impl Absence {
    fn new(now: Instant) -> Self {
        let condition = Condition {
            id: Uuid::now_v7(),
            cleared_id: Uuid::now_v7(),
            kind: "postgresql-away".to_owned(),
            key: "postgresql".to_owned(),
            detail: String::new(),
            worst: 1,
            began_at: OffsetDateTime::now_utc(),
            cleared_at: None,
            began_told: false,
        };
        Self { condition, began: now, seen: now }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    const PATIENCE: Duration = Duration::from_secs(30);

    fn after(start: Instant, seconds: u64) -> Instant {
        start + Duration::from_secs(seconds)
    }

    #[test]
    fn whoever_had_the_duty_tells_the_beginning_until_it_is_told_and_then_the_end() {
        let (mut away, start) = (Away::new(PATIENCE), Instant::now());
        assert_eq!(away.answered(true, start), None);
        assert_eq!(away.silent(&StoreError::SILENT, start), None);
        let began = away.silent(&StoreError::SILENT, after(start, 30)).unwrap();
        assert_eq!(away.silent(&StoreError::SILENT, after(start, 40)).unwrap().id, began.id, "not told yet");
        away.told(&began);
        assert_eq!(away.silent(&StoreError::SILENT, after(start, 50)), None);
        assert_eq!(away.answered(false, after(start, 60)), None, "it may go away again");
        let over = away.answered(false, after(start, 80)).unwrap();
        assert_eq!((over.id, over.began_at), (began.id, began.began_at));
        away.told(&over);
        assert_eq!(away.answered(false, after(start, 90)), None);
    }

    #[test]
    fn whoever_had_no_duty_tells_nothing_and_what_passes_soon_is_told_by_nobody() {
        let (mut away, start) = (Away::new(PATIENCE), Instant::now());
        away.answered(false, start);
        assert_eq!(away.silent(&StoreError::SILENT, start), None);
        assert_eq!(away.silent(&StoreError::SILENT, after(start, 600)), None);
        away.answered(true, after(start, 700));
        away.silent(&StoreError::SILENT, after(start, 700));
        assert_eq!(away.answered(true, after(start, 740)), None);
        assert_eq!(away.silent(&StoreError::SILENT, after(start, 750)), None, "another absence");
    }
}
