//! The form of an instrument file.
