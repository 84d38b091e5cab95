//! A message that is no job, or not one that can be read here (yet).

use epro_broker::Delivery;
use epro_schemas::kind;
use epro_schemas::report::Job;
use uuid::Uuid;

use super::Done;
use crate::failure::Failure;
use crate::hospitals::hospital::Hospital;
use crate::hospitals::{deliver, unread};

/// The report's id and its job.
pub(super) fn open(hospital: &Hospital, delivery: &Delivery) -> Result<(Uuid, Job), Failure> {
    let id = delivery.message_id().filter(|_| delivery.kind() == Some(kind::REPORT));
    let id = id.ok_or(Failure::Foreign)?;
    let bytes = hospital.office.route.keys.seal.open(kind::REPORT, id, &delivery.body())?;
    let job = Job::decode(&bytes).filter(|job| job.site_id == hospital.site);
    Ok((id, job.ok_or(Failure::Foreign)?))
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
