//! What stands at a provider with our tag on it and belongs to nobody: counted now and then, for an alert. It should
//! never be there; somebody may have taken a finalizer off by hand, or restored a cluster from before it was made.
//!
//! What it deliberately does not do: delete any of it. A person looks at `mooring inventory` and decides.

use std::{
    collections::{HashMap, HashSet},
    sync::Arc,
    time::Duration,
};

use kube::ResourceExt;
use mooring_provider::{ClusterId, ExternalId, Identity, Kind};
use tokio::time::Instant;
use tokio_util::sync::CancellationToken;

use super::{Context, provider};
use crate::{
    api::names,
    engine::{Connection, Held, shared_owner},
};

/// How often it is seen whether a look is due.
const TICK: Duration = Duration::from_secs(1);

/// The last look at an account.
#[derive(Debug)]
struct Look {
    at: Instant,
    /// What belonged to nobody then; `None` if it could not be seen.
    orphans: Option<HashSet<(Kind, ExternalId)>>,
}

/// Looks at every account, each in its time, until `shutdown`.
pub(super) async fn run(context: Arc<Context>, shutdown: CancellationToken) {
    let mut looks: HashMap<String, Look> = HashMap::new();
    let work = async {
        loop {
            provider::close_what_is_gone(&context).await;
            let connections = context.engine.connections().all();
            looks.retain(|name, _| {
                let is_there = connections.iter().any(|connection| connection.name == *name);
                if !is_there {
                    context.metrics.no_orphans_of(name);
                }
                is_there
            });
            for connection in connections.iter().filter(|connection| !connection.proven().is_empty()) {
                let last = looks.get(&connection.name);
                if last.is_none_or(|last| last.at.elapsed() >= context.options.inventory) {
                    let before = looks.remove(&connection.name).and_then(|last| last.orphans);
                    let orphans = look(&context, connection, before.as_ref()).await;
                    let at = Instant::now();
                    looks.insert(connection.name.clone(), Look { at, orphans });
                }
            }
            tokio::time::sleep(TICK).await;
        }
    };
    shutdown.run_until_cancelled(work).await;
}

/// Counts what belonged to nobody this time and the time before: in between, what is being made or deleted may seem so.
async fn look(
    context: &Context,
    connection: &Connection,
    before: Option<&HashSet<(Kind, ExternalId)>>,
) -> Option<HashSet<(Kind, ExternalId)>> {
    let (engine, kinds, declared) = (&context.engine, connection.proven(), declared(context));
    let entries = match engine
        .inventory(connection, &kinds, &shared(context), Some(&declared))
        .await
    {
        Ok(entries) => entries,
        Err(error) => {
            tracing::debug!(
                provider = connection.name,
                error = &error as &dyn std::error::Error,
                "no inventory"
            );
            return None;
        }
    };
    let orphans: HashSet<_> = entries
        .into_iter()
        .filter(|entry| entry.state == Held::Orphan)
        .map(|entry| (entry.kind, entry.external_id))
        .collect();
    let stays = |orphan: &&(Kind, ExternalId)| before.is_some_and(|before| before.contains(*orphan));
    for kind in kinds {
        let lasting = orphans.iter().filter(stays).filter(|(of, _)| *of == kind).count();
        context.metrics.orphans(&connection.name, kind.as_str(), lasting);
    }
    for (kind, id) in orphans.iter().filter(stays) {
        tracing::warn!(provider = connection.name, %kind, %id, "it carries our tag and belongs to nobody");
    }
    Some(orphans)
}

/// The owners of what this cluster shares with others as its home. What is not declared here is nobody's.
fn shared(context: &Context) -> Vec<ClusterId> {
    let cluster = context.options.cluster.as_deref();
    let homes = context.stores.environments.filter(|guard| {
        let environment = guard.0.as_ref();
        environment.is_ok_and(|environment| environment.spec.is_home(cluster) == Some(true))
    });
    homes.iter().map(|guard| shared_owner(&guard.name_any())).collect()
}

/// The identities that somebody answers for.
fn declared(context: &Context) -> HashSet<Identity> {
    let resources = context.stores.resources.store().state();
    let declared = resources
        .iter()
        .filter_map(|guard| guard.annotations().get(names::IDENTITY))
        .map(|identity| Identity::new(identity.as_str()));
    let retained = context.stores.retained.store().state();
    let kept = retained
        .iter()
        .filter_map(|guard| Some(Identity::new(guard.0.as_ref().ok()?.spec.identity.as_str())));
    declared.chain(kept).collect()
}
