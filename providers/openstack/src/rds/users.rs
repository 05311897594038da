//! The accounts of an instance.

use mooring_provider::{Access, Account, Error, ErrorKind, Receipt, Result};
use percent_encoding::{NON_ALPHANUMERIC, utf8_percent_encode};
use secrecy::ExposeSecret;
use serde::Deserialize;
use serde_json::json;

use super::{
    Databases,
    state::{DATABASE, State},
};
use crate::{
    config::{LimitedAccess, Service},
    session::{Call, receipt},
};

const ENSURE: &str = "rds.ensure_account";

#[derive(Deserialize)]
pub(super) struct User {
    pub(super) name: String,
    #[serde(default)]
    databases: Vec<Named>,
}

#[derive(Deserialize)]
struct Named {
    name: String,
}

impl Databases {
    /// What an account that asks for this access gets.
    pub(super) fn granted(&self, access: Access) -> Result<Access> {
        if access == Access::Owner || self.session.config.limited_access == LimitedAccess::AsOwner {
            return Ok(Access::Owner);
        }
        let message = format!(
            "Trove gives each account all rights on its database, so that access `{}` cannot be had; use `owner`, or an \
             SRE may allow that it is one with spec.openstack.limitedAccess: asOwner",
            access.as_str()
        );
        Err(Error::new(ErrorKind::Unsupported, ENSURE, message))
    }

    /// The users of an instance, those of the engine itself not among them.
    pub(super) async fn users(&self, operation: &'static str, id: &str) -> Result<Vec<User>> {
        let call = Call::get(operation, Service::Database, format!("/instances/{id}/users"));
        Ok(self.session.list(call, "users", "name").await?.unwrap_or_default())
    }

    /// Makes the user, or sets its password and its access again.
    pub(super) async fn ensure_user(&self, state: &State, account: &Account) -> Result<Receipt> {
        self.granted(account.access)?;
        let database = state.word(DATABASE).ok_or_else(|| {
            Error::new(
                ErrorKind::NotOwned,
                ENSURE,
                "the name of the instance does not say which database is ours",
            )
        })?;
        let (name, password) = (account.name.as_str(), account.password.expose_secret());
        let path = format!("/instances/{}/users", state.instance.id);
        let there = self
            .users(ENSURE, &state.instance.id)
            .await?
            .into_iter()
            .find(|user| user.name == name);
        let Some(there) = there else {
            let user = json!({"name": name, "password": password, "databases": [{"name": database}]});
            let call = Call::post(ENSURE, Service::Database, path, json!({"users": [user]}));
            let answer = self.session.change(call.hiding(&account.password)).await?;
            return Ok(receipt(&answer));
        };
        let body = json!({"users": [{"name": name, "password": password}]});
        let call = Call::put(ENSURE, Service::Database, path.clone(), body);
        let mut answer = self.session.change(call.hiding(&account.password)).await?;
        if !there.databases.iter().any(|granted| granted.name == database) {
            let body = json!({"databases": [{"name": database}]});
            let path = format!("{path}/{}/databases", encoded(name));
            answer = self
                .session
                .change(Call::put(ENSURE, Service::Database, path, body))
                .await?;
        }
        Ok(receipt(&answer))
    }

    pub(super) async fn drop_user(&self, operation: &'static str, id: &str, name: &str) -> Result<Receipt> {
        let path = format!("/instances/{id}/users/{}", encoded(name));
        self.session
            .remove(Call::delete(operation, Service::Database, path))
            .await
    }
}

fn encoded(name: &str) -> String {
    utf8_percent_encode(name, NON_ALPHANUMERIC).to_string()
}
