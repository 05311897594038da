//! What there is of a database, and what that means.

use mooring_provider::{Bindings, Change, Drift, ExternalId, Owner, Phase, spec};

use super::{
    check,
    host::{Found, Server},
    record::Stage,
};

/// What a server says of one database.
#[derive(Debug)]
pub(crate) struct State {
    pub(crate) server: Server,
    pub(crate) version: String,
    pub(crate) found: Found,
}

/// The id of a database: `SERVER/DATABASE`.
pub(crate) fn id(server: &str, database: &str) -> ExternalId {
    ExternalId::new([server, database].join("/"))
}

impl State {
    pub(crate) fn id(&self) -> ExternalId {
        id(&self.server.config.name, &self.found.name)
    }

    pub(crate) fn owner(&self) -> Option<Owner> {
        self.found.record.as_ref()?.owner()
    }

    pub(crate) fn phase(&self) -> Phase {
        let name = &self.found.name;
        let Some(record) = &self.found.record else {
            return Phase::Ready;
        };
        if let Some(until) = &record.parked_until {
            return Phase::Parked(until.clone());
        }
        match record.stage {
            _ if self.found.present && !self.found.held => Phase::Failed(format!(
                "the database `{name}` does not belong to the role `{name}`, as it was made; if it is the one that was \
                 made, set it back: ALTER DATABASE \"{name}\" OWNER TO \"{name}\""
            )),
            Stage::Deleting if !self.found.present => {
                Phase::Failed("its removal was begun; it can only be removed altogether".into())
            }
            Stage::Making => Phase::Unreachable("it is half made".into()),
            _ if !self.found.present => Phase::Unreachable("its database is not there".into()),
            _ if !self.found.admits => Phase::Unreachable("it admits no connections".into()),
            _ => Phase::Ready,
        }
    }

    pub(crate) fn drift(&self, spec: &spec::Rds, connections: u32) -> Drift {
        let mut drift = Drift::none();
        let Some(record) = &self.found.record else {
            return drift;
        };
        drift.compare("engine", Change::Immutable, &spec.engine, &self.server.engine);
        if let Some(wanted) = &spec.version
            && !check::is_version(wanted, &self.version)
        {
            drift.compare("version", Change::Immutable, wanted, &self.version);
        }
        if record.stage == Stage::Making {
            drift.compare("database", Change::Enforced, &"made", &"half made");
            return drift;
        }
        let open = (self.found.admits, self.found.closed);
        drift.compare("grants", Change::Enforced, &(true, true), &open);
        if let Some(limit) = self.found.limit {
            drift.compare("connections", Change::Enforced, &record.connections, &limit);
        }
        drift.compare("tags", Change::Enforced, &spec.common.tags, &record.tags);
        drift.compare("class", Change::OnChange, &connections, &record.connections);
        let storage = (spec.storage.to_string(), record.storage.to_string());
        drift.compare("storage", Change::OnChange, &storage.0, &storage.1);
        drift
    }

    pub(crate) fn bindings(&self) -> Bindings {
        if self.phase() != Phase::Ready {
            return Bindings::new();
        }
        let (config, engine) = (&self.server.config, self.server.engine);
        let port = config.port.unwrap_or(engine.port());
        let (host, port) = match &config.client_address {
            Some(address) => (&address.host, address.port.unwrap_or(port)),
            None => (&config.host, port),
        };
        Bindings::from([
            ("type".into(), engine.scheme().into()),
            ("provider".into(), "onprem".into()),
            ("host".into(), host.as_str().into()),
            ("port".into(), port.to_string().into()),
            ("database".into(), self.found.name.as_str().into()),
            ("ca.crt".into(), config.ca_bundle.as_str().into()),
        ])
    }
}
