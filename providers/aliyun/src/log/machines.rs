//! The calls about what the cluster's Logtail is told: configurations, and the machines that they are for.

use mooring_provider::{Receipt, Result};
use mooring_provider_http::Method;
use serde::Deserialize;
use serde_json::{Value as Json, json};

use super::calls::{Sls, found};
use crate::params::Params;

impl Sls<'_> {
    /// The names of the configurations of a store, which begin with its own.
    pub(super) async fn configs(self, project: &str, store: &str) -> Result<Vec<String>> {
        #[derive(Deserialize)]
        struct Page {
            #[serde(default)]
            configs: Vec<String>,
        }
        let query = Params::new()
            .set("logstoreName", store)
            .set("configName", store)
            .set("offset", 0)
            .set("size", 100);
        let call = self.call("ListConfig", Method::GET, project, "/configs").query(query);
        let page: Page = self.read(call).await?;
        // The filter is fuzzy.
        let ours = |name: &String| {
            name.strip_prefix(store)
                .is_some_and(|rest| rest.starts_with('-') && rest.len() == 13)
        };
        Ok(page.configs.into_iter().filter(ours).collect())
    }

    pub(super) async fn make_config(self, project: &str, body: Json) -> Result<Receipt> {
        self.make(self.call("CreateConfig", Method::POST, project, "/configs").body(body))
            .await
    }

    pub(super) async fn delete_config(self, project: &str, config: &str) -> Result<Receipt> {
        let path = format!("/configs/{config}");
        self.remove(self.call("DeleteConfig", Method::DELETE, project, path))
            .await
    }

    /// The configurations that a machine group has; `None` when there is no such group.
    pub(super) async fn applied(self, project: &str, group: &str) -> Result<Option<Vec<String>>> {
        #[derive(Deserialize)]
        struct Applied {
            #[serde(default)]
            configs: Vec<String>,
        }
        let path = format!("/machinegroups/{group}/configs");
        let applied = found(
            self.read::<Applied>(self.call("GetAppliedConfigs", Method::GET, project, path))
                .await,
        )?;
        Ok(applied.map(|applied| applied.configs))
    }

    pub(super) async fn make_group(self, project: &str, group: &str, machines: &str) -> Result<Receipt> {
        let body = json!({
            "groupName": group, "machineIdentifyType": "userdefined", "machineList": [machines],
            "groupAttribute": {},
        });
        self.make(
            self.call("CreateMachineGroup", Method::POST, project, "/machinegroups")
                .body(body),
        )
        .await
    }

    pub(super) async fn apply(self, project: &str, group: &str, config: &str) -> Result<Receipt> {
        let path = format!("/machinegroups/{group}/configs/{config}");
        self.write(self.call("ApplyConfigToMachineGroup", Method::PUT, project, path))
            .await
    }
}
