//! The products, a module each, and what they have in common on the wire.

mod apsara;
pub(crate) mod clb;
pub(crate) mod cms;
pub(crate) mod ecs;
pub(crate) mod nlb;
pub(crate) mod rds;
pub(crate) mod sls;
pub(crate) mod sts;
pub(crate) mod tag;
pub(crate) mod tags;
pub(crate) mod vpc;
mod vswitch;

use serde_json::{Value as Json, json};

use crate::{
    Call,
    context::Context,
    core::Parts,
    params::Params,
    refusal::{Answer, Refusal, absent, bad},
    request::{Request, Target},
    world::{Token, millis},
};

/// What an Apsara Stack wants besides in every query.
const SCOPED: [&str; 4] = ["Department", "OrganizationId", "ResourceGroup", "Product"];

/// The parameters of a call, held to the contract.
pub(crate) fn params(request: &Request, target: &Target, scoped: bool) -> Answer<Params> {
    if target.product != "Sls" {
        let also = if scoped { &SCOPED[..] } else { &[] };
        return target.contract.rpc(&request.query, &request.form, also);
    }
    let is_log = target.action == "PutLogs";
    let body = (!request.body.is_empty() && !is_log).then(|| serde_json::from_slice(&request.body));
    let body = body
        .transpose()
        .map_err(|error| Refusal::new(400, "PostBodyInvalid", error.to_string()))?;
    target.contract.rest(target.path.clone(), &request.query, body)
}

/// Carries out an Action, once for each client token.
pub(crate) fn dispatch(context: &mut Context<'_>) -> Answer {
    let reads = ["Describe", "List", "Get", "Check"]
        .iter()
        .any(|read| context.action.starts_with(read));
    let token = context.params.text("ClientToken").filter(|_| !reads).map(str::to_owned);
    let Some(token) = token else { return route(context) };
    if token.len() > 64 || !token.is_ascii() {
        return bad(
            "InvalidClientToken.Malformed",
            "ClientToken takes up to 64 ASCII characters.",
        );
    }
    let key = format!(
        "{}/{}/{}/{token}",
        context.caller.account, context.product, context.action
    );
    let params = context.params.without(&["ClientToken"]);
    if let Some(known) = context.world.tokens.get(&key) {
        if known.params != params {
            let code = match context.product {
                "Vpc" => "Duplicated.ClientToken",
                "Nlb" => "IdempotenceSignatureMismatch",
                _ => "IdempotentParameterMismatch",
            };
            return bad(
                code,
                "The request uses the same client token as a previous, but non-identical request.",
            );
        }
        if context.now < known.settled {
            let code = match (context.product, context.action) {
                ("Vpc", "CreateVpc") => "TOKEN_PROCESSING",
                ("Vpc", _) => "OperationFailed.IdempotentTokenProcessing",
                ("Rds", _) => "InvalidRequestId",
                _ => "OperationFailed.TokenIsProcessing",
            };
            return bad(code, "The operation with this client token is still processing.");
        }
        return Ok(known.reply.clone());
    }
    let reply = route(context)?;
    let settled = context.now + millis(context.options.token_processing);
    context.world.tokens.insert(
        key,
        Token {
            params,
            reply: reply.clone(),
            settled,
        },
    );
    Ok(reply)
}

fn route(context: &mut Context<'_>) -> Answer {
    let answer = match context.product {
        "Vpc" => vpc::call(context),
        "Ecs" => ecs::call(context),
        "Slb" => clb::call(context),
        "Nlb" => nlb::call(context),
        "Rds" => rds::call(context),
        "Sls" => sls::call(context),
        "Cms" => cms::call(context),
        "Sts" => sts::call(context),
        "Tag" => tag::call(context),
        "Ascm" | "SlsProjects" => apsara::call(context),
        _ => None,
    };
    answer.unwrap_or_else(|| absent("InvalidAction.NotFound", "This Action is not served here."))
}

/// An answer in the clothes of its product.
pub(crate) fn dress(request: &Request, call: &Call, answer: &Answer, region: &str) -> Parts {
    let id = &call.request_id;
    if request.is_sls() {
        return dress_sls(request, call, answer);
    }
    let (status, mut body, retry_after) = match answer {
        Ok(reply) => (200, reply.clone(), None),
        Err(refusal) => {
            let host = format!("{}.{region}.aliyuncs.com", call.product.to_lowercase());
            let recommend = format!("https://api.aliyun.com/troubleshoot?q={}", refusal.code);
            let body =
                json!({"HostId": host, "Code": refusal.code, "Message": refusal.message, "Recommend": recommend});
            (refusal.status, body, refusal.retry_after)
        }
    };
    body["RequestId"] = Json::from(id.as_str());
    if call.product == "Cms" && answer.is_err() {
        body["Success"] = false.into();
    }
    let mut status = status;
    if request.is_asapi() {
        body["asapiSuccess"] = (status == 200).into();
        if let Err(refusal) = answer {
            // The gateway answers 200 whatever the product says.
            status = 200;
            body["asapiErrorCode"] = refusal.code.as_ref().into();
            body["asapiErrorMessage"] = refusal.message.as_str().into();
        }
    }
    let mut headers = vec![
        ("content-type", "application/json;charset=utf-8".to_owned()),
        ("x-acs-request-id", id.clone()),
    ];
    headers.extend(retry_after.map(|after| ("x-acs-retry-after", after.to_string())));
    Parts {
        status,
        headers,
        body: body.to_string(),
        cut: None,
    }
}

fn dress_sls(request: &Request, call: &Call, answer: &Answer) -> Parts {
    let (status, body) = match answer {
        Ok(Json::Null) => (200, String::new()),
        Ok(reply) => (200, reply.to_string()),
        Err(refusal) => {
            // Throttling has a code and a status of its own there.
            let (status, code) = match refusal.code.as_ref() {
                "Throttling.User" if request.method == "GET" => (403, "ReadQuotaExceed"),
                "Throttling.User" => (403, "WriteQuotaExceed"),
                "ServiceUnavailable" => (503, "ServerBusy"),
                "MissingParameter" => (400, "ParameterInvalid"),
                code => (refusal.status, code),
            };
            (
                status,
                json!({"errorCode": code, "errorMessage": refusal.message}).to_string(),
            )
        }
    };
    let headers = vec![
        ("content-type", "application/json".to_owned()),
        ("x-log-requestid", call.request_id.replace('-', "")),
    ];
    Parts {
        status,
        headers,
        body,
        cut: None,
    }
}
