//! JSON by hand, for what every submission writes: byte for byte what serde writes, in a fraction of its time.

use epro_schemas::instrument::Name;

/// An array, with room for elements of that many bytes.
pub(super) fn array<T>(elements: &[T], bytes: usize, write: impl Fn(&mut String, &T)) -> String {
    let mut out = String::with_capacity(2 + bytes * elements.len());
    out.push('[');
    for (n, element) in elements.iter().enumerate() {
        if n > 0 {
            out.push(',');
        }
        write(&mut out, element);
    }
    out.push(']');
    out
}

/// A name, or null.
pub(super) fn name(out: &mut String, name: Option<Name>) {
    out.push_str(name.map_or("null", |name| name.json()));
}

/// A number; null if it isn't finite.
pub(super) fn number(out: &mut String, number: f64) {
    let whole = number as u8;
    // Bit by bit, as -0 is another text than 0.
    if whole < 100 && f64::from(whole).to_bits() == number.to_bits() {
        small(out, whole);
        out.push_str(".0");
    } else {
        out.push_str(&serde_json::Value::from(number).to_string());
    }
}

/// A count.
pub(super) fn count(out: &mut String, count: usize) {
    match u8::try_from(count) {
        Ok(few @ 0..100) => small(out, few),
        _ => out.push_str(&count.to_string()),
    }
}

/// A number below 100.
fn small(out: &mut String, number: u8) {
    let digit = |digit: u8| char::from(b'0' + digit);
    if number >= 10 {
        out.push(digit(number / 10));
    }
    out.push(digit(number % 10));
}

#[cfg(test)]
mod tests;
