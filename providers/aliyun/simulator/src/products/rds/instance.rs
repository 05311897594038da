//! Instances are made, changed and deleted.

use serde_json::{Value as Json, json};

use super::{db, malformed, running};
use crate::{
    Fault, Kind,
    context::{Context, done},
    products::vpc,
    refusal::{Answer, Refusal, absent, bad, forbidden},
    world::{iso, millis},
};

const ENGINES: [(&str, &[&str], &str); 4] = [
    ("MySQL", &["5.5", "5.6", "5.7", "8.0"], "3306"),
    (
        "PostgreSQL",
        &["10.0", "11.0", "12.0", "13.0", "14.0", "15.0", "16.0", "17.0"],
        "5432",
    ),
    ("MariaDB", &["10.3", "10.6"], "3306"),
    (
        "SQLServer",
        &[
            "2012_std_ha",
            "2016_std_ha",
            "2017_std_ha",
            "2019_std_ha",
            "2022_std_ha",
        ],
        "1433",
    ),
];

fn storage(context: &Context<'_>) -> Answer<Option<i64>> {
    match context.params.int("DBInstanceStorage") {
        Some(size) if !(20..=64000).contains(&size) || size % 5 != 0 => bad(
            "InvalidDBInstanceStorage.Format",
            format!("DBInstanceStorage {size} is not 20 to 64000 in steps of 5."),
        ),
        size => Ok(size),
    }
}

/// The vSwitches of the call, in the VPC and the zones it says.
fn place(context: &Context<'_>) -> Answer<()> {
    let vpc = context.params.need("VPCId")?;
    if context.find(Kind::Vpc, vpc).is_none() {
        return absent("InvalidVpcId.NotFound", "The specified VPC does not exist.");
    }
    let vswitches = context.params.commas("VSwitchId");
    let zones: Vec<_> = ["ZoneId", "ZoneIdSlave1", "ZoneIdSlave2"]
        .iter()
        .filter_map(|name| context.params.text(name))
        .collect();
    if vswitches.is_empty() || vswitches.len() > zones.len().max(1) {
        return forbidden("InvalidVswitchId", "There should be a vSwitch for each zone.");
    }
    for (n, id) in vswitches.iter().enumerate() {
        let vswitch = context
            .find(Kind::VSwitch, id)
            .filter(|is| is.parent.as_deref() == Some(vpc));
        let Some(vswitch) = vswitch else {
            return forbidden(
                "InvalidVswitchId",
                format!("The vSwitch {id} does not exist in the VPC."),
            );
        };
        if zones.get(n).is_some_and(|zone| *zone != vswitch.text("ZoneId")) {
            return forbidden("InvalidVswitchId", format!("The vSwitch {id} is in another zone."));
        }
    }
    Ok(())
}

pub(super) fn create(context: &mut Context<'_>) -> Answer {
    vpc::region(context)?;
    let (engine, version) = (
        context.params.need("Engine")?.to_owned(),
        context.params.need("EngineVersion")?.to_owned(),
    );
    let Some((_, versions, port)) = ENGINES.iter().find(|(name, ..)| *name == engine) else {
        return bad("InvalidParam.Engine", format!("The engine {engine} is not valid."));
    };
    if !versions.contains(&version.as_str()) {
        return malformed("InvalidEngineVersion.Malformed");
    }
    let class = context.params.need("DBInstanceClass")?;
    if class.split('.').count() < 3 {
        return bad(
            "InvalidDBInstanceClass.Malformed",
            format!("The class {class} is not valid."),
        );
    }
    storage(context)?.ok_or_else(|| Refusal::missing("DBInstanceStorage"))?;
    if context.params.need("DBInstanceNetType")? != "Intranet"
        || context.params.text("InstanceNetworkType") != Some("VPC")
    {
        return malformed("InvalidNetworkTypeClassicWhenCloudStorage");
    }
    let pay = context.params.need("PayType")?.to_owned();
    let protection = context.params.truth("DeletionProtection").unwrap_or_default();
    match pay.as_str() {
        "Prepaid" if context.params.text("UsedTime").is_none() => return Err(Refusal::missing("UsedTime")),
        "Prepaid" if protection => {
            return bad(
                "OperationDenied.PayType",
                "Only pay-as-you-go instances can be protected.",
            );
        }
        "Postpaid" | "Prepaid" | "Serverless" => {}
        _ => return malformed("InvalidPayType.Format"),
    }
    place(context)?;
    let mut entries = context.params.commas("SecurityIPList");
    if entries.is_empty() || entries.iter().any(|entry| super::network::entry(entry).is_none()) {
        return malformed("InvalidSecurityIPList.Format");
    }
    entries.sort_unstable();
    let whitelist = entries.join(",");
    let tags = context.tags("Tag")?;
    if context.count(Kind::Db) >= context.options.quotas.databases {
        return bad("InsufficientAvailableQuota", "The quota of instances is used up.");
    }
    if context.params.truth("DryRun").unwrap_or_default() {
        return Ok(json!({"DryRun": true, "DryRunResult": true}));
    }

    let id = context.id("rm-bp1");
    let name = context
        .params
        .text("DBInstanceDescription")
        .unwrap_or_default()
        .to_owned();
    let mut db = context.make(Kind::Db, &id, name);
    db.busy = context.busy("Creating");
    db.attrs = context.params.pick(&[
        "Engine",
        "EngineVersion",
        "DBInstanceClass",
        "DBInstanceStorage",
        "DBInstanceStorageType",
        "Category",
        "PayType",
        "VSwitchId",
        "ZoneId",
        "ZoneIdSlave1",
        "ZoneIdSlave2",
        "ResourceGroupId",
        "StorageAutoScale",
        "StorageUpperBound",
    ]);
    let connection = format!("{id}.{}.rds.aliyuncs.com", engine.to_lowercase());
    db.set("ConnectionString", connection.as_str());
    db.set("Port", *port);
    db.set("VpcId", context.params.need("VPCId")?);
    db.set("DeletionProtection", protection);
    db.set("LockMode", "Unlock");
    db.set("IPAddress", format!("10.0.9.{}", context.world.number() % 250 + 2));
    if pay == "Prepaid" {
        db.set("ExpireTime", iso(context.now + 30 * 24 * 3_600_000));
    }
    let untagged = context.fault == Some(Fault::Untagged);
    db.tags = if untagged {
        std::collections::BTreeMap::new()
    } else {
        tags
    };
    let (address, vswitch) = (
        db.attr("IPAddress"),
        db.text("VSwitchId").split(',').next().unwrap_or_default().to_owned(),
    );
    let vpc = db.attr("VpcId");
    context.world.put(db);
    let mut group = context.make(Kind::Whitelist, format!("{id}/default"), "default");
    group.parent = Some(id.clone());
    group.set("SecurityIPList", whitelist);
    context.world.put(group);
    context.attach(&id, &vswitch, vpc, address);
    let order = context.world.number().to_string();
    Ok(json!({
        "DBInstanceId": id, "ConnectionString": connection, "Port": port, "OrderId": order, "TagResult": !untagged,
    }))
}

pub(super) fn describe(context: &mut Context<'_>) -> Answer {
    let id = db(context)?.id.clone();
    let name = context.params.need("DBInstanceDescription")?.to_owned();
    context.edit(Kind::Db, &id).name = name;
    done()
}

pub(super) fn resize(context: &mut Context<'_>) -> Answer {
    let id = running(context)?;
    let is = db(context)?;
    if context.params.need("PayType")? != is.text("PayType") {
        return bad("InvalidPayType.NotSupported", "PayType is not that of the instance.");
    }
    let size = storage(context)?;
    if size.is_some_and(|size| is.attr("DBInstanceStorage").as_i64().is_some_and(|is| size < is)) {
        return bad(
            "EngineNotSupportShrinkStorage",
            "The storage of the instance cannot be shrunk.",
        );
    }
    if context
        .params
        .text("DBInstanceClass")
        .is_some_and(|class| class.split('.').count() < 3)
    {
        return bad(
            "InvalidDBInstanceClass.NotFound",
            "The specified DB instance class is not found.",
        );
    }
    if size.is_none() && context.params.text("DBInstanceClass").is_none() {
        return Err(Refusal::missing("DBInstanceClass"));
    }
    let changed = context.params.pick(&[
        "DBInstanceClass",
        "DBInstanceStorage",
        "DBInstanceStorageType",
        "Category",
    ]);
    let busy = context.busy("DBInstanceClassChanging");
    let instance = context.edit(Kind::Db, &id);
    instance.attrs.extend(changed);
    instance.busy = busy;
    let order = i64::try_from(context.world.number()).unwrap_or_default();
    Ok(json!({"DBInstanceId": id, "OrderId": order}))
}

pub(super) fn protect(context: &mut Context<'_>) -> Answer {
    let is = db(context)?;
    let protection = context.params.truth("DeletionProtection").unwrap_or_default();
    if is.text("PayType") == "Prepaid" && protection {
        return bad(
            "OperationDenied.PayType",
            "Only pay-as-you-go instances can be protected.",
        );
    }
    let id = is.id.clone();
    context.edit(Kind::Db, &id).set("DeletionProtection", protection);
    done()
}

pub(super) fn pay(context: &mut Context<'_>) -> Answer {
    let id = running(context)?;
    let pay = context.params.need("PayType")?.to_owned();
    if !["Postpaid", "Prepaid"].contains(&pay.as_str()) {
        return malformed("InvalidPayType.Malformed");
    }
    let expires = if pay == "Prepaid" {
        iso(context.now + 30 * 24 * 3_600_000)
    } else {
        String::new()
    };
    let instance = context.edit(Kind::Db, &id);
    instance.set("PayType", pay.as_str());
    instance.set("ExpireTime", expires.as_str());
    let order = i64::try_from(context.world.number()).unwrap_or_default();
    Ok(json!({"DBInstanceId": id, "ChargeType": pay, "ExpiredTime": expires, "OrderId": order}))
}

pub(super) fn restart(context: &mut Context<'_>) -> Answer {
    let (id, busy) = (running(context)?, context.busy("Rebooting"));
    context.edit(Kind::Db, &id).busy = busy;
    done()
}

pub(super) fn delete(context: &mut Context<'_>) -> Answer {
    let is = db(context)?;
    let keep = context.params.text("ReleasedKeepPolicy").unwrap_or("None").to_owned();
    if !["None", "Lastest", "All"].contains(&keep.as_str()) {
        return malformed("InvalidReleasedKeepPolicy.Format");
    }
    if is.truth("DeletionProtection") {
        return bad(
            "OperationDenied.DeletionProtection",
            "The operation is not permitted when the instance enabled deletion protection.",
        );
    }
    if is.text("PayType") == "Prepaid" {
        return forbidden(
            "OperationDenied.PrePayTypeNotSupported",
            "The operation is not permitted for subscription instances.",
        );
    }
    // A locked instance can be deleted, one that is under way cannot.
    if is.is_busy(context.now) || is.gone_at.is_some() {
        return forbidden(
            "IncorrectDBInstanceState",
            "Current DB instance state does not support this operation.",
        );
    }
    let (id, busy) = (is.id.clone(), context.busy("Deleting"));
    let gone = context.now + millis(context.options.provisioning);
    let instance = context.edit(Kind::Db, &id);
    instance.busy = busy;
    instance.gone_at = Some(gone);
    context.detach(&id, gone);
    let newest = super::backup::of(context, &id).last().cloned();
    let lost = super::backup::of(context, &id)
        .into_iter()
        .filter(|backup| match keep.as_str() {
            "All" => false,
            "Lastest" => Some(backup) != newest.as_ref(),
            _ => true,
        });
    for backup in lost.collect::<Vec<_>>() {
        context.world.remove(Kind::Backup, &backup);
    }
    context.world.sweep();
    Ok(json!({"RegionId": Json::from(context.options.region.as_str())}))
}
