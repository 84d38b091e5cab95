//! One statement of a pipeline with its parameters.

use bytes::BytesMut;
use std::error::Error;
use tokio_postgres::types::{IsNull, ToSql, Type, to_sql_checked};

/// A statement and its parameters.
pub(crate) struct Step<'a> {
    pub(crate) sql: &'static str,
    parameters: Vec<Box<dyn ToSql + Sync + Send + 'a>>,
}

impl<'a> Step<'a> {
    pub(crate) fn new(sql: &'static str) -> Self {
        Self { sql, parameters: Vec::new() }
    }

    /// One more parameter.
    pub(crate) fn with<T: ToSql + Sync + Send + 'a>(mut self, value: T) -> Self {
        self.parameters.push(Box::new(value));
        self
    }

    /// The first parameter of a large statement, which takes so many bytes: the client's buffer would copy what it has
    /// each time it has to grow.
    pub(crate) fn with_room<T: ToSql + Sync + Send + 'a>(self, bytes: usize, value: T) -> Self {
        self.with(Roomy { bytes, value })
    }

    /// One more parameter: the array of `value` of each of `rows`, a column of an `unnest`.
    pub(crate) fn column<'r: 'a, R, T>(self, rows: &'r [R], value: impl Fn(&'r R) -> T) -> Self
    where
        T: ToSql + Sync + Send + 'a,
    {
        self.with(rows.iter().map(value).collect::<Vec<T>>())
    }

    pub(crate) fn references(&self) -> Vec<&(dyn ToSql + Sync)> {
        self.parameters.iter().map(|parameter| parameter.as_ref() as &(dyn ToSql + Sync)).collect()
    }
}

/// A value before which room is made.
#[derive(Debug)]
struct Roomy<T> {
    bytes: usize,
    value: T,
}

impl<T: ToSql> ToSql for Roomy<T> {
    fn to_sql(&self, ty: &Type, out: &mut BytesMut) -> Result<IsNull, Box<dyn Error + Sync + Send>> {
        out.reserve(self.bytes);
        self.value.to_sql(ty, out)
    }

    fn accepts(ty: &Type) -> bool {
        T::accepts(ty)
    }

    to_sql_checked!();
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn room_for_a_statement_is_made_before_its_first_value_which_stays_the_same() {
        let (mut plain, mut roomy) = (BytesMut::new(), BytesMut::new());
        vec![1_i32, 2].to_sql(&Type::INT4_ARRAY, &mut plain).unwrap();
        let step = Step::new("").with_room(4096, vec![1_i32, 2]);
        step.references()[0].to_sql_checked(&Type::INT4_ARRAY, &mut roomy).unwrap();
        assert_eq!(roomy, plain);
        assert!(roomy.capacity() >= 4096);
    }
}
