//! Cloud resources that live and die with the application that declares them.
//!
//! # Bird's eye view
//! A developer declares `vpc`, `slb`, `rds`, `log`, `monitor` and `bind` as traits of an OAM Application. A front makes
//! declarations of them, the engine brings each resource closer to what is declared, one step at a time, and adapters
//! do the talking to a provider.
//!
//! ```text
//!   Application ──declare──▶ declarations ──effective──▶ resolved specs ──step──▶ converge ──▶ adapter ──▶ provider
//!   (developer)              (CloudResource)  ▲            (providers/api)  │
//!                                             │                            ▼
//!                             Environment, ProviderConfig           ledger, Secret, conditions
//!                                   (SRE)
//! ```
//!
//! # The house
//! - `providers/api` (crate `mooring_provider`): the contract, the resolved specs, and [`mooring_provider::converge`],
//!   the only thing that drives an adapter. With it the conformance kit.
//! - `providers/mock`: an in-memory cloud with states, latency, faults and quotas, and a handle for tests.
//! - [`api`]: the types that have an `apiVersion`. No I/O.
//! - [`engine`]: the lifecycle, free of Kubernetes: what an Application declares, which values are in effect, one step
//!   of one resource, batches, budget, backoff.
//! - [`ledger`]: what was intended and what exists, in SQL.
//! - [`operator`]: the front for Kubernetes. [`local`]: the front without a cluster. [`cli`]: arguments and printing.
//!
//! Dependencies point one way: `providers/api` ← `providers/*` ← `engine` ← `operator`, `local` ← `cli` ← `main`.
//!
//! # Invariants
//! - **One code path.** Whatever the cause (an event, a poll, a crash), a step observes first and then does at most one
//!   thing. Nobody acts on why he was called.
//! - **Nothing is created unless it was written down.** A create goes through [`mooring_provider::Journal::creating`],
//!   a compare-and-swap on identity and incarnation: in a cluster the status write with its resourceVersion *and* the
//!   ledger's row, without one the ledger's row. A create that is sent again is written down again first, because its
//!   effect may show as late as that of a new one (the fault campaign found what happens otherwise).
//! - **Absence proves nothing** within the grace period of an intent, on the first sight of it, after an auth error, or
//!   with credentials of another account.
//! - **Three memories.** The CloudResource says what is wanted, the ledger what was tried and let go, the owner tags
//!   what exists. Any one of them may be lost: a status is merged with the ledger's row, a ledger is filled from the
//!   inventory before anything is created at an account.
//! - **Teardown needs no spec**, no Environment and no Application; what it needs is remembered.
//! - **What clusters share has one maker.** With `identityScope: environment` a database (and a network of an
//!   application's own) is owned by the Environment: its owner tag names that, and its identity comes from that and the
//!   key, so every cluster finds it by its tag without knowing of another. Only the cluster that the Environment names
//!   as its `home` creates, changes or lets it go; the others join it by an account of their own and write nothing else.
//!   No cluster can prove that no other uses it, so none deletes it: the home's teardown retains it, and an SRE says
//!   when it goes.
//! - **A password is stored before anything is created**, and what a provider was told is remembered as a keyed hash.
//!   So a restored Secret, a rotation and a reclaimed database are one mechanism.
//!
//! # Where this differs from the first plan, and why
//! - `converge` lives with the contract and not in the engine, so that the conformance kit drives adapters by the very
//!   code that runs them.
//! - `Adapter::observe` reports the owner that the tags name, and one place judges it, instead of each adapter.
//! - A claim's token is of (cluster, identity, incarnation) and not the name: the name is for people and stays.
//! - An intent stays open until its resource was *seen*, not until the create was answered: an answered create may not
//!   be visible yet either.
//! - Shared by clusters is what has no part of a cluster in it. A balancer's backends, a log's sources and alarms are made
//!   of a cluster's own pods: two clusters would undo each other's for ever, so each has its own, whatever the scope.
//! - The clusters of an Environment need no common ledger: there is nothing to agree on when only one may create. A
//!   leader elected among them would have to live somewhere that all depend on; a name in a document does not. Two
//!   homes by mistake send the same token, which makes one resource where the provider heeds tokens, and elsewhere
//!   shows as `Ambiguous`.
//! - Ids of existing things are listed by an SRE (`existing`), for the account is the environment's and an id in it says
//!   nothing of whose that is. What is not listed is refused, as a namespace is that nobody admitted.
//! - Credentials are proven kind by kind, for the kinds that Environments route to them: one that is refused is told and
//!   stops that kind alone.
//! - What an inventory brings into an empty ledger counts as an incarnation by the clock: how many there were before is
//!   not known, and a token of one of those might still answer.
//! - An SRE's approvals stand on the cluster-scoped Environment as annotations, where developers cannot write.
//!
//! # Deliberately absent
//! A workflow engine, a saga or an undo log (steps are idempotent and observed); admission webhooks (CEL and policies
//! do); a list or watch on Secrets; adoption of anything that nobody named; an in-process cache of provider state.

#![allow(
    clippy::duplicated_attributes,
    reason = "printer columns repeat their type, and clippy hears this only here"
)]

pub mod api;
pub mod cli;
pub mod engine;
pub mod ledger;
pub mod local;
pub mod operator;

/// The providers of this build. A new one is a line here and a dependency.
pub fn registrations() -> Vec<mooring_provider::Registration> {
    vec![
        mooring_provider_aliyun::register(),
        mooring_provider_aliyun::register_apsara(),
        mooring_provider_mock::register(),
        mooring_provider_onprem::register(),
        mooring_provider_openstack::register(),
    ]
}
