//! `down`: an application's resources go, in order. Needs no valid spec, no Environment and no Application; the state
//! directory is enough.

use std::collections::BTreeMap;

use mooring_provider::Kind;

use super::{
    documents::Documents,
    drive::Progress,
    error::Result,
    front::Front,
    intent,
    leave::{self, Went},
};
use crate::ledger::Standing;

/// Takes an application down and says how each resource went. Of what is not there, nothing is said.
pub async fn down(
    front: &mut Front,
    documents: &Documents,
    (namespace, application): (&str, &str),
    tell: &(dyn Fn(Progress) + Sync),
) -> Result<Vec<Went>> {
    let records = front.records(Some((namespace, application))).await?;
    let leaving: Vec<_> = records
        .iter()
        .filter(|r| matches!(r.standing, Standing::Live | Standing::Deleting))
        .cloned()
        .collect();
    // The declaration's word counts if it is good; if not, what it said when it was last carried out.
    let mut fates = BTreeMap::new();
    if documents.problems.is_empty()
        && documents.application.is_some()
        && let Ok(intent) = intent::intend(front, documents, None).await
    {
        fates.extend(
            intent
                .entries
                .iter()
                .map(|entry| (entry.declaration.key.clone(), entry.fate(&intent))),
        );
    }
    let (units, mut all) = leave::units(front, documents, &leaving, &fates, &[]).await?;
    all.extend(leave::depart(front, &leaving, units, tell).await?);
    let stay = records
        .iter()
        .filter(|record| matches!(record.standing, Standing::Parked | Standing::Retained));
    all.extend(stay.map(|record| {
        let until = record
            .keep_until
            .map_or_else(String::new, |until| format!(" until {until}"));
        let parked = record.standing == Standing::Parked;
        let state = if parked { "parked" } else { "retained" };
        let message = match &record.reason {
            Some(reason) => format!("{reason}{}", if reason.contains("until") { "" } else { &until }),
            None => until,
        };
        Went::of(record, state, message, false)
    }));
    // In the order in which they went.
    all.sort_by_key(|went| match went.kind {
        Kind::Monitor => 0,
        Kind::Vpc => 2,
        _ => 1,
    });
    leave::tidy(front).await?;
    Ok(all)
}
