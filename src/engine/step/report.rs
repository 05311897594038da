//! What a step came to.

use std::time::Duration;

use mooring_provider::{Bindings, Difference, Error, ErrorKind};

use crate::ledger::Memory;

/// What a step came to: what is to be remembered, what a person is to be told, and when to come back.
#[derive(Debug)]
pub struct Report {
    /// What the front is to remember.
    pub memory: Memory,
    /// Whether it can be used. `None` when the step learned nothing about that: it is as it was.
    pub ready: Option<State>,
    /// Whether it is as declared.
    pub synced: State,
    /// What consumers need; empty unless it is ready.
    pub bindings: Bindings,
    /// Its address, which is no secret.
    pub endpoint: Option<String>,
    /// What differs from the declaration and is left so.
    pub drift: Vec<Difference>,
    /// The fields that the step changed.
    pub changing: Vec<&'static str>,
    /// When to come back.
    pub next: Next,
    /// It is over.
    pub done: Option<Done>,
    /// The kind of error that stopped the step.
    pub error: Option<ErrorKind>,
}

/// One condition: whether it holds, why, and what a person is told.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct State {
    /// Whether it holds.
    pub is: bool,
    /// The reason, one word.
    pub reason: &'static str,
    /// What a person is told: what is awaited, why, and who can act.
    pub message: String,
}

/// When to come back.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Next {
    /// At the latest after this time.
    After(Duration),
    /// When the declaration, the environment or the provider's configuration changes.
    OnChange,
}

/// How a resource's life here ended.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Done {
    /// It is proven absent.
    Gone,
    /// It is out of use, its data kept; it is on record.
    Parked,
    /// It was not ours to delete, or is left on purpose; it is on record.
    Released,
}

impl Report {
    /// Whether the step was taken or nothing was to do.
    pub fn progressed(&self) -> bool {
        self.error.is_none()
    }

    /// What a person is told first.
    pub fn message(&self) -> &str {
        self.ready.as_ref().map_or(&self.synced.message, |ready| &ready.message)
    }

    /// Whether it can be used now, as far as this step saw.
    pub fn is_ready(&self) -> bool {
        self.ready.as_ref().is_some_and(|ready| ready.is)
    }
}

pub(super) fn state(is: bool, reason: &'static str, message: impl Into<String>) -> State {
    State {
        is,
        reason,
        message: message.into(),
    }
}

pub(super) fn plain(memory: Memory, ready: Option<State>, synced: State, next: Next) -> Report {
    Report {
        memory,
        ready,
        synced,
        bindings: Bindings::new(),
        endpoint: None,
        drift: Vec::new(),
        changing: Vec::new(),
        next,
        done: None,
        error: None,
    }
}

/// Somebody has to act; it is looked at again after a while.
pub(super) fn blocked(memory: Memory, reason: &'static str, message: &str, again: Duration) -> Report {
    let told = state(false, reason, message);
    plain(memory, Some(told.clone()), told, Next::After(again))
}

pub(super) fn done(memory: Memory, done: Done, message: &str) -> Report {
    let reason = match done {
        Done::Gone => "Gone",
        Done::Parked => "Parked",
        Done::Released => "Released",
    };
    let told = state(false, reason, message);
    Report {
        done: Some(done),
        ..plain(memory, Some(told.clone()), told, Next::OnChange)
    }
}

/// The step failed. What was ready is not called unready for want of an answer.
pub(super) fn failed(memory: Memory, error: &Error, next: Option<Duration>) -> Report {
    // Without the request's id, which changes with each try and would make each a write; the log and the audit have it.
    let code = error.code().map_or(String::new(), |code| format!(" (code {code})"));
    let mut message = format!("{}: {}{code}", error.operation(), error.message());
    let mut source = std::error::Error::source(error);
    while let Some(cause) = source {
        message = format!("{message}: {cause}");
        source = cause.source();
    }
    let told = state(false, error.reason(), message);
    let ready = (!memory.was_ready).then(|| told.clone());
    Report {
        error: Some(error.kind()),
        ..plain(memory, ready, told, next.map_or(Next::OnChange, Next::After))
    }
}
