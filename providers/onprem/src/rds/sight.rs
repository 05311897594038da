//! What a claim sees of what the servers said. No I/O.

use std::collections::BTreeSet;

use mooring_provider::{Claim, Error, ErrorKind, Owner, Result, Sighting};

use super::{
    host::{Found, Look, Server},
    state::State,
};

/// Whether the record is of this identity.
pub(super) fn is_of(found: &Found, owner: &Owner) -> bool {
    found
        .record
        .as_ref()
        .is_some_and(|record| *record.identity() == owner.identity)
}

fn again(error: &Error) -> Error {
    let copy = Error::new(error.kind(), error.operation(), error.message());
    match error.code() {
        Some(code) => copy.with_code(code),
        None => copy,
    }
}

/// The server and the name in the id of a claim.
pub(super) fn parts(claim: &Claim) -> Option<(&str, &str)> {
    claim.id.as_ref()?.as_str().split_once('/')
}

/// What a claim sees of what the servers said.
pub(super) fn sight(claim: &Claim, looks: &[(&Server, Result<Look>)]) -> Result<Sighting<State>> {
    let state = |server: &Server, look: &Look, found: &Found| State {
        server: server.clone(),
        version: look.version.clone(),
        found: found.clone(),
    };
    if let Some(id) = &claim.id {
        let wanted = parts(claim);
        let place = wanted.and_then(|(name, _)| looks.iter().find(|(server, _)| server.config.name == name));
        let (Some((server, look)), Some((_, name))) = (place, wanted) else {
            let message = format!(
                "`{id}` is on no server that `spec.onprem` names, so nothing is known of it; an id is SERVER/DATABASE"
            );
            return Err(Error::new(ErrorKind::PermissionDenied, "rds.observe", message));
        };
        let look = look.as_ref().map_err(again)?;
        let found = look.found.iter().find(|found| found.name == name && found.is_there());
        return Ok(found.map_or(Sighting::Absent, |found| Sighting::One(state(server, look, found))));
    }
    let mut seen = Vec::new();
    let mut unanswered = None;
    for (server, look) in looks {
        match look {
            Ok(look) => {
                let found = look
                    .found
                    .iter()
                    .filter(|found| found.is_there() && is_of(found, &claim.owner));
                seen.extend(found.map(|found| state(server, look, found)));
            }
            Err(error) => unanswered = unanswered.or(Some(error)),
        }
    }
    match (seen.len(), unanswered) {
        (0, Some(error)) => Err(again(error)),
        (0, None) => Ok(Sighting::Absent),
        (1, _) => Ok(seen.pop().map_or(Sighting::Absent, Sighting::One)),
        _ => {
            let ids: BTreeSet<_> = seen.iter().map(State::id).collect();
            Ok(Sighting::Several(ids.into_iter().collect()))
        }
    }
}
