//! Where the parts of a pod template are in any object, and a patch that changes them and nothing else. No I/O.
//!
//! A [`Mapping`] says where: the default is that of a Deployment, a CronJob has one level more, and a
//! `ClusterWorkloadResourceMapping` of servicebinding.io says it of any other kind. [`Mapping::read`] finds the parts in
//! an object, a [`Shape`]; whoever wants a change makes it in a copy, and [`Shape::patch_to`] writes it as a JSON patch
//! (RFC 6902).
//!
//! **No container is ever lost.** The lists of containers of a CloneSet or a Rollout are atomic: an apply of one container
//! wipes out the others. This patch never has a list of containers, nor a container, as the target of a write: only lists
//! of variables, mounts and volumes in places that were read, and annotations one by one. It begins with `test`
//! operations of the object's uid and resourceVersion, of the name of each container that is written in, and of what was
//! read in each place. If any of that is different by now the API server refuses the whole (422, see [`is_outdated`]),
//! and it is read again.
//!
//! **Absent and empty are one.** A list or a map that becomes empty is taken out, and one that is needed is made with
//! what leads to it.

use kube::core::Status;
use serde_json::{Map, Value as Json};

use crate::api::service_binding::{ClusterWorkloadResourceMappingSpec, MappingContainer, MappingTemplate};

mod path;
mod shape;
#[cfg(test)]
mod tests;

pub use path::{AnyPath, FixedPath, InvalidPath, Place, Step};
pub use shape::{Container, Mismatch, Shape};

/// The version that stands for all that are not named.
const EVERY_VERSION: &str = "*";

/// Where the parts of a pod template are.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Mapping {
    template: MappingTemplate,
    annotations: FixedPath,
    volumes: FixedPath,
    containers: Vec<Containers>,
}

/// Where containers are, and what is where in each.
#[derive(Debug, Clone, PartialEq, Eq)]
struct Containers {
    path: AnyPath,
    name: Option<FixedPath>,
    env: FixedPath,
    volume_mounts: FixedPath,
}

/// A mapping that cannot be used.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
#[error("{field}")]
pub struct InvalidMapping {
    field: String,
    #[source]
    source: InvalidPath,
}

impl InvalidMapping {
    /// The field and what is wrong with it, for a condition.
    pub fn message(&self) -> String {
        format!("{}: {}", self.field, self.source)
    }
}

impl Default for Mapping {
    /// That of a Deployment, and of every kind whose pod template is at `.spec.template`.
    fn default() -> Self {
        Self::below(".spec.template")
    }
}

impl Mapping {
    /// What applies to a kind of which no mapping says anything.
    pub fn of_kind(group: &str, kind: &str) -> Self {
        match (group, kind) {
            ("batch", "CronJob") => Self::below(".spec.jobTemplate.spec.template"),
            _ => Self::default(),
        }
    }

    fn below(template: &str) -> Self {
        let containers = |list: &str| MappingContainer {
            path: format!("{template}.spec.{list}[*]"),
            name: Some(".name".into()),
            ..MappingContainer::default()
        };
        let template = MappingTemplate {
            version: EVERY_VERSION.into(),
            annotations: Some(format!("{template}.metadata.annotations")),
            containers: ["initContainers", "containers"].map(containers).into(),
            volumes: Some(format!("{template}.spec.volumes")),
        };
        Self::of_template("spec.versions[0]", &template).expect("the default paths are paths")
    }

    /// What a mapping says of a version: the version itself, else `*`; where it says nothing, the default.
    pub fn of(spec: &ClusterWorkloadResourceMappingSpec, version: &str) -> Result<Self, InvalidMapping> {
        let named = |name: &str| spec.versions.iter().position(|template| template.version == name);
        match named(version).or_else(|| named(EVERY_VERSION)) {
            Some(index) => Self::of_template(&format!("spec.versions[{index}]"), &spec.versions[index]),
            None => Ok(Self::default()),
        }
    }

    /// Reads one version; `field` is where it stands.
    pub fn of_template(field: &str, template: &MappingTemplate) -> Result<Self, InvalidMapping> {
        let fixed = |name: &str, expression: Option<&String>, default: &str| {
            let expression = expression.filter(|expression| !expression.is_empty());
            let parsed = FixedPath::parse(expression.map_or(default, String::as_str));
            parsed.map_err(|source| InvalidMapping {
                field: format!("{field}.{name}"),
                source,
            })
        };
        let containers = |index: usize, container: &MappingContainer| {
            let name = |field: &str| format!("containers[{index}].{field}");
            let path = AnyPath::parse(&container.path).map_err(|source| InvalidMapping {
                field: format!("{field}.{}", name("path")),
                source,
            })?;
            let named = container.name.as_ref().filter(|expression| !expression.is_empty());
            Ok(Containers {
                path,
                name: named
                    .map(|expression| fixed(&name("name"), Some(expression), ""))
                    .transpose()?,
                env: fixed(&name("env"), container.env.as_ref(), ".env")?,
                volume_mounts: fixed(&name("volumeMounts"), container.volume_mounts.as_ref(), ".volumeMounts")?,
            })
        };
        let listed = template.containers.iter().enumerate();
        let listed: Vec<_> = listed
            .map(|(index, container)| containers(index, container))
            .collect::<Result<_, _>>()?;
        Ok(Self {
            annotations: fixed(
                "annotations",
                template.annotations.as_ref(),
                ".spec.template.metadata.annotations",
            )?,
            volumes: fixed("volumes", template.volumes.as_ref(), ".spec.template.spec.volumes")?,
            containers: if listed.is_empty() {
                Self::default().containers
            } else {
                listed
            },
            template: template.clone(),
        })
    }

    /// Whether both lead to the same places, however they are written.
    pub fn is_same_as(&self, other: &Self) -> bool {
        let places = |mapping: &Self| {
            let Self {
                template: _,
                annotations,
                volumes,
                containers,
            } = mapping.clone();
            (annotations, volumes, containers)
        };
        places(self) == places(other)
    }

    /// What it was read from, to be read again by [`of_template`](Self::of_template).
    pub fn template(&self) -> &MappingTemplate {
        &self.template
    }

    /// Finds the parts in an object.
    pub fn read(&self, object: &Json) -> Result<Shape, Mismatch> {
        let root = Place::default();
        let mut shape = Shape {
            object_annotations: shape::map(object, &Shape::own_annotations())?,
            annotations: shape::map(object, &root.join(&self.annotations))?,
            volumes: shape::list(object, &root.join(&self.volumes))?,
            containers: Vec::new(),
            annotations_at: root.join(&self.annotations),
            volumes_at: root.join(&self.volumes),
        };
        for containers in &self.containers {
            for at in containers.path.places(object) {
                if shape.containers.iter().any(|known| known.at == at) {
                    continue;
                }
                let name_at = containers.name.as_ref().map(|name| at.join(name));
                let name = name_at
                    .as_ref()
                    .map(|at| shape::text(object, at))
                    .transpose()?
                    .flatten();
                shape.containers.push(Container {
                    env: shape::list(object, &at.join(&containers.env))?,
                    volume_mounts: shape::list(object, &at.join(&containers.volume_mounts))?,
                    env_at: at.join(&containers.env),
                    volume_mounts_at: at.join(&containers.volume_mounts),
                    name,
                    name_at,
                    at,
                });
            }
        }
        if shape.containers.is_empty() {
            let paths = self.containers.iter().map(|containers| containers.path.to_string());
            return Err(Mismatch::NoContainer(paths.collect::<Vec<_>>().join(" and ")));
        }
        Ok(shape)
    }
}

/// Whether a JSON patch was refused because something is different from what was read. The API server does not say which
/// operation failed; of an object that would be invalid it says what is wrong with it.
pub fn is_outdated(status: &Status) -> bool {
    status.is_conflict() || (status.is_invalid() && status.message.contains("rejected our request"))
}

/// The entries of a list that have this name.
pub fn named<'a>(list: &'a [Json], name: &str) -> Option<&'a Json> {
    list.iter()
        .find(|entry| entry.get("name").and_then(Json::as_str) == Some(name))
}

/// Annotations, or any other map.
pub type Annotations = Map<String, Json>;
