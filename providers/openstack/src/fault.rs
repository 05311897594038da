//! What a refusal of each service means. OpenStack says the same thing in as many ways as it has services.

use std::time::Duration;

use mooring_provider::{Error, ErrorKind};
use mooring_provider_http::{Answer, Redactor};
use serde_json::Value as Json;

use crate::config::Service;

/// What a service said of a refusal.
#[derive(Debug, Default)]
struct Said {
    /// Its type or class of error.
    code: Option<String>,
    message: String,
    /// It is the service that spoke, in its own form, and not something in front of it.
    own: bool,
}

/// The error of an answer that is no success.
pub(crate) fn classify(service: Service, operation: &'static str, answer: &Answer, redactor: &Redactor) -> Error {
    let said = read(service, answer);
    let kind = match answer.status.as_u16() {
        401 => ErrorKind::Unauthenticated,
        403 if service == Service::LoadBalancer && said.message.contains("Quota has been met") => {
            ErrorKind::QuotaExceeded
        }
        403 => ErrorKind::PermissionDenied,
        409 if service == Service::Network => neutron_conflict(&said),
        // Octavia tells an object in motion and one that is there already apart only in words; both are looked at
        // again. Trove says it of what is in use.
        409 | 422 => ErrorKind::Busy,
        413 if said.message.contains("uota") => ErrorKind::QuotaExceeded,
        413 | 429 => ErrorKind::Throttled,
        400 if said.message.contains("uota") && said.message.contains("xceeded") => ErrorKind::QuotaExceeded,
        400 => ErrorKind::InvalidSpec,
        500 if service == Service::LoadBalancer => octavia_failure(&said),
        408 | 500..=599 => ErrorKind::Unavailable,
        _ => ErrorKind::Unexpected,
    };
    finish(kind, operation, answer, said, redactor)
}

/// The error of a 404 without a service's own words: it says nothing about what was asked for.
pub(crate) fn lost_way(service: Service, operation: &'static str, answer: &Answer, redactor: &Redactor) -> Error {
    let said = Said {
        message: format!(
            "something that is not the {} service said 404; is spec.openstack.endpoints right?",
            service.as_str()
        ),
        ..Said::default()
    };
    finish(ErrorKind::Unexpected, operation, answer, said, redactor)
}

/// Whether a 404 is the service's own.
pub(crate) fn is_missing(service: Service, answer: &Answer) -> bool {
    let said = read(service, answer);
    match service {
        Service::Network => said.own && said.code.as_deref().is_some_and(|code| code.ends_with("NotFound")),
        Service::LoadBalancer => said.own && said.message.contains("not found"),
        Service::Database => said.own && said.code.as_deref() == Some("itemNotFound"),
    }
}

/// The error of a login that failed. An application credential that was deleted is said to be not found.
pub(crate) fn login(answer: &Answer, who: &str, redactor: &Redactor) -> Error {
    const OPERATION: &str = "openstack.login";
    let body: Json = serde_json::from_slice(&answer.body).unwrap_or_default();
    let message = body["error"]["message"].as_str().unwrap_or_default().to_owned();
    let own = body["error"].is_object();
    let (kind, message) = match answer.status.as_u16() {
        401 | 404 if own => (
            ErrorKind::Unauthenticated,
            format!("Keystone refuses {who}: {message} Was it deleted, disabled, or is it out of date?"),
        ),
        403 if own => (ErrorKind::PermissionDenied, message),
        400 => (ErrorKind::InvalidSpec, message),
        404 => (
            ErrorKind::InvalidSpec,
            "there is no Keystone at spec.openstack.authUrl; it ends in /v3".into(),
        ),
        429 => (ErrorKind::Throttled, message),
        500..=599 => (ErrorKind::Unavailable, message),
        _ => (ErrorKind::Unexpected, message),
    };
    let said = Said { message, ..Said::default() };
    finish(kind, OPERATION, answer, said, redactor)
}

fn finish(kind: ErrorKind, operation: &'static str, answer: &Answer, said: Said, redactor: &Redactor) -> Error {
    let message = redactor.message(&said.message);
    let message = match message.is_empty() {
        true => format!("the answer was {}", answer.status),
        false => message,
    };
    let status = answer.status.as_u16();
    let mut error = Error::new(kind, operation, message).with_code(match said.code {
        Some(code) => format!("{status} {code}"),
        None => status.to_string(),
    });
    for header in ["x-openstack-request-id", "x-compute-request-id"] {
        if let Some(id) = answer.header(header) {
            error = error.with_request_id(id);
            break;
        }
    }
    let after = answer.header("retry-after").and_then(|after| after.trim().parse().ok());
    match after {
        Some(after) if kind == ErrorKind::Throttled => error.with_retry_after(Duration::from_secs(after)),
        _ => error,
    }
}

fn read(service: Service, answer: &Answer) -> Said {
    let body: Json = serde_json::from_slice(&answer.body).unwrap_or_default();
    let text = |value: &Json| value.as_str().map(str::to_owned);
    match service {
        Service::Network if body["NeutronError"].is_object() => Said {
            code: text(&body["NeutronError"]["type"]),
            message: text(&body["NeutronError"]["message"]).unwrap_or_default(),
            own: true,
        },
        Service::LoadBalancer if body["faultstring"].is_string() => Said {
            code: text(&body["faultcode"]),
            message: text(&body["faultstring"]).unwrap_or_default(),
            own: true,
        },
        Service::Database => match body.as_object().and_then(|body| body.iter().next()) {
            Some((code, detail)) if detail["code"].is_number() => Said {
                code: Some(code.clone()),
                message: text(&detail["message"]).unwrap_or_default(),
                own: true,
            },
            _ => Said::default(),
        },
        Service::Network | Service::LoadBalancer => Said {
            message: text(&body["error"]["message"]).unwrap_or_default(),
            ..Said::default()
        },
    }
}

fn neutron_conflict(said: &Said) -> ErrorKind {
    match said.code.as_deref().unwrap_or_default() {
        "OverQuota" | "IpAddressGenerationFailure" | "NoNetworkAvailable" => ErrorKind::QuotaExceeded,
        "IpAddressInUse" | "IpAddressAlreadyAllocated" | "MacAddressInUse" => ErrorKind::NotOwned,
        _ => ErrorKind::Busy,
    }
}

/// Octavia dresses what Neutron refuses as a failure of its own.
fn octavia_failure(said: &Said) -> ErrorKind {
    let message = said.message.to_ascii_lowercase();
    let says = |words: &str| message.contains(words);
    match () {
        () if says("overquota") || says("quota exceeded") || says("no more ip addresses") => ErrorKind::QuotaExceeded,
        () if says("conflictexception") || says("already allocated") || says("in use") => ErrorKind::NotOwned,
        () if says("badrequestexception") => ErrorKind::InvalidSpec,
        () => ErrorKind::Unavailable,
    }
}
