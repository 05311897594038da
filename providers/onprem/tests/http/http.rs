//! A plain HTTP client and small servers for the tests, and owners.

use mooring_provider::Claim;
pub(crate) use mooring_test_servers::http::*;

/// A claim of an owner of its own.
pub(crate) fn claim(identity: &str) -> Claim {
    use mooring_provider::{ClusterId, Identity, Key, Owner};
    Claim::new(Owner {
        cluster: ClusterId::new("test"),
        identity: Identity::new(identity),
        key: Key::new("team-a", "shop", "web", identity),
    })
}
