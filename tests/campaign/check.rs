//! What must hold when all is quiet.

use std::collections::BTreeSet;

use mooring::ledger::{Filter, Ledger, Standing};
use mooring_provider::{Access, ClusterId, ExternalId, Identity, Kind};
use secrecy::ExposeSecret;

use crate::{
    cloud::Cloud,
    front::{Front, Wish},
    process::CLUSTER,
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
    cloud: &dyn Cloud,
    ledger: &dyn Ledger,
    expected: &Expected,
) -> Result<(), String> {
    let declared: Vec<_> = front.all().values().cloned().collect();
    for (id, before) in &expected.foreign {
        let now = cloud.look(id);
        if now.as_ref() != Some(before) {
            return Err(format!("promise 3: the stranger's {id} was touched: {now:?}"));
        }
    }
    let standing = cloud.owned();
    for thing in standing.iter().filter(|thing| !thing.going) {
        let alive = declared
            .iter()
            .any(|declared| declared.identity == thing.identity && declared.wish != Wish::Absent);
        if !alive {
            return Err(format!("promise 1: {} of {} is an orphan", thing.id, thing.identity));
        }
    }
    for declared in &declared {
        let owned: Vec<_> = standing
            .iter()
            .filter(|thing| thing.whole && thing.identity == declared.identity && !thing.going)
            .collect();
        if owned.len() > 1 {
            let ids: Vec<_> = owned.iter().map(|thing| thing.id.as_str()).collect();
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
            (_, Some(thing)) => {
                if declared.kind.bears_data() && expected.destroyed.contains(&declared.identity) {
                    return Err(format!("promise 2: {} was lost and came back empty", declared.key));
                }
                if thing.parked != (declared.wish == Wish::Parked) {
                    return Err(format!("{} is wanted {:?}", declared.key, declared.wish));
                }
                if declared.kind == Kind::Rds {
                    let login = cloud.login(&thing.id, "shop", declared.password.expose_secret());
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

/// Once a network's deletion was asked for, nothing in it may still be worked on; that a second process asks for a
/// deletion once more does no harm.
fn order(cloud: &dyn Cloud) -> Result<(), String> {
    let (mut deleting, mut asked) = (false, std::collections::BTreeSet::new());
    for deed in cloud.deeds() {
        let what = deed.shown.split_once(' ').map_or("", |(_, what)| what).to_owned();
        let again = what.contains(".delete ") && !asked.insert(what);
        match (deed.kind, deed.created) {
            (Kind::Vpc, created) => deleting = !created,
            (Kind::Rds | Kind::Slb, _) if deleting && !again => {
                return Err(format!(
                    "promise 5: {} came after the deletion of its network began",
                    deed.shown
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
