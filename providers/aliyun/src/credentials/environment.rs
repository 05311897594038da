//! Keys in the environment, and the variables that RRSA puts into a pod.

use mooring_provider::Result;
use secrecy::SecretString;

use super::source::{Source, lacks};
use crate::{config::Oidc, wire::Keys};

/// What the environment has: keys, or all three variables of a service account's role.
pub(super) fn find(variable: impl Fn(&str) -> Option<String>) -> Result<Option<Source>> {
    let key = |name: &str| variable(&format!("ALIBABA_CLOUD_{name}"));
    if let (Some(id), Some(secret)) = (key("ACCESS_KEY_ID"), key("ACCESS_KEY_SECRET")) {
        return Ok(Some(Source::Keys(Keys {
            id,
            secret: SecretString::from(secret),
            token: key("SECURITY_TOKEN").map(SecretString::from),
        })));
    }
    let all = ["ROLE_ARN", "OIDC_PROVIDER_ARN", "OIDC_TOKEN_FILE"];
    if all.iter().all(|name| key(name).is_some()) {
        return oidc(&Oidc::default(), variable).map(Some);
    }
    Ok(None)
}

/// The role of a service account: as configured, and what is left out from the environment.
pub(super) fn oidc(config: &Oidc, variable: impl Fn(&str) -> Option<String>) -> Result<Source> {
    let or_variable = |given: Option<String>, field: &str, name: &str| {
        given
            .or_else(|| variable(name))
            .ok_or_else(|| lacks(&format!("spec.aliyun.oidc.{field}"), &format!("set it, or {name}")))
    };
    let file = config.token_file.as_ref().map(|file| file.display().to_string());
    Ok(Source::Oidc {
        role: or_variable(config.role_arn.clone(), "roleArn", "ALIBABA_CLOUD_ROLE_ARN")?,
        provider: or_variable(
            config.provider_arn.clone(),
            "providerArn",
            "ALIBABA_CLOUD_OIDC_PROVIDER_ARN",
        )?,
        token_file: or_variable(file, "tokenFile", "ALIBABA_CLOUD_OIDC_TOKEN_FILE")?.into(),
        session_name: variable("ALIBABA_CLOUD_ROLE_SESSION_NAME").unwrap_or_else(|| "mooring".into()),
    })
}

#[cfg(test)]
mod tests {
    use super::*;

    fn with(set: &'static [(&'static str, &'static str)]) -> impl Fn(&str) -> Option<String> {
        move |name| {
            let short = name.strip_prefix("ALIBABA_CLOUD_")?;
            set.iter()
                .find(|(given, _)| *given == short)
                .map(|(_, value)| (*value).to_owned())
        }
    }

    #[test]
    fn keys_go_before_a_role_and_a_role_needs_all_three() {
        let keys = with(&[
            ("ACCESS_KEY_ID", "id"),
            ("ACCESS_KEY_SECRET", "s"),
            ("SECURITY_TOKEN", "t"),
        ]);
        assert!(matches!(
            find(keys),
            Ok(Some(Source::Keys(Keys { token: Some(_), .. })))
        ));
        let role = with(&[
            ("ROLE_ARN", "acs:ram::1:role/r"),
            ("OIDC_PROVIDER_ARN", "p"),
            ("OIDC_TOKEN_FILE", "/f"),
        ]);
        assert!(matches!(find(role), Ok(Some(Source::Oidc { .. }))));
        assert!(matches!(
            find(with(&[("ROLE_ARN", "r"), ("OIDC_TOKEN_FILE", "/f")])),
            Ok(None)
        ));
        assert!(matches!(find(with(&[("ACCESS_KEY_ID", "id")])), Ok(None)));
    }

    #[test]
    fn what_is_missing_is_named() {
        let error = oidc(&Oidc::default(), with(&[("ROLE_ARN", "r")])).expect_err("it lacks two");
        let said = error.to_string();
        assert!(
            said.contains("spec.aliyun.oidc.providerArn") && said.contains("OIDC_PROVIDER_ARN"),
            "{said}"
        );
    }
}
