//! The Secret of a binding: made by POST, changed only while it is ours, never listed or watched.

use std::collections::BTreeMap;

use k8s_openapi::{ByteString, api::core::v1::Secret, apimachinery::pkg::apis::meta::v1::OwnerReference};
use kube::{
    Api, Resource, ResourceExt,
    api::{DeleteParams, ObjectMeta, PostParams, Preconditions},
};
use mooring_provider::{Bindings, Identity, Value};
use secrecy::{ExposeSecret, SecretString};

use crate::{
    api::{CloudResource, names},
    operator::Context,
};

/// What stands under the name.
#[derive(Debug)]
pub(super) enum Found {
    /// Nothing.
    Nothing,
    /// Our own.
    Ours(Box<Ours>),
    /// Somebody else's; whose, as far as it can be told.
    Foreign(String),
}

/// A Secret of ours. Its `Debug` shows no data.
pub(super) struct Ours {
    pub(super) secret: Secret,
}

impl std::fmt::Debug for Ours {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("Ours")
            .field("name", &self.secret.metadata.name)
            .finish_non_exhaustive()
    }
}

/// Where a Secret belongs.
#[derive(Debug, Clone)]
pub(super) struct Place {
    pub(super) namespace: String,
    pub(super) name: String,
    /// The object it is for: `None` when that cannot be read.
    pub(super) owner: OwnerReference,
    pub(super) labels: BTreeMap<String, String>,
    pub(super) identity: Identity,
}

impl Place {
    pub(super) fn of(object: &CloudResource, identity: &Identity, name: &str) -> Self {
        let labels = [
            (names::APPLICATION, object.spec.application.as_str()),
            (names::COMPONENT, object.spec.component.as_str()),
            (names::TRAIT, object.spec.name.as_str()),
            (names::MANAGED_BY, names::MANAGED_BY_US),
        ];
        Self {
            namespace: object.namespace().unwrap_or_default(),
            name: name.to_owned(),
            owner: object.controller_owner_ref(&()).unwrap_or_default(),
            labels: labels.map(|(name, value)| (name.to_owned(), value.to_owned())).into(),
            identity: identity.clone(),
        }
    }

    fn api(&self, context: &Context) -> Api<Secret> {
        Api::namespaced(context.client.clone(), &self.namespace)
    }
}

impl Ours {
    fn annotation(&self, name: &str) -> Option<&str> {
        self.secret.annotations().get(name).map(String::as_str)
    }

    /// The password in it, if it is one of our making. Whatever somebody wrote over it is replaced.
    pub(super) fn password(&self) -> Option<SecretString> {
        let text = String::from_utf8(self.secret.data.as_ref()?.get("password")?.0.clone()).ok()?;
        let ours = text.len() == 24
            && text
                .bytes()
                .all(|byte| byte.is_ascii_alphanumeric() || b"_-".contains(&byte));
        ours.then(|| text.into())
    }

    /// The last value of the annotation that asks for new credentials that was acted upon.
    pub(super) fn rotated(&self) -> Option<&str> {
        self.annotation(names::ROTATE)
    }

    /// Whether it holds credentials that nobody was told of.
    pub(super) fn is_pending(&self) -> bool {
        self.annotation(names::PENDING).is_some()
    }

    /// How often its data changed.
    pub(super) fn revision(&self) -> i64 {
        self.annotation(names::BINDING_REVISION)
            .and_then(|text| text.parse().ok())
            .unwrap_or_default()
    }

    /// Its entries.
    pub(super) fn entries(&self) -> Bindings {
        entries(&self.secret)
    }
}

/// The entries of a Secret. Everything counts as secret but what is known to be none.
pub(super) fn entries(secret: &Secret) -> Bindings {
    const PLAIN: [&str; 13] = [
        "type",
        "provider",
        "host",
        "port",
        "database",
        "ca.crt",
        "network-id",
        "subnet-ids",
        "cidr",
        "security-group-id",
        "endpoint",
        "project",
        "store",
    ];
    let data = secret.data.iter().flatten();
    data.filter_map(|(key, value)| {
        let text = String::from_utf8(value.0.clone()).ok()?;
        let value = if PLAIN.contains(&key.as_str()) {
            Value::Plain(text)
        } else {
            Value::Secret(text.into())
        };
        Some((key.clone(), value))
    })
    .collect()
}

/// Looks.
pub(super) async fn find(context: &Context, place: &Place) -> kube::Result<Found> {
    Ok(match place.api(context).get_opt(&place.name).await? {
        None => Found::Nothing,
        Some(secret) => judge(place, secret),
    })
}

/// It is ours if it is owned by this very object, or by the one that this object was restored from: of the same name
/// and the same identity.
fn judge(place: &Place, secret: Secret) -> Found {
    let owners = secret.owner_references();
    let ours = owners.iter().any(|owner| {
        owner.uid == place.owner.uid
            || owner.kind == place.owner.kind
                && owner.api_version == place.owner.api_version
                && owner.name == place.owner.name
                && secret.annotations().get(names::IDENTITY).map(String::as_str) == Some(place.identity.as_str())
    });
    if ours {
        return Found::Ours(Box::new(Ours { secret }));
    }
    Found::Foreign(match owners.first() {
        Some(owner) => format!("{} `{}`", owner.kind, owner.name),
        None => "somebody else".to_owned(),
    })
}

/// What a Secret of ours is to say.
pub(super) struct Content {
    pub(super) type_: String,
    pub(super) entries: Bindings,
    pub(super) revision: i64,
    pub(super) rotated: Option<String>,
    pub(super) pending: bool,
}

impl Content {
    /// Whether the Secret says just that.
    pub(super) fn is_in(&self, ours: &Ours, place: &Place) -> bool {
        let data = ours.secret.data.as_ref();
        data.map_or(0, BTreeMap::len) == self.entries.len()
            && self.entries.iter().all(|(key, value)| {
                data.and_then(|data| data.get(key))
                    .is_some_and(|bytes| bytes.0 == value.expose().as_bytes())
            })
            && ours.is_pending() == self.pending
            && ours.rotated() == self.rotated.as_deref()
            && ours.revision() == self.revision
            && ours
                .secret
                .owner_references()
                .iter()
                .any(|owner| owner.uid == place.owner.uid)
    }

    /// Whether its data differs from the Secret's.
    pub(super) fn changes(&self, ours: &Ours) -> bool {
        let data = ours.secret.data.as_ref();
        data.map_or(0, BTreeMap::len) != self.entries.len()
            || self.entries.iter().any(|(key, value)| {
                data.and_then(|data| data.get(key))
                    .is_none_or(|bytes| bytes.0 != value.expose().as_bytes())
            })
    }

    fn secret(&self, place: &Place, type_: Option<&str>) -> Secret {
        let mut annotations = BTreeMap::from([
            (names::IDENTITY.to_owned(), place.identity.to_string()),
            (names::BINDING_REVISION.to_owned(), self.revision.to_string()),
        ]);
        annotations.extend(self.rotated.clone().map(|value| (names::ROTATE.to_owned(), value)));
        if self.pending {
            annotations.insert(names::PENDING.to_owned(), "true".to_owned());
        }
        let bytes = |value: &Value| ByteString(value.expose().as_bytes().to_vec());
        Secret {
            metadata: ObjectMeta {
                name: Some(place.name.clone()),
                namespace: Some(place.namespace.clone()),
                labels: Some(place.labels.clone()),
                annotations: Some(annotations),
                owner_references: Some(vec![place.owner.clone()]),
                ..ObjectMeta::default()
            },
            type_: Some(type_.map_or_else(|| format!("servicebinding.io/{}", self.type_), str::to_owned)),
            data: Some(
                self.entries
                    .iter()
                    .map(|(key, value)| (key.clone(), bytes(value)))
                    .collect(),
            ),
            ..Secret::default()
        }
    }
}

/// Makes the Secret, or changes ours.
pub(super) async fn put(context: &Context, place: &Place, found: Found, content: &Content) -> kube::Result<Found> {
    let api = place.api(context);
    let written = match &found {
        Found::Foreign(_) => return Ok(found),
        Found::Nothing => api.create(&PostParams::default(), &content.secret(place, None)).await,
        Found::Ours(ours) if content.is_in(ours, place) => return Ok(found),
        Found::Ours(ours) => {
            // Its type and what others wrote on it stay: the one cannot be changed, the other is not ours.
            let mut secret = content.secret(place, ours.secret.type_.as_deref());
            let (ours, old) = (&mut secret.metadata, &ours.secret.metadata);
            ours.resource_version.clone_from(&old.resource_version);
            ours.uid.clone_from(&old.uid);
            let keep = |old: &Option<BTreeMap<String, String>>, new: &mut Option<BTreeMap<String, String>>| {
                let new = new.get_or_insert_default();
                for (name, value) in old.iter().flatten().filter(|(name, _)| !name.contains(names::GROUP)) {
                    new.entry(name.clone()).or_insert_with(|| value.clone());
                }
            };
            keep(&old.labels, &mut ours.labels);
            keep(&old.annotations, &mut ours.annotations);
            api.replace(&place.name, &PostParams::default(), &secret).await
        }
    };
    match written {
        Ok(secret) => Ok(Found::Ours(Box::new(Ours { secret }))),
        // Somebody was quicker; what it is now is judged at the next look.
        Err(kube::Error::Api(refused)) if refused.is_already_exists() => find(context, place).await,
        Err(error) => Err(error),
    }
}

/// Deletes the Secret if it is ours.
pub(super) async fn remove(context: &Context, place: &Place) -> kube::Result<()> {
    let Found::Ours(ours) = find(context, place).await? else {
        return Ok(());
    };
    let parameters = DeleteParams {
        preconditions: Some(Preconditions {
            uid: ours.secret.uid(),
            resource_version: None,
        }),
        ..DeleteParams::default()
    };
    match place.api(context).delete(&place.name, &parameters).await {
        Err(kube::Error::Api(refused)) if refused.is_not_found() || refused.is_conflict() => Ok(()),
        deleted => deleted.map(drop),
    }
}

/// An account's entries before anything else is known.
pub(super) fn credentials(username: &str, password: &SecretString) -> Bindings {
    [
        ("username".to_owned(), Value::Plain(username.to_owned())),
        (
            "password".to_owned(),
            Value::Secret(password.expose_secret().to_owned().into()),
        ),
    ]
    .into()
}
