//! What the clusters of one Environment share: whose it is, and which it is.
//!
//! With `identityScope: environment` a database, or a network of an application's own, is owned by the Environment and
//! not by a cluster. One cluster, the Environment's `home`, makes it, changes it and lets it go; the others join it with
//! accounts of their own. What is made of a cluster's own pods (a balancer's backends, a log's sources, alarms) is each
//! cluster's, whatever the scope.

use mooring_provider::{ClusterId, Identity, Key, Kind};

use super::secret::identity_of;

/// Who owns what the clusters of an Environment share.
pub fn shared_owner(environment: &str) -> ClusterId {
    ClusterId::new(format!("environment/{environment}"))
}

/// Whether the clusters of an Environment share a kind.
pub const fn is_shared(kind: Kind) -> bool {
    matches!(kind, Kind::Vpc | Kind::Rds)
}

/// The identity of what is shared: the same in every cluster, without one knowing of another.
pub fn shared_identity(owner: &ClusterId, key: &Key) -> Identity {
    identity_of(&[owner.as_str(), &key.to_string()])
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn every_cluster_comes_to_the_same_identity_and_no_other_key_does() {
        let key = |name: &str| Key::new("team-a", "shop", "web", name);
        let of = |environment: &str, name: &str| shared_identity(&shared_owner(environment), &key(name));
        assert_eq!(of("production", "db"), of("production", "db"));
        assert_ne!(of("production", "db"), of("production", "other"));
        assert_ne!(of("production", "db"), of("staging", "db"));
        assert_eq!(of("production", "db").as_str().len(), 10);
    }
}
