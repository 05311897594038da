//! The profiles of the official command line tool.

use std::path::{Path, PathBuf};

use mooring_provider::Result;
use secrecy::SecretString;
use serde::Deserialize;

use super::{
    metadata::Metadata,
    source::{Source, lacks, unauthenticated},
};
use crate::{config::AssumeRole, wire::Keys};

/// How long a chain of profiles may be before it is taken for a circle.
const LONGEST: usize = 8;

#[derive(Deserialize)]
struct File {
    #[serde(default)]
    current: String,
    #[serde(default)]
    profiles: Vec<Profile>,
}

#[derive(Default, Deserialize)]
#[serde(default)]
struct Profile {
    name: String,
    mode: String,
    access_key_id: String,
    access_key_secret: SecretString,
    sts_token: SecretString,
    ram_role_arn: String,
    ram_session_name: String,
    external_id: String,
    ram_role_name: String,
    oidc_provider_arn: String,
    oidc_token_file: String,
    source_profile: String,
}

/// Where the file is: `ALIBABA_CLOUD_CREDENTIALS_FILE`, else in the home directory.
pub(super) fn path(variable: impl Fn(&str) -> Option<String>) -> Result<PathBuf> {
    if let Some(file) = variable("ALIBABA_CLOUD_CREDENTIALS_FILE") {
        return Ok(file.into());
    }
    let home = variable("HOME").ok_or_else(|| lacks("HOME", "set it, or ALIBABA_CLOUD_CREDENTIALS_FILE"))?;
    Ok(Path::new(&home).join(".aliyun/config.json"))
}

/// The keys of a profile, or of the current one, and the roles it assumes with them.
pub(super) fn read(path: &Path, name: &str) -> Result<(Source, Vec<AssumeRole>)> {
    let shown = path.display();
    let text = std::fs::read_to_string(path)
        .map_err(|error| unauthenticated(format!("the profile file {shown} cannot be read")).with_source(error))?;
    // serde's message may quote a secret.
    let file: File = serde_json::from_str(&text).map_err(|error| {
        let place = format!("line {}, column {}", error.line(), error.column());
        unauthenticated(format!("the profile file {shown} is not as it should be: {place}"))
    })?;
    let mut name = if name.is_empty() { file.current.as_str() } else { name };
    let mut roles = Vec::new();
    for _ in 0..LONGEST {
        let profile = file
            .profiles
            .iter()
            .find(|profile| profile.name == name)
            .ok_or_else(|| unauthenticated(format!("there is no profile `{name}` in {shown}")))?;
        if profile.mode == "ChainableRamRoleArn" {
            roles.insert(0, profile.role());
            name = &profile.source_profile;
            continue;
        }
        if profile.mode == "RamRoleArn" {
            roles.insert(0, profile.role());
        }
        return Ok((profile.source()?, roles));
    }
    Err(unauthenticated(format!(
        "the profiles of {shown} name each other in a circle at `{name}`"
    )))
}

impl Profile {
    fn source(&self) -> Result<Source> {
        use secrecy::ExposeSecret as _;
        let keys = || Keys {
            id: self.access_key_id.clone(),
            secret: self.access_key_secret.clone(),
            token: Some(self.sts_token.clone()).filter(|token| !token.expose_secret().is_empty()),
        };
        match self.mode.as_str() {
            "AK" | "" => Ok(Source::Keys(Keys { token: None, ..keys() })),
            "StsToken" | "RamRoleArn" => Ok(Source::Keys(keys())),
            "EcsRamRole" => Ok(Source::Server(Metadata::new(&self.ram_role_name))),
            "OIDC" => Ok(Source::Oidc {
                role: self.ram_role_arn.clone(),
                provider: self.oidc_provider_arn.clone(),
                token_file: self.oidc_token_file.clone().into(),
                session_name: self.session_name(),
            }),
            other => Err(unauthenticated(format!(
                "the profile `{}` has the mode {other}, which needs a person; use one of AK, StsToken, RamRoleArn, \
                 ChainableRamRoleArn, EcsRamRole, OIDC",
                self.name
            ))),
        }
    }

    fn role(&self) -> AssumeRole {
        AssumeRole {
            arn: self.ram_role_arn.clone(),
            session_name: self.session_name(),
            external_id: Some(self.external_id.clone()).filter(|id| !id.is_empty()),
        }
    }

    fn session_name(&self) -> String {
        match self.ram_session_name.as_str() {
            "" => "mooring".into(),
            name => name.into(),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn profiles(name: &str) -> Result<(Source, Vec<AssumeRole>)> {
        let folder = tempfile::tempdir().expect("a folder");
        let path = folder.path().join("config.json");
        let text = r#"{"current": "base", "profiles": [
            {"name": "base", "mode": "AK", "access_key_id": "id", "access_key_secret": "hidden", "language": "en"},
            {"name": "middle", "mode": "ChainableRamRoleArn", "source_profile": "base", "ram_role_arn": "one"},
            {"name": "top", "mode": "ChainableRamRoleArn", "source_profile": "middle", "ram_role_arn": "two",
             "ram_session_name": "me", "external_id": "x"},
            {"name": "circle", "mode": "ChainableRamRoleArn", "source_profile": "circle"},
            {"name": "person", "mode": "CloudSSO"}
        ]}"#;
        std::fs::write(&path, text).expect("it is written");
        read(&path, name)
    }

    #[test]
    fn roles_are_assumed_from_the_bottom() {
        let (source, roles) = profiles("top").expect("it is good");
        let arns: Vec<_> = roles.iter().map(|role| role.arn.as_str()).collect();
        assert_eq!(arns, ["one", "two"]);
        assert_eq!(roles[1].external_id.as_deref(), Some("x"));
        assert!(matches!(&source, Source::Keys(keys) if keys.id == "id"));
        assert!(!format!("{source:?}").contains("hidden"));
        assert!(matches!(profiles(""), Ok((Source::Keys(_), roles)) if roles.is_empty()));
    }

    #[test]
    fn what_cannot_be_used_is_said() {
        for (name, word) in [
            ("circle", "circle"),
            ("person", "CloudSSO"),
            ("none", "no profile `none`"),
        ] {
            let said = profiles(name).expect_err("it cannot be used").to_string();
            assert!(said.contains(word), "{said}");
        }
    }
}
