//! One workload: read it, judge it, write what is due.

use std::{collections::BTreeMap, sync::Arc, time::Duration};

use k8s_openapi::apimachinery::pkg::apis::meta::v1::Time;
use kube::{
    ResourceExt,
    api::{Patch, PatchParams},
    runtime::controller::Action,
};
use serde_json::json;
use tokio::time::Instant;

use super::{
    Binder,
    contest::Contest,
    judge::{Desired, Plan, body, judge},
    locked,
    owners::{given_up, handed_over, writers, wrote_since},
    verdict::{Outcome, Verdict},
    wanted::Wanted,
};
use crate::{
    api::names,
    operator::workload::{Found, Rolled, Workload, WorkloadKind, holds, rolled},
};

/// How often a conflict is met with a new look before the queue's own patience takes over.
const LOOKS: usize = 4;
/// How long a store may lag behind what was just written.
const SOON: Duration = Duration::from_millis(200);
/// How often pods that are to go are asked for, beside the news of their workload.
const ROLLING: Duration = Duration::from_secs(3);
/// How long a refusal of the API server stands before it is tried again.
const REFUSED: Duration = Duration::from_secs(60);
/// How often the record of a consumer is waited for before its variables are taken out without.
const RECORDS: u32 = 10;

/// What is known of a workload.
#[derive(Debug, Default)]
pub(super) struct Known {
    pub(super) uid: String,
    /// What was looked at last, when all was as it should be: the same need not be looked at again.
    settled: Option<(Option<i64>, Vec<Wanted>)>,
    applied: Option<Desired>,
    /// Who had written what when all was as it should be.
    writers: BTreeMap<String, u64>,
    contest: Contest,
    unrecorded: u32,
    verdicts: BTreeMap<String, Verdict>,
}

impl Known {
    /// The CloudResources that it is about.
    pub(super) fn resources(&self) -> impl Iterator<Item = &String> {
        self.verdicts.keys()
    }
}

/// What came of writing.
enum Written {
    /// All is as it should be; the workload as it is now.
    AsDesired(Box<Workload>, Plan),
    /// It must wait; why.
    Held(Box<Workload>, Plan, Outcome, Duration),
    /// There is no such workload, or another one by now.
    Gone,
}

impl Binder {
    /// What a workload gives a CloudResource; `None` while that is not known.
    pub(super) fn verdict(&self, found: &Found, resource: &str) -> Option<Verdict> {
        let known = locked(&self.known);
        let known = known.get(&found.key).filter(|known| known.uid == found.uid)?;
        known.verdicts.get(resource).cloned()
    }

    /// Looks at a workload and writes what is due.
    pub(super) async fn reconcile(self: Arc<Self>, found: Found, generation: Option<i64>) -> kube::Result<Action> {
        let wanted = self.wanted(&found.key);
        let seen = (generation, without_records(&wanted));
        let is_settled = {
            let mut known = locked(&self.known);
            let known = known.entry(found.key.clone()).or_default();
            if known.uid != found.uid {
                *known = Known {
                    uid: found.uid.clone(),
                    ..Known::default()
                };
            }
            known.settled.as_ref() == Some(&seen)
        };
        if is_settled {
            return Ok(Action::await_change());
        }
        if found.is_going || found.key.kind == WorkloadKind::Job {
            let outcome = if found.is_going {
                Outcome::Going
            } else {
                Outcome::Immutable
            };
            let verdict = Verdict {
                outcome,
                is_consumer: false,
            };
            let verdicts = wanted.iter().map(|wanted| (wanted.resource.clone(), verdict.clone()));
            self.settle(&found, verdicts.collect(), Some(seen));
            return Ok(Action::await_change());
        }
        let (workload, plan, held) = match self.write(&found, &wanted).await? {
            Written::AsDesired(workload, plan) => (workload, plan, None),
            Written::Held(workload, plan, outcome, wait) => (workload, plan, Some((outcome, wait))),
            // Its news are on their way.
            Written::Gone => return Ok(Action::requeue(SOON)),
        };
        let mut wait = held.as_ref().map(|(_, wait)| *wait);
        let mut verdicts = BTreeMap::new();
        for wanted in &wanted {
            let verdict = self.judge_one(&workload, &plan, wanted, held.as_ref().map(|(outcome, _)| outcome));
            let verdict = verdict.await?;
            if wanted.is_going && verdict.is_consumer {
                wait = Some(wait.map_or(ROLLING, |wait| wait.min(ROLLING)));
            }
            verdicts.insert(wanted.resource.clone(), verdict);
        }
        self.settle(&found, verdicts, wait.is_none().then_some(seen));
        Ok(wait.map_or_else(Action::await_change, Action::requeue))
    }

    async fn judge_one(
        &self,
        workload: &Workload,
        plan: &Plan,
        wanted: &Wanted,
        held: Option<&Outcome>,
    ) -> kube::Result<Verdict> {
        let template = workload.template();
        let has = holds(&template, &wanted.secret);
        let had = wanted.consumers.contains(&workload.key().reference());
        let has_old_pods = || async {
            let rolled = rolled(&self.context.client, workload, &wanted.secret).await?;
            Ok::<_, kube::Error>(rolled != Rolled::Done)
        };
        let share = plan.shares.get(&wanted.resource).cloned().unwrap_or_default();
        let is_complete = share.taken.is_empty() && share.missing.is_empty() && !share.containers.is_empty() && has;
        let outcome = match held {
            // What somebody undoes or the API server refuses may not concern this one.
            Some(held) if !is_complete || wanted.is_going => held.clone(),
            _ => Outcome::Shared(share),
        };
        Ok(Verdict {
            outcome,
            is_consumer: has || (had && has_old_pods().await?),
        })
    }

    /// Brings the workload to what is wanted of it.
    async fn write(&self, found: &Found, wanted: &[Wanted]) -> kube::Result<Written> {
        let mut look = 0;
        loop {
            look += 1;
            let Some(workload) = found.key.read(&self.context.client).await? else {
                return Ok(Written::Gone);
            };
            if workload.object.uid().as_deref() != Some(&found.uid) {
                return Ok(Written::Gone);
            }
            let plan = judge(&workload, wanted);
            let attempt = if !plan.hand_over.is_empty() || !plan.give_up.is_empty() {
                self.change_hands(&workload, &plan).await.map(|()| None)
            } else if !plan.is_due {
                self.remember(&workload, &plan.desired);
                return Ok(Written::AsDesired(workload.into(), plan));
            } else if let Some(held) = self.held(found, &workload, &plan, wanted) {
                return Ok(Written::Held(workload.into(), plan, held.0, held.1));
            } else {
                self.apply(&workload, &plan).await.map(Some)
            };
            match attempt {
                Ok(None) => {}
                Ok(Some(applied)) => {
                    self.count(found, &plan.desired);
                    self.remember(&applied, &plan.desired);
                    return Ok(Written::AsDesired(applied.into(), plan));
                }
                Err(kube::Error::Api(status)) if status.is_conflict() && look < LOOKS => {}
                Err(kube::Error::Api(status)) if status.is_not_found() => return Ok(Written::Gone),
                Err(kube::Error::Api(status)) if status.is_invalid() || status.is_forbidden() => {
                    tracing::warn!(workload = %found.key, namespace = found.key.namespace, message = status.message, "refused");
                    return Ok(Written::Held(
                        workload.into(),
                        plan,
                        Outcome::Refused(status.message),
                        REFUSED,
                    ));
                }
                Err(error) => return Err(error),
            }
        }
    }

    /// Why nothing may be written now, and how long.
    fn held(&self, found: &Found, workload: &Workload, plan: &Plan, wanted: &[Wanted]) -> Option<(Outcome, Duration)> {
        let mut known = locked(&self.known);
        let known = known.get_mut(&found.key)?;
        let reference = found.key.reference();
        let template = workload.template();
        // Who is going is on record first: what waits for the old pods must know whose, after a crash too.
        let is_unrecorded = wanted.iter().any(|wanted| {
            wanted.is_going && !wanted.consumers.contains(&reference) && holds(&template, &wanted.secret)
        });
        if is_unrecorded && known.unrecorded < RECORDS {
            known.unrecorded += 1;
            return Some((Outcome::Shared(super::judge::Share::default()), SOON));
        }
        known.unrecorded = 0;
        if known.applied.as_ref() != Some(&plan.desired) {
            return None;
        }
        let manager = wrote_since(&known.writers, workload.object.managed_fields());
        let wait = known.contest.wait(Instant::now())?;
        Some((Outcome::Contested(manager), wait))
    }

    /// Counts an apply of what had been applied before: somebody undid it.
    fn count(&self, found: &Found, desired: &Desired) {
        let mut known = locked(&self.known);
        if let Some(known) = known
            .get_mut(&found.key)
            .filter(|known| known.applied.as_ref() == Some(desired))
        {
            known.contest.take(Instant::now());
        }
    }

    /// Takes over what our Application controller gave the workload when it made it, and gives up what shows somebody
    /// else's value by now. Changes no template.
    async fn change_hands(&self, workload: &Workload, plan: &Plan) -> kube::Result<()> {
        let meta = &workload.object.metadata;
        let now = Time(self.context.engine.clock().now());
        let managed = given_up(workload.kind, workload.object.managed_fields(), &plan.give_up);
        let managed = handed_over(workload.kind, &managed, &plan.hand_over, now);
        let patch = Patch::Merge(json!({ "metadata": {
            "uid": meta.uid,
            "resourceVersion": meta.resource_version,
            "managedFields": managed,
        }}));
        let params = PatchParams {
            field_manager: Some(names::MANAGER_BINDING.into()),
            ..PatchParams::default()
        };
        let key = workload.key();
        key.api(&self.context.client)
            .patch_metadata(&key.name, &params, &patch)
            .await?;
        Ok(())
    }

    async fn apply(&self, workload: &Workload, plan: &Plan) -> kube::Result<Workload> {
        let key = workload.key();
        let params = PatchParams::apply(names::MANAGER_BINDING).force();
        let patch = Patch::Apply(body(workload, &plan.desired));
        let object = key.api(&self.context.client).patch(&key.name, &params, &patch).await?;
        tracing::info!(workload = %key, namespace = key.namespace, variables = plan.desired.env.len(), "applied");
        Ok(Workload {
            kind: workload.kind,
            object,
        })
    }

    fn remember(&self, workload: &Workload, desired: &Desired) {
        if let Some(known) = locked(&self.known).get_mut(&workload.key()) {
            known.applied = Some(desired.clone());
            known.writers = writers(workload.object.managed_fields());
        }
    }

    /// Keeps what came of it, and has the CloudResources concerned looked at if that is news.
    fn settle(&self, found: &Found, verdicts: BTreeMap<String, Verdict>, settled: Option<(Option<i64>, Vec<Wanted>)>) {
        let mut known = locked(&self.known);
        let Some(known) = known.get_mut(&found.key).filter(|known| known.uid == found.uid) else {
            return;
        };
        known.settled = settled;
        if known.verdicts != verdicts {
            let before = std::mem::replace(&mut known.verdicts, verdicts);
            self.tell(&found.key.namespace, before.keys());
            self.tell(&found.key.namespace, known.verdicts.keys());
        }
    }
}

/// What is wanted, without what we ourselves write down of it.
fn without_records(wanted: &[Wanted]) -> Vec<Wanted> {
    let mut wanted = wanted.to_vec();
    for wanted in wanted.iter_mut().filter(|wanted| !wanted.is_going) {
        wanted.consumers.clear();
    }
    wanted
}
