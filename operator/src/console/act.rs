//! A form that does something: whose it is, that it comes from a page of ours, and why.

use std::collections::HashMap;
use std::net::SocketAddr;
use std::sync::Arc;

use axum::extract::{ConnectInfo, FromRequest, FromRequestParts as _, Request};
use axum::response::{IntoResponse as _, Response};
use epro_store::audit::{AuditFacts, network};

use super::attempts::TraceId;
use super::desk::{Desk, actor};
use super::refused::Refused;
use super::visitor::Visitor;

/// The longest reason, in characters.
const LONGEST: usize = 500;

/// A form of somebody who is signed in. Nothing else makes one, so that no act goes without the checks.
pub(crate) struct Form {
    pub visitor: Visitor,
    fields: HashMap<String, String>,
    /// The network that it came from.
    from: Option<String>,
    trace: TraceId,
}

impl Form {
    /// A field that was filled in.
    pub(crate) fn field(&self, name: &str) -> Option<&str> {
        self.fields.get(name).map(|value| value.trim()).filter(|value| !value.is_empty())
    }

    /// Why, for the audit trail.
    pub(crate) fn reason(&self) -> Result<&str, Refused> {
        let reason = self.field("reason").ok_or_else(|| Refused::invalid("A reason is needed."))?;
        if reason.chars().count() > LONGEST {
            return Err(Refused::invalid(format!("A reason has at most {LONGEST} characters.")));
        }
        Ok(reason)
    }

    /// Who and from where, for the audit trail.
    pub(crate) fn by(&self) -> AuditFacts {
        let (from_network, trace_id) = (self.from.clone(), Some(self.trace.0.clone()));
        AuditFacts { from_network, trace_id, ..AuditFacts::by(actor(&self.visitor.session.who)) }
    }
}

impl FromRequest<Arc<Desk>> for Form {
    type Rejection = Response;

    async fn from_request(request: Request, desk: &Arc<Desk>) -> Result<Self, Response> {
        let (mut parts, body) = request.into_parts();
        let visitor = Visitor::from_request_parts(&mut parts, desk).await?;
        let from = parts.extensions.get::<ConnectInfo<SocketAddr>>().map(|from| network(from.0.ip()));
        let trace = parts.extensions.get::<TraceId>().cloned().unwrap_or_else(|| TraceId::of(&parts.headers));
        let fields =
            axum::Form::<HashMap<String, String>>::from_request(Request::from_parts(parts, body), desk)
                .await
                .map_err(|_| Refused::invalid("The form can't be read.").into_response())?;
        let form = Self { visitor, fields: fields.0, from, trace };
        let token = form.field("form_token").unwrap_or_default();
        if desk.sessions.is_form_token(&form.visitor.session, token) {
            Ok(form)
        } else {
            Err(Refused::forged().into_response())
        }
    }
}
