//! What an ORU^R01 has to look like, after HL7 v2.5.1, chapters 2, 3 and 7.

use super::hl7::Message;

/// The first thing that is wrong: where, and its condition of table 0357.
#[derive(Debug)]
pub(super) struct Fault {
    pub segment: &'static str,
    pub field: usize,
    pub condition: &'static str,
}

const MISSING: &str = "101";
const TYPE: &str = "102";
const TABLE: &str = "103";
const SEQUENCE: &str = "100";

/// Every rule that a strict interface engine has for these segments.
pub(super) fn check(message: &Message) -> Result<(), Fault> {
    let fault = |segment, field, condition| Err(Fault { segment, field, condition });
    let names: Vec<&str> = message.segments().iter().map(|segment| segment[0].as_str()).collect();
    if names.len() < 4 || names[..3] != ["MSH", "PID", "OBR"] || names[3..].iter().any(|name| *name != "OBX")
    {
        return fault("MSH", 0, SEQUENCE);
    }
    for (field, value) in [(2, "^~\\&"), (9, "ORU^R01^ORU_R01"), (12, "2.5.1")] {
        if message.field("MSH", field) != value {
            return fault("MSH", field, TABLE);
        }
    }
    let control_id = message.field("MSH", 10);
    if control_id.is_empty() || control_id.len() > 20 {
        return fault("MSH", 10, MISSING);
    }
    if !is_time(message.field("MSH", 7)) {
        return fault("MSH", 7, TYPE);
    }
    if !["P", "T", "D"].contains(&message.field("MSH", 11)) {
        return fault("MSH", 11, TABLE);
    }
    if !["UNICODE UTF-8", "8859/1"].contains(&message.field("MSH", 18)) {
        return fault("MSH", 18, TABLE);
    }
    if message.component("PID", 3, 1).is_empty() || message.component("PID", 3, 4).is_empty() {
        return fault("PID", 3, MISSING);
    }
    if message.field("PID", 5) != "^^^^^^S" {
        return fault("PID", 5, MISSING);
    }
    check_order(message)?;
    message.named("OBX").enumerate().try_for_each(|(n, obx)| check_observation(n + 1, obx))
}

fn check_order(message: &Message) -> Result<(), Fault> {
    let fault = |field, condition| Err(Fault { segment: "OBR", field, condition });
    if message.component("OBR", 3, 1).is_empty() {
        return fault(3, MISSING);
    }
    if message.component("OBR", 4, 1).is_empty() || message.component("OBR", 4, 3).is_empty() {
        return fault(4, MISSING);
    }
    if !is_time(message.field("OBR", 7)) || !is_time(message.field("OBR", 22)) {
        return fault(7, TYPE);
    }
    if !["F", "C"].contains(&message.field("OBR", 25)) {
        return fault(25, TABLE);
    }
    Ok(())
}

fn check_observation(number: usize, obx: &[String]) -> Result<(), Fault> {
    let fault = |field, condition| Err(Fault { segment: "OBX", field, condition });
    let field = |at: usize| obx.get(at).map_or("", String::as_str);
    if field(1) != number.to_string() {
        return fault(1, SEQUENCE);
    }
    let code: Vec<&str> = field(3).split('^').collect();
    if code.first().is_none_or(|code| code.is_empty()) || code.get(2).is_none_or(|system| system.is_empty()) {
        return fault(3, MISSING);
    }
    let coded =
        |value: &str| value.split('~').all(|one| one.split('^').count() >= 3 && !one.starts_with('^'));
    let good = match (field(2), field(5), field(11)) {
        ("", "", "X") => true,
        (_, _, "X") => false,
        (_, "", _) => false,
        ("NM", value, "F" | "C") => value.parse::<f64>().is_ok(),
        ("CWE", value, "F" | "C") => coded(value),
        ("ST", value, "F" | "C") => value.chars().count() <= 199,
        ("FT" | "TX", _, "F" | "C") => true,
        _ => return fault(11, TABLE),
    };
    if !good {
        return fault(5, TYPE);
    }
    if !is_time(field(14)) {
        return fault(14, TYPE);
    }
    Ok(())
}

/// `20261123200311+0800`: to the second, with its offset.
fn is_time(text: &str) -> bool {
    let bytes = text.as_bytes();
    bytes.len() == 19
        && matches!(bytes[14], b'+' | b'-')
        && bytes.iter().enumerate().all(|(at, byte)| at == 14 || byte.is_ascii_digit())
}
