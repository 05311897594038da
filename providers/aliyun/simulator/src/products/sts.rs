//! STS: who calls, and credentials for a while.

use serde_json::{Value as Json, json};

use crate::{
    context::Context,
    refusal::{Answer, absent, bad, forbidden},
    world::{Session, iso, wall},
};

pub(crate) fn call(context: &mut Context<'_>) -> Option<Answer> {
    Some(match context.action {
        "GetCallerIdentity" => identity(context),
        "AssumeRole" => assume(context),
        "AssumeRoleWithOIDC" => assume_by_token(context),
        _ => return None,
    })
}

fn identity(context: &Context<'_>) -> Answer {
    let account = context.caller.account.as_str();
    Ok(match &context.caller.role {
        Some(role) => json!({
            "AccountId": account, "Arn": role, "IdentityType": "AssumedRoleUser", "PrincipalId": "300000000000000001:session",
            "RoleId": "300000000000000001",
        }),
        None => json!({
            "AccountId": account, "Arn": format!("acs:ram::{account}:user/simulated"), "IdentityType": "RAMUser",
            "PrincipalId": "200000000000000001", "UserId": "200000000000000001",
        }),
    })
}

/// The account and the name of a role.
fn role<'a>(context: &'a Context<'_>) -> Answer<(&'a str, &'a str)> {
    let arn = context.params.need("RoleArn")?;
    let parts = arn.strip_prefix("acs:ram::").and_then(|rest| rest.split_once(":role/"));
    match parts {
        Some((account, name)) if !account.is_empty() && !name.is_empty() => Ok((account, name)),
        _ => bad("InvalidParameter.RoleArn", "The parameter RoleArn is wrongly formed."),
    }
}

fn assume(context: &mut Context<'_>) -> Answer {
    let (account, name) = role(context)?;
    if account != context.caller.account {
        return forbidden(
            "NoPermission",
            "You are not authorized to do this action. You should be authorized by RAM.",
        );
    }
    if name.starts_with("missing") {
        return absent("EntityNotExist.Role", format!("The role not exists: {name}."));
    }
    credentials(context)
}

/// Any token is good that is not empty; the test that gives it knows what it gave.
fn assume_by_token(context: &mut Context<'_>) -> Answer {
    context.params.need("OIDCProviderArn")?;
    let token = context.params.need("OIDCToken")?;
    if token.contains("expired") {
        return bad("AuthenticationFail.OIDCToken.Expired", "This OIDC token is expired.");
    }
    let account = role(context)?.0.to_owned();
    if !context.options.access_keys.iter().any(|key| key.account == account) {
        return absent("EntityNotExist.Role", "The role not exists.");
    }
    credentials(context)
}

fn credentials(context: &mut Context<'_>) -> Answer {
    let (account, name) = role(context)?;
    let (account, name) = (account.to_owned(), name.to_owned());
    let session = context.params.need("RoleSessionName")?.to_owned();
    let good = |letter: char| letter.is_ascii_alphanumeric() || ".@-_=".contains(letter);
    if !(2..=64).contains(&session.len()) || !session.chars().all(good) {
        return bad(
            "InvalidParameter.RoleSessionName",
            "The parameter RoleSessionName is wrongly formed.",
        );
    }
    let seconds = context.params.int("DurationSeconds").unwrap_or(3600);
    if !(900..=43200).contains(&seconds) {
        return bad(
            "InvalidParameter.DurationSeconds",
            "The Min/Max value of DurationSeconds is 15min/12hr.",
        );
    }
    if context
        .params
        .text("Policy")
        .is_some_and(|policy| serde_json::from_str::<Json>(policy).is_err())
    {
        return bad(
            "InvalidParameter.PolicyGrammar",
            "The parameter Policy has not passed grammar check.",
        );
    }
    let key = format!("STS.{}", context.world.random(24));
    let (secret, token) = (context.world.random(44), context.world.random(120));
    let role = format!("acs:ram::{account}:assumed-role/{name}/{session}");
    let expires = wall() + seconds * 1000;
    let issued = Session {
        secret: secret.clone(),
        token: token.clone(),
        account: account.clone(),
        role,
        expires,
    };
    context.world.sessions.insert(key.clone(), issued);
    Ok(json!({
        "AssumedRoleUser": {
            "Arn": format!("acs:ram::{account}:role/{name}/{session}"), "AssumedRoleId": format!("300000000000000001:{session}"),
        },
        "Credentials": {
            "AccessKeyId": key, "AccessKeySecret": secret, "SecurityToken": token, "Expiration": iso(expires),
        },
    }))
}
