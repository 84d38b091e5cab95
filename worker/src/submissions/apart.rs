//! Those of a chunk that go another way than the rest.

/// Takes out those whose places are named, in their order, each with what is said of it. Nearly always that is none, and
/// then nothing is moved: what is in flight is large.
pub(super) fn apart<T, W>(all: Vec<T>, named: Vec<(usize, W)>) -> (Vec<T>, Vec<(T, W)>) {
    if named.is_empty() {
        return (all, Vec::new());
    }
    let mut named = named.into_iter().peekable();
    let (mut rest, mut out) = (Vec::new(), Vec::new());
    for (place, one) in all.into_iter().enumerate() {
        match named.next_if(|(next, _)| *next == place) {
            Some((_, what)) => out.push((one, what)),
            None => rest.push(one),
        }
    }
    (rest, out)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn who_is_named_is_taken_out_and_the_rest_stays_in_its_order() {
        let (rest, out) = apart(vec!['a', 'b', 'c', 'd'], vec![(0, "first"), (2, "third")]);
        assert_eq!(rest, ['b', 'd']);
        assert_eq!(out, [('a', "first"), ('c', "third")]);
        assert_eq!(apart(vec!['a'], vec![(0, ())]), (vec![], vec![('a', ())]));
    }

    #[test]
    fn where_nobody_is_named_nothing_is_moved() {
        let all = vec!['a', 'b'];
        let place = all.as_ptr();
        let (rest, out) = apart(all, Vec::<(usize, ())>::new());
        assert_eq!(rest, ['a', 'b']);
        assert!(out.is_empty() && std::ptr::eq(rest.as_ptr(), place));
    }
}
