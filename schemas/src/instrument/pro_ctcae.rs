//! PRO-CTCAE composite grades.
