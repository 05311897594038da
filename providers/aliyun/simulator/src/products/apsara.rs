//! What an Apsara Stack has of its own: its resource groups, and log projects by RPC.

use serde_json::{Value as Json, json};

use super::sls;
use crate::{context::Context, refusal::Answer};

pub(crate) fn call(context: &mut Context<'_>) -> Option<Answer> {
    match context.product {
        "Ascm" => (context.action == "ListResourceGroup").then(|| groups(context)),
        _ => {
            context.project = context.params.text("projectName").map(str::to_owned);
            let answer = sls::call(context)?;
            Some(answer.map(|reply| if reply.is_null() { json!({}) } else { reply }))
        }
    }
}

/// Ids are numbers there where they can be.
fn number(id: &str) -> Json {
    id.parse::<i64>().map_or_else(|_| id.into(), Json::from)
}

fn groups(context: &Context<'_>) -> Answer {
    let first = context.params.int("pageNumber").unwrap_or(1) == 1;
    let groups = context.options.scope.iter().filter(|_| first).map(|scope| {
        json!({
            "id": number(&scope.resource_group), "organizationID": number(&scope.organization),
            "resourceGroupName": format!("ResourceSet({})", scope.organization),
        })
    });
    let groups: Vec<_> = groups
        .filter(|group| {
            context.wants(
                "resourceGroupName",
                group["resourceGroupName"].as_str().unwrap_or_default(),
            )
        })
        .collect();
    Ok(json!({"code": "200", "success": true, "data": groups}))
}
