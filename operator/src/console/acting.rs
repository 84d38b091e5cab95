//! How an act begins, whatever it does then: whether somebody may, who and why, and the trail that will say so.

use epro_store::AuditChain;
use epro_store::audit::AuditFacts;
use tokio::sync::MutexGuard;

use super::act::Form;
use super::desk::Desk;
use super::refused::Refused;
use super::visitor::Visitor;

/// An act that has begun. Until it is dropped no other act of this process is done.
pub(crate) struct Acting<'desk, 'form> {
    pub who: AuditFacts,
    pub reason: &'form str,
    pub chain: MutexGuard<'desk, AuditChain>,
}

/// Begins one, if whoever sent the form `may`.
pub(crate) async fn begin<'desk, 'form>(
    desk: &'desk Desk,
    form: &'form Form,
    may: fn(&Visitor) -> Result<(), Refused>,
) -> Result<Acting<'desk, 'form>, Refused> {
    may(&form.visitor)?;
    let (who, reason) = (form.by(), form.reason()?);
    Ok(Acting { who, reason, chain: desk.chain().await? })
}
