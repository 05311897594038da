//! Whose a resource is: this cluster's, or the Environment's, which several clusters share.

use kube::ResourceExt;
use mooring_provider::{ClusterId, Kind};

use super::status::Told;
use crate::{
    api::{CloudResourceStatus, Environment, IdentityScope, Shared},
    engine,
    ledger::Record,
    operator::Context,
};

/// What is remembered of whose it is: in the status, else in the ledger.
pub(super) fn remembered(context: &Context, status: &CloudResourceStatus, record: Option<&Record>) -> Option<Shared> {
    let of_record = || {
        let record = record.filter(|record| record.owner.cluster != *context.engine.cluster())?;
        Some(Shared {
            owner: record.owner.cluster.clone(),
            home: !record.existing,
        })
    };
    status.shared.clone().or_else(of_record)
}

/// Whose it is. What was made stays whose it was; which cluster is its home is its Environment's word, as long as that
/// is there.
pub(super) fn of(
    context: &Context,
    kind: Kind,
    made: bool,
    known: Option<Shared>,
    environment: Option<&Environment>,
) -> Result<Option<Shared>, Told> {
    let owner = match (known, environment) {
        (None, _) if made => return Ok(None),
        (Some(known), Some(environment)) if made => return decided(context, known.owner, environment).map(Some),
        (Some(known), None) if made => return Ok(Some(known)),
        (_, Some(environment)) if environment.spec.identity_scope == IdentityScope::Environment => {
            engine::shared_owner(&environment.name_any())
        }
        _ => return Ok(None),
    };
    match environment {
        Some(environment) if engine::is_shared(kind) => decided(context, owner, environment).map(Some),
        _ => Ok(None),
    }
}

fn decided(context: &Context, owner: ClusterId, environment: &Environment) -> Result<Shared, Told> {
    let cluster = context.options.cluster.as_deref();
    match (environment.spec.is_home(cluster), cluster) {
        (Some(home), Some(_)) => Ok(Shared { owner, home }),
        // Nothing is made and nothing is changed by a cluster that cannot know whether it is the home.
        (Some(_), None) => Err(Told::no(
            "InvalidEnvironment",
            format!(
                "Environment `{}` is shared by clusters, and this one has no name: an SRE starts the operator with \
                 `--cluster NAME`, and says in the Environment's `home` which cluster makes what is shared",
                environment.name_any()
            ),
        )),
        (None, _) => Err(Told::no(
            "EnvironmentPinned",
            format!(
                "it belongs to {owner}, which several clusters share, and Environment `{}` has `identityScope: cluster` \
                 now; make that again with `identityScope: environment`",
                environment.name_any()
            ),
        )),
    }
}
