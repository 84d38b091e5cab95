//! Codes and where they are from, as HL7 names code systems (table 0396).

use super::text::escaped;

/// A code with its name and system, as CE and CWE begin: `44261-6^total^LN`.
pub(super) fn coded(code: &str, name: &str, system: &str) -> String {
    format!("{}^{}^{system}", escaped(code), escaped(name))
}

/// The name of a code system by its URI; any other is local.
pub(super) fn system(uri: &str) -> &'static str {
    match uri {
        "http://loinc.org" => "LN",
        "http://snomed.info/sct" => "SCT",
        "http://unitsofmeasure.org" => "UCUM",
        _ => "L",
    }
}

/// `LN` for a LOINC code, which can be told by its check digit; `L` for an id of an instrument's own.
pub(super) fn system_of(code: &str) -> &'static str {
    if is_loinc(code) { "LN" } else { "L" }
}

/// Up to seven digits, a hyphen, and the check digit that Luhn's sum of them gives.
fn is_loinc(code: &str) -> bool {
    let Some((number, check)) = code.split_once('-') else { return false };
    let digits = |text: &str| text.bytes().all(|byte| byte.is_ascii_digit());
    if !(1..=7).contains(&number.len()) || check.len() != 1 || !digits(number) || !digits(check) {
        return false;
    }
    let sum: u32 = number
        .bytes()
        .rev()
        .zip([2, 1].into_iter().cycle())
        .map(|(byte, weight)| {
            let product = u32::from(byte - b'0') * weight;
            product / 10 + product % 10
        })
        .sum();
    check.bytes().all(|byte| u32::from(byte - b'0') == (10 - sum % 10) % 10)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_loinc_code_is_known_by_its_check_digit() {
        for code in [
            "44249-1", "44260-8", "44261-6", "69722-7", "72514-3", "70274-6", "89247-1", "8867-4", "LA6568-5",
        ] {
            assert_eq!(system_of(code), if code.starts_with("LA") { "L" } else { "LN" }, "{code}");
        }
        for code in ["44249-2", "pain.severity", "1-", "-1", "12345678-1", "4424a-1", "44249-11", ""] {
            assert_eq!(system_of(code), "L", "{code}");
        }
    }
}
