//! Databases of an instance.

use serde_json::json;

use super::{db, malformed, part, parts, running};
use crate::{
    Kind,
    context::{Context, done, page},
    refusal::{Answer, bad, forbidden},
};

pub(super) fn create(context: &mut Context<'_>) -> Answer {
    let id = running(context)?;
    let name = context.params.need("DBName")?.to_owned();
    if !super::good_name(&name, 64) || ["mysql", "postgres", "template0", "template1", "sys"].contains(&name.as_str()) {
        return malformed("InvalidDBName.Malformed");
    }
    let set = context.params.need("CharacterSetName")?;
    let base = set.split(',').next().unwrap_or_default();
    let known: &[&str] = match db(context)?.text("Engine") {
        "PostgreSQL" => &["UTF8", "SQL_ASCII", "LATIN1", "EUC_CN"],
        "SQLServer" => &[
            "Chinese_PRC_CI_AS",
            "Chinese_PRC_CS_AS",
            "SQL_Latin1_General_CP1_CI_AS",
            "Chinese_PRC_BIN",
        ],
        _ => &["utf8", "utf8mb4", "gbk", "latin1"],
    };
    if !known.contains(&base) {
        return bad(
            "InvalidCharacterSetName.Format",
            format!("The character set {set} is not one of the engine."),
        );
    }
    let key = format!("{id}/{name}");
    if context.find(Kind::Database, &key).is_some() {
        return bad(
            "InvalidDBName.Duplicate",
            "Specified database name already exists in the Aliyun RDS.",
        );
    }
    let mut database = context.make(Kind::Database, key, name);
    database.parent = Some(id);
    database.busy = context.busy("Creating");
    database.attrs = context.params.pick(&["CharacterSetName", "DBDescription"]);
    context.world.put(database);
    done()
}

pub(super) fn list(context: &Context<'_>) -> Answer {
    let id = db(context)?.id.clone();
    let engine = db(context)?.attr("Engine");
    let mut all = Vec::new();
    for is in parts(context, Kind::Database, &id) {
        let status = is.status(context.now, "Running");
        if !context.wants("DBName", &is.name) || !context.wants("DBStatus", &status) {
            continue;
        }
        let accounts = parts(context, Kind::Account, &id).filter_map(|account| {
            let privilege = account.attr("grants").get(&is.name).cloned()?;
            Some(json!({"Account": account.name, "AccountPrivilege": privilege}))
        });
        all.push(json!({
            "DBInstanceId": id, "DBName": is.name, "DBStatus": status, "Engine": engine,
            "CharacterSetName": is.attr("CharacterSetName"), "DBDescription": is.text("DBDescription"),
            "Accounts": {"AccountPrivilegeInfo": accounts.collect::<Vec<_>>()},
        }));
    }
    let at = context.page(100, 30)?;
    Ok(json!({"Databases": {"Database": page(all, at)}}))
}

pub(super) fn delete(context: &mut Context<'_>) -> Answer {
    running(context)?;
    let is = part(context, Kind::Database, context.params.need("DBName")?)?;
    if is.is_busy(context.now) {
        return forbidden(
            "IncorrectDBState",
            "Current database status does not support this operation.",
        );
    }
    let id = is.id.clone();
    context.world.remove(Kind::Database, &id);
    done()
}
