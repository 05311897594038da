//! What the kinds share of Neutron: tags, parts by their owner, the external network, public addresses.

use std::{collections::BTreeMap, fmt};

use mooring_provider::{Error, ErrorKind, Owner, Receipt, Result};
use serde::{Deserialize, de::DeserializeOwned};
use serde_json::{Value as Json, json};

use crate::{
    config::{Service, invalid},
    label,
    session::{Call, Session, one, receipt},
};

/// What every part of Neutron has.
#[derive(Debug, Clone, Default, PartialEq, Deserialize)]
pub(crate) struct Meta {
    pub(crate) id: String,
    #[serde(default)]
    pub(crate) description: Option<String>,
    #[serde(default)]
    pub(crate) tags: Vec<String>,
}

impl Meta {
    pub(crate) fn owner(&self) -> Option<Owner> {
        label::owner(&self.tags, self.description.as_deref().unwrap_or_default())
    }
}

/// A public address.
#[derive(Debug, Clone, Deserialize)]
pub(crate) struct FloatingIp {
    #[serde(flatten)]
    pub(crate) meta: Meta,
    pub(crate) floating_ip_address: String,
    pub(crate) port_id: Option<String>,
}

/// A collection of Neutron: its path and the names it has in answers.
#[derive(Debug, Clone, Copy)]
pub(crate) struct Collection {
    pub(crate) path: &'static str,
    many: &'static str,
    pub(crate) one: &'static str,
}

macro_rules! collections {
    ($($name:ident: $path:literal, $many:literal, $one:literal;)*) => {
        $(pub(crate) const $name: Collection = Collection { path: $path, many: $many, one: $one };)*
    };
}

collections! {
    NETWORKS: "/networks", "networks", "network";
    SUBNETS: "/subnets", "subnets", "subnet";
    ROUTERS: "/routers", "routers", "router";
    GROUPS: "/security-groups", "security_groups", "security_group";
    RULES: "/security-group-rules", "security_group_rules", "security_group_rule";
    PORTS: "/ports", "ports", "port";
    FLOATING: "/floatingips", "floatingips", "floatingip";
}

impl fmt::Display for Collection {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.one.replace('_', " "))
    }
}

impl Session {
    /// What of a collection is in the project. An administrator's credentials would see everybody's.
    pub(crate) async fn own<T: DeserializeOwned>(
        &self,
        operation: &'static str,
        collection: Collection,
        filter: &[(&'static str, &str)],
    ) -> Result<Vec<T>> {
        let project = self.token().await?.project.clone();
        let call = Call::get(operation, Service::Network, collection.path).with("project_id", project);
        let call = filter.iter().fold(call, |call, (name, value)| call.with(name, *value));
        self.all(call, collection.many).await
    }

    /// What a filter finds in a collection, whosever it is.
    pub(crate) async fn find<T: DeserializeOwned>(
        &self,
        operation: &'static str,
        collection: Collection,
        filter: &[(&'static str, &str)],
    ) -> Result<Vec<T>> {
        let call = Call::get(operation, Service::Network, collection.path);
        let call = filter.iter().fold(call, |call, (name, value)| call.with(name, *value));
        self.all(call, collection.many).await
    }

    /// Makes a part and tags it. Its description names the owner from the first moment on, so that the part is found
    /// if it is never tagged.
    pub(crate) async fn add<T: DeserializeOwned>(
        &self,
        operation: &'static str,
        collection: Collection,
        owner: &Owner,
        tags: &BTreeMap<String, String>,
        mut body: Json,
    ) -> Result<T> {
        body["description"] = json!(label::describe(owner, &[])?);
        let call = Call::post(
            operation,
            Service::Network,
            collection.path,
            json!({ collection.one: body }),
        );
        let answer = self.make(call).await?;
        let made: Meta = one(&answer, operation, collection.one)?;
        self.tag(operation, collection, &made.id, label::tags(owner, tags))
            .await?;
        one(&answer, operation, collection.one)
    }

    /// Replaces the tags of a part.
    pub(crate) async fn tag(
        &self,
        operation: &'static str,
        collection: Collection,
        id: &str,
        tags: Vec<String>,
    ) -> Result<Receipt> {
        let path = format!("{}/{id}/tags", collection.path);
        let answer = self
            .change(Call::put(operation, Service::Network, path, json!({ "tags": tags })))
            .await?;
        Ok(receipt(&answer))
    }

    /// Gives a part to another owner.
    pub(crate) async fn hand_over(
        &self,
        operation: &'static str,
        collection: Collection,
        meta: &Meta,
        owner: &Owner,
    ) -> Result<Receipt> {
        let tags = label::tags(owner, &label::others(&meta.tags));
        let body = json!({ collection.one: {"description": label::describe(owner, &[])?} });
        let path = format!("{}/{}", collection.path, meta.id);
        self.change(Call::put(operation, Service::Network, path, body)).await?;
        self.tag(operation, collection, &meta.id, tags).await
    }

    /// Removes a part of a collection.
    pub(crate) async fn drop_part(&self, operation: &'static str, collection: Collection, id: &str) -> Result<Receipt> {
        let path = format!("{}/{id}", collection.path);
        self.remove(Call::delete(operation, Service::Network, path)).await
    }

    /// The id of the external network of the configuration.
    pub(crate) async fn external_network(&self, operation: &'static str) -> Result<String> {
        let Some(wanted) = &self.config.external_network else {
            return Err(no_external_network(operation));
        };
        let found: Vec<Named> = self.find(operation, NETWORKS, &[("router:external", "true")]).await?;
        let mut matching = found.iter().filter(|network| network.id == *wanted);
        let mut named = found.iter().filter(|network| network.name == *wanted);
        match (matching.next(), named.next(), named.next()) {
            (Some(network), ..) | (None, Some(network), None) => Ok(network.id.clone()),
            (None, Some(_), Some(_)) => Err(invalid(&format!(
                "externalNetwork: `{wanted}` is the name of several networks; give the id of one"
            ))),
            (None, None, _) => Err(invalid(&format!(
                "externalNetwork: `{wanted}` is no external network of this cloud; `openstack network list --external` \
                 shows them"
            ))),
        }
    }
}

#[derive(Deserialize)]
struct Named {
    id: String,
    name: String,
}

/// What needs an external network where the configuration names none.
pub(crate) fn no_external_network(operation: &'static str) -> Error {
    let message = "neither egress to the internet nor a public address can be had: spec.openstack.externalNetwork of \
                   the ProviderConfig names no network";
    Error::new(ErrorKind::Unsupported, operation, message)
}
