//! What `ProviderConfig.spec.mock` says.

use std::{collections::BTreeMap, path::PathBuf, time::Duration};

use mooring_provider::{Error, ErrorKind, Kind, Result, Span};
use schemars::JsonSchema;
use serde::{Deserialize, Serialize};

/// A cloud in memory, or in one file, for laptops and tests. Every field has a default.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "camelCase", deny_unknown_fields, default)]
pub struct MockConfig {
    /// The account. Two connections to one account of one process reach the same cloud.
    pub account: String,
    /// How long a call takes. Half of it passes before the effect, half after.
    pub latency: Span,
    /// How long the creation of a database takes; what is quicker in a real cloud takes a third of it.
    pub provisioning: Span,
    /// How long a new resource is not to be seen yet.
    pub invisible_for: Span,
    /// Where the faults below start from: the same calls with the same seed have the same faults.
    pub seed: u64,
    /// The probability (0 to 1) that a call fails before it has an effect.
    #[schemars(range(min = 0, max = 1))]
    pub errors: f64,
    /// The probability (0 to 1) that a call is refused because there were too many.
    #[schemars(range(min = 0, max = 1))]
    pub throttled: f64,
    /// The probability (0 to 1) that a call has its effect and its answer is lost.
    #[schemars(range(min = 0, max = 1))]
    pub lost_replies: f64,
    /// How many resources of a kind there may be.
    pub quota: BTreeMap<Kind, u32>,
    /// The file that keeps the cloud when the process ends. Processes may share it.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub state: Option<PathBuf>,
    /// Calls need credentials: an entry `token` that is not `revoked`.
    pub requires_credentials: bool,
}

impl Default for MockConfig {
    fn default() -> Self {
        Self {
            account: "mock".into(),
            latency: Span::new(Duration::ZERO),
            provisioning: Span::new(Duration::from_millis(300)),
            invisible_for: Span::new(Duration::ZERO),
            seed: 0,
            errors: 0.0,
            throttled: 0.0,
            lost_replies: 0.0,
            quota: BTreeMap::new(),
            state: None,
            requires_credentials: false,
        }
    }
}

impl MockConfig {
    /// Reads and checks `ProviderConfig.spec.mock`.
    pub fn read(config: &serde_json::Value) -> Result<Self> {
        let config = match config {
            serde_json::Value::Null => Self::default(),
            config => Self::deserialize(config).map_err(|error| invalid(error.to_string()))?,
        };
        config.check()?;
        Ok(config)
    }

    /// Checks the ranges.
    pub fn check(&self) -> Result<()> {
        for (field, value) in [
            ("errors", self.errors),
            ("throttled", self.throttled),
            ("lostReplies", self.lost_replies),
        ] {
            if !(0.0..=1.0).contains(&value) {
                return Err(invalid(format!(
                    "{field}: `{value}` is no probability; use a number from 0 to 1"
                )));
            }
        }
        if self.account.is_empty() {
            return Err(invalid(
                "account: `` is empty; name an account or leave the field out".into(),
            ));
        }
        Ok(())
    }

    /// How long what is quicker than the creation of a database takes.
    pub(crate) fn quick(&self) -> Duration {
        self.provisioning.get() / 3
    }
}

fn invalid(message: String) -> Error {
    Error::new(ErrorKind::InvalidSpec, "mock.connect", format!("spec.mock: {message}"))
}
