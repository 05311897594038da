//! The accounts of an instance.

use mooring_provider::{Account, Error, ErrorKind, Receipt, Result};
use secrecy::ExposeSecret;

use super::{
    change::{change, has_code, once},
    engine,
    state::State,
    wire::Accounts,
};
use crate::{
    api::{Api, Call},
    errors::is_not_found,
    params::Params,
    product::Product,
};

/// Characters other than letters and digits that a password may have.
const SPECIAL: &str = "!@#$%^&*()_+-=";

/// Makes the account exist with this password and this access. Looks first: none of these calls has a client token.
pub(super) async fn ensure(api: &Api, state: &State, account: &Account) -> Result<Receipt> {
    const OPERATION: &str = "rds.ensureAccount";
    let (Some(engine), Some(database)) = (state.engine(), state.database()) else {
        let message = format!("{} has no database yet that an account could be for", state.id);
        return Err(Error::new(ErrorKind::Busy, OPERATION, message));
    };
    check_password(account)?;
    let Some(privilege) = engine::privilege(engine, account.access) else {
        let message = format!(
            "access: an account of {engine} is made as the owner of its database here, and not for less; bind it with \
             access owner, or grant less inside the database"
        );
        return Err(Error::new(ErrorKind::Unsupported, OPERATION, message));
    };
    let of = || {
        Params::new()
            .set("DBInstanceId", &state.id)
            .set("AccountName", &account.name)
    };
    let read = Call::read(Product::Rds, "DescribeAccounts", OPERATION, of());
    let found = api.rpc::<Accounts>(read).await?.value.accounts.list;
    let known = found.into_iter().find(|known| known.name == account.name);
    let mut has = None;
    match &known {
        None => {
            let params = of()
                .secret("AccountPassword", &account.password)
                .set("AccountType", "Normal");
            match once(api, "CreateAccount", OPERATION, params).await {
                Ok(_) => {}
                // Ours, whose answer was lost, or somebody's of just now: the next look tells, and sets the password.
                Err(error) if has_code(&error, "InvalidAccountName.Duplicate") => {
                    let message = format!("the account {} has just come to be", account.name);
                    return Err(Error::new(ErrorKind::Busy, OPERATION, message));
                }
                Err(error) => return Err(error),
            }
        }
        Some(known) if known.status == "Unavailable" => {
            let message = format!("the account {} is not available yet", account.name);
            return Err(Error::new(ErrorKind::Busy, OPERATION, message));
        }
        Some(known) => {
            let params = of().secret("AccountPassword", &account.password);
            change(api, "ResetAccountPassword", OPERATION, params).await?;
            has = known.privileges.list.iter().find(|held| held.database == database);
        }
    }
    if has.is_some_and(|held| held.may.eq_ignore_ascii_case(privilege)) {
        return Ok(Receipt::default());
    }
    if has.is_some() {
        // What it may do is replaced, never added to.
        let params = of().set("DBName", database);
        change(api, "RevokeAccountPrivilege", OPERATION, params).await?;
    }
    let params = of().set("DBName", database).set("AccountPrivilege", privilege);
    change(api, "GrantAccountPrivilege", OPERATION, params).await
}

/// Removes the account. One that is not there, or whose instance is not, is removed.
pub(super) async fn drop(api: &Api, state: &State, name: &str) -> Result<Receipt> {
    let params = Params::new().set("DBInstanceId", &state.id).set("AccountName", name);
    match change(api, "DeleteAccount", "rds.dropAccount", params).await {
        Err(error) if is_not_found(Product::Rds, &error) => Ok(Receipt::default()),
        dropped => dropped,
    }
}

/// What the API would refuse is refused here, and never shown.
fn check_password(account: &Account) -> Result<()> {
    let password = account.password.expose_secret();
    let classes = [
        password.chars().any(|c| c.is_ascii_uppercase()),
        password.chars().any(|c| c.is_ascii_lowercase()),
        password.chars().any(|c| c.is_ascii_digit()),
        password.chars().any(|c| SPECIAL.contains(c)),
    ];
    let known = password
        .chars()
        .all(|c| c.is_ascii_alphanumeric() || SPECIAL.contains(c));
    let many = classes.into_iter().filter(|has| *has).count();
    if (8..=32).contains(&password.len()) && known && many >= 3 {
        return Ok(());
    }
    let message = format!(
        "the password of the account {} will not do here: it takes 8 to 32 characters of at least three of capitals, \
         small letters, digits and {SPECIAL}",
        account.name
    );
    Err(Error::new(ErrorKind::InvalidSpec, "rds.ensureAccount", message))
}
