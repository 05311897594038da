//! The stages of a quiet life.

use serde_json::json;

use super::{In, Played, Stage, ensure};
use crate::{
    ErrorKind, Kind, Phase, Sighting, Step,
    conformance::{Life, Wish},
};

/// It comes up, is seen as ready, differs in nothing, and can be used.
pub(super) async fn converges(stage: &Stage<'_>) -> Played {
    let mut life = stage.life();
    let outcome = life.until(Wish::Present).await.during("bringing it up")?;
    let seen = outcome.seen.ok_or("nothing was seen").during("bringing it up")?;
    ensure(seen.phase == Phase::Ready, "looking at it", || {
        format!("it is {:?}", seen.phase)
    })?;
    ensure(seen.drift.is_empty(), "comparing it", || {
        format!("it differs: {:?}", seen.drift)
    })?;
    let usable = stage.adapter().kind() == Kind::Monitor || !seen.bindings.is_empty();
    ensure(usable, "using it", || "it is ready and has no bindings".into())?;
    stage.gone(life).await
}

/// Once it is there, looking again changes nothing.
pub(super) async fn creates_once(stage: &Stage<'_>) -> Played {
    let mut life = stage.ready().await?;
    let id = life.claim.id.clone();
    let looks = match &id {
        Some(id) => stage.subject.look(id).await,
        None => None,
    };
    for _ in 0..3 {
        let outcome = life.step(Wish::Present).await.during("looking again")?;
        ensure(outcome.step == Step::Ready, "looking again", || {
            format!("it did {:?}", outcome.step)
        })?;
    }
    // A broker that forgot everything finds it by its tags.
    let mut again = Life::new(stage.subject, stage.adapter(), life.claim.owner.clone());
    again
        .until(Wish::Present)
        .await
        .during("looking again without memory")?;
    ensure(again.claim.id == id, "looking again without memory", || {
        format!("{id:?} became {:?}", again.claim.id)
    })?;
    stage.exactly_one(&life.claim.owner, "looking again").await?;
    if let Some(id) = &id {
        let now = stage.subject.look(id).await;
        ensure(now == looks, "looking again", || {
            format!("it changed from {looks:?} to {now:?}")
        })?;
    }
    stage.gone(life).await
}

/// It goes, without a spec, and going again succeeds.
pub(super) async fn leaves_nothing(stage: &Stage<'_>) -> Played {
    let never = stage.life();
    stage.gone(never).await?;
    let life = stage.ready().await?;
    let (adapter, claim) = (stage.adapter(), life.claim.clone());
    let seen = adapter.observe(std::slice::from_ref(&claim)).await.pop();
    let Some(Ok(Sighting::One(state))) = seen else {
        return Err(("observing it".into(), format!("it is ready and seen as {seen:?}")));
    };
    stage.gone(life).await?;
    adapter.delete(&claim, &state).await.during("deleting what is gone")?;
    stage.nothing(&claim.owner, "deleting what is gone").await
}

/// A changed declaration is carried out on the same resource.
pub(super) async fn changes_in_place(stage: &Stage<'_>) -> Played {
    let mut life = stage.ready().await?;
    let id = life.claim.id.clone();
    life.spec = stage.subject.changed();
    let outcome = life.until(Wish::Present).await.during("changing it")?;
    let drift = outcome.seen.map(|seen| seen.drift).unwrap_or_default();
    ensure(drift.is_empty(), "changing it", || {
        format!("it still differs: {drift:?}")
    })?;
    ensure(life.claim.id == id, "changing it", || {
        format!("{id:?} became {:?}", life.claim.id)
    })?;
    stage.exactly_one(&life.claim.owner, "changing it").await?;
    stage.gone(life).await
}

/// What is enforced comes back as it was declared.
pub(super) async fn undoes_tampering(stage: &Stage<'_>) -> Played {
    let mut life = stage.ready().await?;
    if let Some(id) = life.claim.id.clone()
        && stage.subject.tamper(&id).await
    {
        let outcome = life.step(Wish::Present).await.during("seeing the change")?;
        let updates = matches!(outcome.step, Step::Updated { .. });
        ensure(updates, "seeing the change", || format!("it did {:?}", outcome.step))?;
        life.until(Wish::Present).await.during("undoing the change")?;
    }
    stage.gone(life).await
}

/// What is gone and wanted again is a new one: the client token of the old one must not answer for it.
pub(super) async fn recreates(stage: &Stage<'_>) -> Played {
    let mut life = stage.ready().await?;
    let old = life.claim.id.clone();
    if let Some(old) = &old {
        stage.subject.destroy(old).await;
    }
    life.recreate = true;
    life.until(Wish::Present).await.during("making it anew")?;
    ensure(life.claim.id != old, "making it anew", || {
        format!("{old:?} was destroyed and is back")
    })?;
    stage.exactly_one(&life.claim.owner, "making it anew").await?;
    stage.gone(life).await
}

/// Nothing is silently ignored.
pub(super) async fn refuses_unknown_option(stage: &Stage<'_>) -> Played {
    let mut spec = stage.subject.spec();
    spec["common"]["options"] = json!({"noSuchOptionAnywhere": 1});
    let (adapter, step) = (stage.adapter(), "validating it");
    match adapter.validate(&spec) {
        Ok(()) => Err((step.into(), "it was taken".into())),
        Err(error) => ensure(
            error.kind() == ErrorKind::InvalidSpec && error.message().contains("noSuchOptionAnywhere"),
            step,
            || format!("the error should be InvalidSpec and name the option: {error}"),
        ),
    }
}
