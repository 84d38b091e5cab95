//! Somebody whose token was believed.

use std::sync::Arc;

use epro_schemas::phi::Phi;

use super::Unbelieved;
use super::claims::Claims;

/// The longest `sub`, in characters: that of a subject.
const MAX_SUB: usize = epro_schemas::submission::MAX_SUBJECT;

/// Somebody whose token was believed, and what it allows.
#[derive(Debug)]
pub struct Caller {
    /// The token's `sub`; the patient, if the scope is `submit`.
    pub sub: Phi<String>,
    /// Scope `submit`: for oneself.
    pub may_submit: bool,
    /// Scope `submit:any`: for the patient that the body names.
    pub may_submit_any: bool,
    /// Scope `read:site` or `read:identified`: whatever belongs to the studies and sites of the token.
    pub may_read_site: bool,
    /// Scope `read:identified`: the same with the patient in it.
    pub may_read_identified: bool,
    /// Scope `acknowledge`: the alerts of the studies and sites of the token.
    pub may_acknowledge: bool,
    /// Scope `report`: what hospitals know of patients of the studies and sites of the token.
    pub may_report: bool,
    /// Scope `export`: in bulk, what belongs to the studies and sites of the token.
    pub may_export: bool,
    /// Scope `export:identified`: with what identifies patients.
    pub may_export_identified: bool,
    /// Scope `console:viewer`: looks at the console.
    pub may_view: bool,
    /// Scope `console:operator`: looks, pauses, redrives.
    pub may_operate: bool,
    /// Scope `console:steward`: looks, and reveals what a dead letter holds.
    pub may_reveal: bool,
    /// Unix seconds until which the token holds.
    pub until: f64,
    /// The token's studies.
    pub studies: Vec<String>,
    /// The token's sites.
    pub sites: Vec<String>,
    /// Whether there is a claim `study` at all: at the door a token without one is for none, at the console for all.
    pub names_studies: bool,
    /// The same of `site`.
    pub names_sites: bool,
    /// The client's name if it is a configured one, else `other`; `None` if the token names none.
    pub client: Option<Arc<str>>,
}

impl Caller {
    pub(super) fn new(
        claims: Claims,
        known_clients: &[Arc<str>],
        other: &Arc<str>,
    ) -> Result<Self, Unbelieved> {
        let length = claims.sub.chars().count();
        if length == 0 || length > MAX_SUB || claims.sub.chars().any(char::is_control) {
            return Err(Unbelieved::Claims);
        }
        let has = |scope: &str| claims.scope.split_ascii_whitespace().any(|word| word == scope);
        let named = claims.client.as_deref().or(claims.azp.as_deref());
        let label =
            |name: &str| known_clients.iter().find(|known| &***known == name).unwrap_or(other).clone();
        Ok(Self {
            may_submit: has("submit"),
            may_submit_any: has("submit:any"),
            may_read_site: has("read:site") || has("read:identified"),
            may_read_identified: has("read:identified"),
            may_acknowledge: has("acknowledge"),
            may_report: has("report"),
            may_export: has("export"),
            may_export_identified: has("export:identified"),
            may_view: has("console:viewer") || has("console:operator") || has("console:steward"),
            may_operate: has("console:operator"),
            may_reveal: has("console:steward"),
            until: claims.exp,
            client: named.map(label),
            names_studies: claims.study.is_some(),
            names_sites: claims.site.is_some(),
            studies: claims.study.map(|names| names.0).unwrap_or_default(),
            sites: claims.site.map(|names| names.0).unwrap_or_default(),
            sub: Phi::new(claims.sub),
        })
    }
}
