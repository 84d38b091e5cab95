//! JSON Schemas of what crosses a boundary.
