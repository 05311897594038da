//! Backups of an instance, and how long they are kept.

use serde_json::{Value as Json, json};

use super::{db, running};
use crate::{
    Kind,
    context::{Context, done, page},
    refusal::{Answer, absent, bad},
    world::iso,
};

/// The backups of an instance, oldest first.
pub(super) fn of(context: &Context<'_>, id: &str) -> Vec<String> {
    let mut all: Vec<_> = context
        .seen(Kind::Backup)
        .filter(|is| is.text("DBInstanceId") == id)
        .collect();
    all.sort_by_key(|is| (is.created, is.id.parse::<u64>().unwrap_or_default()));
    all.into_iter().map(|is| is.id.clone()).collect()
}

pub(super) fn create(context: &mut Context<'_>) -> Answer {
    let id = running(context)?;
    let under_way = |backup: &String| {
        context
            .find(Kind::Backup, backup)
            .is_some_and(|is| is.is_busy(context.now))
    };
    if of(context, &id).iter().any(under_way) {
        return bad("BackupJobExists", "A backup job exists already.");
    }
    let number = context.world.number().to_string();
    let mut backup = context.make(Kind::Backup, &number, "");
    backup.busy = context.busy("Backuping");
    backup.set("DBInstanceId", id);
    backup.set("rows", db(context)?.rows.clone());
    context.world.put(backup);
    Ok(json!({ "BackupJobId": number }))
}

pub(super) fn list(context: &Context<'_>, detached: bool) -> Answer {
    let id = context.params.need("DBInstanceId")?.to_owned();
    if !detached {
        db(context)?;
    }
    let mut all = Vec::new();
    for backup in of(context, &id) {
        let Some(is) = context
            .find(Kind::Backup, &backup)
            .filter(|is| !is.is_busy(context.now))
        else {
            continue;
        };
        if !context.wants("BackupId", &is.id) {
            continue;
        }
        all.push(json!({
            "BackupId": is.id, "DBInstanceId": id, "BackupStatus": "Success", "BackupType": "FullBackup",
            "BackupMode": "Manual", "BackupMethod": "Physical", "BackupStartTime": iso(is.created),
            "BackupEndTime": iso(is.busy.as_ref().map_or(is.created, |busy| busy.until)), "BackupSize": 1_048_576,
        }));
    }
    // The newest come first.
    all.reverse();
    let size = context.params.int("PageSize").unwrap_or(30);
    if !(30..=1000).contains(&size) {
        return bad("InvalidParameter", "PageSize is from 30 to 1000.");
    }
    let at = context.page(1000, 30)?;
    let total = all.len().to_string();
    let some = page(all, at);
    let count = some.len().to_string();
    Ok(
        json!({"Items": {"Backup": some}, "PageNumber": at.0.to_string(), "PageRecordCount": count, "TotalRecordCount": total}),
    )
}

pub(super) fn jobs(context: &Context<'_>) -> Answer {
    let id = db(context)?.id.clone();
    let wanted = context.params.int("BackupJobId").map(|number| number.to_string());
    let mut all = Vec::new();
    for backup in of(context, &id)
        .into_iter()
        .filter(|is| wanted.as_ref().is_none_or(|wanted| wanted == is))
    {
        let status = context
            .find(Kind::Backup, &backup)
            .map(|is| is.status(context.now, "Finished"));
        let progress = if status.as_deref() == Some("Finished") {
            "100"
        } else {
            "50"
        };
        all.push(json!({
            "BackupJobId": backup, "BackupId": backup, "BackupStatus": status, "BackupProgressStatus": status,
            "JobMode": "NonAutomated", "Process": progress, "TaskAction": "NormalBackupTask",
        }));
    }
    Ok(json!({"Items": {"BackupJob": all}}))
}

pub(super) fn delete(context: &mut Context<'_>) -> Answer {
    let id = context.params.need("DBInstanceId")?.to_owned();
    for backup in context
        .params
        .commas("BackupId")
        .into_iter()
        .map(str::to_owned)
        .collect::<Vec<_>>()
    {
        let known = context
            .find(Kind::Backup, &backup)
            .is_some_and(|is| is.text("DBInstanceId") == id);
        if !known {
            return absent(
                "InvalidBackupSetID.NotFound",
                "The specified backup set does not exist.",
            );
        }
        context.world.remove(Kind::Backup, &backup);
    }
    done()
}

pub(super) fn policy(context: &Context<'_>) -> Answer {
    let db = db(context)?;
    let days = db
        .attrs
        .get("BackupRetentionPeriod")
        .and_then(Json::as_i64)
        .unwrap_or(7);
    let or = |name: &str, default: &str| match db.text(name) {
        "" => default.to_owned(),
        is => is.to_owned(),
    };
    Ok(json!({
        "BackupRetentionPeriod": days, "LogBackupRetentionPeriod": days.min(730),
        "PreferredBackupPeriod": or("PreferredBackupPeriod", "Monday,Tuesday,Wednesday,Thursday,Friday,Saturday,Sunday"),
        "PreferredBackupTime": or("PreferredBackupTime", "18:00Z-19:00Z"),
        "ReleasedKeepPolicy": or("ReleasedKeepPolicy", "None"), "EnableBackupLog": or("EnableBackupLog", "1"),
    }))
}

pub(super) fn modify_policy(context: &mut Context<'_>) -> Answer {
    let id = running(context)?;
    let days = context.params.text("BackupRetentionPeriod").map(str::parse::<i64>);
    let mut changed = context.params.pick(&[
        "PreferredBackupPeriod",
        "PreferredBackupTime",
        "ReleasedKeepPolicy",
        "EnableBackupLog",
    ]);
    match days {
        Some(Ok(days)) if (7..=730).contains(&days) => {
            changed.insert("BackupRetentionPeriod".into(), days.into());
        }
        None => {}
        Some(_) => {
            return bad(
                "InvalidBackupRetentionPeriod.Malformed",
                "The retention is from 7 to 730 days.",
            );
        }
    }
    context.edit(Kind::Db, &id).attrs.extend(changed);
    Ok(json!({"DBInstanceID": id}))
}
