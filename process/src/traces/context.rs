//! A place in a trace, as W3C writes it: `00-<trace>-<span>-<flags>`.

use std::fmt;

/// A place in a trace that is recorded.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Context {
    pub(super) trace: u128,
    pub(super) span: u64,
}

impl Context {
    /// A new trace.
    pub(super) fn new() -> Self {
        Self { trace: uuid::Uuid::new_v4().as_u128(), span: random() }
    }

    /// A place of its own in the same trace.
    pub(super) fn child(self) -> Self {
        Self { span: random(), ..self }
    }

    /// Of a header; none where it has another form, or isn't recorded.
    pub fn recorded(traceparent: &str) -> Option<Self> {
        let mut parts = traceparent.split('-');
        let (version, trace, span, flags) = (parts.next()?, parts.next()?, parts.next()?, parts.next()?);
        if version != "00" || (trace.len(), span.len(), flags.len()) != (32, 16, 2) || parts.next().is_some()
        {
            return None;
        }
        let flags = u8::from_str_radix(flags, 16).ok()?;
        let (trace, span) = (u128::from_str_radix(trace, 16).ok()?, u64::from_str_radix(span, 16).ok()?);
        (flags & 1 == 1 && trace != 0 && span != 0).then_some(Self { trace, span })
    }
}

impl fmt::Display for Context {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "00-{:032x}-{:016x}-01", self.trace, self.span)
    }
}

/// Trace id and flags of a `traceparent` that came from outside: of any other form than `00-<32 hex>-<16 hex>-<2 hex>`
/// it could hold anything.
pub fn parse(traceparent: &str) -> Option<(&str, &str)> {
    let hex = |part: &str| part.bytes().all(|b| b.is_ascii_digit() || (b'a'..=b'f').contains(&b));
    let zero = |part: &str| part.bytes().all(|b| b == b'0');
    let mut parts = traceparent.split('-');
    let (version, id, span, flags) = (parts.next()?, parts.next()?, parts.next()?, parts.next()?);
    let shape = version == "00" && id.len() == 32 && span.len() == 16 && flags.len() == 2;
    let sound = shape && parts.next().is_none() && hex(id) && hex(span) && hex(flags);
    (sound && !zero(id) && !zero(span)).then_some((id, flags))
}

pub(super) fn random() -> u64 {
    // Version and variant are in the other half.
    uuid::Uuid::new_v4().as_u64_pair().1.max(1)
}

#[cfg(test)]
mod tests {
    use super::*;

    const GIVEN: &str = "00-4bf92f3577b34da6a3ce929d0e0e4736-00f067aa0ba902b7-01";

    #[test]
    fn what_is_recorded_comes_back_as_it_was_written() {
        let context = Context::recorded(GIVEN).unwrap();
        assert_eq!(context.to_string(), GIVEN);
        let child = context.child();
        assert!(child.trace == context.trace && child.span != context.span);
    }

    #[test]
    fn what_is_not_recorded_or_has_another_form_has_no_context() {
        for other in [
            "00-4bf92f3577b34da6a3ce929d0e0e4736-00f067aa0ba902b7-00",
            "00-00000000000000000000000000000000-00f067aa0ba902b7-01",
            "00-4bf92f3577b34da6a3ce929d0e0e4736-0000000000000000-01",
            "01-4bf92f3577b34da6a3ce929d0e0e4736-00f067aa0ba902b7-01",
            "00-4bf92f3577b34da6a3ce929d0e0e4736-00f067aa0ba902b7-01-more",
            "Marta Planted",
        ] {
            assert_eq!(Context::recorded(other), None, "{other}");
        }
    }
}
