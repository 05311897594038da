//! `spec.onprem.monitor`.

use std::{
    collections::BTreeMap,
    path::{Path, PathBuf},
};

use mooring_provider::{Error, Result};
use mooring_provider_http::Url;
use schemars::JsonSchema;
use serde::{Deserialize, Serialize};

use super::Invalid;
use crate::monitor::is_figure;

/// A Prometheus whose rule files are in a directory that Mooring may write. Its login, if something in front of it
/// asks for one, is in the credentials Secret under `monitor.token`, or `monitor.username` and `monitor.password`.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "camelCase", deny_unknown_fields)]
pub struct Prometheus {
    /// Where it is reached, as `http://host:port`.
    pub url: String,
    /// The directory whose `*.yml` its `rule_files` names, as it is mounted here.
    pub rules_directory: PathBuf,
    /// The directory whose `*.json` a `file_sd_configs` of its names, as it is mounted here. Without one no
    /// application is scraped.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub targets_directory: Option<PathBuf>,
    /// Mooring tells it to read its rules anew, for which it needs `--web.enable-lifecycle`. If not, something beside
    /// it does that when a file changes.
    #[serde(default = "yes")]
    pub reload: bool,
    /// What the figures are, in PromQL, where they are not what the usual exporters give: by what is watched (`rds`,
    /// `slb`, `self`) and the figure, with `%` after it for percent: `rds: {"connections%": "..."}`. `{id}` stands for
    /// what the provider calls the resource, `{name}` for its last part, `{identity}` for what the logins of a database
    /// of many end in, `{namespace}` and `{component}` for the application's.
    #[serde(default, skip_serializing_if = "BTreeMap::is_empty")]
    pub expressions: BTreeMap<String, BTreeMap<String, String>>,
}

const fn yes() -> bool {
    true
}

impl Prometheus {
    pub(super) fn check(&self) -> Result<()> {
        match Url::parse(&self.url) {
            Ok(url) if matches!(url.scheme(), "http" | "https") && url.has_host() => {}
            _ => {
                let message = format!("`{}` is no address; write http://host:port", self.url);
                return Err(Error::invalid("monitor.url", &message));
            }
        }
        let targets = self.targets_directory.as_deref();
        for (field, path) in [
            ("rulesDirectory", Some(self.rules_directory.as_path())),
            ("targetsDirectory", targets),
        ] {
            if let Some(path) = path.filter(|path| !Path::is_absolute(path)) {
                let message = format!("`{}` is no absolute path", path.display());
                return Err(Error::invalid(&format!("monitor.{field}"), &message));
            }
        }
        for (of, figures) in &self.expressions {
            for (figure, expression) in figures {
                let field = format!("monitor.expressions.{of}.{figure}");
                if !is_figure(of, figure) {
                    let fix = "is not watched; use connections, storage or cpu of rds, connections, 5xx or \
                               unhealthyBackends of slb, restarts or notReady of self, with % for percent";
                    return Err(Error::invalid(&field, &format!("`{figure}` of `{of}` {fix}")));
                }
                if expression.trim().is_empty() {
                    return Err(Error::invalid(&field, "`` is empty; write PromQL"));
                }
            }
        }
        Ok(())
    }
}
