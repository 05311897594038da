//! What the components `webservice` and `worker` are told, in KubeVela's words.

use std::collections::BTreeMap;

use k8s_openapi::api::core::v1::{
    ConfigMapVolumeSource, EmptyDirVolumeSource, EnvVar, HostAlias, HostPathVolumeSource, KeyToPath,
    PersistentVolumeClaimVolumeSource, Probe, SecretVolumeSource, Volume, VolumeMount,
};
use serde::Deserialize;

/// KubeVela's default mode of a file in a volume, and of one item of it.
const MODE: i32 = 0o644;
const ITEM_MODE: i32 = 0o777;

/// What a component is told. A worker has fewer words; [`ONLY_WEBSERVICE`] are the others.
#[derive(Debug, Clone, Deserialize)]
#[serde(rename_all = "camelCase", deny_unknown_fields)]
pub(super) struct Properties {
    pub(super) image: String,
    pub(super) image_pull_policy: Option<PullPolicy>,
    pub(super) image_pull_secrets: Option<Vec<String>>,
    pub(super) cmd: Option<Vec<String>>,
    pub(super) args: Option<Vec<String>>,
    #[serde(default)]
    pub(super) env: Vec<EnvVar>,
    pub(super) cpu: Option<String>,
    pub(super) memory: Option<String>,
    #[serde(default)]
    pub(super) limit: Limit,
    pub(super) labels: Option<BTreeMap<String, String>>,
    pub(super) annotations: Option<BTreeMap<String, String>>,
    pub(super) port: Option<i32>,
    pub(super) ports: Option<Vec<Port>>,
    #[serde(default)]
    pub(super) expose_type: ExposeType,
    #[serde(default)]
    pub(super) volume_mounts: VolumeMounts,
    pub(super) liveness_probe: Option<Probe>,
    pub(super) readiness_probe: Option<Probe>,
    pub(super) host_aliases: Option<Vec<HostAlias>>,
}

/// The words that a worker does not have.
pub(super) const ONLY_WEBSERVICE: [&str; 8] = [
    "args",
    "limit",
    "labels",
    "annotations",
    "port",
    "ports",
    "exposeType",
    "hostAliases",
];

/// Words of KubeVela's that are not carried out here, with what to do instead.
pub(super) const NOT_HERE: [(&str, &str); 2] = [
    ("volumes", "is out of use in KubeVela too; write `volumeMounts`"),
    ("addRevisionLabel", "needs KubeVela, which counts revisions; remove it"),
];

#[derive(Debug, Clone, Copy, Deserialize)]
pub(super) enum PullPolicy {
    Always,
    Never,
    IfNotPresent,
}

#[derive(Debug, Clone, Copy, Default, Deserialize)]
pub(super) enum ExposeType {
    #[default]
    ClusterIP,
    NodePort,
    LoadBalancer,
}

#[derive(Debug, Clone, Default, Deserialize)]
#[serde(deny_unknown_fields)]
pub(super) struct Limit {
    pub(super) cpu: Option<String>,
    pub(super) memory: Option<String>,
}

#[derive(Debug, Clone, Deserialize)]
#[serde(rename_all = "camelCase", deny_unknown_fields)]
pub(super) struct Port {
    pub(super) port: i32,
    pub(super) container_port: Option<i32>,
    name: Option<String>,
    #[serde(default)]
    pub(super) protocol: Protocol,
    #[serde(default)]
    pub(super) expose: bool,
    pub(super) node_port: Option<i32>,
}

#[derive(Debug, Clone, Copy, Default, PartialEq, Eq, Deserialize)]
#[serde(rename_all = "UPPERCASE")]
pub(super) enum Protocol {
    #[default]
    Tcp,
    Udp,
    Sctp,
}

impl Protocol {
    pub(super) const fn as_str(self) -> &'static str {
        match self {
            Self::Tcp => "TCP",
            Self::Udp => "UDP",
            Self::Sctp => "SCTP",
        }
    }
}

impl Port {
    pub(super) fn container(&self) -> i32 {
        self.container_port.unwrap_or(self.port)
    }

    pub(super) fn name(&self) -> String {
        let named = || format!("port-{}", self.container());
        match (&self.name, self.protocol) {
            (Some(name), _) => name.clone(),
            (None, Protocol::Tcp) => named(),
            (None, other) => format!("{}-{}", named(), other.as_str().to_ascii_lowercase()),
        }
    }
}

/// Volumes and where they are mounted.
#[derive(Debug, Clone, Default, Deserialize)]
#[serde(rename_all = "camelCase", deny_unknown_fields, default)]
pub(super) struct VolumeMounts {
    pvc: Vec<Mount<Claim>>,
    config_map: Vec<Mount<ConfigMap>>,
    secret: Vec<Mount<Secret>>,
    empty_dir: Vec<Mount<EmptyDir>>,
    host_path: Vec<Mount<HostPath>>,
}

#[derive(Debug, Clone, Deserialize)]
#[serde(rename_all = "camelCase")]
struct Mount<S> {
    name: String,
    mount_path: String,
    sub_path: Option<String>,
    #[serde(flatten)]
    source: S,
}

#[derive(Debug, Clone, Deserialize)]
#[serde(rename_all = "camelCase")]
struct Claim {
    claim_name: String,
}

#[derive(Debug, Clone, Deserialize)]
#[serde(rename_all = "camelCase")]
struct ConfigMap {
    cm_name: String,
    default_mode: Option<i32>,
    items: Option<Vec<KeyToPath>>,
}

#[derive(Debug, Clone, Deserialize)]
#[serde(rename_all = "camelCase")]
struct Secret {
    secret_name: String,
    default_mode: Option<i32>,
    items: Option<Vec<KeyToPath>>,
}

#[derive(Debug, Clone, Deserialize)]
struct EmptyDir {
    #[serde(default)]
    medium: String,
}

#[derive(Debug, Clone, Deserialize)]
struct HostPath {
    path: String,
}

impl VolumeMounts {
    /// The mounts, and the volumes, each once.
    pub(super) fn resolve(&self) -> (Vec<VolumeMount>, Vec<Volume>) {
        let mut mounts = Vec::new();
        let mut volumes = Vec::new();
        collect(&self.pvc, &mut mounts, &mut volumes, |claim, volume| {
            volume.persistent_volume_claim = Some(PersistentVolumeClaimVolumeSource {
                claim_name: claim.claim_name.clone(),
                ..PersistentVolumeClaimVolumeSource::default()
            });
        });
        collect(&self.config_map, &mut mounts, &mut volumes, |map, volume| {
            volume.config_map = Some(ConfigMapVolumeSource {
                name: map.cm_name.clone(),
                default_mode: Some(map.default_mode.unwrap_or(MODE)),
                items: moded(map.items.as_ref()),
                ..ConfigMapVolumeSource::default()
            });
        });
        collect(&self.secret, &mut mounts, &mut volumes, |secret, volume| {
            volume.secret = Some(SecretVolumeSource {
                secret_name: Some(secret.secret_name.clone()),
                default_mode: Some(secret.default_mode.unwrap_or(MODE)),
                items: moded(secret.items.as_ref()),
                ..SecretVolumeSource::default()
            });
        });
        collect(&self.empty_dir, &mut mounts, &mut volumes, |directory, volume| {
            volume.empty_dir = Some(EmptyDirVolumeSource {
                medium: Some(directory.medium.clone()),
                ..EmptyDirVolumeSource::default()
            });
        });
        collect(&self.host_path, &mut mounts, &mut volumes, |directory, volume| {
            volume.host_path = Some(HostPathVolumeSource {
                path: directory.path.clone(),
                type_: None,
            });
        });
        (mounts, volumes)
    }
}

fn moded(items: Option<&Vec<KeyToPath>>) -> Option<Vec<KeyToPath>> {
    let moded = |item: &KeyToPath| KeyToPath {
        mode: Some(item.mode.unwrap_or(ITEM_MODE)),
        ..item.clone()
    };
    Some(items?.iter().map(moded).collect())
}

fn collect<S>(
    sources: &[Mount<S>],
    mounts: &mut Vec<VolumeMount>,
    volumes: &mut Vec<Volume>,
    fill: impl Fn(&S, &mut Volume),
) {
    for mount in sources {
        mounts.push(VolumeMount {
            name: mount.name.clone(),
            mount_path: mount.mount_path.clone(),
            sub_path: mount.sub_path.clone(),
            ..VolumeMount::default()
        });
        // One volume may be mounted in several places.
        if volumes.iter().all(|known| known.name != mount.name) {
            let mut volume = Volume {
                name: mount.name.clone(),
                ..Volume::default()
            };
            fill(&mount.source, &mut volume);
            volumes.push(volume);
        }
    }
}
