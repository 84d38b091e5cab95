//! What a FHIR service says that it did with each entry of a transaction. Of bytes alone, so that
//! `fuzz/hospital.rs` can read it.

use serde_json::Value;

/// The status of each entry, if it answers for `entries` of them and no more.
pub(super) fn statuses(body: &[u8], entries: usize) -> Option<Vec<u16>> {
    let bundle: Value = serde_json::from_slice(body).ok()?;
    if bundle["resourceType"] != "Bundle" || bundle["type"] != "transaction-response" {
        return None;
    }
    let answered = bundle["entry"].as_array().map_or(&[][..], Vec::as_slice);
    let done: Vec<u16> = answered.iter().filter_map(status).collect();
    (answered.len() == entries && done.len() == entries).then_some(done)
}

/// `201 Created`, `201`: only the number counts.
fn status(entry: &Value) -> Option<u16> {
    let number: u16 = entry["response"]["status"].as_str()?.get(..3)?.parse().ok()?;
    (100..1000).contains(&number).then_some(number)
}
