//! An engine on a mock cloud, and what is asked of it.

use std::{collections::BTreeMap, sync::Arc, time::Duration};

use mooring::{
    engine::{Connection, Engine, Job, Next, Report, TokioClock, Want},
    ledger::{InMemory, Memory},
};
use mooring_provider::{
    Access, Account, Bytes, ClusterId, ExternalId, Identity, Key, Kind, Owner, Span,
    spec::{Common, Engine as Database, Format, Log, Network, Rds, Selector, Source, Tls},
};
use mooring_provider_mock::{Cloud, MockConfig};
use secrecy::SecretString;
use serde_json::{Value as Json, json};

pub(crate) struct World {
    pub(crate) engine: Engine,
    pub(crate) connection: Arc<Connection>,
    pub(crate) cloud: Cloud,
    pub(crate) ledger: InMemory,
}

pub(crate) const PASSWORD: &str = "Not-For-Anybodys-Eyes-1";

/// An engine on a cloud of the test's own.
pub(crate) async fn world(account: &str) -> World {
    world_with(account, InMemory::new()).await
}

pub(crate) async fn world_with(account: &str, ledger: InMemory) -> World {
    world_of(account, ledger, "here").await
}

/// The engine of a cluster of this name.
pub(crate) async fn world_of(account: &str, ledger: InMemory, cluster: &str) -> World {
    let config = MockConfig {
        account: account.into(),
        ..MockConfig::default()
    };
    let cloud = Cloud::open(&config).expect("the configuration is good");
    let clock = TokioClock::starting_at("2026-01-01T00:00:00Z".parse().expect("a time"));
    let engine = Engine::new(
        Arc::new(ledger.clone()),
        Arc::new(clock),
        vec![mooring_provider_mock::register()],
        ClusterId::new(cluster),
        "test".into(),
    )
    .await
    .expect("the ledger works");
    let connection = engine
        .connections()
        .connect("mock", "mock", &json!({ "account": account }), BTreeMap::new())
        .expect("it connects");
    World {
        engine,
        connection,
        cloud,
        ledger,
    }
}

pub(crate) fn owner(name: &str) -> Owner {
    Owner {
        cluster: ClusterId::new("here"),
        identity: Identity::new(format!("id-{name}")),
        key: Key::new("team-a", "shop", "web", name),
    }
}

pub(crate) fn job(name: &str, kind: Kind, want: Want) -> Job {
    Job {
        owner: owner(name),
        kind,
        environment: "test".into(),
        existing: None,
        want,
        may_adopt: false,
    }
}

pub(crate) fn rds(storage: u64, class: &str) -> Json {
    serde_json::to_value(Rds {
        engine: Database::Mysql,
        version: None,
        class: class.into(),
        storage: Bytes::gib(storage),
        high_availability: false,
        database: "shop".into(),
        tls: Tls::Preferred,
        backup_retention: None,
        deletion_protection: false,
        clients: vec!["10.0.0.0/8".into()],
        client_security_group: None,
        network: Network::default(),
        common: Common::default(),
    })
    .expect("a spec is JSON")
}

pub(crate) fn present(spec: Json) -> Want {
    let account = Account {
        name: "shop".into(),
        access: Access::Owner,
        password: SecretString::from(PASSWORD),
    };
    Want::Present {
        spec,
        accounts: vec![account],
        recreate: false,
    }
}

pub(crate) fn log() -> Want {
    let log = Log {
        retention: Span::new(Duration::from_secs(86_400)),
        sources: vec![Source::Stdout],
        format: Format::Text,
        push: false,
        selector: Selector::default(),
        common: Common::default(),
    };
    Want::Present {
        spec: serde_json::to_value(log).expect("a spec is JSON"),
        accounts: Vec::new(),
        recreate: false,
    }
}

pub(crate) const ABSENT: Want = Want::Absent {
    per_hour: None,
    approved: false,
};

impl World {
    pub(crate) async fn step(&self, job: &Job) -> Report {
        self.engine.step(&self.connection, job, &Memory::default(), &()).await
    }

    /// Steps until it says so, or does not come to it.
    pub(crate) async fn until(&self, job: &Job, what: impl Fn(&Report) -> bool) -> Report {
        for _ in 0..1_000 {
            let report = self.step(job).await;
            if what(&report) {
                return report;
            }
            match report.next {
                Next::After(pause) => tokio::time::sleep(pause).await,
                Next::OnChange => panic!("it waits for a change: {report:?}"),
            }
        }
        panic!("it did not come to it in a thousand steps")
    }

    pub(crate) async fn ready(&self, job: &Job) -> ExternalId {
        let report = self.until(job, |report| report.is_ready() && report.synced.is).await;
        report.memory.external_id.expect("what is ready has an id")
    }
}
