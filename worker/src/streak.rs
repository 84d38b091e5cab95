//! Dead letters of one class in a row: the sign that something other than the messages is broken.

/// Counts how many deliveries in a row ended as dead letters of the same class.
#[derive(Debug)]
pub(crate) struct Streak {
    limit: Option<u32>,
    class: Option<&'static str>,
    length: u32,
}

impl Streak {
    /// A streak that ends the lane's work at `limit`; `None`: never.
    pub(crate) fn new(limit: Option<u32>) -> Self {
        Self { limit, class: None, length: 0 }
    }

    /// Takes what became of the next deliveries, and returns the class if the limit is reached.
    ///
    /// `None` in `classes` is a success and starts anew.
    pub(crate) fn ended_by(
        &mut self,
        classes: impl IntoIterator<Item = Option<&'static str>>,
    ) -> Option<&'static str> {
        for class in classes {
            if class.is_some() && class == self.class {
                self.length += 1;
            } else {
                self.class = class;
                self.length = u32::from(class.is_some());
            }
            if self.limit.is_some_and(|limit| self.length >= limit) {
                return self.class;
            }
        }
        None
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn twenty_of_one_class_in_a_row_end_it() {
        let mut streak = Streak::new(Some(20));
        assert_eq!(streak.ended_by([Some("undecodable"); 19]), None);
        assert_eq!(streak.ended_by([Some("undecodable")]), Some("undecodable"));
    }

    #[test]
    fn a_success_or_another_class_starts_anew() {
        let mut streak = Streak::new(Some(3));
        assert_eq!(streak.ended_by([Some("a"), Some("a"), None, Some("a"), Some("a")]), None);
        assert_eq!(streak.ended_by([Some("b"), Some("b"), Some("a")]), None);
    }

    #[test]
    fn without_a_limit_it_never_ends() {
        assert_eq!(Streak::new(None).ended_by([Some("a"); 1000]), None);
    }
}
