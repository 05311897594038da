//! What is wanted of a resource, and what became of it.

use serde_json::Value as Json;

use crate::{AccountGoal, AnyState, Bindings, Drift, ExternalId, Phase, Revoked, Stay, accounts::InUse};

/// What is wanted of a resource.
#[derive(Debug)]
pub enum Goal {
    /// It exists and is as the spec says.
    Present {
        /// The resolved spec.
        spec: Json,
        /// The spec that was last carried out in full, if that is remembered: fields that differ from the provider
        /// but not from it are somebody else's change, and are reported only.
        applied: Option<Json>,
        /// It was ready once.
        was_ready: bool,
        /// Somebody asked in so many words for a new, empty one.
        recreate: bool,
        /// Its accounts.
        accounts: Vec<AccountGoal>,
        /// Accounts that are to go.
        revoked: Vec<Revoked>,
    },
    /// Another holder of its owner tag makes it, changes it and lets it go. It is used here, by accounts of our own.
    Joined {
        /// The resolved spec, for what differs from it; `None` to leave it: the accounts go, and it is let go.
        spec: Option<Json>,
        /// Our accounts.
        accounts: Vec<AccountGoal>,
        /// Accounts of ours that are to go.
        revoked: Vec<Revoked>,
    },
    /// It does not exist.
    Absent,
    /// It is out of use and its data is kept until the RFC 3339 time.
    Parked {
        /// Until when.
        until: String,
        /// A backup is made first.
        backup: bool,
    },
}

/// What became of one call of [`converge`](crate::converge).
#[derive(Debug)]
pub struct Outcome {
    /// What was seen before the step.
    pub seen: Option<Seen>,
    /// The step that was taken, or why none was.
    pub step: Step,
    /// Accounts that are to go and stay, as somebody uses them or may: with how many sessions, where that is known.
    pub in_use: Vec<InUse>,
}

/// What was seen of a resource.
#[derive(Debug)]
pub struct Seen {
    /// What the provider calls it.
    pub id: ExternalId,
    /// How far it was.
    pub phase: Phase,
    /// What differed.
    pub drift: Drift,
    /// What a consumer needs; empty until it can be used.
    pub bindings: Bindings,
    /// What should be known of it while it is ready.
    pub remark: Option<String>,
    /// All of it, for the adapter alone.
    pub state: AnyState,
}

/// At most one of these happens in one call.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Step {
    /// A create was sent and taken.
    Created {
        #[doc = "What the provider calls it."]
        id: ExternalId,
        #[doc = "The request."]
        request_id: Option<String>,
    },
    /// A change was sent and taken.
    Updated {
        #[doc = "The fields given."]
        fields: Vec<&'static str>,
        #[doc = "The request."]
        request_id: Option<String>,
    },
    /// The account was told to the provider.
    AccountEnsured {
        #[doc = "Its name."]
        name: String,
        #[doc = "The request."]
        request_id: Option<String>,
    },
    /// The account was removed.
    AccountDropped {
        #[doc = "Its name."]
        name: String,
        #[doc = "The request."]
        request_id: Option<String>,
    },
    /// A delete, or a step towards one, was sent and taken.
    Deleting {
        #[doc = "The request."]
        request_id: Option<String>,
        #[doc = "It was the deletion of the resource itself."]
        ended: bool,
    },
    /// A step towards parking was sent and taken.
    Parking {
        #[doc = "The request."]
        request_id: Option<String>,
    },
    /// It was taken back into use.
    Unparked {
        #[doc = "The request."]
        request_id: Option<String>,
    },
    /// It changed its owner to this claim's, as approved.
    Adopted {
        #[doc = "The request."]
        request_id: Option<String>,
    },
    /// Nothing to do but wait: the provider is at work, or absence proves nothing yet.
    Wait {
        #[doc = "One of [`crate::reason`]."]
        reason: &'static str,
        #[doc = "What is awaited."]
        message: String,
    },
    /// Somebody has to act; nothing was touched.
    Blocked {
        #[doc = "One of [`crate::reason`]."]
        reason: &'static str,
        #[doc = "What stands in the way."]
        message: String,
    },
    /// It is as wanted; what may differ is in [`Seen::drift`].
    Ready,
    /// It is parked.
    Parked,
    /// It is not wanted any more, and its provider deletes it at nobody's word. It is parked, if it can be.
    Stays(Stay),
    /// It does not exist, and that is proven.
    Gone,
    /// It is not ours to change or delete; it was let go.
    Released,
}

impl Step {
    /// Whether nothing comes after it.
    pub const fn is_the_last(&self) -> bool {
        matches!(self, Self::Gone | Self::Parked | Self::Released | Self::Stays(_))
    }
}
