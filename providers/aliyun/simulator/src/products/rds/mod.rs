//! RDS: instances, their accounts, databases, whitelists and backups.

mod account;
mod backup;
mod database;
mod instance;
pub(crate) mod network;
mod show;

use serde_json::{Value as Json, json};

use super::tags;
use crate::{
    Kind, Resource,
    context::{Context, done, tag_list},
    refusal::{Answer, Refusal, absent, bad, forbidden},
};

const TYPES: tags::Types = &[("INSTANCE", Kind::Db)];

pub(crate) fn call(context: &mut Context<'_>) -> Option<Answer> {
    Some(match context.action {
        "CreateDBInstance" => instance::create(context),
        "DescribeDBInstances" => show::list(context),
        "DescribeDBInstanceAttribute" => show::attribute(context),
        "ModifyDBInstanceDescription" => instance::describe(context),
        "ModifyDBInstanceSpec" => instance::resize(context),
        "ModifyDBInstanceDeletionProtection" => instance::protect(context),
        "ModifyDBInstanceMaintainTime" => set(context, &["MaintainTime"]),
        "ModifyResourceGroup" => set(context, &["ResourceGroupId"]),
        "TransformDBInstancePayType" => instance::pay(context),
        "RestartDBInstance" => instance::restart(context),
        "DeleteDBInstance" => instance::delete(context),
        "DescribeDBInstanceNetInfo" => network::info(context),
        "ModifySecurityIps" => network::modify(context),
        "DescribeDBInstanceIPArrayList" => network::list(context),
        "ModifySecurityGroupConfiguration" => network::let_in(context),
        "DescribeSecurityGroupConfiguration" => network::let_in_are(context),
        "ModifyDBInstanceSSL" => network::modify_ssl(context),
        "DescribeDBInstanceSSL" => network::ssl(context),
        "CreateAccount" => account::create(context),
        "DescribeAccounts" => account::list(context),
        "ResetAccountPassword" => account::reset(context),
        "DeleteAccount" => account::delete(context),
        "GrantAccountPrivilege" => account::grant(context),
        "RevokeAccountPrivilege" => account::revoke(context),
        "CreateDatabase" => database::create(context),
        "DescribeDatabases" => database::list(context),
        "DeleteDatabase" => database::delete(context),
        "CreateBackup" => backup::create(context),
        "DescribeBackups" => backup::list(context, false),
        "DescribeDetachedBackups" => backup::list(context, true),
        "DescribeBackupTasks" => backup::jobs(context),
        "DeleteBackup" => backup::delete(context),
        "DescribeBackupPolicy" => backup::policy(context),
        "ModifyBackupPolicy" => backup::modify_policy(context),
        "TagResources" => tags::tag(context, TYPES),
        "UntagResources" => tags::untag(context, TYPES),
        "ListTagResources" => tags::listed(context, TYPES, "ALIYUN::RDS::"),
        "DescribeDBInstanceByTags" => by_tags(context),
        "DescribeTasks" => {
            Ok(json!({"Items": {"TaskProgressInfo": []}, "TotalRecordCount": 0, "PageNumber": 1, "PageRecordCount": 0}))
        }
        "DescribeRegions" => {
            let (region, zones) = (&context.options.region, &context.options.zones);
            let one = |zone: &String| json!({"RegionId": region, "ZoneId": zone});
            Ok(json!({"Regions": {"RDSRegion": zones.iter().map(one).collect::<Vec<_>>()}}))
        }
        _ => return None,
    })
}

/// The instance of the call.
fn db<'a>(context: &'a Context<'_>) -> Answer<&'a Resource> {
    let id = context.params.need("DBInstanceId")?;
    match context.find(Kind::Db, id) {
        Some(db) => Ok(db),
        None => absent(
            "InvalidDBInstanceName.NotFound",
            "The database instance does not exist.",
        ),
    }
}

/// The id of the instance of the call, which has to run.
fn running(context: &Context<'_>) -> Answer<String> {
    let db = db(context)?;
    if db.text("LockMode") != "Unlock" {
        return forbidden(
            "IncorrectDBInstanceLockMode",
            "Current DB instance lock mode does not support this operation.",
        );
    }
    if db.is_busy(context.now) || db.gone_at.is_some() {
        return forbidden(
            "IncorrectDBInstanceState",
            "Current DB instance state does not support this operation.",
        );
    }
    Ok(db.id.clone())
}

/// Sets what the parameters of these names say.
fn set(context: &mut Context<'_>, names: &[&str]) -> Answer {
    let (id, changed) = (db(context)?.id.clone(), context.params.pick(names));
    context.edit(Kind::Db, &id).attrs.extend(changed);
    done()
}

/// What is inside an instance.
fn part<'a>(context: &'a Context<'_>, kind: Kind, name: &str) -> Answer<&'a Resource> {
    let id = format!("{}/{name}", db(context)?.id);
    let code = if kind == Kind::Account {
        "InvalidAccountName.NotFound"
    } else {
        "InvalidDBName.NotFound"
    };
    context
        .find(kind, &id)
        .ok_or_else(|| Refusal::new(404, code, format!("`{name}` does not exist.")))
}

/// Everything of a kind inside an instance.
fn parts<'a>(context: &'a Context<'_>, kind: Kind, id: &'a str) -> impl Iterator<Item = &'a Resource> {
    context.seen(kind).filter(move |is| is.parent.as_deref() == Some(id))
}

fn by_tags(context: &Context<'_>) -> Answer {
    let mut items = Vec::new();
    for db in context
        .seen(Kind::Db)
        .filter(|db| context.wants("DBInstanceId", &db.id))
    {
        let tags = tag_list(&db.tags, "TagKey", "TagValue");
        items.push(json!({"DBInstanceId": db.id, "Tags": {"Tag": tags}}));
    }
    let at = context.page(100, 30)?;
    let total = items.len();
    let items = crate::context::page(items, at);
    let count = items.len();
    Ok(
        json!({"Items": {"DBInstanceTag": items}, "PageNumber": at.0, "PageRecordCount": count, "TotalRecordCount": total}),
    )
}

/// A name as engines take them.
fn good_name(name: &str, longest: usize) -> bool {
    let mut letters = name.chars();
    letters.next().is_some_and(|first| first.is_ascii_lowercase())
        && letters.all(|letter| letter.is_ascii_lowercase() || letter.is_ascii_digit() || matches!(letter, '_' | '-'))
        && name.len() <= longest
        && !name.ends_with(['_', '-'])
}

fn json_text(value: &Json) -> &str {
    value.as_str().unwrap_or_default()
}

fn malformed<T>(code: &'static str) -> Answer<T> {
    bad(code, "The specified value is not valid.")
}
