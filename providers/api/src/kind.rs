//! The kinds of resources an application can declare.

use std::{fmt, str::FromStr};

use schemars::JsonSchema;
use serde::{Deserialize, Serialize};

/// A kind of cloud resource; also the type of the trait that declares it.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, PartialOrd, Ord, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "lowercase")]
#[non_exhaustive]
pub enum Kind {
    /// A virtual network.
    Vpc,
    /// A server load balancer.
    Slb,
    /// A relational database.
    Rds,
    /// A log store.
    Log,
    /// Alarms on the application's own resources.
    Monitor,
}

impl Kind {
    /// Every kind, in the order in which an application's resources come up.
    pub const ALL: [Self; 5] = [Self::Vpc, Self::Rds, Self::Slb, Self::Log, Self::Monitor];

    /// The name used in traits, labels and metrics.
    pub const fn as_str(self) -> &'static str {
        match self {
            Self::Vpc => "vpc",
            Self::Slb => "slb",
            Self::Rds => "rds",
            Self::Log => "log",
            Self::Monitor => "monitor",
        }
    }

    /// Whether losing it loses data: such a resource is never silently created anew.
    pub const fn bears_data(self) -> bool {
        matches!(self, Self::Rds | Self::Log)
    }
}

impl fmt::Display for Kind {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(self.as_str())
    }
}

impl FromStr for Kind {
    type Err = String;

    fn from_str(s: &str) -> Result<Self, Self::Err> {
        Self::ALL
            .into_iter()
            .find(|kind| kind.as_str() == s)
            .ok_or_else(|| format!("`{s}` is not a kind; the kinds are vpc, slb, rds, log, monitor"))
    }
}
