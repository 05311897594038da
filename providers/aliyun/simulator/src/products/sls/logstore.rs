//! Log stores and their index.

use serde_json::{Value as Json, json};

use super::{good_name, key, names, nothing, part, project};
use crate::{
    Kind, Resource,
    context::Context,
    refusal::{Answer, absent, bad},
};

const FIELDS: [&str; 12] = [
    "ttl",
    "shardCount",
    "autoSplit",
    "maxSplitShard",
    "enable_tracking",
    "appendMeta",
    "mode",
    "telemetryType",
    "hot_ttl",
    "infrequentAccessTTL",
    "encrypt_conf",
    "resourceGroupId",
];

fn check(context: &Context<'_>) -> Answer<()> {
    let within = |name: &str, range: std::ops::RangeInclusive<i64>| {
        context.params.int(name).is_none_or(|is| range.contains(&is))
    };
    if !within("ttl", 1..=3650) || !within("shardCount", 1..=10) || !within("maxSplitShard", 0..=256) {
        return bad(
            "LogStoreInfoInvalid",
            "ttl is from 1 to 3650, shardCount from 1 to 10, maxSplitShard up to 256.",
        );
    }
    if context.params.truth("autoSplit") == Some(true) && context.params.int("maxSplitShard").unwrap_or(0) == 0 {
        return bad("ParameterInvalid", "autoSplit needs maxSplitShard.");
    }
    if !["", "standard", "query"].contains(&context.params.text("mode").unwrap_or_default()) {
        return bad("ParameterInvalid", "mode is `standard` or `query`.");
    }
    Ok(())
}

pub(super) fn create(context: &mut Context<'_>) -> Answer {
    let parent = project(context)?.id.clone();
    let name = context.params.need("logstoreName")?.to_owned();
    if !good_name(&name, "-_", 2..=63) {
        return bad("LogStoreInfoInvalid", format!("logstore name {name} is invalid"));
    }
    check(context)?;
    let key = key(context, &name)?;
    if context.world.get(Kind::Logstore, &key).is_some() {
        return bad("LogStoreAlreadyExist", format!("logstore {name} already exists"));
    }
    if context
        .world
        .inside(Kind::Project, &parent)
        .iter()
        .filter(|(kind, _)| *kind == Kind::Logstore)
        .count()
        >= context.options.quotas.logstores
    {
        return bad("ProjectQuotaExceed", "project logstore quota exceed");
    }
    let mut store = context.make(Kind::Logstore, key, name);
    store.parent = Some(parent);
    store.attrs = context.params.pick(&FIELDS);
    store.set("lastModifyTime", context.now / 1000);
    context.world.put(store);
    nothing()
}

fn store<'a>(context: &'a Context<'_>) -> Answer<&'a Resource> {
    part(context, Kind::Logstore, context.params.need("logstore")?)
}

pub(super) fn get(context: &Context<'_>) -> Answer {
    let store = store(context)?;
    let mut shown = json!({
        "logstoreName": store.name, "createTime": store.created / 1000, "lastModifyTime": store.attr("lastModifyTime"),
        "enable_tracking": false, "autoSplit": false, "appendMeta": false, "mode": "standard", "telemetryType": "",
    });
    for name in FIELDS {
        if let Some(value) = store.attrs.get(name) {
            shown[name] = value.clone();
        }
    }
    Ok(shown)
}

pub(super) fn list(context: &Context<'_>) -> Answer {
    names(context, Kind::Logstore, "logstoreName", "logstores", 200)
}

pub(super) fn update(context: &mut Context<'_>) -> Answer {
    let is = store(context)?;
    if context.params.need("logstoreName")? != is.name {
        return bad("ParameterInvalid", "logstoreName is not the one of the path.");
    }
    if context
        .params
        .int("shardCount")
        .is_some_and(|count| is.attr("shardCount") != count)
    {
        return bad("ParameterInvalid", "shardCount cannot be changed here.");
    }
    check(context)?;
    let (id, changed, now) = (is.id.clone(), context.params.pick(&FIELDS), context.now / 1000);
    let store = context.edit(Kind::Logstore, &id);
    store.attrs.extend(changed);
    store.set("lastModifyTime", now);
    nothing()
}

pub(super) fn delete(context: &mut Context<'_>) -> Answer {
    let id = store(context)?.id.clone();
    context.world.remove(Kind::Logstore, &id);
    nothing()
}

pub(super) fn put_index(context: &mut Context<'_>, new: bool) -> Answer {
    let is = store(context)?;
    let (id, has) = (is.id.clone(), is.attrs.contains_key("index"));
    let index = context.params.0.get("rawBody").cloned().unwrap_or(Json::Null);
    if index["line"].is_null() && index["keys"].is_null() {
        return bad("IndexInfoInvalid", "An index needs line or keys.");
    }
    if new && has {
        return bad("IndexAlreadyExist", "log store index is already created");
    }
    if !new && !has {
        return absent("IndexConfigNotExist", "index config doesn't exist");
    }
    let now = context.now / 1000;
    let store = context.edit(Kind::Logstore, &id);
    store.set("index", index);
    store.set("indexed", now);
    nothing()
}

pub(super) fn index(context: &Context<'_>) -> Answer {
    let store = store(context)?;
    let Some(mut index) = store.attrs.get("index").cloned() else {
        return absent("IndexConfigNotExist", "index config doesn't exist");
    };
    index["ttl"] = store.attr("ttl");
    index["index_mode"] = "v2".into();
    index["lastModifyTime"] = store.attr("indexed");
    index["storage"] = "pg".into();
    Ok(index)
}

pub(super) fn delete_index(context: &mut Context<'_>) -> Answer {
    let is = store(context)?;
    let id = is.id.clone();
    if !is.attrs.contains_key("index") {
        return absent("IndexConfigNotExist", "index config doesn't exist");
    }
    context.edit(Kind::Logstore, &id).attrs.remove("index");
    nothing()
}

pub(super) fn shards(context: &Context<'_>) -> Answer {
    let store = store(context)?;
    let count = store.attr("shardCount").as_i64().unwrap_or(1);
    let shard = |n| json!({"shardID": n, "status": "readwrite", "createTime": store.created / 1000, "inclusiveBeginKey": "", "exclusiveEndKey": ""});
    Ok((0..count).map(shard).collect())
}
