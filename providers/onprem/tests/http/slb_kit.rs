//! The slb adapter under the conformance kit, against a real Caddy.

use std::{sync::Arc, time::Duration};

use async_trait::async_trait;
use mooring_provider::{
    DynAdapter, ExternalId, Kind, Owner,
    conformance::{self, Faults, Subject},
};
use mooring_test_servers::Caddy;
use serde_json::{Value as Json, json};

use crate::{http, kit, proxy::Proxy};

/// Every one of these is an address of this machine; each balancer with the same ports takes another.
const ADDRESSES: [&str; 4] = ["127.0.0.1", "127.0.0.2", "127.0.0.3", "127.0.0.4"];

/// A spec with two listeners.
pub(crate) fn spec(ports: [u16; 2]) -> Json {
    json!({
        "scheme": "internal", "allowFrom": [], "network": {}, "common": kit::common("c42"),
        "listeners": [
            {"port": ports[0], "protocol": "http", "targetPort": 8080, "certificate": null, "healthCheckPath": "/health"},
            {"port": ports[1], "protocol": "http", "targetPort": 9090, "certificate": null, "healthCheckPath": null},
        ],
        "backends": [
            {"targetPort": 8080, "address": "10.8.0.7", "port": 8080},
            {"targetPort": 9090, "address": "fd00::7", "port": 9090},
        ],
    })
}

/// A Caddy under the kit.
pub(crate) struct Balancers {
    pub(crate) caddy: Caddy,
    proxy: Proxy,
    adapter: Arc<dyn DynAdapter>,
    ports: [u16; 2],
}

impl Balancers {
    pub(crate) async fn start() -> Self {
        let caddy = Caddy::start().await;
        let proxy = Proxy::before(([127, 0, 0, 1], caddy.port).into());
        let config = json!({"slb": {"adminUrl": proxy.url, "addresses": ADDRESSES}});
        Self {
            adapter: kit::adapter(&config, Kind::Slb),
            caddy,
            proxy,
            ports: [http::port(), http::port()],
        }
    }

    fn of(&self, id: &ExternalId) -> Vec<String> {
        let is =
            |name: &String| name == id.as_str() || name.rsplit_once('-').is_some_and(|(front, _)| front == id.as_str());
        self.caddy.servers().keys().filter(|name| is(name)).cloned().collect()
    }
}

#[async_trait]
impl Subject for Balancers {
    fn adapter(&self) -> Arc<dyn DynAdapter> {
        self.adapter.clone()
    }

    fn spec(&self) -> Json {
        spec(self.ports)
    }

    fn changed(&self) -> Json {
        let mut spec = spec([self.ports[0] - 1, self.ports[1]]);
        spec["common"] = kit::common("c43");
        spec["allowFrom"] = json!(["10.0.0.0/8", "fd00::/8"]);
        spec["backends"][0]["address"] = json!("10.8.0.8");
        spec["listeners"].as_array_mut().expect("listeners").truncate(1);
        spec
    }

    async fn existing(&self, owner: &Owner) -> Vec<ExternalId> {
        let mut ids: Vec<_> = self
            .caddy
            .servers()
            .iter()
            .filter(|(_, server)| server["routes"][0]["handle"][0]["mooring.dev/identity"] == owner.identity.as_str())
            .filter_map(|(name, _)| Some(ExternalId::new(name.rsplit_once('-')?.0)))
            .collect();
        ids.dedup();
        ids
    }

    async fn foreign(&self, name: &str) -> ExternalId {
        let server = json!({"listen": [format!("127.0.0.1:{}", http::port())], "routes": []});
        self.caddy.change("PUT", name, &server);
        ExternalId::new(name)
    }

    async fn look(&self, id: &ExternalId) -> Option<String> {
        let (names, servers) = (self.of(id), self.caddy.servers());
        let shown: Vec<_> = names
            .iter()
            .filter_map(|name| servers.get(name))
            .map(Json::to_string)
            .collect();
        (!shown.is_empty()).then(|| shown.join("\n"))
    }

    async fn destroy(&self, id: &ExternalId) {
        for name in self.of(id) {
            self.caddy.change("DELETE", &name, &Json::Null);
        }
    }

    async fn refuse_credentials(&self, refused: bool) {
        self.proxy.refuse(refused);
    }

    async fn settle(&self, time: Duration) {
        kit::settle(time).await;
    }

    async fn tamper(&self, id: &ExternalId) -> bool {
        let name = self.of(id).remove(0);
        let upstreams = json!([{"dial": "192.0.2.1:1"}]);
        self.caddy
            .change("PATCH", &format!("{name}/routes/1/handle/0/upstreams"), &upstreams);
        true
    }

    fn faults(&self) -> Option<Arc<dyn Faults>> {
        Some(self.proxy.faults())
    }
}

#[tokio::test]
async fn conforms() {
    conformance::assert_conforms(&Balancers::start().await).await;
}
