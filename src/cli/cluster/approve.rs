//! An SRE's word, as an annotation that the operator acts upon and takes off.

use kube::{Api, Client, ResourceExt};
use mooring_provider::{Identity, Key};

use super::{Error, annotate, client, failed, key, resources, retained};
use crate::{
    api::{CloudResource, Environment, ProviderConfig, RetainedResource, names},
    cli::args::Cluster,
    local::Word,
};

/// What a word is about.
enum Subject {
    /// What is declared, or going.
    Declared(Box<CloudResource>),
    /// What is on record only.
    Retained(Box<RetainedResource>),
}

/// Gives an SRE's word on the resource of this key.
pub(in crate::cli) async fn approve(cluster: &Cluster, word: Word, wanted: &Key) -> Result<String, Error> {
    let client = client(cluster).await?;
    let subject = find(&client, word, wanted).await?;
    if word == Word::Recreate {
        let Subject::Declared(resource) = subject else {
            return Err(Error::Refused(format!(
                "{wanted} is only on record; declare it again to have a new one"
            )));
        };
        let lost = resource.status.clone().unwrap_or_default().memory.incarnation;
        let api = Api::<CloudResource>::namespaced(client, &resource.namespace().unwrap_or_default());
        annotate(api, &resource.name_any(), names::RECREATE, &lost.to_string()).await?;
        return Ok(format!("approved: recreate {wanted}; the operator carries it out"));
    }
    let (identity, environment, provider) = match subject {
        Subject::Declared(resource) => {
            let status = resource.status.clone().unwrap_or_default();
            let identity = resource.annotations().get(names::IDENTITY).map(Identity::new);
            let nothing = || Error::Refused(format!("{wanted} has no identity yet; there is nothing to approve"));
            (identity.ok_or_else(nothing)?, status.environment, status.provider)
        }
        Subject::Retained(resource) => {
            let spec = resource.spec;
            (spec.identity, Some(spec.environment), Some(spec.provider))
        }
    };
    let annotation = format!("{}{identity}", names::APPROVE);
    let value = match word {
        Word::Move => format!("move:{wanted}"),
        other => other.as_str().to_owned(),
    };
    // The operator reads it from either; an Environment may be gone before what was made in it.
    let place = if let Some(name) = environment {
        let environments = Api::<Environment>::all(client.clone());
        let found = environments.get_opt(&name).await;
        match found.map_err(failed(format!("read Environment {name}")))? {
            Some(_) => {
                annotate(environments, &name, &annotation, &value).await?;
                Some(format!("Environment {name}"))
            }
            None => None,
        }
    } else {
        None
    };
    let place = match (place, provider) {
        (Some(place), _) => place,
        (None, Some(name)) => {
            annotate(Api::<ProviderConfig>::all(client), &name, &annotation, &value).await?;
            format!("ProviderConfig {name}")
        }
        (None, None) => {
            let message = format!("{wanted} is in no Environment and at no provider yet; there is nothing to approve");
            return Err(Error::Refused(message));
        }
    };
    Ok(format!(
        "approved: {} {wanted}, on {place}; the operator carries it out",
        word.as_str()
    ))
}

/// What the word is about. A deletion is approved of what is going, else of what is on record, and never in advance:
/// a word that waits for its moment would be forgotten.
async fn find(client: &Client, word: Word, wanted: &Key) -> Result<Subject, Error> {
    let all = resources(client).await?;
    let declared = all.iter().find(|resource| key(resource) == *wanted);
    let ends = matches!(word, Word::Delete | Word::Abandon);
    if let Some(resource) = declared
        && (!ends || resource.metadata.deletion_timestamp.is_some())
    {
        return Ok(Subject::Declared(Box::new(resource.clone())));
    }
    let records = retained(client).await?;
    if let Some(record) = records.iter().find(|record| record.spec.key == *wanted) {
        return Ok(Subject::Retained(Box::new(record.clone())));
    }
    if declared.is_some() {
        let message = format!("{wanted} is not being deleted; delete its declaration first");
        return Err(Error::Refused(message));
    }
    let known: Vec<_> = all
        .iter()
        .map(|resource| key(resource).to_string())
        .chain(records.iter().map(|record| record.spec.key.to_string()))
        .collect();
    let known = if known.is_empty() {
        "none".to_owned()
    } else {
        known.join(", ")
    };
    Err(Error::Refused(format!(
        "nothing is declared or on record for `{wanted}`; there are: {known}"
    )))
}
