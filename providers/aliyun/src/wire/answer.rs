//! Reading what came back.

use std::time::Duration;

use mooring_provider::{Error, ErrorKind, Result};
use mooring_provider_http::{Answer, Redactor};
use serde_json::Value as Json;

use crate::{
    api::{Call, Reply, SlsCall},
    errors,
    product::Product,
};

/// What an answer says of a failure.
#[derive(Default)]
struct Fault {
    code: Option<String>,
    message: Option<String>,
    request_id: Option<String>,
}

/// The answer of an RPC product. Every good one is a JSON object.
pub(super) fn rpc(call: &Call, answer: &Answer, redactor: &Redactor) -> Result<Reply<Json>> {
    let (product, operation) = (call.product, call.operation);
    let body = serde_json::from_slice::<Json>(&answer.body).ok();
    if !answer.status.is_success() {
        return Err(failure(
            product,
            operation,
            answer,
            fault(answer, body.as_ref()),
            redactor,
        ));
    }
    let Some(body) = body.filter(Json::is_object) else {
        // Truncated, empty, or another's page: the call may have had its effect.
        return Err(answer
            .json::<serde_json::Map<String, Json>>(operation)
            .err()
            .unwrap_or_else(|| Error::new(ErrorKind::Unexpected, operation, "the answer is no JSON object")));
    };
    if failed_within(product, &body) {
        return Err(failure(
            product,
            operation,
            answer,
            fault(answer, Some(&body)),
            redactor,
        ));
    }
    let request_id = text(&body, &["RequestId", "requestId", "eagleEyeTraceId"]);
    Ok(Reply {
        value: body,
        request_id,
    })
}

/// The answer of the log service, whose good ones may be empty.
pub(super) fn sls(call: &SlsCall, answer: &Answer, redactor: &Redactor) -> Result<Reply<Json>> {
    let request_id = answer.header("x-log-requestid").map(str::to_owned);
    if !answer.status.is_success() {
        let body = serde_json::from_slice::<Json>(&answer.body).ok();
        let mut fault = fault(answer, body.as_ref());
        fault.request_id = request_id.or(fault.request_id);
        return Err(failure(Product::Sls, call.operation, answer, fault, redactor));
    }
    let value = if answer.body.is_empty() {
        Json::Null
    } else {
        answer.json(call.operation)?
    };
    Ok(Reply { value, request_id })
}

/// Some products, and the gateway of Apsara Stack, tell of a failure under status 200.
fn failed_within(product: Product, body: &Json) -> bool {
    let no = |name: &str| match body.get(name) {
        Some(Json::Bool(yes)) => !yes,
        Some(Json::String(yes)) => yes.eq_ignore_ascii_case("false"),
        _ => false,
    };
    let code = || text(body, &["Code", "code"]).is_some_and(|code| code != "200");
    no("Success") || no("asapiSuccess") || (matches!(product, Product::Cms | Product::Ascm) && code())
}

fn fault(answer: &Answer, body: Option<&Json>) -> Fault {
    let Some(body) = body.filter(|body| body.is_object()) else {
        let page = String::from_utf8_lossy(&answer.body);
        return Fault {
            code: element(&page, "Code"),
            message: element(&page, "Message"),
            request_id: element(&page, "RequestId"),
        };
    };
    Fault {
        code: text(body, &["asapiErrorCode", "errorCode", "Code", "code"]),
        message: text(
            body,
            &["asapiErrorMessage", "errorMessage", "Message", "message", "errorTitle"],
        ),
        request_id: text(body, &["RequestId", "requestId", "eagleEyeTraceId"]),
    }
}

/// The first of these members that is there, as text.
fn text(body: &Json, names: &[&str]) -> Option<String> {
    names.iter().find_map(|name| match body.get(name)? {
        Json::String(text) if !text.is_empty() => Some(text.clone()),
        Json::Number(number) => Some(number.to_string()),
        _ => None,
    })
}

/// The text of an element of an `<Error>`, which has neither attributes nor nested elements.
fn element(page: &str, name: &str) -> Option<String> {
    let (_, rest) = page.split_once(&format!("<{name}>"))?;
    let (text, _) = rest.split_once(&format!("</{name}>"))?;
    Some(text.trim().to_owned()).filter(|text| !text.is_empty() && !text.contains('<'))
}

fn failure(product: Product, operation: &'static str, answer: &Answer, fault: Fault, redactor: &Redactor) -> Error {
    let status = answer.status;
    if status.is_redirection() {
        let to = answer.header("location").unwrap_or("nowhere");
        let to = redactor.message(to.split('?').next().unwrap_or_default());
        let message = format!("{status} to {to}: redirects are not followed; set the endpoint or the scheme");
        return Error::new(ErrorKind::Unexpected, operation, message);
    }
    let kind = errors::kind(product, status, fault.code.as_deref());
    let said = fault.message.as_deref().map(|message| redactor.message(message));
    let said = said
        .filter(|said| !said.is_empty())
        .unwrap_or_else(|| status.to_string());
    // A message about a signature quotes all that was signed, and helps nobody.
    let mentions = |word: &str| {
        fault
            .code
            .as_deref()
            .is_some_and(|code| code.to_ascii_lowercase().contains(word))
    };
    let message = match kind {
        ErrorKind::Unauthenticated if mentions("signature") => {
            "the signature does not match: the secret is not that of the AccessKey".to_owned()
        }
        ErrorKind::Unauthenticated if mentions("timestamp") || mentions("requesttime") => {
            format!("{said}; is the clock of this machine right?")
        }
        _ => said,
    };
    let mut error = Error::new(kind, operation, message);
    if let Some(code) = fault.code {
        error = error.with_code(redactor.message(&code));
    }
    if let Some(id) = fault.request_id {
        error = error.with_request_id(id);
    }
    if let Some(after) = retry_after(answer).filter(|_| matches!(kind, ErrorKind::Throttled | ErrorKind::Unavailable)) {
        error = error.with_retry_after(after);
    }
    error
}

/// The cloud counts in milliseconds, HTTP in seconds. Whatever is named, nobody waits longer than five minutes.
fn retry_after(answer: &Answer) -> Option<Duration> {
    let number = |name: &str| {
        answer
            .header(name)?
            .trim()
            .parse::<u64>()
            .ok()
            .filter(|number| *number > 0)
    };
    let after = number("x-acs-retry-after")
        .map(Duration::from_millis)
        .or_else(|| number("retry-after").map(Duration::from_secs))?;
    Some(after.min(Duration::from_secs(300)))
}
