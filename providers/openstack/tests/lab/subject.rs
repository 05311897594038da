//! What the conformance kit looks at: the services themselves, as an administrator sees them.

use std::{
    sync::{Arc, atomic::Ordering},
    time::Duration,
};

use async_trait::async_trait;
use mooring_provider::{
    Access, DynAdapter, ExternalId, Kind, Owner, Provider as _,
    conformance::{Faults, Subject},
};
use serde_json::{Value as Json, json};
use tokio::process::Command;

use crate::{
    project::{Opens as _, Project, text},
    proxy::Cuts,
};

/// A kind of resource in a project of its own.
pub(crate) struct Cloud {
    pub(crate) project: Project,
    kind: Kind,
    adapter: Arc<dyn DynAdapter>,
    cuts: Arc<Cuts>,
}

impl Cloud {
    pub(crate) async fn new(kind: Kind, name: &str) -> Self {
        let project = Project::new(name).await;
        let cuts = Arc::new(Cuts::default());
        let mut endpoints = json!({});
        for service in ["network", "load-balancer", "database"] {
            let address = project.lab.endpoint(service);
            // A project's own address, as the catalog would have it.
            let address = match service {
                "database" => format!("{}/{}", address.rsplit_once('/').expect("a project").0, project.id),
                _ => address.to_owned(),
            };
            endpoints[service] = json!(cuts.before(&address).await);
        }
        let provider = project.provider(|config| {
            config["endpoints"] = endpoints;
            // A create that takes longer is made twice, as Octavia knows no tokens; on a machine that has much to do
            // one was seen to take most of a minute.
            config["timing"]["sendDeadline"] = json!("120s");
            config["http"]["timeout"] = json!("120s");
        });
        let adapter = provider.adapter(kind).expect("it serves this kind");
        Self {
            project,
            kind,
            adapter,
            cuts,
        }
    }

    /// The parts of a collection that carry an identity, by id.
    async fn with(&self, service: &str, path: &str, name: &str, identity: &str) -> Vec<Json> {
        let mark = format!(" {identity} ");
        let mut listed = self.project.list(service, path, name).await;
        listed.retain(|part| {
            let field = if service == "database" { "name" } else { "description" };
            part[field].as_str().is_some_and(|text| text.contains(&mark))
        });
        listed
    }

    async fn parts(&self, identity: &str) -> Vec<Json> {
        match self.kind {
            Kind::Vpc => {
                let mut parts = self.with("network", "/v2.0/networks", "networks", identity).await;
                if parts.is_empty() {
                    parts = self.with("network", "/v2.0/routers", "routers", identity).await;
                    parts.extend(
                        self.with("network", "/v2.0/security-groups", "security_groups", identity)
                            .await,
                    );
                }
                parts
            }
            Kind::Slb => {
                let balancers = "/v2/lbaas/loadbalancers";
                let mut parts = self.with("load-balancer", balancers, "loadbalancers", identity).await;
                if parts.is_empty() {
                    parts = self.with("network", "/v2.0/floatingips", "floatingips", identity).await;
                }
                parts
            }
            _ => self.with("database", "/instances", "instances", identity).await,
        }
    }

    fn place(&self, id: &ExternalId) -> (&'static str, String, &'static str) {
        match self.kind {
            Kind::Vpc => ("network", format!("/v2.0/networks/{id}"), "network"),
            Kind::Slb => ("load-balancer", format!("/v2/lbaas/loadbalancers/{id}"), "loadbalancer"),
            _ => ("database", format!("/instances/{id}"), "instance"),
        }
    }

    pub(crate) async fn read(&self, id: &ExternalId) -> Option<Json> {
        let (service, path, name) = self.place(id);
        let mut found = self.project.ask("GET", service, &path, None).await?;
        Some(found[name].take())
    }

    async fn destroy_network(&self, id: &ExternalId) {
        let ask = async |method: &str, path: String, body| self.project.ask(method, "network", &path, body).await;
        let network = self.read(id).await.expect("it is there");
        let description = text(&network["description"]);
        let identity = description.split(' ').nth(1).unwrap_or("nobody's").to_owned();
        for port in self
            .project
            .list("network", &format!("/v2.0/ports?network_id={id}"), "ports")
            .await
        {
            if text(&port["device_owner"]) == "network:router_interface" {
                let body = Some(json!({"port_id": port["id"]}));
                ask(
                    "PUT",
                    format!("/v2.0/routers/{}/remove_router_interface", text(&port["device_id"])),
                    body,
                )
                .await;
            }
        }
        for router in self.with("network", "/v2.0/routers", "routers", &identity).await {
            ask("DELETE", format!("/v2.0/routers/{}", text(&router["id"])), None).await;
        }
        for group in self
            .with("network", "/v2.0/security-groups", "security_groups", &identity)
            .await
        {
            ask("DELETE", format!("/v2.0/security-groups/{}", text(&group["id"])), None).await;
        }
        ask("DELETE", format!("/v2.0/networks/{id}"), None).await;
    }

    /// Runs a statement in an instance as root, behind Trove's back.
    async fn root(&self, id: &ExternalId, statement: &str) -> Vec<String> {
        let instances = std::path::Path::new(self.project.lab.cloud["pids"]["trove"].as_str().expect("a path"))
            .with_file_name("trove")
            .join(id.as_str());
        let socket = format!("--socket={}", instances.join("my.sock").display());
        let done = Command::new("mariadb")
            .args(["--no-defaults", "--user=root", "-N", "-B", &socket, "-e", statement])
            .output()
            .await
            .expect("the client of MariaDB");
        assert!(
            done.status.success(),
            "{statement}: {}",
            String::from_utf8_lossy(&done.stderr)
        );
        String::from_utf8_lossy(&done.stdout)
            .lines()
            .map(str::to_owned)
            .collect()
    }
}

/// Whether one can log in to a database and use it.
pub(crate) async fn can_use(host: &str, user: &str, password: &str, database: &str) -> bool {
    let statement = "create table if not exists seen (n int); insert into seen values (1); select count(*) from seen";
    let mut client = Command::new("mariadb");
    client.args([
        "--no-defaults",
        "--protocol=tcp",
        "--connect-timeout=5",
        "--host",
        host,
        "--user",
        user,
    ]);
    let done = client
        .args(["--database", database, "-e", statement])
        .env("MYSQL_PWD", password)
        .output()
        .await
        .expect("the client of MariaDB");
    done.status.success()
}

#[async_trait]
impl Subject for Cloud {
    fn adapter(&self) -> Arc<dyn DynAdapter> {
        self.adapter.clone()
    }

    fn spec(&self) -> Json {
        let common = json!({"tags": {"cost-center": "c42"}, "resourceGroup": null, "options": {}});
        let network = json!({
            "id": self.project.network, "subnets": [{"id": self.project.subnet}], "securityGroup": null,
        });
        match self.kind {
            Kind::Vpc => json!({
                "cidr": "10.64.0.0/20", "egress": "none", "zones": [], "shared": null, "common": common,
            }),
            Kind::Slb => json!({
                "scheme": "internal", "allowFrom": [], "network": network, "common": common,
                "listeners": [{"port": 8080, "protocol": "http", "targetPort": 80, "certificate": null,
                               "healthCheckPath": "/"}],
                "backends": [{"targetPort": 80, "address": "127.0.0.1", "port": 9}],
            }),
            _ => json!({
                "engine": "mariadb", "version": null, "class": "db.small", "storage": "1Gi",
                "highAvailability": false, "database": "shop", "tls": "preferred", "backupRetention": null,
                "deletionProtection": false, "clients": ["127.0.0.0/8"], "network": network, "common": common,
            }),
        }
    }

    fn changed(&self) -> Json {
        let mut spec = self.spec();
        match self.kind {
            Kind::Vpc => spec["egress"] = json!("internet"),
            Kind::Slb => {
                spec["backends"] = json!([
                    {"targetPort": 80, "address": "127.0.0.2", "port": 9},
                    {"targetPort": 80, "address": "127.0.0.3", "port": 9},
                ]);
            }
            _ => spec["clients"] = json!(["127.0.0.0/8", "10.9.0.0/16"]),
        }
        if self.kind != Kind::Rds {
            spec["common"]["tags"] = json!({"cost-center": "c43", "tier": "gold"});
        }
        spec
    }

    async fn existing(&self, owner: &Owner) -> Vec<ExternalId> {
        let parts = self.parts(owner.identity.as_str()).await;
        parts.iter().map(|part| ExternalId::new(text(&part["id"]))).collect()
    }

    async fn foreign(&self, name: &str) -> ExternalId {
        let project = &self.project;
        match self.kind {
            Kind::Vpc => {
                let body = json!({"network": {"name": name, "project_id": project.id}});
                ExternalId::new(text(
                    &project.made("network", "/v2.0/networks", body).await["network"]["id"],
                ))
            }
            Kind::Slb => {
                let body = json!({"loadbalancer": {
                    "name": name, "vip_subnet_id": project.subnet, "project_id": project.id,
                }});
                let made = project.made("load-balancer", "/v2/lbaas/loadbalancers", body).await;
                let id = ExternalId::new(text(&made["loadbalancer"]["id"]));
                project
                    .until("a load balancer is active", || async {
                        self.read(&id)
                            .await
                            .is_some_and(|found| found["provisioning_status"] == "ACTIVE")
                    })
                    .await;
                id
            }
            _ => {
                let nics = json!([{"network_id": project.network, "subnet_id": project.subnet}]);
                let body = json!({"instance": {
                    "name": name, "flavorRef": "1", "volume": {"size": 1}, "datastore": {"type": "mariadb"},
                    "nics": nics,
                }});
                let made = project.made("database", "/instances", body).await;
                let id = ExternalId::new(text(&made["instance"]["id"]));
                project
                    .until("an instance is active", || async {
                        self.read(&id).await.is_some_and(|found| found["status"] == "ACTIVE")
                    })
                    .await;
                id
            }
        }
    }

    async fn look(&self, id: &ExternalId) -> Option<String> {
        let mut found = self.read(id).await?;
        if self.kind == Kind::Slb {
            found["pools"] = json!(
                self.project
                    .list("load-balancer", "/v2/lbaas/pools", "pools")
                    .await
                    .len()
            );
        }
        let fields = found.as_object_mut().expect("an object");
        // These change by themselves.
        for field in [
            "operating_status",
            "service_status_updated",
            "updated",
            "updated_at",
            "pools",
        ] {
            fields.remove(field);
        }
        Some(format!("{fields:?}"))
    }

    async fn destroy(&self, id: &ExternalId) {
        let (service, path, _) = self.place(id);
        match self.kind {
            Kind::Vpc => return self.destroy_network(id).await,
            Kind::Slb => {
                self.project
                    .ask("DELETE", service, &format!("{path}?cascade=true"), None)
                    .await
            }
            _ => self.project.ask("DELETE", service, &path, None).await,
        };
        self.project
            .until("it is gone", || async { self.read(id).await.is_none() })
            .await;
    }

    async fn refuse_credentials(&self, refused: bool) {
        self.project.enable_user(!refused).await;
        // The services of the lab trust a token for a second after they have asked Keystone about it.
        tokio::time::sleep(Duration::from_millis(1500)).await;
    }

    async fn tamper(&self, id: &ExternalId) -> bool {
        let (service, path, name) = self.place(id);
        match self.kind {
            Kind::Vpc => {
                let tags = self.read(id).await.expect("it is there")["tags"].clone();
                let kept: Vec<_> = tags
                    .as_array()
                    .expect("tags")
                    .iter()
                    .filter(|tag| !text(tag).starts_with("cost"))
                    .collect();
                self.project
                    .ask("PUT", service, &format!("{path}/tags"), Some(json!({"tags": kept})))
                    .await;
            }
            Kind::Slb => {
                let pools = self.read(id).await.expect("it is there")["pools"].clone();
                let path = format!("/v2/lbaas/pools/{}/members", text(&pools[0]["id"]));
                self.project
                    .ask("PUT", service, &path, Some(json!({"members": []})))
                    .await;
                self.project
                    .until("the change is done", || async {
                        self.read(id)
                            .await
                            .is_some_and(|found| found["provisioning_status"] == "ACTIVE")
                    })
                    .await;
            }
            _ => {
                let body = json!({name: {"access": {"is_public": false, "allowed_cidrs": ["0.0.0.0/0"]}}});
                self.project.ask("PUT", service, &path, Some(body)).await;
                self.project
                    .until("the change is done", || async {
                        self.read(id)
                            .await
                            .is_some_and(|found| found["access"]["allowed_cidrs"][0] == "0.0.0.0/0")
                    })
                    .await;
            }
        }
        true
    }

    async fn write(&self, id: &ExternalId, row: &str) -> bool {
        if self.kind != Kind::Rds {
            return false;
        }
        let statement =
            format!("create table if not exists shop.kit (row text); insert into shop.kit values ('{row}')");
        self.root(id, &statement.replace("(row ", "(`row` ")).await;
        true
    }

    async fn rows(&self, id: &ExternalId) -> Vec<String> {
        match self.kind {
            Kind::Rds => self.root(id, "select `row` from shop.kit").await,
            _ => Vec::new(),
        }
    }

    async fn login(&self, id: &ExternalId, user: &str, password: &str) -> bool {
        let instance = self.read(id).await.expect("it is there");
        can_use(&text(&instance["ip"][0]), user, password, "shop").await
    }

    /// The cloud needs time to do what it took, and is looked at again after a second. What is waited for beside, as
    /// nothing may be believed yet, passes at once, unless somebody waits for an answer: a lost request has had its
    /// effect, or has none.
    async fn settle(&self, time: Duration) {
        // Two brokers of one test may want time to pass at once.
        static FROZEN: tokio::sync::Mutex<()> = tokio::sync::Mutex::const_new(());
        tokio::time::sleep(time.min(Duration::from_secs(1))).await;
        let _frozen = FROZEN.lock().await;
        if self.cuts.waiting.load(Ordering::SeqCst) == 0 {
            tokio::time::pause();
            tokio::time::advance(20 * time).await;
            tokio::time::resume();
        }
    }

    fn second_access(&self) -> Access {
        Access::Owner
    }

    fn fails_reads(&self) -> bool {
        false
    }

    fn faults(&self) -> Option<Arc<dyn Faults>> {
        Some(self.cuts.clone())
    }
}
