//! The calls to the log service. None has a client token, and projects of Apsara Stack are another API.

use mooring_provider::{Claim, Error, ErrorKind, Receipt, Result};
use mooring_provider_http::Method;
use serde::{Deserialize, de::DeserializeOwned};
use serde_json::{Value as Json, json};
use sha2::{Digest, Sha256};

use crate::{
    api::{Api, Call, Nothing, SlsCall},
    errors::is_not_found,
    marks::Tags,
    params::Params,
    product::Product,
    wire::Flavour,
};

/// How many names a page has.
const PAGE: usize = 200;

/// The log service, for one operation.
#[derive(Clone, Copy)]
pub(super) struct Sls<'a> {
    pub(super) api: &'a Api,
    pub(super) operation: &'static str,
}

/// The project that all stores of a namespace share. Its name is global, so it comes from the cluster too.
pub(super) fn project_of(claim: &Claim) -> String {
    let key = &claim.owner.key;
    let hash = Sha256::digest(format!("{}/{}", claim.owner.cluster, key.namespace));
    let mut readable: String = key
        .namespace
        .to_ascii_lowercase()
        .chars()
        .map(|c| if c.is_ascii_alphanumeric() { c } else { '-' })
        .collect();
    readable.truncate(32);
    format!("mooring-{}-{}", readable.trim_matches('-'), hex::encode(&hash[..8]))
}

/// What a project of ours says of itself from its first moment on, before it can be tagged.
pub(super) fn description(project: &str) -> String {
    format!(
        "shared by a namespace, made by Mooring as {}",
        &project[project.len() - 16..]
    )
}

#[derive(Debug, Deserialize)]
pub(super) struct Project {
    #[serde(default)]
    pub(super) description: String,
    #[serde(default)]
    pub(super) status: String,
}

#[derive(Debug, Clone, Deserialize)]
pub(super) struct Logstore {
    pub(super) ttl: u64,
}

#[derive(Deserialize)]
struct TagRows {
    #[serde(rename = "tagResources", default)]
    rows: Vec<TagRow>,
}

#[derive(Deserialize)]
#[serde(rename_all = "camelCase")]
struct TagRow {
    resource_id: String,
    tag_key: String,
    #[serde(default)]
    tag_value: String,
}

/// What a resource of the log service is, for its tags.
#[derive(Clone, Copy)]
pub(super) enum Of<'a> {
    Project(&'a str),
    Store(&'a str, &'a str),
}

impl Of<'_> {
    fn kind(self) -> &'static str {
        match self {
            Self::Project(_) => "project",
            Self::Store(..) => "logstore",
        }
    }

    fn id(self) -> String {
        match self {
            Self::Project(project) => project.to_owned(),
            Self::Store(project, store) => format!("{project}#{store}"),
        }
    }
}

/// `None` when the very thing does not exist.
pub(super) fn found<T>(answer: Result<T>) -> Result<Option<T>> {
    match answer {
        Ok(value) => Ok(Some(value)),
        Err(error) if is_not_found(Product::Sls, &error) => Ok(None),
        Err(error) => Err(error),
    }
}

impl Sls<'_> {
    pub(super) fn call(self, action: &'static str, method: Method, project: &str, path: impl Into<String>) -> SlsCall {
        SlsCall::new(action, self.operation, method, path).project(project)
    }

    pub(super) async fn read<T: DeserializeOwned>(self, call: SlsCall) -> Result<T> {
        Ok(self.api.sls(call).await?.value)
    }

    pub(super) async fn write(self, call: SlsCall) -> Result<Receipt> {
        Ok(self.api.sls::<Nothing>(call).await?.receipt())
    }

    /// Removes something; that it is gone already is as good.
    pub(super) async fn remove(self, call: SlsCall) -> Result<Receipt> {
        Ok(found(self.write(call).await)?.unwrap_or_default())
    }

    /// Makes something; that it exists already is as good.
    pub(super) async fn make(self, call: SlsCall) -> Result<Receipt> {
        match self.write(call).await {
            Err(error) if crate::errors::is_duplicate(&error) => Ok(Receipt::default()),
            done => done,
        }
    }

    pub(super) async fn project(self, name: &str) -> Result<Option<Project>> {
        if self.api.flavour() == Flavour::Apsara {
            let params = Params::new().set("projectName", name);
            let call = Call::read(Product::SlsProjects, "GetProject", self.operation, params);
            return found(self.api.rpc(call).await.map(|reply| reply.value));
        }
        found(self.read(self.call("GetProject", Method::GET, name, "/")).await)
    }

    /// Makes a project; one that exists, whoever's it is, answers `ProjectAlreadyExist`.
    pub(super) async fn make_project(self, name: &str, group: Option<&str>) -> Result<Receipt> {
        let description = description(name);
        if self.api.flavour() == Flavour::Apsara {
            let params = Params::new().set("projectName", name).set("description", description);
            let call = Call::write(Product::SlsProjects, "CreateProject", self.operation, params);
            return Ok(self.api.rpc::<Nothing>(call).await?.receipt());
        }
        let mut body = json!({"projectName": name, "description": description});
        if let Some(group) = group {
            body["resourceGroupId"] = group.into();
        }
        let call = SlsCall::new("CreateProject", self.operation, Method::POST, "/").body(body);
        self.write(call).await
    }

    pub(super) async fn delete_project(self, name: &str) -> Result<Receipt> {
        if self.api.flavour() == Flavour::Apsara {
            let params = Params::new().set("projectName", name);
            let call = Call::write(Product::SlsProjects, "DeleteProject", self.operation, params).idempotent();
            return Ok(found(self.api.rpc::<Nothing>(call).await)?
                .map(|reply| reply.receipt())
                .unwrap_or_default());
        }
        self.remove(self.call("DeleteProject", Method::DELETE, name, "/")).await
    }

    /// The names of every store of a project; `None` when there is no project.
    pub(super) async fn stores(self, project: &str) -> Result<Option<Vec<String>>> {
        #[derive(Deserialize)]
        struct Page {
            #[serde(default)]
            logstores: Vec<String>,
        }
        let mut all = Vec::new();
        loop {
            let query = Params::new().set("offset", all.len()).set("size", PAGE);
            let call = self
                .call("ListLogStores", Method::GET, project, "/logstores")
                .query(query);
            let Some(page) = found(self.read::<Page>(call).await)? else {
                return Ok(None);
            };
            let last = page.logstores.len() < PAGE;
            all.extend(page.logstores);
            if last {
                return Ok(Some(all));
            }
        }
    }

    pub(super) async fn store(self, project: &str, store: &str) -> Result<Option<Logstore>> {
        let call = self.call("GetLogStore", Method::GET, project, format!("/logstores/{store}"));
        found(self.read(call).await)
    }

    pub(super) async fn make_store(self, project: &str, store: &str, days: u64, shards: u8) -> Result<Receipt> {
        let body = json!({
            "logstoreName": store, "ttl": days, "shardCount": shards, "autoSplit": true, "maxSplitShard": 64,
            "mode": "standard",
        });
        self.write(
            self.call("CreateLogStore", Method::POST, project, "/logstores")
                .body(body),
        )
        .await
    }

    pub(super) async fn keep(self, project: &str, store: &str, days: u64) -> Result<Receipt> {
        let body = json!({"logstoreName": store, "ttl": days});
        let path = format!("/logstores/{store}");
        self.write(self.call("UpdateLogStore", Method::PUT, project, path).body(body))
            .await
    }

    pub(super) async fn delete_store(self, project: &str, store: &str) -> Result<Receipt> {
        let path = format!("/logstores/{store}");
        self.remove(self.call("DeleteLogStore", Method::DELETE, project, path))
            .await
    }

    pub(super) async fn is_indexed(self, project: &str, store: &str) -> Result<bool> {
        let call = self.call("GetIndex", Method::GET, project, format!("/logstores/{store}/index"));
        Ok(found(self.read::<Nothing>(call).await)?.is_some())
    }

    pub(super) async fn make_index(self, project: &str, store: &str, index: Json) -> Result<Receipt> {
        let path = format!("/logstores/{store}/index");
        self.make(self.call("CreateIndex", Method::POST, project, path).body(index))
            .await
    }

    /// All tags of one resource; none when it does not exist.
    pub(super) async fn tags(self, of: Of<'_>) -> Result<Tags> {
        let query = Params::new()
            .set("resourceType", of.kind())
            .json("resourceId", &json!([of.id()]));
        let call = SlsCall::new("ListTagResources", self.operation, Method::GET, "/tags").query(query);
        let Some(rows) = found(self.read::<TagRows>(call).await)? else {
            return Ok(Tags::new());
        };
        let own = rows.rows.into_iter().filter(|row| row.resource_id == of.id());
        Ok(own.map(|row| (row.tag_key, row.tag_value)).collect())
    }

    /// The ids, `project#store`, of the stores with this tag.
    pub(super) async fn stores_with(self, name: &str, value: &str) -> Result<Vec<String>> {
        let query = Params::new()
            .set("resourceType", "logstore")
            .json("tags", &json!([{"key": name, "value": value}]));
        let call = SlsCall::new("ListTagResources", self.operation, Method::GET, "/tags").query(query);
        let rows: TagRows = self.read(call).await?;
        let mut ids: Vec<_> = rows.rows.into_iter().map(|row| row.resource_id).collect();
        ids.sort_unstable();
        ids.dedup();
        Ok(ids)
    }

    pub(super) async fn tag(self, of: Of<'_>, tags: &Tags) -> Result<Receipt> {
        let tags: Vec<_> = tags
            .iter()
            .map(|(key, value)| json!({"key": key, "value": value}))
            .collect();
        let body = json!({"resourceType": of.kind(), "resourceId": [of.id()], "tags": tags});
        let mut call = SlsCall::new("TagResources", self.operation, Method::POST, "/tag").body(body);
        call.idempotent = true;
        self.write(call).await
    }

    pub(super) async fn untag(self, of: Of<'_>, names: &[String]) -> Result<Receipt> {
        let body = json!({"resourceType": of.kind(), "resourceId": [of.id()], "tags": names});
        let mut call = SlsCall::new("UntagResources", self.operation, Method::POST, "/untag").body(body);
        call.idempotent = true;
        self.write(call).await
    }
}

/// A project that is not ours.
pub(super) fn not_ours(operation: &'static str, what: &str) -> Error {
    let message = format!("{what} exists and is not ours; it is left alone. Rename or remove it, if it may go");
    Error::new(ErrorKind::NotOwned, operation, message)
}
