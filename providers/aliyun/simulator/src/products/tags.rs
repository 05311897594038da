//! `TagResources`, `UntagResources` and `ListTagResources`, as most products have them.

use serde_json::{Value as Json, json};

use crate::{
    Kind,
    context::{Context, done},
    refusal::{Answer, Refusal, absent, bad},
};

/// Kinds by the names that a product's `ResourceType` has for them.
pub(crate) type Types = &'static [(&'static str, Kind)];

fn kind(context: &Context<'_>, types: Types) -> Answer<(&'static str, Kind)> {
    let wanted = context.params.need("ResourceType")?;
    let known = types.iter().find(|(name, _)| name.eq_ignore_ascii_case(wanted));
    known.copied().ok_or_else(|| {
        Refusal::new(
            400,
            "InvalidResourceType.NotFound",
            format!("`{wanted}` cannot be tagged."),
        )
    })
}

/// The ids of the call, each of something that can be seen.
fn ids(context: &Context<'_>, kind: Kind) -> Answer<Vec<String>> {
    let ids = context.params.texts("ResourceId");
    if ids.len() > 50 {
        return bad(
            "InvalidParameter",
            format!("ResourceId takes up to 50 ids, not {}.", ids.len()),
        );
    }
    if let Some(id) = ids.iter().find(|id| context.find(kind, id).is_none()) {
        return absent(
            "InvalidResourceId.NotFound",
            format!("The specified ResourceId {id} is not found."),
        );
    }
    Ok(ids.into_iter().map(str::to_owned).collect())
}

pub(crate) fn tag(context: &mut Context<'_>, types: Types) -> Answer {
    let (_, kind) = kind(context, types)?;
    let (ids, tags) = (ids(context, kind)?, context.tags("Tag")?);
    if ids.is_empty() || tags.is_empty() {
        return Err(Refusal::missing(if ids.is_empty() {
            "ResourceId.1"
        } else {
            "Tag.1.Key"
        }));
    }
    for id in &ids {
        let is = context
            .find(kind, id)
            .map_or(0, |is| is.tags.keys().filter(|key| !tags.contains_key(*key)).count());
        if is + tags.len() > 20 {
            return bad("NumberExceed.Tags", format!("{id} would have more than 20 tags."));
        }
    }
    for id in &ids {
        context.edit(kind, id).tags.extend(tags.clone());
    }
    done()
}

pub(crate) fn untag(context: &mut Context<'_>, types: Types) -> Answer {
    let (_, kind) = kind(context, types)?;
    let ids = ids(context, kind)?;
    let keys: Vec<_> = context.params.texts("TagKey").into_iter().map(str::to_owned).collect();
    let all = context.params.truth("All").unwrap_or_default() && keys.is_empty();
    for id in &ids {
        context.edit(kind, id).tags.retain(|key, _| !all && !keys.contains(key));
    }
    done()
}

/// Every tag of everything asked for, as `{ResourceId, ResourceType, TagKey, TagValue}`, and the next page's token.
pub(crate) fn list(context: &Context<'_>, types: Types, prefix: &str) -> Answer<(Vec<Json>, String)> {
    let (name, kind) = kind(context, types)?;
    let ids = context.params.texts("ResourceId");
    if ids.len() > 50 || context.params.list("Tag").len() > 20 {
        return bad("InvalidParameter", "ResourceId takes up to 50 ids, Tag up to 20.");
    }
    if ids.is_empty() && context.params.list("Tag").is_empty() {
        return Err(Refusal::missing("ResourceId.1"));
    }
    let mut rows = Vec::new();
    for resource in context.seen(kind) {
        if (ids.is_empty() || ids.contains(&resource.id.as_str())) && context.has_tags(resource) {
            for (key, value) in &resource.tags {
                let kind = format!("{prefix}{name}");
                rows.push(json!({"ResourceId": resource.id, "ResourceType": kind, "TagKey": key, "TagValue": value}));
            }
        }
    }
    context.slice(rows, 50, 50)
}

/// The answer that most products give.
pub(crate) fn listed(context: &Context<'_>, types: Types, prefix: &str) -> Answer {
    let (rows, next) = list(context, types, prefix)?;
    Ok(json!({"TagResources": {"TagResource": rows}, "NextToken": next}))
}
