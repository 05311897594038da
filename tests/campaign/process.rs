//! One life of the process: an engine of its own, a loop per resource, and an end at any await.

use std::{
    pin::Pin,
    sync::{Arc, PoisonError},
    task::{Context, Poll},
    time::Duration,
};

use mooring::{
    engine::{Clock, Done, Engine, Job, Next, TokioClock, Want},
    ledger::Ledger,
};
use mooring_provider::{
    Access, Account, Bytes, ClusterId, ExternalId, Key, Kind, Owner, Registration, Span,
    spec::{
        Alarm, Common, Egress, Engine as Database, Format, Listener, Log, Metric, Monitor, Network, Protocol, Rds,
        Scheme, Selector, Severity, Slb, Source, Subnet, Target, Threshold, Tls, Vpc,
    },
};

use crate::{
    broken::Broken,
    cloud::Cloud,
    front::{Declared, Front, NoStatus, Status, Wish},
};

pub(crate) const CLUSTER: &str = "cluster-a";

/// What a process is started with.
#[derive(Debug, Clone)]
pub(crate) struct Start {
    pub(crate) front: Front,
    pub(crate) ledger: Arc<dyn Ledger>,
    pub(crate) clock: TokioClock,
    pub(crate) registration: Registration,
    pub(crate) broken: Broken,
    pub(crate) cloud: Arc<dyn Cloud>,
}

/// Runs until every resource is settled, which is told by `true`, or the time is over.
pub(crate) async fn run(start: Start, at_most: Duration) -> bool {
    let engine = Engine::new(
        Arc::clone(&start.ledger),
        Arc::new(start.clock),
        vec![start.registration],
        ClusterId::new(CLUSTER),
        "campaign".into(),
    );
    let Ok(engine) = engine.await else { return false };
    let connected = engine
        .connections()
        .connect("mock", "mock", &serde_json::Value::Null, Default::default());
    let connection = connected.expect("the mock can be connected");
    let keys: Vec<_> = start.front.all().keys().cloned().collect();
    let loops = keys.iter().map(|key| one(&start, &engine, &connection, key));
    tokio::time::timeout(at_most, futures::future::join_all(loops))
        .await
        .is_ok()
}

/// Steps one resource until it is settled.
async fn one(start: &Start, engine: &Engine, connection: &mooring::engine::Connection, key: &Key) {
    loop {
        let declared = start.front.read(key);
        if declared.done == Some(Done::Gone) && declared.wish == Wish::Absent {
            return;
        }
        let Some(want) = want(start, &declared) else {
            // Whoever waits for what is lost waits for a person.
            if declared.kind == Kind::Monitor && start.front.all().values().any(|other| other.reason == "Lost") {
                return;
            }
            tokio::time::sleep(Duration::from_millis(50)).await;
            continue;
        };
        let job = Job {
            owner: owner(&declared),
            kind: declared.kind,
            environment: "test".into(),
            existing: None,
            want,
            may_adopt: false,
        };
        let status = Status {
            front: &start.front,
            key,
            version: std::sync::Mutex::new(declared.version),
        };
        let report = if start.broken == Broken::Journal {
            engine.step(connection, &job, &declared.status, &NoStatus).await
        } else {
            engine.step(connection, &job, &declared.status, &status).await
        };
        let mut report = report;
        if start.broken == Broken::Journal {
            report.memory.intent = None;
        }
        if start.broken == Broken::Loss {
            report.memory.was_ready = false;
        }
        // The way to the server and back.
        tokio::time::sleep(Duration::from_millis(1)).await;
        let version = *status.version.lock().unwrap_or_else(PoisonError::into_inner);
        start.front.conclude(&declared, version, &report);
        let settled = match declared.wish {
            Wish::Present => report.is_ready() && report.synced.is || report.synced.reason == "Lost",
            Wish::Absent => report.done == Some(Done::Gone),
            Wish::Parked => report.done == Some(Done::Parked),
        };
        if settled && start.front.read(key).wish == declared.wish {
            return;
        }
        let pause = match report.next {
            Next::After(pause) => pause.min(Duration::from_secs(60)),
            Next::OnChange => Duration::from_secs(60),
        };
        tokio::time::sleep(pause.max(Duration::from_millis(5))).await;
    }
}

pub(crate) fn owner(declared: &Declared) -> Owner {
    Owner {
        cluster: ClusterId::new(CLUSTER),
        identity: declared.identity.clone(),
        key: declared.key.clone(),
    }
}

/// What is wanted now; `None` while somebody else comes first.
fn want(start: &Start, declared: &Declared) -> Option<Want> {
    let all = start.front.all().clone();
    let ordered = start.broken != Broken::Order;
    let of = |kind: Kind| all.values().find(|other| other.kind == kind);
    let inside = |kind: Kind| matches!(kind, Kind::Rds | Kind::Slb);
    match declared.wish {
        Wish::Present => Some(Want::Present {
            spec: spec(&*start.cloud, declared, of(Kind::Vpc), of(Kind::Rds))?,
            accounts: match declared.kind {
                Kind::Rds => vec![Account {
                    name: "shop".into(),
                    access: Access::Owner,
                    password: declared.password.clone(),
                }],
                _ => Vec::new(),
            },
            recreate: false,
        }),
        // A parked database still lives in its network.
        Wish::Absent => {
            let dependents = all.values().filter(|other| match declared.kind {
                Kind::Vpc => inside(other.kind),
                Kind::Rds => other.kind == Kind::Monitor,
                _ => false,
            });
            let gone = |other: &Declared| other.wish == Wish::Absent && other.done == Some(Done::Gone);
            let mut dependents = dependents.filter(|other| !gone(other));
            (!ordered || dependents.next().is_none()).then_some(Want::Absent {
                per_hour: None,
                approved: false,
            })
        }
        Wish::Parked => Some(Want::Parked {
            until: declared.keep_until,
            backup: true,
        }),
    }
}

fn spec(
    cloud: &dyn Cloud,
    declared: &Declared,
    vpc: Option<&Declared>,
    rds: Option<&Declared>,
) -> Option<serde_json::Value> {
    let network = || {
        let outputs = &vpc.filter(|vpc| vpc.ready)?.outputs;
        let subnets = outputs.get("subnet-ids")?.split(',').map(|id| Subnet {
            zone: None,
            id: id.into(),
        });
        Some(Network {
            id: Some(outputs.get("network-id")?.clone()),
            subnets: subnets.collect(),
            security_group: None,
        })
    };
    let spec = match declared.kind {
        Kind::Vpc => serde_json::to_value(Vpc {
            cidr: Some("10.64.0.0/16".into()),
            egress: Egress::None,
            zones: Vec::new(),
            shared: None,
            common: Common::default(),
        }),
        Kind::Rds => serde_json::to_value(Rds {
            engine: Database::Mysql,
            version: None,
            class: "mock.small".into(),
            storage: Bytes::gib(declared.size),
            high_availability: false,
            database: "shop".into(),
            tls: Tls::Preferred,
            backup_retention: None,
            deletion_protection: declared.size.is_multiple_of(2),
            clients: vec!["10.0.0.0/8".into()],
            client_security_group: None,
            network: network()?,
            common: Common::default(),
        }),
        Kind::Slb => serde_json::to_value(Slb {
            scheme: Scheme::Internal,
            listeners: vec![Listener {
                port: 80,
                protocol: Protocol::Http,
                target_port: 8000 + declared.size as u16,
                certificate: None,
                health_check_path: None,
            }],
            allow_from: Vec::new(),
            backends: Some(Vec::new()),
            network: network()?,
            common: Common::default(),
        }),
        Kind::Log => serde_json::to_value(Log {
            retention: Span::new(Duration::from_secs(86_400 * declared.size)),
            sources: vec![Source::Stdout],
            format: Format::Text,
            push: false,
            selector: Selector::default(),
            common: Common::default(),
        }),
        Kind::Monitor => {
            let rds = rds.filter(|rds| rds.ready)?;
            serde_json::to_value(Monitor {
                alarms: vec![Alarm {
                    name: "connections".into(),
                    target: Target::Resource {
                        kind: Kind::Rds,
                        id: rds.status.external_id.clone()?,
                    },
                    metric: Metric::Connections,
                    threshold: Threshold {
                        above: true,
                        value: 80.0,
                        percent: true,
                    },
                    lasting: Span::new(Duration::from_secs(300)),
                    severity: Severity::Warning,
                    notify: Vec::new(),
                }],
                scrape: None,
                selector: Selector::default(),
                common: Common::default(),
            })
        }
        _ => unreachable!("the story declares five kinds"),
    };
    let mut spec = spec.expect("a spec is JSON");
    cloud.localize(declared.kind, &mut spec);
    Some(spec)
}

/// Ends another future after it was polled so many times: the process is killed at some await.
pub(crate) struct Killed<F> {
    pub(crate) life: Pin<Box<F>>,
    pub(crate) polls: u64,
}

impl<F: Future> Future for Killed<F> {
    type Output = Option<F::Output>;

    fn poll(mut self: Pin<&mut Self>, context: &mut Context<'_>) -> Poll<Self::Output> {
        if self.polls == 0 {
            return Poll::Ready(None);
        }
        self.polls -= 1;
        self.life.as_mut().poll(context).map(Some)
    }
}

/// The id a create was answered with, for those who look by it.
pub(crate) fn id(declared: &Declared) -> Option<ExternalId> {
    declared.status.external_id.clone()
}

/// Now, by the story's clock.
pub(crate) fn now(clock: TokioClock) -> jiff::Timestamp {
    clock.now()
}
