//! Accounts, rows and secrets.

use secrecy::SecretString;

use super::{In, Played, Stage, ensure};
use crate::{
    Access, Account, ExternalId,
    conformance::{Life, Wish},
};

fn account(name: &str, access: Access, password: &str) -> Account {
    Account {
        name: name.into(),
        access,
        password: SecretString::from(password),
    }
}

fn id(life: &Life<'_>, step: &str) -> Result<ExternalId, (String, String)> {
    life.claim.id.clone().ok_or("it has no id").during(step)
}

/// Accounts come, get another password, and go; each may be told twice.
pub(super) async fn accounts(stage: &Stage<'_>) -> Played {
    if !stage.adapter().capability().accounts {
        return Ok(());
    }
    let mut life = stage.life();
    life.accounts = vec![
        (account("app", Access::Owner, "Kit-first-1"), false),
        (account("reader", stage.subject.second_access(), "Kit-reader-1"), false),
    ];
    life.until(Wish::Present).await.during("making accounts")?;
    let id = id(&life, "making accounts")?;
    let login = async |user: &str, password: &str, may: bool, step: &str| {
        let can = stage.subject.login(&id, user, password).await;
        ensure(can == may, step, || {
            format!("`{user}` {} log in", if may { "should" } else { "should not" })
        })
    };
    login("app", "Kit-first-1", true, "making accounts").await?;
    login("reader", "Kit-reader-1", true, "making accounts").await?;
    login("app", "Kit-reader-1", false, "making accounts").await?;

    life.accounts[0] = (account("app", Access::Owner, "Kit-second-2"), false);
    life.until(Wish::Present).await.during("another password")?;
    life.accounts[0].1 = false;
    life.until(Wish::Present).await.during("the same password again")?;
    login("app", "Kit-second-2", true, "another password").await?;
    login("app", "Kit-first-1", false, "another password").await?;

    life.accounts.truncate(1);
    for step in ["dropping an account", "dropping it again"] {
        life.revoked = vec!["reader".into()];
        life.until(Wish::Present).await.during(step)?;
        login("reader", "Kit-reader-1", false, step).await?;
        login("app", "Kit-second-2", true, step).await?;
    }
    stage.gone(life).await
}

/// Parked it cannot be used and keeps its data; taken back it is the same one.
pub(super) async fn parks(stage: &Stage<'_>) -> Played {
    let capability = stage.adapter().capability();
    if !capability.parks {
        return Ok(());
    }
    let mut life = stage.life();
    if capability.accounts {
        life.accounts = vec![(account("app", Access::Owner, "Kit-first-1"), false)];
    }
    life.until(Wish::Present).await.during("bringing it up")?;
    let old = id(&life, "bringing it up")?;
    let holds = stage.subject.write(&old, "kept").await;
    let outcome = life.until(Wish::Parked).await.during("parking it")?;
    let usable = outcome.seen.is_some_and(|seen| !seen.bindings.is_empty());
    ensure(!usable, "parking it", || "it is parked and has bindings".into())?;
    life.until(Wish::Parked).await.during("parking it again")?;
    if capability.accounts {
        let can = stage.subject.login(&old, "app", "Kit-first-1").await;
        ensure(!can, "parking it", || "it is parked and admits `app`".into())?;
    }
    stage.exactly_one(&life.claim.owner, "parking it").await?;

    // Who reclaims it has forgotten all but the identity.
    let mut heir = Life::new(stage.subject, stage.adapter(), life.claim.owner.clone());
    heir.accounts = life
        .accounts
        .iter()
        .map(|(account, _)| (account.clone(), false))
        .collect();
    let outcome = heir.until(Wish::Present).await.during("reclaiming it")?;
    let drift = outcome.seen.map(|seen| seen.drift).unwrap_or_default();
    ensure(drift.is_empty(), "reclaiming it", || format!("it differs: {drift:?}"))?;
    ensure(heir.claim.id == Some(old.clone()), "reclaiming it", || {
        format!("{old} became {:?}", heir.claim.id)
    })?;
    let rows = stage.subject.rows(&old).await;
    ensure(!holds || rows == ["kept"], "reclaiming it", || {
        format!("its rows are {rows:?}")
    })?;
    if capability.accounts {
        let can = stage.subject.login(&old, "app", "Kit-first-1").await;
        ensure(can, "reclaiming it", || "it does not admit `app`".into())?;
    }

    heir.until(Wish::Parked).await.during("parking it once more")?;
    stage.gone(heir).await
}

/// What must not be shown is in no debug output.
pub(super) async fn secrets(stage: &Stage<'_>) -> Played {
    const SECRET: &str = "Kit-not-to-be-shown-9";
    let (mut life, adapter) = (stage.life(), stage.adapter());
    life.claim.password = Some(SecretString::from(SECRET));
    if adapter.capability().accounts {
        life.accounts = vec![(account("app", Access::Owner, SECRET), false)];
    }
    let mut shown = String::new();
    let pause = adapter.capability().poll_busy;
    let mut secrets = vec![SECRET.to_owned()];
    for _ in 0..200 {
        let outcome = life.step(Wish::Present).await;
        shown.push_str(&format!("{outcome:?}\n"));
        if let Ok(outcome) = &outcome {
            let bindings = outcome.seen.iter().flat_map(|seen| seen.bindings.values());
            secrets.extend(
                bindings
                    .filter(|value| value.plain().is_none())
                    .map(|value| value.expose().to_owned()),
            );
            if outcome.step == crate::Step::Ready {
                break;
            }
        }
        stage.subject.settle(pause).await;
    }
    shown.push_str(&format!(
        "{adapter:?} {:?}",
        adapter.observe(std::slice::from_ref(&life.claim)).await
    ));
    ensure(
        !secrets.iter().any(|secret| shown.contains(secret.as_str())),
        "printing everything",
        || "a secret is in the debug output".into(),
    )?;
    stage.gone(life).await
}
