//! OpenStack, with logs and alarms on servers beside it.

use std::{
    path::PathBuf,
    sync::{Arc, Mutex},
};

use async_trait::async_trait;
use mooring_test_servers::{
    Loki, Process, Prometheus, mysqld_exporter,
    openstack::{Project, text},
};
use serde_json::json;

use crate::{
    place::{Got, Place, documents},
    real,
    shop::Backends,
    workplace::Workplace,
};

/// A project with a network, and the servers beside it.
pub(crate) struct Openstack {
    project: Project,
    prometheus: Prometheus,
    loki: Arc<Loki>,
    registry: PathBuf,
    exporter: Mutex<Option<Process>>,
    /// The ports that were there before.
    ports: usize,
}

impl Openstack {
    /// Starts what is not there yet, with a project of this name.
    pub(crate) async fn start(loki: Arc<Loki>, project: &'static str) -> Self {
        let (project, prometheus) = tokio::join!(Project::new(project), Prometheus::start("127.0.0.1:1"));
        let registry = loki.registry().join("openstack");
        std::fs::create_dir(&registry).expect("there is room");
        let ports = project.list("network", "/v2.0/ports", "ports").await.len();
        Self {
            project,
            prometheus,
            loki,
            registry,
            exporter: Mutex::default(),
            ports,
        }
    }

    /// Watches an instance as its operator would: an exporter, scraped under the instance's id. It is a small one.
    async fn watch(&self, got: &Got) {
        let id = &got.ids["rds"];
        let pids = self.project.lab.cloud["pids"]["trove"].as_str().expect("a path");
        let instance = std::path::Path::new(pids).with_file_name("trove").join(id);
        let socket = format!("--socket={}", instance.join("my.sock").display());
        let statement = "SET GLOBAL max_connections = 10; CREATE USER exporter@'%' IDENTIFIED BY 'Exp-1'; \
                         GRANT PROCESS, SELECT ON *.* TO exporter@'%'";
        real::said("mariadb", &["--no-defaults", "--user=root", &socket, "-e", statement]);
        let source = format!("exporter:Exp-1@tcp({}:{})/", got.web["DB_HOST"], got.web["DB_PORT"]);
        let (exporter, port) = mysqld_exporter(&self.registry, &source).await;
        *self.exporter.lock().expect("no panic before") = Some(exporter);
        self.prometheus.watch(id, port);
    }
}

#[async_trait]
impl Place for Openstack {
    fn environment(&self) -> &'static str {
        "datacentre"
    }

    fn documents(&self) -> String {
        let mut cloud = self.project.config();
        cloud["limitedAccess"] = json!("asOwner");
        let credential = &self.project.credential;
        let beside = json!({
            "log": {
                "flavour": "loki", "url": self.loki.url, "registry": self.registry, "retention": "30d", "removal": "ask",
            },
            "monitor": {
                "url": self.prometheus.url, "rulesDirectory": self.prometheus.rules(),
                "targetsDirectory": self.prometheus.targets(),
            },
        });
        documents(&[
            json!({
                "apiVersion": "mooring.dev/v1alpha1", "kind": "ProviderConfig", "metadata": {"name": "openstack"},
                "spec": {"openstack": cloud, "credentials": {"secretRef": {"name": "openstack"}}},
            }),
            json!({
                "apiVersion": "v1", "kind": "Secret", "metadata": {"name": "openstack", "namespace": "mooring-system"},
                "stringData": {
                    "applicationCredentialId": credential["id"], "applicationCredentialSecret": credential["secret"],
                },
            }),
            json!({
                "apiVersion": "mooring.dev/v1alpha1", "kind": "ProviderConfig", "metadata": {"name": "beside"},
                "spec": {"onprem": beside},
            }),
            json!({
                "apiVersion": "mooring.dev/v1alpha1", "kind": "Environment", "metadata": {"name": "datacentre"},
                "spec": {
                    "providers": {"default": "openstack", "log": "beside", "monitor": "beside"},
                    "network": {
                        "id": self.project.network, "subnets": [{"id": self.project.subnet}],
                        "clients": {"cidrs": ["127.0.0.0/8"]}, "backends": "pods",
                    },
                    "sizes": {"rds": {"small": {"openstack": "db.small"}}},
                    "defaults": {"rds": {"storage": "1Gi"}},
                    "engines": {"mysql": {"openstack": "mariadb"}},
                    "allowedNamespaces": {},
                },
            }),
        ])
    }

    fn differences(&self) -> &'static [(&'static str, &'static str)] {
        &[
            ("shop-web-rds", r#""field":"engine served as","#),
            ("shop-web-rds", "gives each account all rights"),
            ("shop-web-rds", "connections are plain"),
            (
                "the application",
                "report/bind: asks for access `readonly` and gets `owner`",
            ),
            ("shop-web-log", "the cluster's own collector"),
            ("shop-web-monitor", "the label `instance` of its exporter is its id"),
        ]
    }

    fn refusals(&self) -> &'static [(&'static str, &'static str)] {
        &[
            ("shop-web-rds", "highAvailability"),
            ("shop-web-monitor", "cannot be had from the usual exporters"),
        ]
    }

    async fn is_used(&self, _: &Workplace, got: &Got, backends: &Backends) -> Vec<sqlx::MySqlConnection> {
        self.watch(got).await;
        assert!(real::both_log_in(got).await, "Trove knows owners only");
        real::requests_are_balanced(got, backends).await;
        real::lines_arrive(got, &self.loki);
        real::an_alarm_rings(got, &self.prometheus).await
    }

    async fn is_empty(&self, _: &Workplace, got: &Got) {
        for (service, path, name) in [
            ("database", "/instances", "instances"),
            ("load-balancer", "/v2/lbaas/loadbalancers", "loadbalancers"),
            ("load-balancer", "/v2/lbaas/pools", "pools"),
            ("network", "/v2.0/floatingips", "floatingips"),
            ("network", "/v2.0/routers", "routers"),
        ] {
            let left = self.project.list(service, path, name).await;
            assert!(left.is_empty(), "{left:?}");
        }
        // A port of what was just deleted is taken away in a moment.
        self.project
            .until("the ports are gone", || async {
                self.project.list("network", "/v2.0/ports", "ports").await.len() == self.ports
            })
            .await;
        let networks = self.project.list("network", "/v2.0/networks", "networks").await;
        let networks: Vec<_> = networks.iter().map(|network| text(&network["id"])).collect();
        assert_eq!(
            networks,
            [self.project.network.as_str()],
            "the network is the operator's, and stays"
        );
        real::nobody_listens(got).await;
        real::no_tenant_is_left(got, &self.loki, &self.registry);
        real::no_alarm_is_left(&self.prometheus).await;
    }
}
