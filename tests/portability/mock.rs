//! The mock cloud: a laptop.

use async_trait::async_trait;
use mooring_provider::{Access, ExternalId};
use tempfile::TempDir;

use crate::{
    place::{Got, Place},
    shop::Backends,
    workplace::Workplace,
};

/// The mock cloud, and where its state file is.
pub(crate) struct Mock(TempDir);

impl Mock {
    pub(crate) fn new() -> Self {
        Self(tempfile::tempdir().expect("a temporary directory"))
    }

    fn state(&self) -> String {
        self.0.path().join("laptop.json").display().to_string()
    }
}

#[async_trait]
impl Place for Mock {
    fn environment(&self) -> &'static str {
        "laptop"
    }

    fn documents(&self) -> String {
        format!(
            r"
apiVersion: mooring.dev/v1alpha1
kind: ProviderConfig
metadata: {{name: laptop}}
spec: {{mock: {{state: {}}}}}
---
apiVersion: mooring.dev/v1alpha1
kind: Environment
metadata: {{name: laptop}}
spec: {{providers: {{default: laptop}}, allowedNamespaces: {{}}}}
",
            self.state()
        )
    }

    fn differences(&self) -> &'static [(&'static str, &'static str)] {
        &[("shop-web-monitor", "they never go off")]
    }

    fn refusals(&self) -> &'static [(&'static str, &'static str)] {
        &[]
    }

    async fn is_used(&self, workplace: &Workplace, got: &Got, _: &Backends) -> Vec<sqlx::MySqlConnection> {
        let (cloud, id) = (
            workplace.cloud_at(&self.state()),
            ExternalId::new(got.ids["rds"].as_str()),
        );
        for (variables, access) in [(&got.web, Access::Owner), (&got.report, Access::ReadOnly)] {
            let login = cloud.login(&id, &variables["DB_USERNAME"], &variables["DB_PASSWORD"]);
            assert_eq!(login, Some(access));
        }
        Vec::new()
    }

    async fn is_empty(&self, workplace: &Workplace, _: &Got) {
        assert!(workplace.cloud_at(&self.state()).list().is_empty());
    }
}
