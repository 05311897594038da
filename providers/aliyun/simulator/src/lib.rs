//! Alibaba Cloud on one port, for tests: the wire protocol, the states and the faults, without an account.
//!
//! It serves VPC, the security groups of ECS, CLB, NLB, RDS, SLS, CloudMonitor, STS and Tag, in one region of one or
//! several accounts. A request's product is told by its API version (RPC) or by the scheme of its signature (SLS), so
//! an endpoint that is overridden with this port serves them all; an SLS project is told by the host. It is an HTTP
//! proxy for `http` addresses too, so that clients that cannot be given an endpoint find it by `http_proxy`.
//!
//! Signatures, dates, nonces and every parameter are checked. `contract.json` holds what the official Python SDKs
//! know of each Action: names, places and types of parameters, and the fields of answers; a parameter that is not in
//! it is refused, and an answer that is not of it is a bug here. Nothing was ever compared with the real cloud: error
//! codes and states are those that the vendor documents.
//!
//! What it deliberately does not do: other regions, prices by size, orders, permissions finer than refusing a key,
//! traffic through balancers, alarms that ring.
//!
//! Tests in the same process use a [`Handle`], with a socket or without one ([`Simulator::within`]); those in others the
//! control endpoint, `/-/…`. It asks for no
//! credentials, so the port belongs on loopback.
//!
//! | | |
//! |---|---|
//! | `GET /-/healthz` | it serves |
//! | `GET /-/calls?since=N`, `DELETE /-/calls` | the log of calls |
//! | `GET /-/counts` | how many, by `Product.Action` |
//! | `POST /-/faults`, `DELETE /-/faults` | a [`Planned`] fault, such as `{"action": "CreateVpc", "fault": "lost"}`; none any more |
//! | `POST /-/chances` | `{before, after, lost, throttled, slow}`, each from 0 to 1 |
//! | `POST /-/deny` | `{"key": id or null, "denial": "unknown", "inactive", "forbidden" or null}` |
//! | `POST /-/keys` | the access keys anew, `[{id, secret, account}]` |
//! | `POST /-/hide`, `POST /-/advance` | `{"millis": N}` |
//! | `POST /-/throttle` | `{"perSecond": N or null}` |
//! | `GET /-/resources` | everything there is |
//! | `POST /-/destroy` | `{"kind": "Db", "id": …}` |
//! | `POST /-/act` | `{"product", "action", "params", "account"}`: what somebody else does |
//! | `POST /-/rows` | `{"kind", "id", "row"}` writes if there is a row, and answers all |
//! | `POST /-/login` | `{"id", "user", "password", "from"}` answers `true` or `false` |

mod auth;
mod call;
mod context;
mod contract;
mod control;
mod core;
mod fault;
mod handle;
mod listen;
mod options;
mod params;
mod products;
mod refusal;
mod remote;
mod request;
mod resource;
mod within;
mod world;

pub use auth::{Denial, Scheme};
pub use call::Call;
pub use fault::{Fault, Planned, Rule};
pub use handle::{Handle, Simulator, serve};
pub use options::{
    ACCESS_KEY_ID, ACCESS_KEY_SECRET, ACCOUNT, AccessKey, Chances, OTHER_ACCOUNT, Options, Quotas, Scope,
};
pub use products::vpc::{SHARED_CONTACTS, SHARED_SECURITY_GROUP, SHARED_VPC, SHARED_VSWITCHES};
pub use resource::{Busy, Kind, Resource};
