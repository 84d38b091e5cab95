//! A message that is no job, or not one that can be read here (yet).

use epro_broker::Delivery;
use epro_schemas::report::Job;
use uuid::Uuid;

use super::Done;
use crate::failure::Failure;
use crate::hospitals::hospital::Hospital;
use crate::hospitals::{deliver, unread};
use crate::said::said;

/// The report's id and its job.
pub(super) fn open(hospital: &Hospital, delivery: &Delivery) -> Result<(Uuid, Job), Failure> {
    let job: Job = said(delivery, &hospital.office.route.keys.seal)?;
    let ours = delivery.message_id().filter(|_| job.site_id == hospital.site);
    Ok((ours.ok_or(Failure::Foreign)?, job))
}

/// It waits, if that may help; otherwise it is set aside.
pub(super) async fn dispose(
    hospital: &Hospital,
    delivery: Delivery,
    failure: &Failure,
    suspect: Option<Uuid>,
) -> Done {
    match unread::dispose(hospital, delivery, failure, suspect).await {
        deliver::Done::Undone(delivery) => Done::Undone(delivery),
        deliver::Done::Back(held) => Done::Undone(held.delivery),
        deliver::Done::Settled(_) => Done::Settled,
    }
}
