//! Values that identify a patient.

use std::fmt;

/// A value that identifies a patient, or could.
///
/// Neither `Debug` nor `Display` print it, and it can't be serialised: whoever
/// needs the value says so with [`Phi::expose`].
#[derive(Clone, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct Phi<T>(T);

impl<T> Phi<T> {
    /// Wraps a value.
    pub const fn new(value: T) -> Self {
        Self(value)
    }

    /// The value itself.
    pub const fn expose(&self) -> &T {
        &self.0
    }

    /// The value itself, unwrapped.
    pub fn into_inner(self) -> T {
        self.0
    }
}

impl<T> From<T> for Phi<T> {
    fn from(value: T) -> Self {
        Self(value)
    }
}

impl<T> fmt::Debug for Phi<T> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("[phi]")
    }
}

impl<T> fmt::Display for Phi<T> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("[phi]")
    }
}

#[cfg(test)]
mod tests {
    use super::Phi;

    #[test]
    fn a_phi_prints_nothing_of_its_value() {
        let name = Phi::new("Marta Planted".to_owned());
        assert_eq!(format!("{name} {name:?} {name:#?}"), "[phi] [phi] [phi]");
        assert_eq!(name.expose(), "Marta Planted");
    }
}
