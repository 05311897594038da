//! SLS: projects, log stores, and what collects lines into them. Creating, changing and deleting answers nothing.

mod collect;
mod logstore;
mod project;
mod put;

use serde_json::{Value as Json, json};

use crate::{
    Kind, Resource,
    context::Context,
    refusal::{Answer, Refusal, absent, bad, forbidden},
};

pub(crate) fn call(context: &mut Context<'_>) -> Option<Answer> {
    Some(match context.action {
        "CreateProject" => project::create(context),
        "GetProject" => project::get(context),
        "ListProject" => project::list(context),
        "UpdateProject" => project::update(context),
        "DeleteProject" => project::delete(context),
        "ChangeResourceGroup" => project::change_group(context),
        "TagResources" => project::tag(context),
        "UntagResources" => project::untag(context),
        "ListTagResources" => project::tags(context),
        "CreateLogStore" => logstore::create(context),
        "GetLogStore" => logstore::get(context),
        "ListLogStores" => logstore::list(context),
        "UpdateLogStore" => logstore::update(context),
        "DeleteLogStore" => logstore::delete(context),
        "CreateIndex" => logstore::put_index(context, true),
        "UpdateIndex" => logstore::put_index(context, false),
        "GetIndex" => logstore::index(context),
        "DeleteIndex" => logstore::delete_index(context),
        "ListShards" => logstore::shards(context),
        "GetLogs" => put::get(context),
        "PutLogs" => put::put(context),
        "CreateConfig" => collect::put_config(context, Kind::Config, true),
        "UpdateConfig" => collect::put_config(context, Kind::Config, false),
        "GetConfig" => collect::config(context, Kind::Config),
        "ListConfig" => collect::configs(context, Kind::Config),
        "DeleteConfig" => collect::delete_config(context, Kind::Config),
        "CreateLogtailPipelineConfig" => collect::put_config(context, Kind::Pipeline, true),
        "UpdateLogtailPipelineConfig" => collect::put_config(context, Kind::Pipeline, false),
        "GetLogtailPipelineConfig" => collect::config(context, Kind::Pipeline),
        "ListLogtailPipelineConfig" => collect::configs(context, Kind::Pipeline),
        "DeleteLogtailPipelineConfig" => collect::delete_config(context, Kind::Pipeline),
        "CreateMachineGroup" => collect::put_group(context, true),
        "UpdateMachineGroup" => collect::put_group(context, false),
        "GetMachineGroup" => collect::group(context),
        "ListMachineGroup" => collect::groups(context),
        "DeleteMachineGroup" => collect::delete_group(context),
        "ListMachines" => collect::machines(context),
        "ApplyConfigToMachineGroup" => collect::apply(context, true),
        "RemoveConfigFromMachineGroup" => collect::apply(context, false),
        "GetAppliedConfigs" => collect::applied_configs(context),
        "GetAppliedMachineGroups" => collect::applied_groups(context),
        _ => return None,
    })
}

/// An answer without a body.
fn nothing() -> Answer {
    Ok(Json::Null)
}

/// The project that the host names, which has to be the caller's. Names are global.
fn project<'a>(context: &'a Context<'_>) -> Answer<&'a Resource> {
    let name = context.project.as_deref().unwrap_or_default();
    if let Some(project) = context.find(Kind::Project, name) {
        return Ok(project);
    }
    match context.world.get(Kind::Project, name) {
        Some(other) if other.account != context.caller.account => forbidden("Unauthorized", "denied by sts or ram."),
        _ => absent("ProjectNotExist", format!("The Project does not exist : {name}")),
    }
}

/// The key of what is inside the project.
fn key(context: &Context<'_>, name: &str) -> Answer<String> {
    Ok(format!("{}/{name}", project(context)?.id))
}

/// What is inside the project.
fn part<'a>(context: &'a Context<'_>, kind: Kind, name: &str) -> Answer<&'a Resource> {
    let key = key(context, name)?;
    let code = match kind {
        Kind::Logstore => "LogStoreNotExist",
        Kind::MachineGroup => "MachineGroupNotExist",
        _ => "ConfigNotExist",
    };
    context
        .find(kind, &key)
        .ok_or_else(|| Refusal::new(404, code, format!("{name} does not exist.")))
}

/// A page of names, by `offset` and `size`.
fn names(context: &Context<'_>, kind: Kind, filter: &str, list: &str, default: i64) -> Answer {
    let project = project(context)?.id.clone();
    let wanted = context.params.text(filter).unwrap_or_default();
    let inside = context.seen(kind).filter(|is| is.parent.as_ref() == Some(&project));
    let all: Vec<_> = inside
        .map(|is| is.name.as_str())
        .filter(|name| name.contains(wanted))
        .collect();
    let (some, total) = slice(context, all, default)?;
    Ok(json!({"count": some.len(), "total": total, list: some}))
}

fn slice<T>(context: &Context<'_>, all: Vec<T>, default: i64) -> Answer<(Vec<T>, usize)> {
    let offset = usize::try_from(context.params.int("offset").unwrap_or(0)).ok();
    let size = context.params.int("size").unwrap_or(default);
    let (Some(offset), true) = (offset, (1..=500).contains(&size)) else {
        return bad("ParameterInvalid", "offset is from 0, size from 1 to 500.");
    };
    let total = all.len();
    Ok((
        all.into_iter()
            .skip(offset)
            .take(usize::try_from(size).unwrap_or(1))
            .collect(),
        total,
    ))
}

/// Whether a name is of small letters, digits and these, and begins and ends with none of these.
fn good_name(name: &str, also: &str, lengths: std::ops::RangeInclusive<usize>) -> bool {
    let plain = |letter: char| letter.is_ascii_lowercase() || letter.is_ascii_digit();
    lengths.contains(&name.len())
        && name.chars().all(|letter| plain(letter) || also.contains(letter))
        && name.starts_with(plain)
        && name.ends_with(plain)
}
