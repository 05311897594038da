//! The log adapter against a real Loki: the conformance kit, and lines of two tenants.

use std::{collections::BTreeMap, fs, path::PathBuf, sync::Arc, time::Duration};

use async_trait::async_trait;
use mooring_provider::{
    DynAdapter, ExternalId, Kind, Owner, Phase, Sighting,
    conformance::{self, Faults, Life, Subject, Wish},
};
use mooring_test_servers::{
    Loki,
    loki::{deletions, headers, lines, push},
};
use serde_json::{Value as Json, json};

use crate::{http, kit, proxy::Proxy};

/// A spec of a log.
pub(crate) fn spec() -> Json {
    json!({
        "retention": "30d", "sources": ["stdout"], "format": "text", "push": true, "common": kit::common("c42"),
        "selector": {"namespace": "team-a", "labels": {"app": "shop"}},
    })
}

/// Reads the lines of a tenant.
type Lines = Box<dyn Fn(&str) -> Vec<String> + Send + Sync>;

/// Log tenants under the kit, on either server.
pub(crate) struct Tenants {
    pub(crate) proxy: Proxy,
    pub(crate) adapter: Arc<dyn DynAdapter>,
    pub(crate) registry: PathBuf,
    pub(crate) endpoint: String,
    pub(crate) headers: fn(&str) -> Vec<(&'static str, String)>,
    pub(crate) lines: Lines,
    /// Makes the name of somebody else's tenant.
    pub(crate) foreign: fn(&str) -> String,
}

impl Tenants {
    fn records(&self) -> BTreeMap<String, String> {
        let files = fs::read_dir(&self.registry).expect("it is there").flatten();
        let named = files.filter_map(|file| {
            let name = file
                .file_name()
                .to_string_lossy()
                .strip_suffix(".tenant.json")?
                .replace('_', ":");
            Some((name, fs::read_to_string(file.path()).ok()?))
        });
        named.collect()
    }

    fn push(&self, tenant: &str, line: &str) {
        let headers = (self.headers)(tenant);
        let headers: Vec<_> = headers.iter().map(|(name, value)| (*name, value.as_str())).collect();
        let status = push(&self.endpoint, &headers, line);
        assert!((200..300).contains(&status), "{tenant}: {status}");
    }
}

#[async_trait]
impl Subject for Tenants {
    fn adapter(&self) -> Arc<dyn DynAdapter> {
        self.adapter.clone()
    }

    fn spec(&self) -> Json {
        spec()
    }

    fn changed(&self) -> Json {
        let mut spec = spec();
        spec["common"] = kit::common("c43");
        spec["retention"] = json!("7d");
        spec["push"] = json!(false);
        spec
    }

    async fn existing(&self, owner: &Owner) -> Vec<ExternalId> {
        let mark = format!(r#""identity": "{}""#, owner.identity);
        let ours = self.records().into_iter().filter(|(_, text)| text.contains(&mark));
        ours.map(|(id, _)| ExternalId::new(id)).collect()
    }

    async fn foreign(&self, name: &str) -> ExternalId {
        let tenant = (self.foreign)(name);
        self.push(&tenant, "somebody else's");
        ExternalId::new(tenant)
    }

    async fn look(&self, id: &ExternalId) -> Option<String> {
        let (record, lines) = (self.records().remove(id.as_str()), (self.lines)(id.as_str()));
        (record.is_some() || !lines.is_empty()).then(|| format!("{record:?} {lines:?}"))
    }

    async fn destroy(&self, id: &ExternalId) {
        let _ = fs::remove_file(
            self.registry
                .join(format!("{}.tenant.json", id.as_str().replace(':', "_"))),
        );
    }

    async fn refuse_credentials(&self, refused: bool) {
        self.proxy.refuse(refused);
    }

    async fn settle(&self, time: Duration) {
        kit::settle(time).await;
    }

    async fn tamper(&self, id: &ExternalId) -> bool {
        let path = self
            .registry
            .join(format!("{}.tenant.json", id.as_str().replace(':', "_")));
        let text = fs::read_to_string(&path).expect("it is there");
        fs::write(&path, text.replace("c42", "somebody else's")).expect("there is room");
        true
    }

    async fn write(&self, id: &ExternalId, row: &str) -> bool {
        self.push(id.as_str(), row);
        true
    }

    async fn rows(&self, id: &ExternalId) -> Vec<String> {
        (self.lines)(id.as_str())
    }

    fn faults(&self) -> Option<Arc<dyn Faults>> {
        Some(self.proxy.faults())
    }
}

fn tenants(loki: &Loki, removal: &str) -> Tenants {
    let proxy = Proxy::before(([127, 0, 0, 1], loki.port).into());
    let (url, registry) = (loki.url.clone(), loki.registry());
    let config = json!({"log": {
        "flavour": "loki", "url": proxy.url, "registry": registry, "retention": "30d", "removal": removal,
    }});
    Tenants {
        adapter: kit::adapter(&config, Kind::Log),
        proxy,
        registry,
        endpoint: format!("{}/loki/api/v1/push", loki.url),
        headers: |tenant| vec![("x-scope-orgid", tenant.to_owned())],
        lines: Box::new(move |tenant| lines(&url, tenant)),
        foreign: |name| name.to_owned(),
    }
}

#[tokio::test]
async fn conforms() {
    let loki = Loki::start().await;
    conformance::assert_conforms(&tenants(&loki, "ask")).await;
}

/// What an application or a collector does with a binding; then Loki is asked to delete the lines, and waited for.
#[tokio::test]
async fn lines_arrive_in_their_own_tenant_which_waits_for_their_deletion() {
    let loki = Loki::start().await;
    let subject = tenants(&loki, "wait");
    let mut bound = Vec::new();
    for identity in ["first", "second"] {
        let mut life = Life::new(&subject, subject.adapter(), http::claim(identity).owner);
        let seen = life
            .until(Wish::Present)
            .await
            .expect("it comes up")
            .seen
            .expect("it is seen");
        let get = |key: &str| seen.bindings[key].plain().expect("it may be shown").to_owned();
        let endpoint = get("endpoint").replace(&subject.proxy.url, &loki.url);
        assert_eq!(push(&endpoint, &headers(&get("headers")), identity), 204);
        assert_eq!(get("project"), get("store"));
        bound.push((life, get("store")));
    }
    assert_eq!(
        push(&subject.endpoint, &[], "of nobody"),
        401,
        "without a tenant nothing is taken"
    );
    for (life, store) in &bound {
        assert_eq!(lines(&loki.url, store), [life.claim.owner.identity.as_str()]);
    }

    let (mut life, store) = bound.remove(0);
    life.step(Wish::Absent).await.expect("it begins to go");
    let seen = subject.adapter.observe(std::slice::from_ref(&life.claim)).await;
    let Some(Ok(Sighting::One(state))) = seen.into_iter().next() else {
        panic!("its lines are not deleted yet");
    };
    assert_eq!(subject.adapter.phase(&state), Phase::Deleting);
    assert!(subject.adapter.bindings(&life.claim, &state).is_empty());
    // Loki deletes when its index has the lines, a quarter of an hour from now: until then the tenant is not gone.
    let asked = deletions(&loki.url, &store);
    assert!(asked.contains("app=~") && asked.contains("service_name=~"), "{asked}");
    life.step(Wish::Absent).await.expect("it waits");
    assert_eq!(
        deletions(&loki.url, &store).matches("request_id").count(),
        2,
        "it is not asked for again"
    );
    assert_eq!(subject.existing(&life.claim.owner).await.len(), 1);
    assert_eq!(deletions(&loki.url, &bound[0].1).matches("request_id").count(), 0);
    assert_eq!(lines(&loki.url, &bound[0].1), ["second"]);
}
