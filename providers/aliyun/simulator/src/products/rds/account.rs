//! Accounts of an instance and what they may do.

use serde_json::{Value as Json, json};

use super::{db, malformed, part, parts, running};
use crate::{
    Kind,
    context::{Context, done, page},
    refusal::{Answer, absent, bad, forbidden},
};

/// 8 to 32 letters of three of four classes.
fn password<'a>(context: &'a Context<'_>) -> Answer<&'a str> {
    let password = context.params.need("AccountPassword")?;
    let special = |letter: char| "!@#$%^&*()_+-=".contains(letter);
    let classes: [fn(char) -> bool; 3] = [
        |is| is.is_ascii_uppercase(),
        |is| is.is_ascii_lowercase(),
        |is| is.is_ascii_digit(),
    ];
    let count =
        classes.iter().filter(|class| password.chars().any(class)).count() + usize::from(password.chars().any(special));
    let known = password
        .chars()
        .all(|letter| letter.is_ascii_alphanumeric() || special(letter));
    if (8..=32).contains(&password.len()) && count >= 3 && known {
        Ok(password)
    } else {
        malformed("InvalidAccountPassword.Format")
    }
}

pub(super) fn create(context: &mut Context<'_>) -> Answer {
    let id = running(context)?;
    let name = context.params.need("AccountName")?.to_owned();
    if !super::good_name(&name, 63) || ["root", "admin", "rdsadmin", "mysql", "postgres", "sa"].contains(&name.as_str())
    {
        return malformed("InvalidAccountName.Malformed");
    }
    let password = password(context)?.to_owned();
    let kind = context.params.text("AccountType").unwrap_or("Normal").to_owned();
    if !["Normal", "Super"].contains(&kind.as_str()) {
        return malformed("InvalidAccountType.Format");
    }
    let key = format!("{id}/{name}");
    if context.find(Kind::Account, &key).is_some() {
        return bad("InvalidAccountName.Duplicate", "Specified account name already exists.");
    }
    if parts(context, Kind::Account, &id).count() >= context.options.quotas.accounts {
        return forbidden("AccountLimitExceeded", "The number of accounts has reached its limit.");
    }
    if kind == "Super" && parts(context, Kind::Account, &id).any(|is| is.text("AccountType") == "Super") {
        return forbidden(
            "OperationDenied.SuperAccount",
            "The instance has a privileged account already.",
        );
    }
    let mut account = context.make(Kind::Account, key, name);
    account.parent = Some(id);
    account.busy = context.busy("Unavailable");
    account.attrs = context.params.pick(&["AccountDescription"]);
    account.set("AccountType", kind);
    account.set("password", password);
    account.set("grants", json!({}));
    context.world.put(account);
    done()
}

pub(super) fn list(context: &Context<'_>) -> Answer {
    let id = db(context)?.id.clone();
    let mut all = Vec::new();
    for is in parts(context, Kind::Account, &id).filter(|is| context.wants("AccountName", &is.name)) {
        let grants = is.attr("grants");
        let grants = grants.as_object().into_iter().flatten();
        let grants: Vec<_> = grants
            .map(|(name, privilege)| json!({"DBName": name, "AccountPrivilege": privilege}))
            .collect();
        all.push(json!({
            "DBInstanceId": id, "AccountName": is.name, "AccountStatus": is.status(context.now, "Available"),
            "AccountType": is.attr("AccountType"), "AccountDescription": is.text("AccountDescription"),
            "DatabasePrivileges": {"DatabasePrivilege": grants},
        }));
    }
    let at = context.page(500, 500)?;
    let total = all.len();
    Ok(json!({"Accounts": {"DBInstanceAccount": page(all, at)}, "PageNumber": at.0, "TotalRecordCount": total}))
}

/// The account of the call, which has to be available.
fn account(context: &Context<'_>) -> Answer<String> {
    running(context)?;
    let account = part(context, Kind::Account, context.params.need("AccountName")?)?;
    if account.is_busy(context.now) {
        return bad(
            "IncorrectAccountStatus",
            "Current account status does not support this operation.",
        );
    }
    Ok(account.id.clone())
}

pub(super) fn reset(context: &mut Context<'_>) -> Answer {
    let (id, password) = (account(context)?, password(context)?.to_owned());
    context.edit(Kind::Account, &id).set("password", password);
    done()
}

pub(super) fn delete(context: &mut Context<'_>) -> Answer {
    let id = account(context)?;
    let owner = part(context, Kind::Account, context.params.need("AccountName")?)?
        .name
        .clone();
    let parent = db(context)?.id.clone();
    if parts(context, Kind::Database, &parent).any(|is| is.text("owner") == owner) {
        return forbidden("AccountActionForbidden", "The account owns databases of the instance.");
    }
    context.world.remove(Kind::Account, &id);
    done()
}

fn privileges(engine: &str) -> &'static [&'static str] {
    match engine {
        "PostgreSQL" => &["DBOwner"],
        "SQLServer" => &["ReadWrite", "ReadOnly", "DBOwner"],
        _ => &["ReadWrite", "ReadOnly", "DDLOnly", "DMLOnly"],
    }
}

pub(super) fn grant(context: &mut Context<'_>) -> Answer {
    let id = account(context)?;
    let privilege = context.params.need("AccountPrivilege")?.to_owned();
    if !privileges(db(context)?.text("Engine")).contains(&privilege.as_str()) {
        return bad(
            "InvalidAccountPrivilege.Malformed",
            format!("The privilege {privilege} is not one of the engine."),
        );
    }
    let database = part(context, Kind::Database, context.params.need("DBName")?)?;
    if database.is_busy(context.now) {
        return forbidden(
            "OperationDenied.DBStatus",
            "Current database status does not support this operation.",
        );
    }
    let (database, database_id) = (database.name.clone(), database.id.clone());
    let is = part(context, Kind::Account, context.params.need("AccountName")?)?;
    if is.text("AccountType") == "Super" {
        return forbidden("IncorrectAccountPrivilegeType", "A privileged account needs no grants.");
    }
    let (mut grants, name) = (is.attr("grants"), is.name.clone());
    grants[&database] = privilege.as_str().into();
    context.edit(Kind::Account, &id).set("grants", grants);
    if privilege == "DBOwner" {
        context.edit(Kind::Database, &database_id).set("owner", name);
    }
    done()
}

pub(super) fn revoke(context: &mut Context<'_>) -> Answer {
    let id = account(context)?;
    let database = context.params.need("DBName")?.to_owned();
    let mut grants = part(context, Kind::Account, context.params.need("AccountName")?)?.attr("grants");
    let had = grants.as_object_mut().and_then(|grants| grants.remove(&database));
    if had.is_none() && part(context, Kind::Database, &database).is_err() {
        return absent(
            "InvalidDBName.NotFound",
            "Specified one or more DB name does not exist or DB status does not support.",
        );
    }
    context.edit(Kind::Account, &id).set("grants", grants);
    let key = format!("{}/{database}", db(context)?.id);
    if had == Some(Json::from("DBOwner")) && context.find(Kind::Database, &key).is_some() {
        context.edit(Kind::Database, &key).set("owner", "");
    }
    done()
}
