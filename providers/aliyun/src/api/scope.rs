//! The organisation and resource group of an Apsara Stack, proven before anything else is asked.
//!
//! A stack answers a list under a wrong scope with nothing at all, which is no absence. So no call is made under a
//! scope that the stack did not name itself.

use mooring_provider::{Error, ErrorKind, Result};
use serde::Deserialize;
use serde_json::Value as Json;

use crate::{
    api::Call,
    apsara::ApsaraConfig,
    credentials::Keyring,
    params::Params,
    product::Product,
    wire::{Scope, Wire},
};

const OPERATION: &str = "apsara.scope";
const PAGE: usize = 100;
/// How many pages are read at most.
const PAGES: usize = 100;

#[derive(Deserialize)]
struct Page {
    #[serde(default)]
    data: Vec<Group>,
}

#[derive(Deserialize)]
struct Group {
    id: Json,
    #[serde(rename = "organizationID", alias = "organizationId")]
    organization: Json,
    #[serde(rename = "resourceGroupName", default)]
    name: String,
}

/// The scope that the configuration means, as the stack itself names it.
pub(super) async fn prove(wire: &Wire, keyring: &Keyring, config: &ApsaraConfig) -> Result<Scope> {
    let mut found = Vec::new();
    for page in 1..=PAGES {
        let params = Params::new().set("pageNumber", page).set("pageSize", PAGE);
        let call = Call::read(Product::Ascm, "ListResourceGroup", OPERATION, params);
        let keys = keyring.keys(wire, None).await?;
        let reply = wire.rpc(Some(&keys), None, &call).await?;
        let groups = Page::deserialize(reply.value)
            .map_err(|_| Error::new(ErrorKind::Unexpected, OPERATION, "the answer lists no resource groups"))?
            .data;
        let whole = groups.len() < PAGE;
        found.extend(groups.into_iter().filter_map(|group| wanted(&group, config)));
        if whole {
            break;
        }
    }
    found.dedup();
    match found.as_slice() {
        [scope] => Ok(scope.clone()),
        [] => Err(denied(format!(
            "spec.apsara.resourceGroup: these credentials see no resource group `{}`{}; name one that they see",
            config.resource_group,
            config
                .organization
                .as_ref()
                .map_or_else(String::new, |id| format!(" of the organization {id}")),
        ))),
        several => Err(denied(format!(
            "spec.apsara.resourceGroup: {} resource groups are named `{}`; give the id, and the organization",
            several.len(),
            config.resource_group
        ))),
    }
}

fn wanted(group: &Group, config: &ApsaraConfig) -> Option<Scope> {
    let text = |id: &Json| id.as_str().map_or_else(|| id.to_string(), str::to_owned);
    let scope = Scope {
        organization: text(&group.organization),
        resource_group: text(&group.id),
    };
    let named = scope.resource_group == config.resource_group || group.name == config.resource_group;
    let within = config.organization.as_ref().is_none_or(|id| *id == scope.organization);
    (named && within).then_some(scope)
}

fn denied(message: String) -> Error {
    Error::new(ErrorKind::PermissionDenied, OPERATION, message)
}
