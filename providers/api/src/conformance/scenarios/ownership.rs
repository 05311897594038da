//! Whose a resource is.

use std::collections::BTreeSet;

use super::{In, Played, Stage, ensure};
use crate::{
    ClusterId, ErrorKind, Retry, Sighting, Step,
    conformance::{Life, Wish},
    reason,
};

/// The tags name the owner in full from the first sight on.
pub(super) async fn owner_tags(stage: &Stage<'_>) -> Played {
    let life = stage.ready().await?;
    let (adapter, owner) = (stage.adapter(), life.claim.owner.clone());
    let mut by_tag = life.claim.clone();
    by_tag.id = None;
    for (claim, step) in [(&life.claim, "observing by id"), (&by_tag, "observing by tag")] {
        let seen = adapter.observe(std::slice::from_ref(claim)).await.pop();
        let Some(Ok(Sighting::One(state))) = seen else {
            return Err((step.into(), format!("it is ready and seen as {seen:?}")));
        };
        let tagged = adapter.owner(&state);
        ensure(tagged.as_ref() == Some(&owner), step, || {
            format!("the tags should name {owner:?}, not {tagged:?}")
        })?;
    }
    stage.gone(life).await
}

/// What somebody else made under our name is neither taken over, changed nor deleted.
pub(super) async fn foreign_untouched(stage: &Stage<'_>) -> Played {
    let (mut life, subject) = (stage.life(), stage.subject);
    let foreign = subject.foreign(&life.claim.name).await;
    let looks = subject.look(&foreign).await;
    let untouched = async |step: &str| {
        let now = subject.look(&foreign).await;
        ensure(now == looks, step, || format!("{foreign} was {looks:?} and is {now:?}"))
    };
    let pause = stage.adapter().capability().poll_busy;
    for _ in 0..200 {
        match life.step(Wish::Present).await {
            Ok(outcome) if matches!(outcome.step, Step::Ready | Step::Blocked { .. }) => break,
            Err(error) if error.kind() == ErrorKind::NotOwned => break,
            Err(error) if matches!(error.retry(), Retry::OnChange | Retry::Slowly) => {
                return Err(("creating beside it".into(), error.to_string()));
            }
            _ => subject.settle(pause).await,
        }
    }
    untouched("creating beside it").await?;
    life.until(Wish::Absent).await.during("taking ours down")?;
    stage.nothing(&life.claim.owner, "taking ours down").await?;
    untouched("taking ours down").await?;
    // Even who knows its id gets no further than seeing whose it is not.
    let mut thief = Life::new(subject, stage.adapter(), stage.owner());
    for wish in [Wish::Present, Wish::Absent] {
        thief.claim.id = Some(foreign.clone());
        let step = format!("claiming it by its id, {wish:?}");
        let outcome = thief.step(wish).await.during(&step)?;
        let blocked = matches!(&outcome.step, Step::Blocked { reason, .. } if *reason == reason::OWNED_ELSEWHERE);
        ensure(blocked, &step, || format!("it did {:?}", outcome.step))?;
        untouched(&step).await?;
    }
    subject.destroy(&foreign).await;
    Ok(())
}

/// An identity under another key is blocked, until somebody approves that it moves. Not every adapter can move one.
pub(super) async fn moves(stage: &Stage<'_>) -> Played {
    let life = stage.ready().await?;
    let mut moved = life.claim.owner.clone();
    moved.key.application = "moved".into();
    let mut heir = Life::new(stage.subject, stage.adapter(), moved);
    let step = "claiming it under another key";
    let outcome = heir.step(Wish::Present).await.during(step)?;
    let blocked = matches!(&outcome.step, Step::Blocked { reason, .. } if *reason == reason::OWNED_ELSEWHERE);
    ensure(blocked, step, || format!("it did {:?}", outcome.step))?;
    heir.claim.may_adopt = true;
    if matches!(heir.step(Wish::Present).await, Err(error) if error.kind() == ErrorKind::Unsupported) {
        return stage.gone(life).await;
    }
    heir.until(Wish::Present).await.during("moving it")?;
    heir.claim.may_adopt = false;
    heir.until(Wish::Present).await.during("keeping it")?;
    ensure(heir.claim.id == life.claim.id, "moving it", || {
        format!("{:?} became {:?}", life.claim.id, heir.claim.id)
    })?;
    stage.exactly_one(&heir.claim.owner, "moving it").await?;
    stage.gone(heir).await
}

/// One answer for each claim, in their order, those of no resource among them.
pub(super) async fn batch_in_order(stage: &Stage<'_>) -> Played {
    let (first, second) = (stage.ready().await?, stage.ready().await?);
    let mut tagged = second.claim.clone();
    tagged.id = None;
    let nobody = || stage.life().claim;
    let claims = [
        nobody(),
        first.claim.clone(),
        nobody(),
        tagged,
        second.claim.clone(),
        nobody(),
    ];
    let wanted = [
        None,
        first.claim.id.clone(),
        None,
        second.claim.id.clone(),
        second.claim.id.clone(),
        None,
    ];
    let adapter = stage.adapter();
    let seen = adapter.observe(&claims).await;
    let step = "observing six claims";
    ensure(seen.len() == claims.len(), step, || {
        format!("{} answers for {} claims", seen.len(), claims.len())
    })?;
    for (n, (sighting, wanted)) in seen.into_iter().zip(wanted).enumerate() {
        let id = match sighting.during(step)? {
            Sighting::Absent => None,
            Sighting::One(state) => Some(adapter.id(&state)),
            Sighting::Several(ids) => return Err((step.into(), format!("answer {n} is several: {ids:?}"))),
        };
        ensure(id == wanted, step, || {
            format!("answer {n} should be {wanted:?}, not {id:?}")
        })?;
    }
    ensure(adapter.observe(&[]).await.is_empty(), "observing nothing", || {
        "it has an answer".into()
    })?;
    stage.gone(first).await?;
    stage.gone(second).await
}

/// What carries our cluster's tag, and nothing else.
pub(super) async fn inventory(stage: &Stage<'_>) -> Played {
    let (first, second) = (stage.ready().await?, stage.ready().await?);
    let mut elsewhere = stage.life();
    elsewhere.claim.owner.cluster = ClusterId::new("conformance-another-cluster");
    elsewhere
        .until(Wish::Present)
        .await
        .during("bringing up another cluster's")?;
    let foreign = stage.subject.foreign("conformance-foreign").await;
    let listed = stage.adapter().inventory(&stage.cluster()).await.during("listing")?;
    let is: BTreeSet<_> = listed
        .iter()
        .map(|owned| (Some(owned.id.clone()), owned.owner.identity.clone()))
        .collect();
    let wanted: BTreeSet<_> = [&first, &second]
        .map(|life| (life.claim.id.clone(), life.claim.owner.identity.clone()))
        .into();
    ensure(is == wanted && listed.len() == 2, "listing", || {
        format!("it should be {wanted:?}, not {is:?}")
    })?;
    stage.subject.destroy(&foreign).await;
    for life in [first, second, elsewhere] {
        stage.gone(life).await?;
    }
    let left = stage
        .adapter()
        .inventory(&stage.cluster())
        .await
        .during("listing what is left")?;
    ensure(left.is_empty(), "listing what is left", || format!("{left:?}"))
}
