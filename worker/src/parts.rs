//! The parts of a chunk that are still to be committed, where a row can be to blame.

use std::ops::Range;

/// Parts of a chunk: the whole, and, when a row of a part is refused, that part's halves, and so on. Of 256
/// rows with one bad one, 255 are committed after at most 16 further transactions.
pub(crate) struct Parts {
    todo: Vec<Range<usize>>,
}

impl Parts {
    /// All of `rows` rows, as one part.
    pub(crate) fn of(rows: usize) -> Self {
        Self { todo: (rows > 0).then_some(0..rows).into_iter().collect() }
    }

    /// The next part, in the order of the rows; `None`: all is done.
    pub(crate) fn next(&mut self) -> Option<Range<usize>> {
        self.todo.pop()
    }

    /// A row of `part` was refused. Gives its place if it is the only one; otherwise the halves come next.
    pub(crate) fn refused(&mut self, part: Range<usize>) -> Option<usize> {
        if part.len() <= 1 {
            return Some(part.start);
        }
        let middle = part.start + part.len() / 2;
        // The lower half last, so that it is popped first.
        self.todo.extend([middle..part.end, part.start..middle]);
        None
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn two_bad_rows_of_256_are_found_alone_and_every_other_is_committed_once_in_order() {
        let (bad, mut alone, mut committed) = ([97, 200], Vec::new(), Vec::new());
        let mut parts = Parts::of(256);
        while let Some(part) = parts.next() {
            if bad.iter().any(|bad| part.contains(bad)) {
                alone.extend(parts.refused(part));
            } else {
                committed.extend(part);
            }
        }
        assert_eq!(alone, bad);
        assert_eq!(committed, (0..256).filter(|row| !bad.contains(row)).collect::<Vec<_>>());
        assert_eq!(Parts::of(0).next(), None);
    }
}
