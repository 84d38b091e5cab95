//! A batch into its items.

use crate::violation::Violation;

/// Splits the body of a batch, a JSON array or one item a line (NDJSON), into
/// the bytes of its items, untouched and in order. The items themselves are
/// not looked into: each is parsed, and refused, on its own.
///
/// # Errors
/// One [`Violation`] if the body is no batch, is empty, or has more than `most` items.
pub fn split(_body: &[u8], _most: usize) -> Result<Vec<&[u8]>, Violation> {
    unimplemented!()
}
