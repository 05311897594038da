//! What must hold when all is quiet.

use std::collections::BTreeSet;

use mooring::ledger::{Filter, Ledger, Standing};
use mooring_provider::{Access, ClusterId, ExternalId, Identity, Kind, Phase};
use mooring_provider_mock::{Cloud, Op};
use secrecy::ExposeSecret;

use crate::{
    front::{Front, Wish},
    process::{CLUSTER, owner},
};

/// What the story knows beside: which rows were written, what was destroyed, what is a stranger's.
#[derive(Debug, Default)]
pub(crate) struct Expected {
    pub(crate) rows: Option<(ExternalId, String)>,
    pub(crate) destroyed: BTreeSet<Identity>,
    pub(crate) foreign: Vec<(ExternalId, String)>,
    pub(crate) ledger_lost: bool,
}

pub(crate) async fn quiet(
    front: &Front,
    cloud: &Cloud,
    ledger: &dyn Ledger,
    expected: &Expected,
) -> Result<(), String> {
    let declared: Vec<_> = front.all().values().cloned().collect();
    for (id, before) in &expected.foreign {
        let now = cloud.get(id).map(|resource| format!("{resource:?}"));
        if now.as_ref() != Some(before) {
            return Err(format!("promise 3: the stranger's {id} was touched: {now:?}"));
        }
    }
    let standing = cloud.list();
    for resource in standing.iter().filter(|resource| resource.owner().is_some()) {
        let owner = resource.owner().expect("it was asked for");
        let alive = declared
            .iter()
            .any(|declared| declared.identity == owner.identity && !(declared.wish == Wish::Absent));
        if owner.cluster.as_str() == CLUSTER && !alive {
            return Err(format!("promise 1: {} ({}) is an orphan", resource.id, owner.key));
        }
    }
    for declared in &declared {
        let owned = cloud.owned(&owner(declared));
        if owned.len() > 1 {
            let ids: Vec<_> = owned.iter().map(|resource| resource.id.as_str()).collect();
            return Err(format!("promise 2: {} has {}", declared.key, ids.join(" and ")));
        }
        match (declared.wish, owned.first()) {
            (Wish::Absent, None) => {}
            (Wish::Present | Wish::Parked, None) if expected.destroyed.contains(&declared.identity) => {
                if declared.wish == Wish::Present && declared.kind.bears_data() && declared.reason != "Lost" {
                    return Err(format!(
                        "promise 8: {} is lost and says {}",
                        declared.key, declared.reason
                    ));
                }
            }
            (wish, None) => return Err(format!("{} is wanted {wish:?} and is not there", declared.key)),
            (_, Some(resource)) => {
                if declared.kind.bears_data() && expected.destroyed.contains(&declared.identity) {
                    return Err(format!("promise 2: {} was lost and came back empty", declared.key));
                }
                let parked = matches!(cloud.phase(&resource.id), Some(Phase::Parked(_)));
                if parked != (declared.wish == Wish::Parked) {
                    return Err(format!("{} is wanted {:?}", declared.key, declared.wish));
                }
                if declared.kind == Kind::Rds {
                    let login = cloud.login(&resource.id, "shop", declared.password.expose_secret());
                    if login != (declared.wish == Wish::Present).then_some(Access::Owner) {
                        return Err(format!(
                            "{}: the login of a {:?} one is {login:?}",
                            declared.key, declared.wish
                        ));
                    }
                }
            }
        }
    }
    if let Some((id, row)) = &expected.rows {
        let here = cloud.rows(id).is_some_and(|rows| rows.contains(row));
        let database = declared
            .iter()
            .find(|declared| declared.kind == Kind::Rds)
            .expect("the story has one");
        let given_up = database.wish == Wish::Absent || expected.destroyed.contains(&database.identity);
        if !here && !given_up {
            return Err(format!("promise 2: the row in {id} is gone"));
        }
    }
    order(cloud)?;
    secrets(front, ledger).await?;
    if !expected.ledger_lost {
        on_record(front, ledger).await?;
    }
    Ok(())
}

/// Once a network's deletion was asked for, nothing in it may still be worked on.
fn order(cloud: &Cloud) -> Result<(), String> {
    let mut deleting = false;
    for call in cloud.calls() {
        match (call.kind, call.op) {
            (Some(Kind::Vpc), Op::Create) => deleting = false,
            (Some(Kind::Vpc), Op::Delete) => deleting = true,
            (Some(Kind::Rds | Kind::Slb), Op::Create | Op::Delete) if deleting => {
                return Err(format!(
                    "promise 5: {call} came after the deletion of its network began"
                ));
            }
            _ => {}
        }
    }
    Ok(())
}

/// No password is anywhere but where it belongs.
async fn secrets(front: &Front, ledger: &dyn Ledger) -> Result<(), String> {
    let everything = Filter {
        gone: true,
        ..Filter::default()
    };
    let records = format!(
        "{:?}",
        ledger.list(&everything).await.map_err(|error| error.to_string())?
    );
    let audits = ledger
        .audits(None, jiff::Timestamp::MIN, 10_000)
        .await
        .map_err(|error| error.to_string())?;
    let audits = format!("{audits:?}");
    for declared in front.all().values() {
        let password = declared.password.expose_secret();
        for (place, text) in [
            ("ledger", &records),
            ("audit", &audits),
            ("status", &declared.told.join("\n")),
        ] {
            if text.contains(password) {
                return Err(format!("promise 6: the password of {} is in the {place}", declared.key));
            }
        }
    }
    Ok(())
}

/// The ledger agrees with what is.
async fn on_record(front: &Front, ledger: &dyn Ledger) -> Result<(), String> {
    let filter = Filter {
        cluster: Some(ClusterId::new(CLUSTER)),
        gone: true,
        ..Filter::default()
    };
    let records = ledger.list(&filter).await.map_err(|error| error.to_string())?;
    for declared in front.all().values() {
        let record = records.iter().find(|record| record.owner.identity == declared.identity);
        let standing = record.map(|record| record.standing);
        let right = match declared.wish {
            Wish::Present => standing == Some(Standing::Live),
            Wish::Parked => standing == Some(Standing::Parked),
            Wish::Absent => matches!(standing, Some(Standing::Gone) | None),
        };
        if !right && declared.reason != "Lost" {
            return Err(format!(
                "promise 1: {} is wanted {:?}, the ledger has {standing:?}",
                declared.key, declared.wish
            ));
        }
    }
    Ok(())
}
