//! `clouds.yaml`, the file that every OpenStack client reads.

use std::{
    collections::BTreeMap,
    env, fs,
    path::{Path, PathBuf},
};

use mooring_provider::Result;
use secrecy::SecretString;
use serde::Deserialize;

use crate::config::invalid;

#[derive(Deserialize)]
struct File {
    clouds: BTreeMap<String, Cloud>,
}

/// One entry. What is not listed here is for other clients.
#[derive(Debug, Clone, Default, Deserialize)]
pub(crate) struct Cloud {
    #[serde(default)]
    pub(crate) auth: Auth,
    pub(crate) region_name: Option<String>,
    pub(crate) interface: Option<String>,
    /// The path of a file.
    pub(crate) cacert: Option<PathBuf>,
    pub(crate) verify: Option<bool>,
}

#[derive(Debug, Clone, Default, Deserialize)]
pub(crate) struct Auth {
    pub(crate) auth_url: Option<String>,
    pub(crate) application_credential_id: Option<String>,
    pub(crate) application_credential_secret: Option<SecretString>,
    pub(crate) username: Option<String>,
    pub(crate) password: Option<SecretString>,
    pub(crate) user_domain_name: Option<String>,
    pub(crate) user_domain_id: Option<String>,
    pub(crate) project_id: Option<String>,
    pub(crate) project_name: Option<String>,
    pub(crate) project_domain_name: Option<String>,
    pub(crate) project_domain_id: Option<String>,
}

/// The entry of this text; without a name, the only one.
pub(crate) fn read(text: &str, name: Option<&str>) -> Result<Cloud> {
    let mut file: File = serde_saphyr::from_str(text)
        // The parser's message may quote what stands there, passwords too.
        .map_err(|_| invalid("cloud: clouds.yaml cannot be read; it is YAML with `clouds: {NAME: {auth: ...}}`"))?;
    let names = file.clouds.keys().cloned().collect::<Vec<_>>().join(", ");
    let name = match name {
        Some(name) => name.to_owned(),
        None if file.clouds.len() == 1 => names.clone(),
        None => return Err(invalid(&format!("cloud: is missing; clouds.yaml has {names}"))),
    };
    let cloud = file
        .clouds
        .remove(&name)
        .ok_or_else(|| invalid(&format!("cloud: `{name}` is not in clouds.yaml; it has {names}")))?;
    if cloud.verify == Some(false) {
        return Err(invalid(&format!(
            "cloud: `{name}` has `verify: false`; certificates are always verified, name the authority in http.caBundle"
        )));
    }
    Ok(cloud)
}

/// The entry of the file of this machine, looked for where every client looks for it.
pub(crate) fn of_this_machine(name: &str) -> Result<Cloud> {
    let named = env::var_os("OS_CLIENT_CONFIG_FILE").map(PathBuf::from);
    let home = env::var_os("HOME").map(|home| Path::new(&home).join(".config/openstack/clouds.yaml"));
    let usual = [
        Some("clouds.yaml".into()),
        home,
        Some("/etc/openstack/clouds.yaml".into()),
    ];
    let path = named
        .or_else(|| usual.into_iter().flatten().find(|path| path.is_file()))
        .ok_or_else(|| {
            invalid(&format!(
                "cloud: `{name}` needs a clouds.yaml, or a Secret in spec.credentials; there is none in this \
                 directory, in ~/.config/openstack or in /etc/openstack"
            ))
        })?;
    let text = fs::read_to_string(&path)
        .map_err(|error| invalid(&format!("cloud: {} cannot be read", path.display())).with_source(error))?;
    read(&text, Some(name))
}
