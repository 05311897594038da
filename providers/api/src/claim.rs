//! Whose a resource is, and what it is called.

use std::{fmt, str::FromStr};

use schemars::JsonSchema;
use secrecy::SecretString;
use serde::{Deserialize, Serialize};
use sha2::{Digest, Sha256};

/// Names of the tags that mark a resource as ours. Every external resource carries all of the owner tags.
pub mod tag {
    /// The identity of the resource.
    pub const IDENTITY: &str = "mooring.dev/identity";
    /// The cluster (or environment, or state directory) that owns it.
    pub const CLUSTER: &str = "mooring.dev/cluster";
    /// `namespace/application/component/name` of its declaration.
    pub const KEY: &str = "mooring.dev/key";
    /// RFC 3339 time until which a parked resource is kept.
    pub const PARKED_UNTIL: &str = "mooring.dev/parked-until";
}

macro_rules! text_newtype {
    ($(#[$doc:meta])* $name:ident) => {
        $(#[$doc])*
        #[derive(Debug, Clone, PartialEq, Eq, Hash, PartialOrd, Ord, Serialize, Deserialize, JsonSchema)]
        #[serde(transparent)]
        pub struct $name(String);

        impl $name {
            /// Takes the text as it is.
            pub fn new(text: impl Into<String>) -> Self {
                Self(text.into())
            }

            /// The text.
            pub fn as_str(&self) -> &str {
                &self.0
            }
        }

        impl fmt::Display for $name {
            fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
                f.write_str(&self.0)
            }
        }
    };
}

text_newtype! {
    /// Who holds a set of resources: a cluster's `kube-system` uid, an environment shared by clusters, or a state
    /// directory's own id.
    ClusterId
}
text_newtype! {
    /// The id of one resource's life. Written down before the first create, tagged on the external resource; it
    /// survives a restore and a re-created object, which a Kubernetes uid does not.
    Identity
}
text_newtype! {
    /// What the provider calls a resource.
    ExternalId
}

/// Where a resource is declared: `namespace/application/component/name`.
#[derive(Debug, Clone, PartialEq, Eq, Hash, PartialOrd, Ord, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "camelCase")]
pub struct Key {
    /// The namespace of the application.
    pub namespace: String,
    /// The application.
    pub application: String,
    /// The component that carries the trait.
    pub component: String,
    /// The name of the trait, by default its type.
    pub name: String,
}

impl Key {
    /// The key of a trait.
    pub fn new(
        namespace: impl Into<String>,
        application: impl Into<String>,
        component: impl Into<String>,
        name: impl Into<String>,
    ) -> Self {
        Self {
            namespace: namespace.into(),
            application: application.into(),
            component: component.into(),
            name: name.into(),
        }
    }

    /// The name of the CloudResource of this trait: `<application>-<component>-<name>`, which KubeVela's CUE can say
    /// too.
    pub fn object_name(&self) -> String {
        format!("{}-{}-{}", self.application, self.component, self.name)
    }
}

impl fmt::Display for Key {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(
            f,
            "{}/{}/{}/{}",
            self.namespace, self.application, self.component, self.name
        )
    }
}

impl FromStr for Key {
    type Err = String;

    fn from_str(s: &str) -> Result<Self, Self::Err> {
        let parts: Vec<_> = s.split('/').collect();
        match parts.as_slice() {
            [namespace, application, component, name] if parts.iter().all(|part| !part.is_empty()) => {
                Ok(Self::new(*namespace, *application, *component, *name))
            }
            _ => Err(format!("`{s}` is not of the form namespace/application/component/name")),
        }
    }
}

/// Who owns a resource. All of it is tagged on the external resource.
#[derive(Debug, Clone, PartialEq, Eq, Hash, Serialize, Deserialize, JsonSchema)]
pub struct Owner {
    /// Who holds it.
    pub cluster: ClusterId,
    /// Which life it is.
    pub identity: Identity,
    /// Where it is declared.
    pub key: Key,
}

impl Owner {
    /// The owner tags, name and value.
    pub fn tags(&self) -> [(&'static str, String); 3] {
        [
            (tag::IDENTITY, self.identity.to_string()),
            (tag::CLUSTER, self.cluster.to_string()),
            (tag::KEY, self.key.to_string()),
        ]
    }

    /// The owner that a set of tags names; `None` unless all owner tags are there and well-formed.
    pub fn from_tags<'a>(mut get: impl FnMut(&str) -> Option<&'a str>) -> Option<Self> {
        Some(Self {
            identity: Identity::new(get(tag::IDENTITY)?),
            cluster: ClusterId::new(get(tag::CLUSTER)?),
            key: get(tag::KEY)?.parse().ok()?,
        })
    }
}

/// What an adapter is told about a resource beside its spec. On the way out it is all an adapter is told.
#[derive(Debug, Clone)]
pub struct Claim {
    /// Who owns it.
    pub owner: Owner,
    /// How many external resources this identity had before. A resource that is gone and wanted again is a new
    /// incarnation with a new [`token`](Self::token).
    pub incarnation: u32,
    /// The external name: a person recognises the application in it, and it comes from the identity.
    pub name: String,
    /// What the provider calls it, once known.
    pub id: Option<ExternalId>,
    /// Somebody named it for use by its id. It carries no owner tag, is bound, and is never changed or deleted.
    pub existing: bool,
    /// Absence proves nothing yet: a create was journaled, or it was first missed, within the grace period.
    pub settling: bool,
    /// The journaled create may be sent again with the same token and spec (only for an idempotent create).
    pub resend: bool,
    /// An SRE approved that the resource moves here from the owner its tags name.
    pub may_adopt: bool,
    /// The password of its first account. Absent on the way out.
    pub password: Option<SecretString>,
}

impl Claim {
    /// A claim on a resource of which nothing is known yet.
    pub fn new(owner: Owner) -> Self {
        Self {
            name: external_name(&owner),
            owner,
            incarnation: 0,
            id: None,
            existing: false,
            settling: false,
            resend: false,
            may_adopt: false,
            password: None,
        }
    }

    /// The client token: the same for every attempt to create this incarnation, and for no other create.
    pub fn token(&self) -> String {
        let mut hash = Sha256::new();
        for part in [
            self.owner.cluster.as_str(),
            self.owner.identity.as_str(),
            &self.incarnation.to_string(),
        ] {
            hash.update(part.len().to_be_bytes());
            hash.update(part);
        }
        hash.finalize()
            .iter()
            .take(20)
            .map(|byte| format!("{byte:02x}"))
            .collect()
    }
}

/// The external name of a resource: readable, at most 60 characters of `[a-z0-9-]`, ending in its identity.
pub fn external_name(owner: &Owner) -> String {
    let Key {
        application,
        component,
        name,
        ..
    } = &owner.key;
    let mut readable: String = format!("{application}-{component}-{name}")
        .to_ascii_lowercase()
        .chars()
        .map(|c| if c.is_ascii_alphanumeric() { c } else { '-' })
        .collect();
    if !readable.starts_with(|c: char| c.is_ascii_lowercase()) {
        readable.insert(0, 'm');
    }
    readable.truncate(60 - 1 - owner.identity.as_str().len().min(40));
    format!("{}-{}", readable.trim_end_matches('-'), owner.identity)
}

#[cfg(test)]
mod tests {
    use super::*;

    fn owner(identity: &str) -> Owner {
        Owner {
            cluster: ClusterId::new("c"),
            identity: Identity::new(identity),
            key: Key::new("team-a", "shop", "web", "rds"),
        }
    }

    #[test]
    fn a_person_recognises_the_name() {
        assert_eq!(external_name(&owner("k3x9q2")), "shop-web-rds-k3x9q2");
        let mut long = owner("k3x9q2abcd");
        long.key.application = "A".repeat(80);
        let name = external_name(&long);
        assert!(
            name.len() <= 60 && name.ends_with("-k3x9q2abcd") && name.starts_with("aaa"),
            "{name}"
        );
    }

    #[test]
    fn the_token_is_of_the_incarnation() {
        let first = Claim::new(owner("a"));
        let mut second = first.clone();
        assert_eq!(first.token(), second.token());
        second.incarnation = 1;
        assert_ne!(first.token(), second.token());
        assert_ne!(first.token(), Claim::new(owner("b")).token());
        assert!(first.token().len() <= 64 && first.token().is_ascii());
    }

    #[test]
    fn tags_name_the_owner() {
        let owner = owner("a");
        let tags = owner.tags();
        let find = |name: &str| {
            tags.iter()
                .find(|(tag, _)| *tag == name)
                .map(|(_, value)| value.as_str())
        };
        assert_eq!(Owner::from_tags(find), Some(owner.clone()));
        assert_eq!(Owner::from_tags(|name| find(name).filter(|_| name != tag::KEY)), None);
    }
}
