//! The message types: what stands in a message's `type` property, and what a
//! seal binds its body to. Each body is under one: see [`crate::sealed`].

/// An [`crate::envelope::Envelope`].
pub const SUBMISSION: &str = "epro.submission.v1";
/// A [`crate::alert::AlertMessage`] as JSON.
pub const ALERT: &str = "epro.alert.v1";
/// A [`crate::alert::DeliveryMessage`] as JSON.
pub const DELIVERY: &str = "epro.delivery.v1";
/// A [`crate::alert::RiskMessage`] as JSON.
pub const RISK: &str = "epro.risk.v1";
/// An [`crate::alert::Acknowledgement`] as JSON.
pub const ACKNOWLEDGEMENT: &str = "epro.acknowledgement.v1";
/// A [`crate::report::Job`] as JSON.
pub const REPORT: &str = "epro.report.v1";
/// A [`crate::export::ExportRequest`] as JSON.
pub const EXPORT: &str = "epro.export.v1";
/// A [`crate::export::ExportCancel`] as JSON.
pub const EXPORT_CANCEL: &str = "epro.export-cancel.v1";
/// An [`crate::audit_note::AuditNote`] as JSON: an entry for the audit trail.
pub const AUDIT: &str = "epro.audit.v1";
/// What the seal around a dead letter's body is bound to, where the body came in the clear or broken.
/// No message is of this type.
pub const DEAD_LETTER: &str = "epro.dead-letter.v1";
/// What the seal around a subject's id is bound to. No message is of this type.
pub const SUBJECT: &str = "epro.subject.v1";
/// What the seal around a stored report is bound to. No message is of this type.
pub const REPORT_BODY: &str = "epro.report-body.v1";
