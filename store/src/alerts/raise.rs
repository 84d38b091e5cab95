//! Alerts of messages that have no other row: what intake found dangerous in them is told all the same.

use crate::error::StoreError;
use crate::follow_ons::{AlertFollowOn, FollowOn};
use crate::pool::Store;
use crate::session::Session;
use crate::step::Step;
use crate::submissions::rows;
use std::borrow::Borrow;
use std::collections::HashSet;
use uuid::Uuid;

const DONE: &str = "SELECT alert_id FROM ops.alert WHERE alert_id = ANY ($1::uuid[]) AND state = 'done'";

/// Alert rows, each with the pseudonym of its subject; where that isn't known, the submission's id stands
/// in for it until the submission is stored.
pub(super) fn insert<R: Borrow<(AlertFollowOn, Uuid)>>(alerts: &[R]) -> Step<'_> {
    Step::new(rows::ALERTS)
        .column(alerts, |row| row.borrow().0.alert_id)
        .column(alerts, |row| row.borrow().0.submission_id)
        .column(alerts, |row| row.borrow().1)
        .column(alerts, |row| row.borrow().0.study_id.as_str())
        .column(alerts, |row| row.borrow().0.site_id.as_str())
        .column(alerts, |row| row.borrow().0.rule.as_str())
        .column(alerts, |row| row.borrow().0.severity.as_str())
        .column(alerts, |row| row.borrow().0.received_at)
        .column(alerts, |_| None::<Uuid>)
}

impl Store {
    /// Writes alert rows, each with the pseudonym of its subject, and returns those that aren't done:
    /// they must be published. An alert that is there already stays as it is.
    ///
    /// # Errors
    /// As every [`StoreError`]; the rows may have been written.
    pub async fn raise_alerts(&self, alerts: &[(AlertFollowOn, Uuid)]) -> Result<Vec<FollowOn>, StoreError> {
        let mut sorted: Vec<&(AlertFollowOn, Uuid)> = alerts.iter().collect();
        sorted.sort_by_key(|(alert, _)| alert.alert_id);
        sorted.dedup_by_key(|(alert, _)| alert.alert_id);
        let done = Step::new(DONE).column(&sorted, |(alert, _)| alert.alert_id);
        let session = Session::open(self).await?;
        let answers = session.pipeline(vec![insert(&sorted), done], false).await?;
        session.done();
        let done: HashSet<Uuid> =
            answers.iter().flatten().map(|row| row.try_get(0)).collect::<Result<_, _>>()?;
        let open = sorted.into_iter().filter(|(alert, _)| !done.contains(&alert.alert_id));
        Ok(open.map(|(alert, _)| FollowOn::Alert(alert.clone())).collect())
    }
}
