//! What a pod's first container would see of its environment and its files.

use std::collections::BTreeMap;

use k8s_openapi::{
    ByteString,
    api::core::v1::{
        ConfigMap, Container, EnvVar, KeyToPath, ObjectFieldSelector, Pod, Secret, Volume, VolumeProjection,
    },
};
use kube::{Api, Client, ResourceExt};

/// Why a pod cannot start: what a kubelet would write into an Event.
pub(crate) type Trouble = String;

/// A volume, or a part of one: each file with its content.
type Files = BTreeMap<String, Vec<u8>>;

fn container(pod: &Pod) -> Option<&Container> {
    pod.spec.as_ref()?.containers.first()
}

/// Its environment. A container keeps what it was started with.
pub(crate) async fn env(client: &Client, pod: &Pod) -> Result<BTreeMap<String, String>, Trouble> {
    let mut env = BTreeMap::new();
    for variable in container(pod)
        .and_then(|container| container.env.clone())
        .unwrap_or_default()
    {
        if let Some(value) = value(client, pod, &variable).await? {
            env.insert(variable.name, value);
        }
    }
    Ok(env)
}

async fn value(client: &Client, pod: &Pod, variable: &EnvVar) -> Result<Option<String>, Trouble> {
    let Some(from) = &variable.value_from else {
        return Ok(Some(variable.value.clone().unwrap_or_default()));
    };
    if let Some(reference) = &from.secret_key_ref {
        let data = secret(client, pod, &reference.name).await?;
        let content = data.and_then(|mut data| data.remove(&reference.key));
        let is_optional = reference.optional == Some(true);
        return match content {
            None if is_optional => Ok(None),
            None => Err(format!("no key {} in Secret {}", reference.key, reference.name)),
            Some(content) => Ok(Some(String::from_utf8_lossy(&content).into_owned())),
        };
    }
    from.field_ref
        .as_ref()
        .map(|reference| field(pod, reference))
        .transpose()
}

/// The content of a file, if there is one; as it is now.
pub(crate) async fn file(client: &Client, pod: &Pod, path: &str) -> Result<Option<Vec<u8>>, Trouble> {
    let mounts = container(pod)
        .and_then(|container| container.volume_mounts.clone())
        .unwrap_or_default();
    let below = |mount_path: &str| {
        Some(
            path.strip_prefix(mount_path.trim_end_matches('/'))?
                .strip_prefix('/')?
                .to_owned(),
        )
    };
    let mounts = mounts
        .iter()
        .filter_map(|mount| Some((mount, below(&mount.mount_path)?)));
    let Some((mount, file)) = mounts.max_by_key(|(mount, _)| mount.mount_path.len()) else {
        return Ok(None);
    };
    let volumes = pod.spec.as_ref().and_then(|spec| spec.volumes.as_ref());
    let volume = volumes.into_iter().flatten().find(|volume| volume.name == mount.name);
    let volume = volume.ok_or_else(|| format!("no volume {}", mount.name))?;
    Ok(files(client, pod, volume).await?.remove(&file))
}

/// Whether it has all that it mounts and refers to: else it waits.
pub(crate) async fn can_start(client: &Client, pod: &Pod) -> Result<(), Trouble> {
    env(client, pod).await?;
    for volume in pod.spec.iter().flat_map(|spec| spec.volumes.iter().flatten()) {
        files(client, pod, volume).await?;
    }
    Ok(())
}

async fn files(client: &Client, pod: &Pod, volume: &Volume) -> Result<Files, Trouble> {
    if let Some(source) = &volume.secret {
        let name = source.secret_name.clone().unwrap_or_default();
        return of_secret(client, pod, &name, source.items.as_deref(), source.optional).await;
    }
    let mut files = Files::new();
    for source in volume
        .projected
        .iter()
        .flat_map(|projected| projected.sources.iter().flatten())
    {
        files.extend(projection(client, pod, source).await?);
    }
    Ok(files)
}

async fn projection(client: &Client, pod: &Pod, source: &VolumeProjection) -> Result<Files, Trouble> {
    if let Some(secret) = &source.secret {
        return of_secret(client, pod, &secret.name, secret.items.as_deref(), secret.optional).await;
    }
    if let Some(map) = &source.config_map {
        let api = Api::<ConfigMap>::namespaced(client.clone(), &pod.namespace().unwrap_or_default());
        let found = api.get_opt(&map.name).await.map_err(|error| error.to_string())?;
        let data = found
            .ok_or_else(|| format!("no ConfigMap {}", map.name))?
            .data
            .unwrap_or_default();
        return Ok(data.into_iter().map(|(key, text)| (key, text.into_bytes())).collect());
    }
    let items = source
        .downward_api
        .iter()
        .flat_map(|downward| downward.items.iter().flatten());
    let fields = items.filter_map(|item| Some((item.path.clone(), item.field_ref.as_ref()?)));
    fields
        .map(|(path, reference)| Ok((path, field(pod, reference)?.into_bytes())))
        .collect()
}

async fn of_secret(
    client: &Client,
    pod: &Pod,
    name: &str,
    items: Option<&[KeyToPath]>,
    optional: Option<bool>,
) -> Result<Files, Trouble> {
    let Some(data) = secret(client, pod, name).await? else {
        let is_optional = optional == Some(true);
        return if is_optional {
            Ok(Files::new())
        } else {
            Err(format!("no Secret {name}"))
        };
    };
    let Some(items) = items else { return Ok(data) };
    let chosen = items
        .iter()
        .filter_map(|item| Some((item.path.clone(), data.get(&item.key)?.clone())));
    Ok(chosen.collect())
}

async fn secret(client: &Client, pod: &Pod, name: &str) -> Result<Option<Files>, Trouble> {
    let api = Api::<Secret>::namespaced(client.clone(), &pod.namespace().unwrap_or_default());
    let found = api.get_opt(name).await.map_err(|error| error.to_string())?;
    let data = found.map(|found| found.data.unwrap_or_default());
    Ok(data.map(|data| {
        data.into_iter()
            .map(|(key, ByteString(content))| (key, content))
            .collect()
    }))
}

fn field(pod: &Pod, reference: &ObjectFieldSelector) -> Result<String, Trouble> {
    let path = reference.field_path.as_str();
    let annotation = path
        .strip_prefix("metadata.annotations['")
        .and_then(|rest| rest.strip_suffix("']"));
    match (path, annotation) {
        ("metadata.name", _) => Ok(pod.name_any()),
        ("metadata.namespace", _) => Ok(pod.namespace().unwrap_or_default()),
        (_, Some(name)) => Ok(pod.annotations().get(name).cloned().unwrap_or_default()),
        _ => Err(format!("the field {path} is not known to this stand-in")),
    }
}
