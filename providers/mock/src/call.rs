//! A call to the cloud, and what can go wrong with it.

use std::{fmt, time::Duration};

use mooring_provider::Kind;

/// What a call does.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, PartialOrd, Ord)]
#[allow(missing_docs, reason = "each is named after the method of the adapter that makes it")]
pub enum Op {
    Check,
    Observe,
    Inventory,
    Create,
    Update,
    Delete,
    Park,
    Unpark,
    Adopt,
    EnsureAccount,
    DropAccount,
}

impl Op {
    /// Every operation.
    pub const ALL: [Self; 11] = [
        Self::Check,
        Self::Observe,
        Self::Inventory,
        Self::Create,
        Self::Update,
        Self::Delete,
        Self::Park,
        Self::Unpark,
        Self::Adopt,
        Self::EnsureAccount,
        Self::DropAccount,
    ];

    /// Whether it changes anything.
    pub const fn writes(self) -> bool {
        !matches!(self, Self::Check | Self::Observe | Self::Inventory)
    }
}

/// One call, as the cloud's log has it.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Call {
    /// How many calls there were before it.
    pub n: u64,
    /// What it does.
    pub op: Op,
    /// The kind of resource; none for a check of the credentials.
    pub kind: Option<Kind>,
    /// The resource: its id, or its name before it has one; none for a listing.
    pub subject: Option<String>,
    /// How many resources it asks for.
    pub batch: usize,
}

/// What goes wrong with a call.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Fault {
    /// It fails and has no effect.
    Before,
    /// Its credentials are not good for it.
    Denied,
    /// It has its effect, and the answer is lost.
    After,
    /// It is refused, with the time to come back.
    Throttled(Duration),
    /// It takes that long, and has its effect at the end of it even if nobody waits for the answer any more.
    Late(Duration),
}

/// Decides which calls go wrong.
pub trait FaultPlan: Send + Sync {
    /// What goes wrong with this call.
    fn fault(&self, call: &Call) -> Option<Fault>;
}

impl<F: Fn(&Call) -> Option<Fault> + Send + Sync> FaultPlan for F {
    fn fault(&self, call: &Call) -> Option<Fault> {
        self(call)
    }
}

/// How many calls there were.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
pub struct Counters {
    /// Calls that only look.
    pub reads: u64,
    /// Calls that change something.
    pub writes: u64,
    /// Calls that were refused because there were too many.
    pub throttled: u64,
}

impl fmt::Display for Call {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "#{} {}", self.n, operation(self.kind, self.op))?;
        self.subject.as_ref().map_or(Ok(()), |subject| write!(f, " {subject}"))
    }
}

/// The name of an operation in errors and metrics: `rds.create`.
pub(crate) fn operation(kind: Option<Kind>, op: Op) -> &'static str {
    macro_rules! of {
        ($kind:literal) => {
            match op {
                Op::Check => concat!($kind, ".check"),
                Op::Observe => concat!($kind, ".observe"),
                Op::Inventory => concat!($kind, ".inventory"),
                Op::Create => concat!($kind, ".create"),
                Op::Update => concat!($kind, ".update"),
                Op::Delete => concat!($kind, ".delete"),
                Op::Park => concat!($kind, ".park"),
                Op::Unpark => concat!($kind, ".unpark"),
                Op::Adopt => concat!($kind, ".adopt"),
                Op::EnsureAccount => concat!($kind, ".ensureAccount"),
                Op::DropAccount => concat!($kind, ".dropAccount"),
            }
        };
    }
    match kind {
        Some(Kind::Vpc) => of!("vpc"),
        Some(Kind::Slb) => of!("slb"),
        Some(Kind::Rds) => of!("rds"),
        Some(Kind::Log) => of!("log"),
        Some(Kind::Monitor) => of!("monitor"),
        _ => of!("account"),
    }
}
