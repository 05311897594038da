//! Logtail: configurations, machine groups, and which is applied to which.

use serde_json::{Map, Value as Json, json};

use super::{key, names, nothing, part, project};
use crate::{
    Kind,
    context::Context,
    refusal::{Answer, Refusal, absent, bad},
};

/// What a configuration says; its name is a part of it.
fn said(context: &Context<'_>, kind: Kind) -> Answer<Map<String, Json>> {
    let said = match kind {
        Kind::Config => context
            .params
            .0
            .get("rawBody")
            .and_then(Json::as_object)
            .cloned()
            .unwrap_or_default(),
        _ => context.params.pick(&[
            "configName",
            "logSample",
            "global",
            "inputs",
            "processors",
            "aggregators",
            "flushers",
            "task",
        ]),
    };
    if said.get("configName").and_then(Json::as_str).is_none_or(str::is_empty) {
        return bad("ParameterInvalid", "configName is missing.");
    }
    Ok(said)
}

pub(super) fn put_config(context: &mut Context<'_>, kind: Kind, new: bool) -> Answer {
    let parent = project(context)?.id.clone();
    let mut said = said(context, kind)?;
    let name = said["configName"].as_str().unwrap_or_default().to_owned();
    let key = key(context, &name)?;
    if new
        && [Kind::Config, Kind::Pipeline]
            .iter()
            .any(|kind| context.find(*kind, &key).is_some())
    {
        return bad("ConfigAlreadyExist", format!("config {name} already exist"));
    }
    if !new && part(context, kind, context.params.need("config_name")?)?.name != name {
        return bad("ParameterInvalid", "configName is not the one of the path.");
    }
    let created = context.find(kind, &key).map_or(context.now, |is| is.created);
    said.insert("createTime".into(), (created / 1000).into());
    said.insert("lastModifyTime".into(), (context.now / 1000).into());
    let mut config = context.make(kind, key, name);
    config.parent = Some(parent);
    config.created = created;
    config.attrs = said;
    context.world.put(config);
    nothing()
}

pub(super) fn config(context: &Context<'_>, kind: Kind) -> Answer {
    let config = part(context, kind, context.params.need("config_name")?)?;
    Ok(Json::Object(config.attrs.clone()))
}

pub(super) fn configs(context: &Context<'_>, kind: Kind) -> Answer {
    names(context, kind, "configName", "configs", 100)
}

pub(super) fn delete_config(context: &mut Context<'_>, kind: Kind) -> Answer {
    let config = part(context, kind, context.params.need("config_name")?)?;
    let (id, name, parent) = (config.id.clone(), config.name.clone(), project(context)?.id.clone());
    context.world.remove(kind, &id);
    for group in group_ids(context, &parent) {
        change_applied(context, &group, |applied| applied.retain(|is| *is != name.as_str()));
    }
    nothing()
}

fn group_ids(context: &Context<'_>, project: &str) -> Vec<String> {
    let inside = context
        .seen(Kind::MachineGroup)
        .filter(|is| is.parent.as_deref() == Some(project));
    inside.map(|is| is.id.clone()).collect()
}

fn change_applied(context: &mut Context<'_>, group: &str, change: impl FnOnce(&mut Vec<Json>)) {
    let group = context.edit(Kind::MachineGroup, group);
    let mut applied = group.list("applied").to_vec();
    change(&mut applied);
    group.set("applied", applied);
}

pub(super) fn put_group(context: &mut Context<'_>, new: bool) -> Answer {
    let parent = project(context)?.id.clone();
    let name = context.params.need("groupName")?.to_owned();
    if !(3..=128).contains(&name.len()) {
        return bad("InvalidParameter", "groupName has 3 to 128 letters.");
    }
    if !["ip", "userdefined"].contains(&context.params.need("machineIdentifyType")?) {
        return bad("InvalidParameter", "machineIdentifyType is `ip` or `userdefined`.");
    }
    let key = key(context, &name)?;
    let known = context.find(Kind::MachineGroup, &key).map(|is| is.attr("applied"));
    if new && known.is_some() {
        return bad("MachineGroupAlreadyExist", format!("MachineGroup {name} already exist"));
    }
    if !new && part(context, Kind::MachineGroup, context.params.need("group_name")?)?.name != name {
        return bad("InvalidParameter", "groupName is not the one of the path.");
    }
    let mut group = context.make(Kind::MachineGroup, key, name);
    group.parent = Some(parent);
    group.attrs = context.params.pick(&[
        "groupName",
        "groupType",
        "machineIdentifyType",
        "machineList",
        "groupAttribute",
    ]);
    group.set("applied", known.unwrap_or_else(|| json!([])));
    context.world.put(group);
    nothing()
}

pub(super) fn group(context: &Context<'_>) -> Answer {
    let group = part(context, Kind::MachineGroup, context.params.need("machine_group")?)?;
    let mut shown = group.attrs.clone();
    shown.remove("applied");
    shown.entry("groupType").or_insert_with(|| "".into());
    shown.entry("groupAttribute").or_insert_with(|| json!({}));
    Ok(Json::Object(shown))
}

pub(super) fn groups(context: &Context<'_>) -> Answer {
    names(context, Kind::MachineGroup, "groupName", "machinegroups", 100)
}

pub(super) fn delete_group(context: &mut Context<'_>) -> Answer {
    let id = part(context, Kind::MachineGroup, context.params.need("machine_group")?)?
        .id
        .clone();
    context.world.remove(Kind::MachineGroup, &id);
    nothing()
}

pub(super) fn machines(context: &Context<'_>) -> Answer {
    let group = part(context, Kind::MachineGroup, context.params.need("machine_group")?)?;
    let all = group
        .list("machineList")
        .iter()
        .map(|machine| json!({"ip": machine, "lastHeartbeatTime": context.now / 1000}));
    let (some, total) = super::slice(context, all.collect(), 100)?;
    Ok(json!({"count": some.len(), "total": total, "machines": some}))
}

pub(super) fn apply(context: &mut Context<'_>, add: bool) -> Answer {
    let group = part(context, Kind::MachineGroup, context.params.need("machine_group")?);
    let group = group.map_err(|refusal| match refusal.code.as_ref() {
        "MachineGroupNotExist" => Refusal {
            code: "GroupNotExist".into(),
            ..refusal
        },
        _ => refusal,
    })?;
    let (group, name) = (group.id.clone(), context.params.need("config_name")?.to_owned());
    let key = key(context, &name)?;
    if [Kind::Config, Kind::Pipeline]
        .iter()
        .all(|kind| context.find(*kind, &key).is_none())
    {
        return absent("ConfigNotExist", format!("config {name} does not exist"));
    }
    change_applied(context, &group, |applied| {
        applied.retain(|is| *is != name.as_str());
        if add {
            applied.push(name.into());
        }
    });
    nothing()
}

pub(super) fn applied_configs(context: &Context<'_>) -> Answer {
    let group = part(context, Kind::MachineGroup, context.params.need("machine_group")?)?;
    let applied = group.list("applied");
    Ok(json!({"count": applied.len(), "configs": applied}))
}

pub(super) fn applied_groups(context: &Context<'_>) -> Answer {
    let (parent, name) = (
        project(context)?.id.clone(),
        context.params.need("config_name")?.to_owned(),
    );
    let groups = context
        .seen(Kind::MachineGroup)
        .filter(|is| is.parent.as_ref() == Some(&parent));
    let groups: Vec<_> = groups
        .filter(|is| is.list("applied").iter().any(|is| *is == name.as_str()))
        .map(|is| &is.name)
        .collect();
    Ok(json!({"count": groups.len(), "machinegroups": groups}))
}
