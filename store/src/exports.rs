//! Bulk exports: a row is what was asked for and how far it is; whoever holds the lease of its slot works at it.

mod claim;
mod look;
mod page;
mod progress;
mod reports;
mod request;

pub use claim::ExportJob;
pub use look::{ExportFile, ExportStatus};
pub use page::{ExportRow, PageKey, Sealed};
pub use progress::{ExportPart, Going};
pub use reports::ExportReport;
pub use request::Cancelled;

/// The kind of the leases of slots.
pub const LEASES: &str = "export";
