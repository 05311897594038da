//! Projects and their tags.

use serde_json::{Value as Json, json};

use super::{good_name, nothing, project};
use crate::{
    Kind, Resource,
    context::Context,
    refusal::{Answer, Refusal, absent, bad},
};

pub(super) fn create(context: &mut Context<'_>) -> Answer {
    let name = context.params.need("projectName")?.to_owned();
    if context.project.as_ref().is_some_and(|host| *host != name) {
        return bad("ParameterInvalid", "The project's name is not the one of the host.");
    }
    if !good_name(&name, "-", 3..=63) {
        return bad("ParameterInvalid", format!("The project's name {name} is not valid."));
    }
    if context.world.get(Kind::Project, &name).is_some() {
        return bad("ProjectAlreadyExist", format!("Project {name} already exist."));
    }
    if context.count(Kind::Project) >= context.options.quotas.projects {
        return bad("ProjectQuotaExceed", "Project quota exceeds.");
    }
    let mut project = context.make(Kind::Project, &name, &name);
    project.attrs = context
        .params
        .pick(&["description", "resourceGroupId", "dataRedundancyType"]);
    project.set("changed", context.now);
    context.world.put(project);
    nothing()
}

fn show(context: &Context<'_>, project: &Resource) -> Json {
    let region = &context.options.region;
    let changed = project.attr("changed").as_i64().unwrap_or(project.created);
    json!({
        "projectName": project.name, "description": project.text("description"), "owner": project.account,
        "region": region, "status": "Normal", "resourceGroupId": project.text("resourceGroupId"),
        "createTime": (project.created / 1000).to_string(), "lastModifyTime": (changed / 1000).to_string(),
        "internetEndpoint": format!("{region}.log.aliyuncs.com"),
        "internalEndpoint": format!("{region}-intranet.log.aliyuncs.com"),
    })
}

pub(super) fn get(context: &Context<'_>) -> Answer {
    Ok(show(context, project(context)?))
}

pub(super) fn list(context: &Context<'_>) -> Answer {
    let wanted = context.params.text("projectName").unwrap_or_default();
    let fits = |is: &&Resource| {
        is.name.contains(wanted)
            && context
                .params
                .text("resourceGroupId")
                .is_none_or(|id| id == is.text("resourceGroupId"))
    };
    let all: Vec<_> = context
        .seen(Kind::Project)
        .filter(fits)
        .map(|is| show(context, is))
        .collect();
    let (some, total) = super::slice(context, all, 100)?;
    Ok(json!({"count": some.len(), "total": total, "projects": some}))
}

pub(super) fn update(context: &mut Context<'_>) -> Answer {
    let id = project(context)?.id.clone();
    let (changed, now) = (context.params.pick(&["description"]), context.now);
    let project = context.edit(Kind::Project, &id);
    project.attrs.extend(changed);
    project.set("changed", now);
    nothing()
}

/// A project goes with everything in it.
pub(super) fn delete(context: &mut Context<'_>) -> Answer {
    let id = project(context)?.id.clone();
    if context.params.truth("forceDelete") == Some(false) && !context.world.inside(Kind::Project, &id).is_empty() {
        return bad("ProjectForbidden", "The project is not empty.");
    }
    context.world.remove(Kind::Project, &id);
    nothing()
}

pub(super) fn change_group(context: &mut Context<'_>) -> Answer {
    let id = project(context)?.id.clone();
    let group = context.params.need("resourceGroupId")?.to_owned();
    context.edit(Kind::Project, &id).set("resourceGroupId", group);
    nothing()
}

/// The kind, and the keys of the resources of the call; a log store is `project#name` there.
fn resources(context: &Context<'_>) -> Answer<(Kind, Vec<String>)> {
    let kind = match context.params.text("resourceType").unwrap_or("project") {
        "project" => Kind::Project,
        "logstore" => Kind::Logstore,
        other => return bad("ParameterInvalid", format!("The resource type {other} is not valid.")),
    };
    let ids = context
        .params
        .texts("resourceId")
        .into_iter()
        .map(|id| id.replace('#', "/"));
    let ids: Vec<_> = ids.collect();
    let lost = ids.iter().find(|id| context.find(kind, id).is_none());
    match lost {
        Some(id) if kind == Kind::Project => absent("ProjectNotExist", format!("The Project does not exist : {id}")),
        Some(id) => absent("LogStoreNotExist", format!("logstore {id} does not exist")),
        None => Ok((kind, ids)),
    }
}

pub(super) fn tag(context: &mut Context<'_>) -> Answer {
    let (kind, ids) = resources(context)?;
    let tags = context
        .params
        .list("tags")
        .iter()
        .map(|tag| (tag["key"].as_str(), tag["value"].as_str()));
    let tags = tags.map(|(key, value)| (key.unwrap_or_default().to_owned(), value.unwrap_or_default().to_owned()));
    let tags: Vec<_> = tags.collect();
    if ids.is_empty()
        || tags.is_empty()
        || tags.len() > 20
        || tags.iter().any(|(key, _)| key.is_empty() || key.len() > 128)
    {
        return bad("ParameterInvalid", "There should be 1 to 20 tags of 1 to 128 letters.");
    }
    for id in &ids {
        context.edit(kind, id).tags.extend(tags.clone());
    }
    nothing()
}

pub(super) fn untag(context: &mut Context<'_>) -> Answer {
    let (kind, ids) = resources(context)?;
    let keys: Vec<_> = context.params.texts("tags").into_iter().map(str::to_owned).collect();
    let all = context.params.truth("all").unwrap_or_default();
    for id in &ids {
        context.edit(kind, id).tags.retain(|key, _| !all && !keys.contains(key));
    }
    nothing()
}

pub(super) fn tags(context: &Context<'_>) -> Answer {
    let (kind, ids) = resources(context)?;
    let filter = context.params.list("tags");
    if ids.is_empty() && filter.is_empty() {
        return Err(Refusal::new(
            400,
            "ParameterInvalid",
            "There should be resourceId or tags.",
        ));
    }
    let fits = |is: &&Resource| {
        let carries = |tag: &Json| {
            let is = is.tags.get(tag["key"].as_str().unwrap_or_default());
            is.is_some_and(|is| tag["value"].as_str().is_none_or(|value| value == is))
        };
        (ids.is_empty() || ids.contains(&is.id)) && filter.iter().all(carries)
    };
    let name = context.params.text("resourceType").unwrap_or("project");
    let rows = context.seen(kind).filter(fits).flat_map(|is| {
        let id = is.id.replace('/', "#");
        is.tags
            .iter()
            .map(move |(key, value)| json!({"resourceId": id, "resourceType": name, "tagKey": key, "tagValue": value}))
    });
    Ok(json!({"tagResources": rows.collect::<Vec<_>>(), "nextToken": ""}))
}
