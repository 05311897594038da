//! The story of one seed.

use std::{cell::RefCell, collections::BTreeMap, ops::Add, sync::Arc, time::Duration};

use jiff::Timestamp;
use mooring::{
    engine::{TokioClock, new_password},
    ledger::{InMemory, Ledger, Memory},
};
use mooring_provider::{
    Credentials, ExternalId, Identity, Key, Kind, Owner, Provider, Registration, Result as ProviderResult,
    external_name,
};
use rand::{Rng, SeedableRng, rngs::StdRng};
use tokio::time::Instant;

use crate::{
    alibaba::Alibaba,
    broken::{Broken, BrokenProvider, Forgetful},
    check::{self, Expected},
    cloud::Cloud,
    front::{Declared, Front, Wish},
    mock::Mock,
    process::{self, Killed, Start, owner},
};

/// The cloud that a campaign is about.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Where {
    Mock,
    Alibaba,
}

/// How much went wrong in the stories, so that a campaign of fair weather does not pass for one.
#[derive(Debug, Clone, Copy, Default)]
pub(crate) struct Tally {
    pub(crate) kills: u64,
    pub(crate) faults: u64,
    pub(crate) lost_memories: u64,
    pub(crate) destroyed: u64,
    pub(crate) creates: u64,
}

impl Add for Tally {
    type Output = Self;

    fn add(self, other: Self) -> Self {
        Self {
            kills: self.kills + other.kills,
            faults: self.faults + other.faults,
            lost_memories: self.lost_memories + other.lost_memories,
            destroyed: self.destroyed + other.destroyed,
            creates: self.creates + other.creates,
        }
    }
}

/// What the story of this thread is about, for the provider that is connected by a plain function.
struct Now {
    cloud: Arc<dyn Cloud>,
    broken: Broken,
    random: StdRng,
    taken: BTreeMap<ExternalId, Owner>,
    /// How likely a look is the first of some that miss what is there and is to go, and since when each was missed so;
    /// `None` while it was not.
    lag: f64,
    lagging: BTreeMap<ExternalId, Option<Instant>>,
}

thread_local! {
    static NOW: RefCell<Option<Now>> = const { RefCell::new(None) };
}

fn with<T>(run: impl FnOnce(&mut Now) -> T) -> T {
    NOW.with_borrow_mut(|now| run(now.as_mut().expect("a story is being told")))
}

/// The thing of this name, whoever's it is; from now on it passes for the owner's.
pub(crate) fn taken(name: &str, owner: &Owner) -> Option<ExternalId> {
    with(|now| {
        let id = now.cloud.named(name)?;
        now.taken.insert(id.clone(), owner.clone());
        Some(id)
    })
}

/// Who took it.
pub(crate) fn taker(id: &ExternalId) -> Option<Owner> {
    with(|now| now.taken.get(id).cloned())
}

/// Somebody began to delete it: from now on it may be missed.
pub(crate) fn is_to_go(id: ExternalId) {
    with(|now| _ = now.lagging.entry(id).or_default());
}

/// Whether a look misses this, which is there and is to go. Each is missed for a while, once.
pub(crate) fn lags(id: &ExternalId, within: Duration) -> bool {
    with(|now| match now.lagging.get_mut(id) {
        Some(Some(since)) => now.lag > 0.0 && since.elapsed() < within.mul_f64(0.9) && now.random.random_bool(0.5),
        Some(since) => {
            let begins = now.random.random_bool(now.lag);
            *since = begins.then(Instant::now);
            begins
        }
        None => false,
    })
}

/// A number nobody had before.
pub(crate) fn another() -> u32 {
    with(|now| now.random.random_range(1_000..u32::MAX))
}

fn connect(_: &serde_json::Value, _: Credentials) -> ProviderResult<Arc<dyn Provider>> {
    with(|now| {
        Ok(Arc::new(BrokenProvider {
            inner: now.cloud.provider(),
            broken: now.broken,
        }) as Arc<dyn Provider>)
    })
}

/// Tells the story of a seed; what was broken is the error.
pub(crate) fn tell(place: Where, seed: u64, broken: Broken, aloud: bool) -> Result<Tally, String> {
    let runtime = tokio::runtime::Builder::new_current_thread()
        .enable_time()
        .start_paused(true)
        .build()
        .expect("a runtime");
    runtime.block_on(async { Story::begin(place, seed, broken, aloud).told().await })
}

struct Story {
    random: StdRng,
    cloud: Arc<dyn Cloud>,
    ledger: InMemory,
    front: Front,
    clock: TokioClock,
    broken: Broken,
    expected: Expected,
    tally: Tally,
    aloud: bool,
}

impl Story {
    fn begin(place: Where, seed: u64, broken: Broken, aloud: bool) -> Self {
        let mut random = StdRng::seed_from_u64(seed);
        let cloud: Arc<dyn Cloud> = match place {
            Where::Mock => Arc::new(Mock::new(seed, &mut random)),
            Where::Alibaba => Arc::new(Alibaba::new(seed, &mut random)),
        };
        NOW.set(Some(Now {
            cloud: cloud.clone(),
            broken,
            random: StdRng::seed_from_u64(!seed),
            taken: BTreeMap::new(),
            lag: 0.0,
            lagging: BTreeMap::new(),
        }));
        let clock = TokioClock::starting_at("2026-01-01T00:00:00Z".parse().expect("a time"));
        Self {
            random,
            cloud,
            ledger: InMemory::new(),
            front: Front::default(),
            clock,
            broken,
            expected: Expected::default(),
            tally: Tally::default(),
            aloud,
        }
    }

    async fn told(mut self) -> Result<Tally, String> {
        self.declare();
        self.strangers();
        self.stormy().await;
        self.calm("declared").await?;
        self.live();
        self.stormy().await;
        self.calm("lived with").await?;
        self.let_go();
        self.stormy().await;
        self.calm("let go").await?;
        self.come_back();
        self.stormy().await;
        self.calm("come back").await?;
        for declared in self.front.all().values_mut() {
            (declared.wish, declared.done) = (Wish::Absent, None);
            declared.version += 1;
        }
        self.stormy().await;
        self.calm("gone").await?;
        let left = self.cloud.owned().into_iter().map(|thing| thing.id.to_string());
        if let Some(left) = left.chain(self.cloud.leftovers()).next() {
            return Err(format!("promise 1: {left} is left in the end"));
        }
        self.tally.creates = self.cloud.created();
        Ok(self.tally)
    }

    fn declare(&mut self) {
        for (at, kind) in Kind::ALL.into_iter().enumerate() {
            let key = Key::new("team-a", "shop", "web", kind.as_str());
            let identity = Identity::new(format!("id{at}x{:04x}", self.random.random::<u16>()));
            self.add(key, kind, identity);
        }
    }

    fn add(&mut self, key: Key, kind: Kind, identity: Identity) {
        let declared = Declared {
            key: key.clone(),
            kind,
            identity,
            password: new_password(),
            wish: Wish::Present,
            size: self.random.random_range(20..30),
            status: Memory::default(),
            version: 0,
            ready: false,
            reason: String::new(),
            message: String::new(),
            done: None,
            keep_until: Timestamp::MAX - Duration::from_secs(1),
            outputs: Default::default(),
            told: Vec::new(),
        };
        self.front.all().insert(key, declared);
    }

    /// Somebody else has things with our names.
    fn strangers(&mut self) {
        for declared in self.front.all().values() {
            if self.random.random_bool(0.3)
                && let Some(id) = self.cloud.add_foreign(declared.kind, &external_name(&owner(declared)))
            {
                let before = self.cloud.look(&id).expect("it was just made");
                self.expected.foreign.push((id, before));
            }
        }
    }

    /// Some lives of the process in which anything may go wrong.
    async fn stormy(&mut self) {
        let (rate, faults) = (self.random.random_range(0.0..0.4), self.random.random::<u64>());
        let longest = self.cloud.longest_life();
        self.cloud.storm(rate, faults);
        let lag = self.random.random_range(0.0..0.5);
        with(|now| now.lag = lag);
        for _ in 0..self.random.random_range(1..5) {
            self.forget().await;
            let polls = self.random.random_range(1..longest);
            let life = Killed {
                life: Box::pin(process::run(self.start(), self.cloud.patience())),
                polls,
            };
            let killed = if self.random.random_bool(0.25) {
                let other = Killed {
                    life: Box::pin(process::run(self.start(), self.cloud.patience())),
                    polls: self.random.random_range(1..longest),
                };
                let (one, two) = tokio::join!(life, other);
                u64::from(one.is_none()) + u64::from(two.is_none())
            } else {
                u64::from(life.await.is_none())
            };
            self.tally.kills += killed;
            let idle = Duration::from_millis(self.random.random_range(0..3_000));
            tokio::time::sleep(idle).await;
        }
        self.tally.faults = self.cloud.faults();
        self.cloud.calm();
        with(|now| now.lag = 0.0);
    }

    /// One of the memories may be lost between two lives, never both: what only one of them knows is not lost there.
    async fn forget(&mut self) {
        match self.random.random_range(0..12) {
            0 if self.agree(None).await => {
                self.ledger = InMemory::new();
                self.expected.ledger_lost = true;
                self.tally.lost_memories += 1;
            }
            1 => {
                let at = self.random.random_range(0..self.front.all().len());
                let key = self.front.all().keys().nth(at).cloned().expect("it is one of them");
                if self.agree(Some(&key)).await {
                    self.front.edit(&key, |declared| declared.status = Memory::default());
                    self.tally.lost_memories += 1;
                }
            }
            _ => {}
        }
    }

    /// Whether the status and the ledger know the same, of this one or of all.
    async fn agree(&self, key: Option<&Key>) -> bool {
        let all: Vec<_> = self.front.all().values().cloned().collect();
        for declared in all.iter().filter(|declared| key.is_none_or(|key| *key == declared.key)) {
            let record = self.ledger.get(&declared.identity).await.expect("the ledger works");
            let known = record.map(|record| record.memory).unwrap_or_default();
            let of = |memory: &Memory| {
                let intent = memory.intent.as_ref().map(|intent| intent.since);
                (memory.incarnation, memory.external_id.clone(), memory.was_ready, intent)
            };
            if of(&known) != of(&declared.status) {
                return false;
            }
        }
        true
    }

    fn start(&self) -> Start {
        let ledger: Arc<dyn Ledger> = match self.broken {
            Broken::Journal | Broken::Loss => Arc::new(Forgetful(self.ledger.clone(), self.broken)),
            _ => Arc::new(self.ledger.clone()),
        };
        Start {
            front: self.front.clone(),
            ledger,
            clock: self.clock,
            registration: Registration { name: "mock", connect },
            broken: self.broken,
            cloud: Arc::clone(&self.cloud),
        }
    }

    /// All goes well for a while; then it must be as wanted.
    async fn calm(&mut self, chapter: &str) -> Result<(), String> {
        let settled = process::run(self.start(), self.cloud.patience()).await;
        tokio::time::sleep(self.cloud.unrest() + Duration::from_millis(1)).await;
        if self.aloud {
            println!("-- {chapter} at {}", process::now(self.clock));
            for declared in self.front.all().values() {
                let id = process::id(declared);
                println!(
                    "{} {:?} {id:?} {} {}",
                    declared.key, declared.wish, declared.reason, declared.message
                );
                declared.told.iter().for_each(|told| println!("     {told}"));
            }
            self.cloud.story().iter().for_each(|call| println!("  {call}"));
            self.cloud
                .owned()
                .iter()
                .for_each(|there| println!("  there is {there:?}"));
        }
        let checked = check::quiet(&self.front, &*self.cloud, &self.ledger, &self.expected).await;
        checked.map_err(|broken| format!("{chapter}: {broken}"))?;
        if settled {
            return Ok(());
        }
        let unsettled: Vec<_> = self
            .front
            .all()
            .values()
            .filter(|declared| !declared.ready || declared.wish != Wish::Present)
            .map(|declared| {
                format!(
                    "{} {:?}: {} {}",
                    declared.key, declared.wish, declared.reason, declared.message
                )
            })
            .collect();
        Err(format!(
            "{chapter}: not settled in {:?}: {}",
            self.cloud.patience(),
            unsettled.join("; ")
        ))
    }

    /// It is used, resized, and things happen behind our back.
    fn live(&mut self) {
        let all: Vec<_> = self.front.all().values().cloned().collect();
        for declared in all {
            let Some(id) = process::id(&declared) else { continue };
            if declared.kind == Kind::Rds {
                self.cloud.write(&id, "a row");
                self.expected.rows = Some((id.clone(), "a row".into()));
            }
            if self.random.random_bool(0.15) && matches!(declared.kind, Kind::Rds | Kind::Log | Kind::Monitor) {
                self.cloud.destroy(declared.kind, &id);
                self.expected.destroyed.insert(declared.identity.clone());
                self.tally.destroyed += 1;
            } else if self.random.random_bool(0.3) {
                self.front.edit(&declared.key, |declared| declared.size += 1);
            }
        }
    }

    /// Some of it is withdrawn or parked.
    fn let_go(&mut self) {
        let lost = self.expected.destroyed.clone();
        for declared in self.front.all().values_mut() {
            let wish = match declared.kind {
                Kind::Rds if !lost.contains(&declared.identity) && self.random.random_bool(0.5) => Wish::Parked,
                Kind::Slb | Kind::Log | Kind::Monitor if self.random.random_bool(0.5) => Wish::Absent,
                _ => continue,
            };
            (declared.wish, declared.done) = (wish, None);
            declared.version += 1;
        }
        // An alarm on a database that is out of use goes with it.
        let mut all = self.front.all();
        let parked = all.values().any(|declared| declared.wish == Wish::Parked);
        if let Some(alarm) = all
            .values_mut()
            .find(|declared| declared.kind == Kind::Monitor && parked)
        {
            (alarm.wish, alarm.done) = (Wish::Absent, None);
            alarm.version += 1;
        }
    }

    /// What was parked is declared again, what was withdrawn is a new life.
    fn come_back(&mut self) {
        let all: Vec<_> = self.front.all().values().cloned().collect();
        for declared in all {
            match declared.wish {
                Wish::Parked if self.random.random_bool(0.7) => self.front.edit(&declared.key, |declared| {
                    (declared.wish, declared.done, declared.status) = (Wish::Present, None, Memory::default());
                }),
                Wish::Absent if self.random.random_bool(0.5) => {
                    let identity = Identity::new(format!("id{:08x}", self.random.random::<u32>()));
                    if declared.kind != Kind::Monitor {
                        self.add(declared.key, declared.kind, identity);
                    }
                }
                _ => {}
            }
        }
    }
}
