//! One use of a connection.
