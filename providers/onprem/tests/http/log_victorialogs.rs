//! The log adapter on a real VictoriaLogs: the conformance kit, and lines of two tenants.

use std::time::Duration;

use mooring_provider::{
    ErrorKind, Kind, Step,
    conformance::{self, Life, Subject, Wish},
};
use mooring_test_servers::{
    VictoriaLogs,
    loki::{headers, push},
    victorialogs::{self, lines},
};
use serde_json::json;
use tempfile::TempDir;

use crate::{http, kit, log_loki::Tenants, proxy::Proxy};

struct Rig {
    server: VictoriaLogs,
    registry: TempDir,
}

impl Rig {
    async fn start(deletes: bool) -> Self {
        Self {
            server: VictoriaLogs::start(deletes).await,
            registry: tempfile::tempdir().expect("a directory"),
        }
    }

    fn tenants(&self, removal: &str) -> Tenants {
        let (proxy, url) = (
            Proxy::before(([127, 0, 0, 1], self.server.port).into()),
            self.server.url.clone(),
        );
        let config = json!({"log": {
            "flavour": "victorialogs", "url": proxy.url, "registry": self.registry.path(), "retention": "7d",
            "removal": removal,
        }});
        Tenants {
            adapter: kit::adapter(&config, Kind::Log),
            proxy,
            registry: self.registry.path().to_owned(),
            endpoint: format!("{}/insert/loki/api/v1/push", self.server.url),
            headers: victorialogs::headers,
            lines: Box::new(move |tenant| lines(&url, tenant)),
            foreign: |name| format!("{}:7", name.len()),
        }
    }
}

#[tokio::test]
async fn conforms() {
    let rig = Rig::start(true).await;
    conformance::assert_conforms(&rig.tenants("ask")).await;
}

/// What an application or a collector does with a binding; then its lines are deleted, and another's are not.
#[tokio::test]
async fn lines_arrive_in_their_own_tenant_which_goes_when_they_are_deleted() {
    let rig = Rig::start(true).await;
    let subject = rig.tenants("wait");
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
        let endpoint = get("endpoint").replace(&subject.proxy.url, &rig.server.url);
        assert_eq!(push(&endpoint, &headers(&get("headers")), identity), 204);
        bound.push((life, seen.id.to_string()));
    }
    for (life, tenant) in &bound {
        assert_eq!((subject.lines)(tenant), [life.claim.owner.identity.as_str()]);
    }

    // The server deletes in its own time; until then the tenant is not gone.
    let (mut life, tenant) = bound.remove(0);
    for round in 0.. {
        if life.step(Wish::Absent).await.expect("it goes").step == Step::Gone {
            break;
        }
        assert!(round < 600, "it never goes");
        tokio::time::sleep(Duration::from_millis(100)).await;
        subject.settle(Duration::from_secs(1)).await;
    }
    assert_eq!((subject.lines)(&tenant), [""; 0]);
    assert!(subject.existing(&life.claim.owner).await.is_empty());
    assert_eq!((subject.lines)(&bound[0].1), ["second"]);
}

#[tokio::test]
async fn a_server_that_deletes_nothing_says_what_to_do() {
    let rig = Rig::start(false).await;
    let subject = rig.tenants("wait");
    let mut life = Life::new(&subject, subject.adapter.clone(), http::claim("kept").owner);
    let seen = life
        .until(Wish::Present)
        .await
        .expect("it comes up")
        .seen
        .expect("it is seen");
    let tenant = seen.id.to_string();
    let bound = headers(seen.bindings["headers"].plain().expect("it may be shown"));
    assert_eq!(push(&subject.endpoint, &bound, "a line"), 204);
    assert_eq!((subject.lines)(&tenant), ["a line"]);
    let error = life.step(Wish::Absent).await.expect_err("it cannot be deleted");
    assert_eq!(error.kind(), ErrorKind::Unsupported);
    assert!(
        error.message().contains("-delete.enable") && error.message().contains("ageOut"),
        "{error}"
    );

    // The operator decides that lines may age out.
    let subject = rig.tenants("ageOut");
    let mut life = Life::new(&subject, subject.adapter.clone(), life.claim.owner);
    let note = life.spec.clone();
    let notes = subject.adapter.notes(&note).expect("it is a spec").join("\n");
    assert!(
        notes.contains("kept for 7d") && notes.contains("until they are 7d old"),
        "{notes}"
    );
    life.until(Wish::Absent).await.expect("it goes");
    assert_eq!((subject.lines)(&tenant), ["a line"]);
    // Its numbers are nobody's any more, even for who would get the same.
    life.until(Wish::Present).await.expect("it comes up again");
    assert_ne!(life.claim.id.expect("an id").to_string(), tenant);
}
