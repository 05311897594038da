//! Servers of one's own for everything: MariaDB and PostgreSQL, Caddy, Loki, Prometheus.

use std::{path::PathBuf, sync::Arc};

use async_trait::async_trait;
use mooring_provider::spec::Engine;
use mooring_test_servers::{ADMIN, Caddy, Loki, Process, Prometheus, Server, mysqld_exporter};
use serde_json::json;

use crate::{
    place::{Got, Place, documents},
    real,
    shop::Backends,
    workplace::Workplace,
};

/// The servers.
pub(crate) struct Onprem {
    mariadb: Server,
    pub(crate) postgresql: Server,
    caddy: Caddy,
    prometheus: Prometheus,
    loki: Arc<Loki>,
    registry: PathBuf,
    /// The one on which Caddy listens.
    address: String,
    _exporter: Process,
}

impl Onprem {
    /// Starts them.
    pub(crate) async fn start(loki: Arc<Loki>, address: String) -> Self {
        let (mariadb, postgresql, caddy) = tokio::join!(
            Server::start(Engine::Mariadb),
            Server::start(Engine::Postgresql),
            Caddy::start()
        );
        let reader = "CREATE USER exporter@'%' IDENTIFIED BY 'Exp-1'; GRANT PROCESS, SELECT ON *.* TO exporter@'%'";
        mariadb.execute(reader).await;
        let source = format!("exporter:Exp-1@tcp(127.0.0.1:{})/?tls=skip-verify", mariadb.port);
        let (exporter, port) = mysqld_exporter(&mariadb.path(""), &source).await;
        let prometheus = Prometheus::start(&format!("127.0.0.1:{port}")).await;
        let registry = loki.registry().join("onprem");
        std::fs::create_dir(&registry).expect("there is room");
        Self {
            mariadb,
            postgresql,
            caddy,
            prometheus,
            loki,
            registry,
            address,
            _exporter: exporter,
        }
    }

    /// What the server says to an administrator who is not Mooring.
    fn mariadb(&self, statement: &str) -> String {
        let socket = format!("--socket={}", self.mariadb.path("sock").display());
        real::said(
            "mariadb",
            &["--no-defaults", "--user=root", "-N", "-B", &socket, "-e", statement],
        )
    }
}

#[async_trait]
impl Place for Onprem {
    fn environment(&self) -> &'static str {
        "idc"
    }

    fn documents(&self) -> String {
        let server = |name: &str, server: &Server| json!([{"name": name, "host": "127.0.0.1", "port": server.port, "caBundle": server.ca}]);
        let servers = json!({
            "mariadb": server("maria1", &self.mariadb),
            "postgresql": server("post1", &self.postgresql),
            "log": {
                "flavour": "loki", "url": self.loki.url, "registry": self.registry, "retention": "30d", "removal": "ask",
            },
            "monitor": {
                "url": self.prometheus.url, "rulesDirectory": self.prometheus.rules(),
                "targetsDirectory": self.prometheus.targets(),
            },
            "slb": {"adminUrl": self.caddy.admin, "addresses": [self.address]},
        });
        documents(&[
            json!({
                "apiVersion": "mooring.dev/v1alpha1", "kind": "ProviderConfig", "metadata": {"name": "idc"},
                "spec": {"onprem": servers, "credentials": {"secretRef": {"name": "idc"}}},
            }),
            json!({
                "apiVersion": "v1", "kind": "Secret", "metadata": {"name": "idc", "namespace": "mooring-system"},
                "stringData": {
                    "maria1.username": ADMIN.0, "maria1.password": ADMIN.1,
                    "post1.username": ADMIN.0, "post1.password": ADMIN.1,
                },
            }),
            json!({
                "apiVersion": "mooring.dev/v1alpha1", "kind": "Environment", "metadata": {"name": "idc"},
                "spec": {
                    "providers": {"default": "idc", "vpc": "none"},
                    "network": {"clients": {"cidrs": ["127.0.0.0/8"]}, "backends": "pods"},
                    "sizes": {"rds": {"small": {"onprem": "10"}}},
                    "engines": {"mysql": {"onprem": "mariadb"}},
                    "allowedNamespaces": {},
                },
            }),
        ])
    }

    fn differences(&self) -> &'static [(&'static str, &'static str)] {
        &[
            ("shop-web-rds", r#""field":"engine served as","#),
            ("shop-web-rds", "one of many on a shared mariadb server"),
            ("shop-web-rds", "have names of their own here"),
            ("shop-web-rds", "the version is the server's"),
            ("shop-web-slb", "as available as its host"),
            ("shop-web-log", "the cluster's own collector"),
            ("shop-web-log", "its lines go some time after"),
            ("shop-web-monitor", "the fullest of its users"),
        ]
    }

    fn refusals(&self) -> &'static [(&'static str, &'static str)] {
        &[
            ("shop-web-slb", "`tcp` cannot be balanced by a Caddy"),
            ("shop-web-monitor", "cannot be had from the usual exporters"),
        ]
    }

    async fn is_used(&self, _: &Workplace, got: &Got, backends: &Backends) -> Vec<sqlx::MySqlConnection> {
        assert!(!real::both_log_in(got).await, "a reader writes");
        real::requests_are_balanced(got, backends).await;
        real::lines_arrive(got, &self.loki);
        real::an_alarm_rings(got, &self.prometheus).await
    }

    async fn is_empty(&self, _: &Workplace, got: &Got) {
        assert!(!self.mariadb("SHOW DATABASES").contains("shop"));
        let users = self.mariadb("SELECT User FROM mysql.user");
        assert!(
            users.contains("exporter") && !users.contains("shop") && !users.contains("report"),
            "{users}"
        );
        assert_eq!(self.mariadb("SELECT COUNT(*) FROM mooring.`databases`").trim(), "0");
        let servers = format!("{}/config/apps/http/servers", self.caddy.admin);
        let servers = real::said("curl", &["--silent", "--fail", &servers]);
        assert!(["{}", "null"].contains(&servers.trim()), "{servers}");
        real::nobody_listens(got).await;
        real::no_tenant_is_left(got, &self.loki, &self.registry);
        real::no_alarm_is_left(&self.prometheus).await;
    }
}
