//! On which server a new database goes. No I/O.

use mooring_provider::{Bytes, Error, ErrorKind, Result, spec::Rds};

use super::{
    check::is_version,
    host::{Found, Look, Server},
};
use crate::config::Capacity;

/// The server with the most room of those that are what was asked for.
pub(crate) fn place<'a>(spec: &Rds, looks: &[(&'a Server, &Look)]) -> Result<&'a Server> {
    let of_engine = || looks.iter().filter(|(server, _)| server.engine == spec.engine);
    // Where none has a standby, `notes` has said so.
    let standby = spec.high_availability && of_engine().any(|(server, _)| server.config.high_availability);
    let version = |look: &Look| {
        spec.version
            .as_ref()
            .is_none_or(|wanted| is_version(wanted, &look.version))
    };
    let fit: Vec<_> = of_engine()
        .filter(|(server, look)| version(look) && (!standby || server.config.high_availability))
        .collect();
    if fit.is_empty() {
        let there = listed(of_engine().map(|(server, look)| format!("{} has {}", server.config.name, look.version)));
        let wanted = spec.version.as_deref().unwrap_or_default();
        let standby = if standby { " with a standby" } else { "" };
        let message = format!(
            "rds version: there is no {} `{wanted}`{standby} here; {there}",
            spec.engine
        );
        return Err(Error::new(ErrorKind::Unsupported, "rds.create", message));
    }
    let mut best: Option<(f64, &Server)> = None;
    for (server, look) in &fit {
        if let Some(room) = room(&server.config.capacity, &look.found, spec.storage)
            && best.is_none_or(|(most, _)| room > most)
        {
            best = Some((room, server));
        }
    }
    best.map(|(_, server)| server).ok_or_else(|| {
        let there = listed(fit.iter().map(|(server, look)| {
            let (databases, storage) = taken(&look.found);
            format!(
                "{} holds {databases} databases with {storage} bytes",
                server.config.name
            )
        }));
        let message = format!(
            "no {} server has room for another {}: {there}",
            spec.engine, spec.storage
        );
        Error::new(ErrorKind::QuotaExceeded, "rds.create", message)
    })
}

/// How many databases of ours a server holds, and how much storage they were promised.
fn taken(found: &[Found]) -> (u64, u64) {
    let records = || found.iter().filter_map(|found| found.record.as_ref());
    (
        records().count() as u64,
        records().map(|record| record.storage.get()).sum(),
    )
}

/// How much of a server would be free with one more, from 0 to 1; `None` when it has no room for it. Among servers
/// without a limit the one with fewer databases has more room, and less than any with a limit that has not filled half.
pub(crate) fn room(capacity: &Capacity, found: &[Found], more: Bytes) -> Option<f64> {
    let (databases, storage) = taken(found);
    let free = |limit: u64, used: u64| limit.checked_sub(used).map(|free| free as f64 / limit.max(1) as f64);
    let limits = [
        capacity.databases.map(|limit| free(limit.into(), databases + 1)),
        capacity
            .storage
            .map(|limit| free(limit.get(), storage.saturating_add(more.get()))),
    ];
    let mut least = None;
    for room in limits.into_iter().flatten() {
        let room = room?;
        least = Some(least.map_or(room, |least: f64| least.min(room)));
    }
    Some(least.unwrap_or(0.5 / (databases + 1) as f64))
}

fn listed(texts: impl Iterator<Item = String>) -> String {
    texts.collect::<Vec<_>>().join(", ")
}
