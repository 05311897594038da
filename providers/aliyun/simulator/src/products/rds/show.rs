//! Instances as they are seen.

use serde_json::{Value as Json, json};

use super::json_text;
use crate::{
    Kind, Resource,
    context::{Context, page},
    products::vpc,
    refusal::{Answer, Refusal, absent, bad},
    world::iso,
};

/// What both the list and the attributes tell.
fn common(context: &Context<'_>, db: &Resource) -> Json {
    json!({
        "DBInstanceId": db.id, "DBInstanceDescription": db.name, "DBInstanceStatus": db.status(context.now, "Running"),
        "Engine": db.attr("Engine"), "EngineVersion": db.attr("EngineVersion"),
        "DBInstanceClass": db.attr("DBInstanceClass"), "DBInstanceStorageType": db.attr("DBInstanceStorageType"),
        "Category": db.attr("Category"), "PayType": db.attr("PayType"), "DBInstanceNetType": "Intranet",
        "InstanceNetworkType": "VPC", "VpcId": db.attr("VpcId"), "VSwitchId": db.attr("VSwitchId"),
        "ZoneId": db.attr("ZoneId"), "RegionId": context.options.region, "ConnectionString": db.attr("ConnectionString"),
        "ConnectionMode": "Standard", "DBInstanceType": "Primary", "LockMode": db.attr("LockMode"),
        "DeletionProtection": db.truth("DeletionProtection"), "ResourceGroupId": db.attr("ResourceGroupId"),
        "ExpireTime": db.text("ExpireTime"),
    })
}

pub(super) fn attribute(context: &Context<'_>) -> Answer {
    let ids = context.params.commas("DBInstanceId");
    if ids.is_empty() {
        return Err(Refusal::missing("DBInstanceId"));
    }
    if ids.len() > 30 {
        return bad("InvalidParameter", "DBInstanceId takes up to 30 ids.");
    }
    let mut all = Vec::new();
    for id in ids {
        let Some(db) = context.find(Kind::Db, id) else {
            return absent(
                "InvalidDBInstanceId.NotFound",
                "The DBInstanceId provided does not exist in records.",
            );
        };
        let mut shown = common(context, db);
        shown["Port"] = db.attr("Port");
        shown["CreationTime"] = iso(db.created).into();
        shown["DBInstanceStorage"] = db.attr("DBInstanceStorage");
        shown["MaintainTime"] = db.text("MaintainTime").into();
        shown["AccountMaxQuantity"] = context.options.quotas.accounts.into();
        shown["MaxConnections"] = 2000.into();
        let slaves = ["ZoneIdSlave1", "ZoneIdSlave2"].map(|name| db.text(name));
        let slaves = slaves
            .iter()
            .filter(|zone| !zone.is_empty())
            .map(|zone| json!({ "ZoneId": zone }));
        shown["SlaveZones"] = json!({"SlaveZone": slaves.collect::<Vec<_>>()});
        all.push(shown);
    }
    Ok(json!({"Items": {"DBInstanceAttribute": all}}))
}

/// The filter `Tags` is one JSON object, and any of its tags is enough.
fn has_any_tag(db: &Resource, tags: &Json) -> bool {
    let pairs = tags.as_object().into_iter().flatten();
    let mut pairs = pairs.map(|(key, value)| (key, json_text(value))).peekable();
    pairs.peek().is_none()
        || pairs.any(|(key, value)| db.tags.get(key).is_some_and(|is| value.is_empty() || is == value))
}

pub(super) fn list(context: &Context<'_>) -> Answer {
    vpc::region(context)?;
    let tags = context.params.json("Tags")?.unwrap_or(Json::Null);
    if tags.as_object().is_some_and(|tags| tags.len() > 5) {
        return bad("InvalidParameter", "Tags takes up to 5 tags.");
    }
    let mut all = Vec::new();
    for db in context.seen(Kind::Db) {
        let status = db.status(context.now, "Running");
        let fits = [
            ("DBInstanceId", db.id.as_str()),
            ("DBInstanceStatus", &status),
            ("Engine", db.text("Engine")),
        ];
        let fits = fits.iter().all(|(name, is)| context.wants(name, is))
            && ["VpcId", "VSwitchId", "ZoneId", "PayType", "ResourceGroupId"]
                .iter()
                .all(|name| context.wants(name, db.text(name)));
        let key = context.params.text("SearchKey");
        let found = key.is_none_or(|key| db.id.contains(key) || db.name.contains(key));
        if fits && found && has_any_tag(db, &tags) {
            let mut shown = common(context, db);
            shown["CreateTime"] = iso(db.created).into();
            all.push(shown);
        }
    }
    let total = all.len();
    if context.params.int("MaxResults").is_some() || context.params.text("NextToken").is_some() {
        let (some, next) = context.slice(all, 100, 30)?;
        let count = some.len();
        return Ok(json!({
            "Items": {"DBInstance": some}, "NextToken": next, "PageRecordCount": count, "TotalRecordCount": total,
        }));
    }
    let at = context.page(100, 30)?;
    let some = page(all, at);
    let count = some.len();
    Ok(json!({"Items": {"DBInstance": some}, "PageNumber": at.0, "PageRecordCount": count, "TotalRecordCount": total}))
}
