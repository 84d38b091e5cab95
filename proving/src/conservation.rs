//! What was accepted is stored or set aside, byte for byte, and nothing else is.

use anyhow::Result;

use crate::client::Sent;
use crate::stack::Stack;

/// What a conservation check counted.
#[derive(Clone, Debug, Default)]
pub struct Account {
    /// Submissions answered 202.
    pub accepted: usize,
    /// Rows in `identified.submission`.
    pub stored: usize,
    /// Dead letters.
    pub dead: usize,
}

/// Checks a quiet stack against the client's own log; waits up to 60 s for quiet.
/// An error lists every difference.
pub async fn conservation(stack: &Stack, log: &[Sent]) -> Result<Account> {
    let _ = (stack, log);
    anyhow::bail!("being written")
}
