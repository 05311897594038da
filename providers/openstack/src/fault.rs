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
    let said = Said {
        message,
        ..Said::default()
    };
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

#[cfg(test)]
mod tests {
    use mooring_provider::{ErrorKind::*, Retry};
    use mooring_provider_http::{StatusCode, header::HeaderMap};
    use secrecy::SecretString;
    use serde_json::json;

    use super::*;

    fn answer(status: u16, body: &Json) -> Answer {
        Answer {
            status: StatusCode::from_u16(status).expect("a status"),
            headers: HeaderMap::new(),
            body: body.to_string().into(),
        }
    }

    fn neutron(kind: &str) -> Json {
        json!({"NeutronError": {"type": kind, "message": "said Neutron", "detail": ""}})
    }

    fn octavia(message: &str) -> Json {
        json!({"faultcode": "Server", "faultstring": message, "debuginfo": null})
    }

    fn trove(kind: &str, code: u16, message: &str) -> Json {
        json!({kind: {"code": code, "message": message}})
    }

    /// The texts are those that the services were seen to say.
    #[test]
    fn each_service_refuses_in_its_own_way() {
        use Service::{Database, LoadBalancer, Network};
        let taken = "Error creating neutron port on network 1: ConflictException: 409: Client Error for url: \
                     http://c/v2.0/ports, IP address 10.0.0.9 already allocated in subnet 2";
        let cases = [
            (Network, 409, neutron("OverQuota"), QuotaExceeded),
            (Network, 409, neutron("IpAddressGenerationFailure"), QuotaExceeded),
            (Network, 409, neutron("NetworkInUse"), Busy),
            (Network, 409, neutron("SubnetInUse"), Busy),
            (Network, 409, neutron("RouterInUse"), Busy),
            (Network, 409, neutron("IpAddressAlreadyAllocated"), NotOwned),
            (Network, 400, neutron("InvalidInput"), InvalidSpec),
            (Network, 403, neutron("PolicyNotAuthorized"), PermissionDenied),
            (Network, 503, Json::Null, Unavailable),
            (
                Network,
                401,
                json!({"error": {"code": 401, "message": "no"}}),
                Unauthenticated,
            ),
            (
                LoadBalancer,
                403,
                octavia("Quota has been met for resources: Load Balancer"),
                QuotaExceeded,
            ),
            (
                LoadBalancer,
                403,
                octavia("Policy does not allow this request to be performed."),
                PermissionDenied,
            ),
            (
                LoadBalancer,
                409,
                octavia("Load Balancer 1 is immutable and cannot be updated."),
                Busy,
            ),
            (LoadBalancer, 500, octavia(taken), NotOwned),
            (
                LoadBalancer,
                500,
                octavia("No more IP addresses available on network 1"),
                QuotaExceeded,
            ),
            (LoadBalancer, 500, octavia("Something broke"), Unavailable),
            (LoadBalancer, 400, octavia("Subnet 1 not found."), InvalidSpec),
            (Database, 422, trove("unprocessableEntity", 422, "not ready"), Busy),
            (
                Database,
                413,
                trove("overLimit", 413, "Quota exceeded for resources: ['instances']."),
                QuotaExceeded,
            ),
            (
                Database,
                413,
                trove("overLimit", 413, "This request was rate-limited."),
                Throttled,
            ),
            (
                Database,
                400,
                trove("badRequest", 400, "Flavor 9 cannot be found."),
                InvalidSpec,
            ),
            (Database, 429, Json::Null, Throttled),
            (Database, 302, Json::Null, Unexpected),
        ];
        for (service, status, body, wanted) in cases {
            let error = classify(service, "test", &answer(status, &body), &Redactor::default());
            assert_eq!(error.kind(), wanted, "{service:?} {status} {body}");
            assert!(
                error.code().is_some_and(|code| code.starts_with(&status.to_string())),
                "{error}"
            );
        }
    }

    #[test]
    fn only_a_service_itself_can_say_that_there_is_none() {
        let gone = [
            (Service::Network, neutron("NetworkNotFound")),
            (Service::LoadBalancer, octavia("Load Balancer 1 not found.")),
            (Service::Database, trove("itemNotFound", 404, "no")),
        ];
        for (service, body) in gone {
            assert!(is_missing(service, &answer(404, &body)), "{service:?}");
            for other in [Json::Null, json!("404"), json!({"error": "no such page"})] {
                assert!(!is_missing(service, &answer(404, &other)), "{service:?} {other}");
            }
        }
        let error = lost_way(
            Service::Network,
            "test",
            &answer(404, &Json::Null),
            &Redactor::default(),
        );
        assert_eq!(error.kind(), Unexpected);
    }

    #[test]
    fn a_deleted_credential_is_a_refused_one() {
        let body = |code: u16| json!({"error": {"code": code, "message": "Could not find it.", "title": "x"}});
        let kind = |status, body: &Json| login(&answer(status, body), "the user x", &Redactor::default()).kind();
        assert_eq!(kind(404, &body(404)), Unauthenticated);
        assert_eq!(kind(401, &body(401)), Unauthenticated);
        assert_eq!(
            kind(404, &Json::Null),
            InvalidSpec,
            "there is something else at that address"
        );
        assert_eq!(kind(503, &Json::Null), Unavailable);
    }

    #[test]
    fn it_says_when_to_come_back_and_nothing_secret() {
        let body = trove("overLimit", 429, "slow down, p4ssw0rd");
        let mut answer = answer(429, &body);
        answer.headers.insert("retry-after", "7".parse().expect("a value"));
        answer
            .headers
            .insert("x-openstack-request-id", "req-1".parse().expect("a value"));
        let redactor = Redactor::new([&SecretString::from("p4ssw0rd")]);
        let error = classify(Service::Database, "test", &answer, &redactor);
        assert_eq!(error.retry(), Retry::After(Duration::from_secs(7)));
        assert_eq!(error.request_id(), Some("req-1"));
        assert!(!format!("{error} {error:?}").contains("p4ssw0rd"));
    }
}
