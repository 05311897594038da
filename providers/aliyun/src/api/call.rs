//! One call and its answer.

use mooring_provider::Receipt;
use mooring_provider_http::Method;
use serde_json::Value as Json;

use crate::{params::Params, product::Product};

/// A call of an RPC product.
#[derive(Debug, Clone)]
pub struct Call {
    /// The product.
    pub product: Product,
    /// The Action.
    pub action: &'static str,
    /// What errors call it: `rds.create`.
    pub operation: &'static str,
    /// Its parameters. `RegionId` is added where the Action has one and none is set.
    pub params: Params,
    /// Sending it twice has the effect of sending it once: a read, or a write with a client token.
    pub idempotent: bool,
}

impl Call {
    /// A call that only reads.
    pub fn read(product: Product, action: &'static str, operation: &'static str, params: Params) -> Self {
        Self {
            product,
            action,
            operation,
            params,
            idempotent: true,
        }
    }

    /// A call that changes something and is sent once.
    pub fn write(product: Product, action: &'static str, operation: &'static str, params: Params) -> Self {
        Self {
            idempotent: false,
            ..Self::read(product, action, operation, params)
        }
    }

    /// It carries a client token, or says the whole of what is wanted, so it may be sent again.
    #[must_use]
    pub fn idempotent(mut self) -> Self {
        self.idempotent = true;
        self
    }
}

/// A call of the log service.
#[derive(Debug, Clone)]
pub struct SlsCall {
    /// The Action, as the contract and RAM policies call it.
    pub action: &'static str,
    /// What errors call it: `log.create`.
    pub operation: &'static str,
    /// The project, whose host is spoken to; without one, the region's.
    pub project: Option<String>,
    /// The method.
    pub method: Method,
    /// The path; its variable parts are encoded.
    pub path: String,
    /// The query.
    pub query: Params,
    /// The body.
    pub body: Option<Json>,
    /// Sending it twice has the effect of sending it once.
    pub idempotent: bool,
}

impl SlsCall {
    /// A call. A `GET`, a `PUT` and a `DELETE` count as idempotent.
    pub fn new(action: &'static str, operation: &'static str, method: Method, path: impl Into<String>) -> Self {
        Self {
            action,
            operation,
            project: None,
            idempotent: method != Method::POST,
            method,
            path: path.into(),
            query: Params::new(),
            body: None,
        }
    }

    /// Of this project.
    #[must_use]
    pub fn project(mut self, project: impl Into<String>) -> Self {
        self.project = Some(project.into());
        self
    }

    /// With this query.
    #[must_use]
    pub fn query(mut self, query: Params) -> Self {
        self.query = query;
        self
    }

    /// With this body.
    #[must_use]
    pub fn body(mut self, body: Json) -> Self {
        self.body = Some(body);
        self
    }
}

/// An answer without an error.
#[derive(Debug, Clone)]
pub struct Reply<T> {
    /// What was answered.
    pub value: T,
    /// The provider's id of the request.
    pub request_id: Option<String>,
}

impl<T> Reply<T> {
    /// The receipt for a change.
    pub fn receipt(&self) -> Receipt {
        Receipt {
            request_id: self.request_id.clone(),
            ..Receipt::default()
        }
    }
}

/// Whatever was answered, nothing of it is of interest. An empty body of the log service can be read as this only.
pub type Nothing = serde::de::IgnoredAny;
