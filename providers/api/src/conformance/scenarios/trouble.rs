//! Calls that fail, answers that are lost, two at once.

use std::sync::Arc;

use super::{In, Played, Stage, ensure};
use crate::{
    Access, Account, ErrorKind, Sighting, Step,
    conformance::{Faults, Faulty, Life, Twice, When, Wish},
};

/// A walk that has not run out of calls to fail after so many never will.
const CALLS: usize = 200;

/// A whole life: up with an account, changed, parked and reclaimed, without the account, down.
async fn whole(stage: &Stage<'_>, mut life: Life<'_>) -> Played {
    let capability = stage.adapter().capability();
    let account = Account {
        name: "app".into(),
        access: Access::Owner,
        password: "Kit-whole-1".into(),
    };
    if capability.accounts {
        life.accounts = vec![(account, false)];
    }
    life.until(Wish::Present).await.during("bringing it up")?;
    stage.exactly_one(&life.claim.owner, "bringing it up").await?;
    let id = life.claim.id.clone();
    life.spec = stage.subject.changed();
    life.until(Wish::Present).await.during("changing it")?;
    if capability.parks {
        life.until(Wish::Parked).await.during("parking it")?;
        life.until(Wish::Present).await.during("reclaiming it")?;
    }
    if capability.accounts {
        life.revoked = life.accounts.drain(..).map(|(account, _)| account.name).collect();
        life.until(Wish::Present).await.during("dropping its account")?;
    }
    ensure(life.claim.id == id, "living", || {
        format!("{id:?} became {:?}", life.claim.id)
    })?;
    stage.exactly_one(&life.claim.owner, "living").await?;
    stage.gone(life).await
}

/// Lives a whole life for each of its calls, in which that call fails.
async fn walk(stage: &Stage<'_>, when: When) -> Played {
    let faulty = match stage.subject.fails_reads() {
        true => Faulty::new(stage.adapter()),
        false => Faulty::sparing_reads(stage.adapter()),
    };
    let mut sources: Vec<Arc<dyn Faults>> = vec![faulty.clone()];
    sources.extend(stage.subject.faults());
    for faults in sources {
        for position in 0.. {
            let life = Life::new(stage.subject, faulty.clone(), stage.owner());
            faults.arm(position, when);
            let lived = whole(stage, life).await;
            let hit = faults.disarm();
            lived.map_err(|(step, message)| (format!("call {position} failed {when:?}, {step}"), message))?;
            if !hit {
                break;
            }
            ensure(position < CALLS, "counting calls", || {
                format!("a life takes more than {CALLS} calls")
            })?;
        }
    }
    Ok(())
}

pub(super) async fn fails_before(stage: &Stage<'_>) -> Played {
    walk(stage, When::Before).await
}

pub(super) async fn fails_after(stage: &Stage<'_>) -> Played {
    walk(stage, When::After).await
}

pub(super) async fn every_step_twice(stage: &Stage<'_>) -> Played {
    let twice = Arc::new(Twice(stage.adapter()));
    whole(stage, Life::new(stage.subject, twice, stage.owner())).await
}

/// Nothing is made a second time because it cannot be seen yet, not even when the answer was lost.
pub(super) async fn invisible(stage: &Stage<'_>) -> Played {
    let time = stage.adapter().capability().appears_within / 2;
    if !stage.subject.hide_new(time).await {
        return Ok(());
    }
    let faulty = Faulty::new(stage.adapter());
    let mut lived = whole(stage, Life::new(stage.subject, faulty.clone(), stage.owner())).await;
    for position in 0..4 {
        if lived.is_ok() {
            faulty.arm(position, When::After);
            lived = whole(stage, Life::new(stage.subject, faulty.clone(), stage.owner())).await;
            faulty.disarm();
        }
    }
    stage.subject.hide_new(std::time::Duration::ZERO).await;
    lived
}

/// Of two that share the journal, one creates.
pub(super) async fn two_brokers(stage: &Stage<'_>) -> Played {
    let mut one = stage.life();
    let mut other = Life::new(stage.subject, stage.adapter(), one.claim.owner.clone()).sharing(&one);
    let (first, second) = futures::join!(one.until(Wish::Present), other.until(Wish::Present));
    first.during("the first")?;
    second.during("the second")?;
    let step = "comparing them";
    ensure(one.claim.id == other.claim.id, step, || {
        format!("{:?} and {:?}", one.claim.id, other.claim.id)
    })?;
    stage.exactly_one(&one.claim.owner, step).await?;
    stage.gone(one).await
}

/// Who may not look has not seen that nothing is there.
pub(super) async fn refused_credentials(stage: &Stage<'_>) -> Played {
    let mut life = stage.ready().await?;
    let (adapter, mut unknown) = (stage.adapter(), life.claim.clone());
    unknown.id = None;
    stage.subject.refuse_credentials(true).await;
    let seen = adapter.observe(&[life.claim.clone(), unknown]).await;
    let listed = adapter.inventory(&stage.cluster()).await.map(|owned| owned.len());
    let gone = life.step(Wish::Absent).await.map(|outcome| outcome.step);
    stage.subject.refuse_credentials(false).await;

    let refusal = |kind| matches!(kind, ErrorKind::Unauthenticated | ErrorKind::PermissionDenied);
    ensure(seen.len() == 2, "observing", || {
        format!("{} answers for 2 claims", seen.len())
    })?;
    for sighting in seen {
        match sighting {
            Err(error) => ensure(refusal(error.kind()), "observing", || {
                format!("{}: {error}", error.reason())
            })?,
            Ok(Sighting::Absent) => return Err(("observing".into(), "refused credentials look like absence".into())),
            Ok(_) => return Err(("observing".into(), "refused credentials see something".into())),
        }
    }
    let refused = listed.as_ref().is_err_and(|error| refusal(error.kind()));
    ensure(refused, "listing", || format!("it should be refused: {listed:?}"))?;
    let deleting = matches!(gone, Ok(Step::Gone | Step::Deleting { .. }));
    ensure(!deleting, "taking it down while refused", || format!("{gone:?}"))?;
    stage
        .exactly_one(&life.claim.owner, "taking it down while refused")
        .await?;
    stage.gone(life).await
}
