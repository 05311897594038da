//! Tags of every product, by ARN.

use serde_json::{Value as Json, json};

use crate::{
    Kind, Resource,
    context::Context,
    refusal::{Answer, Refusal, bad},
};

/// Kinds by service and type of an ARN.
const TYPES: [(&str, &str, Kind); 8] = [
    ("vpc", "vpc", Kind::Vpc),
    ("vpc", "vswitch", Kind::VSwitch),
    ("ecs", "securitygroup", Kind::SecurityGroup),
    ("slb", "instance", Kind::Clb),
    ("nlb", "loadbalancer", Kind::Nlb),
    ("nlb", "servergroup", Kind::NlbGroup),
    ("rds", "dbinstance", Kind::Db),
    ("log", "project", Kind::Project),
];

pub(crate) fn call(context: &mut Context<'_>) -> Option<Answer> {
    Some(match context.action {
        "ListTagResources" => list(context),
        "TagResources" => change(context, true),
        "UntagResources" => change(context, false),
        "DescribeRegions" => {
            let region = &context.options.region;
            Ok(json!({"Regions": {"Region": [{"RegionId": region, "LocalName": region}]}}))
        }
        _ => return None,
    })
}

fn arn(context: &Context<'_>, is: &Resource) -> Option<String> {
    let (service, kind, _) = TYPES.iter().find(|(.., kind)| *kind == is.kind)?;
    Some(format!(
        "arn:acs:{service}:{}:{}:{kind}/{}",
        context.options.region, is.account, is.id
    ))
}

/// The tags in a parameter `Tags`, one JSON object.
fn tags(context: &Context<'_>) -> Answer<Vec<(String, String)>> {
    let tags = context.params.json("Tags")?.unwrap_or_else(|| json!({}));
    let Some(tags) = tags.as_object() else {
        return bad("InvalidParameter.Tags", "The parameter Tags is not a JSON object.");
    };
    Ok(tags
        .iter()
        .map(|(key, value)| (key.clone(), value.as_str().unwrap_or_default().to_owned()))
        .collect())
}

fn list(context: &Context<'_>) -> Answer {
    let (arns, tags) = (context.params.texts("ResourceARN"), tags(context)?);
    if arns.len() > 50 || tags.len() > 10 {
        return Err(Refusal::new(
            403,
            "NumberExceed.ResourceIds",
            "The maximum number of ResourceIds is exceeded.",
        ));
    }
    let mut all = Vec::new();
    for (.., kind) in TYPES {
        for is in context.seen(kind).filter(|is| !is.tags.is_empty()) {
            let Some(arn) = arn(context, is) else { continue };
            let has = tags
                .iter()
                .all(|(key, value)| is.tags.get(key).is_some_and(|is| value.is_empty() || is == value));
            if has && (arns.is_empty() || arns.contains(&arn.as_str())) {
                let tags = is
                    .tags
                    .iter()
                    .map(|(key, value)| json!({"Key": key, "Value": value, "Category": "Custom"}));
                all.push(json!({"ResourceARN": arn, "Tags": tags.collect::<Vec<_>>()}));
            }
        }
    }
    let size = context.params.int("PageSize").unwrap_or(50);
    if !(1..=1000).contains(&size) {
        return Err(Refusal::parameter("PageSize", "it is from 1 to 1000"));
    }
    let from = context
        .params
        .text("NextToken")
        .map(|token| token.strip_prefix("next-").and_then(|from| from.parse().ok()));
    let Some(from) = from.unwrap_or(Some(0_usize)) else {
        return Err(Refusal::new(
            403,
            "Invalid.NextToken",
            "The parameter NextToken is invalid.",
        ));
    };
    let size = usize::try_from(size).unwrap_or(1);
    let next = if all.len() > from + size {
        format!("next-{}", from + size)
    } else {
        String::new()
    };
    let some: Vec<Json> = all.into_iter().skip(from).take(size).collect();
    Ok(json!({"TagResources": some, "NextToken": next}))
}

/// Tags what is there, and lists what is not.
fn change(context: &mut Context<'_>, add: bool) -> Answer {
    let (tags, keys) = (
        tags(context)?,
        context
            .params
            .texts("TagKey")
            .into_iter()
            .map(str::to_owned)
            .collect::<Vec<_>>(),
    );
    let mut failed = Vec::new();
    for wanted in context
        .params
        .texts("ResourceARN")
        .into_iter()
        .map(str::to_owned)
        .collect::<Vec<_>>()
    {
        let known = TYPES.iter().flat_map(|(.., kind)| context.seen(*kind));
        let known = known
            .into_iter()
            .find(|is| arn(context, is).as_ref() == Some(&wanted))
            .map(|is| (is.kind, is.id.clone()));
        match known {
            Some((kind, id)) if add => context.edit(kind, &id).tags.extend(tags.clone()),
            Some((kind, id)) => context.edit(kind, &id).tags.retain(|key, _| !keys.contains(key)),
            None => {
                let result =
                    json!({"Code": "InvalidResourceId.NotFound", "Message": "The specified resource is not found."});
                failed.push(json!({"ResourceARN": wanted, "Result": result}));
            }
        }
    }
    Ok(json!({"FailedResources": {"FailedResource": failed}}))
}
