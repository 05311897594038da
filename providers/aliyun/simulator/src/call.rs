//! The log of calls, for tests to read.

use std::collections::{BTreeMap, VecDeque};

use serde::Serialize;
use serde_json::{Map, Value as Json};

use crate::{Fault, Scheme};

/// So many are kept.
const KEPT: usize = 20_000;

/// A call that was made, or is being made when a fault is decided.
#[derive(Debug, Clone, PartialEq, Serialize)]
#[serde(rename_all = "camelCase")]
pub struct Call {
    /// Its number, from 1.
    pub number: u64,
    /// The product, as `Rds`.
    pub product: String,
    /// The Action, as `CreateDBInstance`.
    pub action: String,
    /// Its parameters; what is secret is starred.
    pub params: Map<String, Json>,
    /// The access key.
    pub key: String,
    /// How it was signed.
    pub scheme: Option<Scheme>,
    /// The host it asked.
    pub host: String,
    /// The id of its answer.
    pub request_id: String,
    /// The HTTP status; 0 when the connection broke.
    pub status: u16,
    /// The error's code.
    pub code: Option<String>,
    /// What went wrong on purpose.
    pub fault: Option<Fault>,
}

#[derive(Debug, Default)]
pub(crate) struct Calls {
    log: VecDeque<Call>,
    number: u64,
    counts: BTreeMap<(String, String), u64>,
}

impl Calls {
    pub(crate) fn next(&mut self) -> u64 {
        self.number += 1;
        self.number
    }

    /// How many were begun.
    pub(crate) fn issued(&self) -> u64 {
        self.number
    }

    pub(crate) fn push(&mut self, call: Call) {
        *self
            .counts
            .entry((call.product.clone(), call.action.clone()))
            .or_default() += 1;
        self.log.push_back(call);
        if self.log.len() > KEPT {
            self.log.pop_front();
        }
    }

    pub(crate) fn since(&self, number: u64) -> Vec<Call> {
        self.log.iter().filter(|call| call.number > number).cloned().collect()
    }

    pub(crate) fn counts(&self) -> BTreeMap<(String, String), u64> {
        self.counts.clone()
    }

    pub(crate) fn clear(&mut self) {
        self.log.clear();
        self.counts.clear();
    }
}

/// Stars what is secret.
pub(crate) fn starred(params: &Map<String, Json>) -> Map<String, Json> {
    let secret = |name: &str| {
        let name = name.to_ascii_lowercase();
        ["password", "oidctoken", "serverkey", "privatekey"]
            .iter()
            .any(|part| name.contains(part))
    };
    let star = |(name, value): (&String, &Json)| {
        let value = if secret(name) { Json::from("***") } else { value.clone() };
        (name.clone(), value)
    };
    params.iter().map(star).collect()
}
