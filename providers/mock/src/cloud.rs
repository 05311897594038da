//! The cloud: one lock around a world, and the way every call takes to it.

use std::{
    collections::{BTreeMap, HashMap, VecDeque},
    fmt,
    path::{Path, PathBuf},
    sync::{Arc, LazyLock, Mutex, MutexGuard, PoisonError},
    time::Duration,
};

use jiff::Timestamp;
use mooring_provider::{Error, ErrorKind, Kind, Result};
use rand::{Rng, SeedableRng, rngs::StdRng};
use sha2::{Digest, Sha256};
use tokio::{sync::oneshot, time::sleep};

use crate::{
    call::{Call, Counters, Fault, FaultPlan, Op, operation},
    clock::{Clock, after},
    config::MockConfig,
    store::Store,
    world::World,
};

/// How many calls the log keeps.
const LOG: usize = 10_000;

/// A handle of a mock cloud. Its methods are what a test may do behind the back of those who use the cloud; they take
/// no time and never fail by chance.
#[derive(Clone)]
pub struct Cloud(Arc<Mutex<Inner>>);

pub(crate) struct Inner {
    pub(crate) config: MockConfig,
    pub(crate) clock: Clock,
    pub(crate) world: World,
    pub(crate) store: Option<Store>,
    pub(crate) next: VecDeque<(Op, Option<Kind>, Fault)>,
    pub(crate) plan: Option<Box<dyn FaultPlan>>,
    pub(crate) down: bool,
    pub(crate) revoked: bool,
    pub(crate) log: VecDeque<Call>,
    pub(crate) counts: BTreeMap<(Op, Option<Kind>), u64>,
    pub(crate) counters: Counters,
    attempts: HashMap<(Op, Option<Kind>, Option<String>), u64>,
    late: Vec<Late>,
}

type Effect = Box<dyn FnOnce(&mut World, Timestamp) + Send>;

/// An effect that is under way; whoever sent it may be gone when it happens.
struct Late {
    due: Timestamp,
    effect: Effect,
}

#[derive(PartialEq, Eq, Hash)]
enum Place {
    Account(String),
    File(PathBuf),
}

/// The clouds of this process: whoever connects anew reaches the one that was there.
static CLOUDS: LazyLock<Mutex<HashMap<Place, Cloud>>> = LazyLock::new(Mutex::default);

impl Cloud {
    /// The cloud of the configuration's state file, or else of its account; from now on it is configured so.
    pub fn open(config: &MockConfig) -> Result<Self> {
        let place = match &config.state {
            Some(path) => Place::File(std::path::absolute(path).map_err(|error| unusable(config, error))?),
            None => Place::Account(config.account.clone()),
        };
        let mut clouds = CLOUDS.lock().unwrap_or_else(PoisonError::into_inner);
        if let Some(cloud) = clouds.get(&place) {
            config.check()?;
            cloud.lock().config = config.clone();
            return Ok(cloud.clone());
        }
        let cloud = Self::detached(config.clone())?;
        clouds.insert(place, cloud.clone());
        Ok(cloud)
    }

    /// A cloud of its own, which no other connection reaches unless it shares the state file.
    pub fn detached(config: MockConfig) -> Result<Self> {
        config.check()?;
        let store = match &config.state {
            Some(path) => Some(Store::open(path).map_err(|error| unusable(&config, error))?),
            None => None,
        };
        Ok(Self(Arc::new(Mutex::new(Inner {
            config,
            clock: Clock::new(),
            world: World::new(),
            store,
            next: VecDeque::new(),
            plan: None,
            down: false,
            revoked: false,
            log: VecDeque::new(),
            counts: BTreeMap::new(),
            counters: Counters::default(),
            attempts: HashMap::new(),
            late: Vec::new(),
        }))))
    }

    pub(crate) fn lock(&self) -> MutexGuard<'_, Inner> {
        self.0.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// One call: takes its time, may go wrong, and has its effect at one moment.
    pub(crate) async fn call<T: Send + 'static>(
        &self,
        admitted: bool,
        call: Call,
        effect: impl FnOnce(&mut World, Timestamp, &MockConfig) -> Result<T> + Send + 'static,
    ) -> Result<T> {
        let latency = self.lock().config.latency.get();
        pause(latency / 2).await;
        let (name, (n, fault)) = (operation(call.kind, call.op), self.lock().judge(admitted, call)?);
        let answered = match fault {
            Some(Fault::Late(lateness)) => {
                let (answer, answered) = oneshot::channel();
                {
                    let mut inner = self.lock();
                    let (config, due) = (inner.config.clone(), after(inner.clock.now(), lateness));
                    inner.late.push(Late {
                        due,
                        effect: Box::new(move |world, now| drop(answer.send(effect(world, now, &config)))),
                    });
                }
                sleep(lateness).await;
                self.lock().with(name, |_, _, _| ())?;
                answered
                    .await
                    .unwrap_or_else(|_| Err(Error::new(ErrorKind::Unavailable, name, "the cloud went away")))
            }
            _ => self.lock().with(name, effect)?,
        };
        pause(latency - latency / 2).await;
        if fault == Some(Fault::After) {
            return Err(unavailable(name, n, "the connection was closed before an answer came"));
        }
        answered.map_err(|error| error.with_request_id(request_id(n)))
    }
}

impl Inner {
    /// Runs something on the world as it is now.
    pub(crate) fn with<T>(
        &mut self,
        operation: &'static str,
        run: impl FnOnce(&mut World, Timestamp, &MockConfig) -> T,
    ) -> Result<T> {
        let failed = |error: std::io::Error, config: &MockConfig| {
            let path = config.state.as_deref().unwrap_or(Path::new("")).display();
            Error::new(
                ErrorKind::Unavailable,
                operation,
                format!("the mock cloud's state file {path} cannot be used"),
            )
            .with_source(error)
        };
        if let Some(store) = &mut self.store {
            store
                .begin(&mut self.world, &mut self.clock)
                .map_err(|error| failed(error, &self.config))?;
        }
        let now = self.clock.now();
        self.late.sort_by_key(|late| late.due);
        let due = self.late.partition_point(|late| late.due <= now);
        for late in self.late.drain(..due) {
            self.world.reap(late.due);
            (late.effect)(&mut self.world, late.due);
        }
        self.world.reap(now);
        let answer = run(&mut self.world, now, &self.config);
        if let Some(store) = &mut self.store {
            store
                .commit(&mut self.world, now)
                .map_err(|error| failed(error, &self.config))?;
        } else {
            self.world.take_changes();
        }
        Ok(answer)
    }

    /// When the last effect happens that is under way.
    pub(crate) fn last_late(&self) -> Option<Timestamp> {
        self.late.iter().map(|late| late.due).max()
    }

    /// Writes a call down and says what goes wrong with it.
    fn judge(&mut self, admitted: bool, mut call: Call) -> Result<(u64, Option<Fault>)> {
        let name = operation(call.kind, call.op);
        call.n = self.counters.reads + self.counters.writes;
        let n = call.n;
        *if call.op.writes() {
            &mut self.counters.writes
        } else {
            &mut self.counters.reads
        } += 1;
        *self.counts.entry((call.op, call.kind)).or_default() += 1;
        if self.log.len() == LOG {
            self.log.pop_front();
        }
        self.log.push_back(call.clone());
        if self.down {
            return Err(unavailable(name, n, "the mock cloud is down"));
        }
        if self.config.requires_credentials && (self.revoked || !admitted) {
            return Err(Error::new(
                ErrorKind::Unauthenticated,
                name,
                "the credentials were refused; the credentials' Secret needs an entry `token` that is not revoked",
            )
            .with_code("InvalidAccessKeyId")
            .with_request_id(request_id(n)));
        }
        let fault = self.fault(&call);
        match fault {
            Some(Fault::Before) => Err(unavailable(name, n, "the service is temporarily unavailable")),
            Some(Fault::Denied) => Err(Error::new(
                ErrorKind::PermissionDenied,
                name,
                "the credentials are not good for this; grant it to them, or name others",
            )
            .with_code("Forbidden.RAM")
            .with_request_id(request_id(n))),
            Some(Fault::Throttled(after)) => {
                self.counters.throttled += 1;
                Err(Error::new(ErrorKind::Throttled, name, "too many calls")
                    .with_code("Throttling.User")
                    .with_request_id(request_id(n))
                    .with_retry_after(after))
            }
            fault => Ok((n, fault)),
        }
    }

    fn fault(&mut self, call: &Call) -> Option<Fault> {
        let asked = self
            .next
            .iter()
            .position(|(op, kind, _)| *op == call.op && kind.is_none_or(|k| Some(k) == call.kind));
        if let Some((_, _, fault)) = asked.and_then(|at| self.next.remove(at)) {
            return Some(fault);
        }
        if let Some(fault) = self.plan.as_ref().and_then(|plan| plan.fault(call)) {
            return Some(fault);
        }
        let MockConfig {
            errors,
            throttled,
            lost_replies,
            ..
        } = self.config;
        if errors + throttled + lost_replies == 0.0 {
            return None;
        }
        let dice = self.dice(call).random::<f64>();
        let bounds = [
            (throttled, Fault::Throttled(Duration::from_secs(1))),
            (errors, Fault::Before),
            (lost_replies, Fault::After),
        ];
        let mut sum = 0.0;
        bounds.into_iter().find_map(|(probability, fault)| {
            sum += probability;
            (dice < sum).then_some(fault)
        })
    }

    /// Dice that fall alike for the same seed and the same attempt at the same call, in whatever order the calls of
    /// several tasks come in.
    fn dice(&mut self, call: &Call) -> StdRng {
        let attempt = self
            .attempts
            .entry((call.op, call.kind, call.subject.clone()))
            .or_default();
        *attempt += 1;
        let mut hash = Sha256::new();
        hash.update(self.config.seed.to_be_bytes());
        hash.update(attempt.to_be_bytes());
        hash.update(operation(call.kind, call.op));
        hash.update(call.subject.as_deref().unwrap_or_default());
        StdRng::from_seed(hash.finalize().into())
    }
}

async fn pause(duration: Duration) {
    if !duration.is_zero() {
        sleep(duration).await;
    }
}

pub(crate) fn request_id(n: u64) -> String {
    format!("mock-{n:08}")
}

fn unavailable(name: &'static str, n: u64, message: &str) -> Error {
    Error::new(ErrorKind::Unavailable, name, message).with_request_id(request_id(n))
}

fn unusable(config: &MockConfig, error: std::io::Error) -> Error {
    let path = config.state.as_deref().unwrap_or(Path::new("")).display();
    Error::new(
        ErrorKind::InvalidSpec,
        "mock.connect",
        format!("spec.mock: state: `{path}` cannot be used; name a file in a folder that can be written"),
    )
    .with_source(error)
}

impl fmt::Debug for Cloud {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Cloud")
            .field("config", &self.lock().config)
            .finish_non_exhaustive()
    }
}
