//! A message that is no job, or not one that can be read here (yet).

use epro_broker::{Delivery, Tier};
use epro_schemas::kind;
use epro_schemas::report::Job;
use epro_schemas::seal::OpenError;
use uuid::Uuid;

use super::Done;
use crate::failure::{Disposition, Failure};
use crate::hospitals::deliver;
use crate::hospitals::hospital::Hospital;
use crate::hospitals::settle::set_unread_aside;
use crate::park::park;

/// The report's id and its job.
pub(super) fn open(hospital: &Hospital, delivery: &Delivery) -> Result<(Uuid, Job), Failure> {
    let id = delivery.message_id().filter(|_| delivery.kind() == Some(kind::REPORT));
    let id = id.ok_or(Failure::Foreign)?;
    let opened = hospital.office.route.keys.seal.open(kind::REPORT, id, &delivery.body());
    let bytes = opened.map_err(|error| match error {
        OpenError::UnknownKey { .. } => Failure::UnknownKey,
        OpenError::Tampered | OpenError::Malformed => Failure::Unopenable,
    })?;
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
    let office = &hospital.office;
    let headers = delivery.headers();
    let waited = headers.waiting_since.map_or(0, |since| crate::settling::now() - since);
    let over = u128::try_from(waited).unwrap_or(0) > office.wait_budget.as_millis();
    match failure.disposition() {
        Disposition::Wait(_) if !over => {
            let tier = Tier::after(headers.waits).min(Tier::M10);
            let Some(receipt) = park(&delivery, tier, false, &office.publisher, &office.hold).await else {
                return Done::Undone(delivery);
            };
            delivery.ack(&receipt);
            Done::Settled
        }
        Disposition::SetAside(class) | Disposition::Wait(class) => {
            match set_unread_aside(hospital, delivery, failure, class, suspect).await {
                deliver::Done::Undone(delivery) => Done::Undone(delivery),
                deliver::Done::Back(held) => Done::Undone(held.delivery),
                deliver::Done::Settled(_) => Done::Settled,
            }
        }
        Disposition::Requeue => {
            delivery.requeue();
            Done::Settled
        }
    }
}
