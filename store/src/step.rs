//! One statement of a pipeline with its parameters.

use tokio_postgres::types::ToSql;

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
