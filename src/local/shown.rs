//! What there is: in the ledger, at the providers, and whether the credentials are good.

use mooring_provider::Kind;
use serde::Serialize;

use super::{
    documents::Documents,
    error::{Error, Result, chain},
    front::Front,
};
use crate::engine::Entry;

/// A resource, as the ledger has it.
#[derive(Debug, Serialize)]
#[serde(rename_all = "camelCase")]
pub struct Listed {
    /// `namespace/application/component/name` of its declaration.
    pub key: String,
    /// Its kind.
    pub kind: String,
    /// Its Environment.
    pub environment: String,
    /// The ProviderConfig it is at.
    pub provider: String,
    /// What the provider calls it.
    pub external_id: Option<String>,
    /// Where it stands.
    pub standing: String,
    /// Its address.
    pub endpoint: Option<String>,
    /// Why it stands there.
    pub reason: Option<String>,
}

/// What the ledger has.
pub async fn list(front: &Front) -> Result<Vec<Listed>> {
    let records = front.records(None).await?;
    let listed = records.into_iter().map(|record| Listed {
        key: record.owner.key.to_string(),
        kind: record.kind.to_string(),
        environment: record.environment,
        provider: record.provider,
        external_id: record.memory.external_id.map(|id| id.to_string()),
        standing: record.standing.as_str().to_owned(),
        endpoint: record.endpoint,
        reason: record.reason,
    });
    Ok(listed.collect())
}

/// What stands at every provider that is known, and what the ledger has on record beside.
pub async fn inventory(front: &Front, documents: &Documents) -> Result<Vec<Entry>> {
    let mut entries = Vec::new();
    for name in front.providers(documents).await? {
        let connection = front.connect(&name, documents)?;
        let kinds = front.kinds(&connection, documents).await?;
        let found = front.engine.inventory(&connection, &kinds, &[], None).await;
        entries.extend(found.map_err(|source| Error::Provider { provider: name, source })?);
    }
    entries.sort_by(|a, b| (&a.provider, &a.owner, a.kind).cmp(&(&b.provider, &b.owner, b.kind)));
    Ok(entries)
}

/// Whose a provider's credentials are.
#[derive(Debug, Serialize)]
#[serde(rename_all = "camelCase")]
pub struct Checked {
    /// The ProviderConfig.
    pub provider: String,
    /// The type of provider.
    #[serde(rename = "type")]
    pub kind: Option<&'static str>,
    /// The account.
    pub account: Option<String>,
    /// The region.
    pub region: Option<String>,
    /// The kinds that its credentials are good for, of those it is to serve.
    pub kinds: Vec<Kind>,
    /// What is wrong, kind by kind where it is not the account itself.
    pub error: Option<String>,
}

/// Proves the credentials of every provider that is known.
pub async fn check(front: &Front, documents: &Documents) -> Result<Vec<Checked>> {
    let mut all = Vec::new();
    for name in front.providers(documents).await? {
        let mut checked = Checked {
            provider: name.clone(),
            kind: None,
            account: None,
            region: None,
            kinds: Vec::new(),
            error: None,
        };
        match front.connect(&name, documents) {
            Err(error) => checked.error = Some(chain(&error)),
            Ok(connection) => {
                checked.kind = Some(connection.provider);
                match connection.provider().check().await {
                    Ok(info) => {
                        (checked.account, checked.region) = (Some(info.account), info.region);
                        let mut refused = Vec::new();
                        for kind in front.kinds(&connection, documents).await? {
                            match front.engine.may_see(&connection, kind).await {
                                Ok(()) => checked.kinds.push(kind),
                                Err(error) => refused.push(format!("{kind}: {}: {}", error.reason(), chain(&error))),
                            }
                        }
                        checked.error = (!refused.is_empty()).then(|| refused.join("; "));
                    }
                    Err(error) => checked.error = Some(format!("{}: {}", error.reason(), chain(&error))),
                }
            }
        }
        all.push(checked);
    }
    Ok(all)
}
