//! A message of a hospital's queues that can't be read here (yet), or must not be tried again.

use epro_broker::{Delivery, Tier};
use uuid::Uuid;

use super::deliver::Done;
use super::hospital::Hospital;
use super::settle::set_unread_aside;
use crate::failure::{Disposition, Failure};
use crate::park::park;

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
            Done::Settled(None)
        }
        Disposition::SetAside(class) | Disposition::Wait(class) => {
            set_unread_aside(hospital, delivery, failure, class, suspect).await
        }
        Disposition::Requeue => {
            delivery.requeue();
            Done::Settled(None)
        }
    }
}
