//! A form that does something: whose it is, that it comes from a page of ours, and why.

use std::collections::HashMap;
use std::sync::Arc;

use axum::extract::{FromRequest, FromRequestParts as _, Request};
use axum::response::{IntoResponse as _, Response};

use super::desk::Desk;
use super::refused::Refused;
use super::visitor::Visitor;

/// The longest reason, in characters.
const LONGEST: usize = 500;

/// A form of somebody who is signed in. Nothing else makes one, so that no act goes without the checks.
pub(crate) struct Form {
    pub visitor: Visitor,
    fields: HashMap<String, String>,
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

    /// Who, for the audit trail.
    pub(crate) fn who(&self) -> &str {
        &self.visitor.session.who
    }
}

impl FromRequest<Arc<Desk>> for Form {
    type Rejection = Response;

    async fn from_request(request: Request, desk: &Arc<Desk>) -> Result<Self, Response> {
        let (mut parts, body) = request.into_parts();
        let visitor = Visitor::from_request_parts(&mut parts, desk).await?;
        let fields =
            axum::Form::<HashMap<String, String>>::from_request(Request::from_parts(parts, body), desk)
                .await
                .map_err(|_| Refused::invalid("The form can't be read.").into_response())?;
        let form = Self { visitor, fields: fields.0 };
        let token = form.field("form_token").unwrap_or_default();
        if desk.sessions.is_form_token(&form.visitor.session, token) {
            Ok(form)
        } else {
            Err(Refused::forged().into_response())
        }
    }
}
