//! Making instances, changing them, and taking them away.

use mooring_provider::{
    Claim, Error, ErrorKind, ExternalId, Receipt, Result,
    spec::{Engine, Rds},
};
use serde::Deserialize;
use serde_json::{Value as Json, json};

use super::{
    Databases, Options,
    state::{DATABASE, Instance, PARKED, State},
};
use crate::{
    config::Service,
    label,
    session::{Call, one, receipt},
};

const CREATE: &str = "rds.create";
const UPDATE: &str = "rds.update";
const DELETE: &str = "rds.delete";
const PARK: &str = "rds.park";

#[derive(Deserialize)]
struct Backup {
    id: String,
    name: String,
    status: String,
}

impl Databases {
    /// The datastore of Trove that serves an engine, and its version unless the spec names one.
    pub(super) fn datastore(&self, engine: Engine) -> (String, Option<String>) {
        match self.session.config.datastores.get(&engine) {
            Some(datastore) => (datastore.name.clone(), datastore.version.clone()),
            None => (engine.as_str().to_owned(), None),
        }
    }

    pub(super) async fn begin(&self, claim: &Claim, spec: &Rds, options: Options) -> Result<(ExternalId, Receipt)> {
        let mut by_owner = claim.clone();
        by_owner.id = None;
        match self.sight(&self.view().await?, &by_owner).await? {
            mooring_provider::Sighting::One(state) if state.instance.status != "SHUTDOWN" => {
                return Ok((state.id(), Receipt::default()));
            }
            _ => {}
        }
        let name = label::entitle(&claim.name, &claim.owner, &[(DATABASE, &spec.database)])?;
        // Room for the word that a parked one has more.
        label::describe(
            &claim.owner,
            &[(DATABASE, &spec.database), (PARKED, "2100-01-01T00:00:00.000000Z")],
        )?;
        let (datastore, version) = self.datastore(spec.engine);
        let mut nic = json!({});
        if let Some(network) = &spec.network.id {
            nic["network_id"] = json!(network);
        }
        if let Some(subnet) = spec.network.subnets.first() {
            nic["subnet_id"] = json!(subnet.id);
        }
        let mut body = json!({
            "name": name,
            "flavorRef": self.flavor(&spec.class, CREATE).await?,
            "volume": {"size": spec.storage.as_gib()},
            "datastore": {"type": datastore},
            "nics": [nic],
            "databases": [{"name": spec.database}],
            "access": access(spec),
        });
        if let Some(version) = spec.version.clone().or(version) {
            body["datastore"]["version"] = json!(version);
        }
        if let Some(kind) = options
            .volume_type
            .as_ref()
            .or(self.session.config.volume_type.as_ref())
        {
            body["volume"]["type"] = json!(kind);
        }
        let call = Call::post(CREATE, Service::Database, "/instances", json!({ "instance": body }));
        let answer = self.session.make(call).await?;
        let made: Instance = one(&answer, CREATE, "instance")?;
        Ok((ExternalId::new(made.id), receipt(&answer)))
    }

    /// The id of a flavor that is given by name or id.
    async fn flavor(&self, class: &str, operation: &'static str) -> Result<String> {
        let flavors = self.flavors().await?;
        let found = flavors
            .iter()
            .find(|flavor| flavor.id() == class || flavor.name == class);
        found.map(|flavor| flavor.id().to_owned()).ok_or_else(|| {
            let names: Vec<_> = flavors.iter().map(|flavor| flavor.name.as_str()).collect();
            let message = format!(
                "rds class: `{class}` is no flavor of this cloud; it has {}",
                names.join(", ")
            );
            Error::new(ErrorKind::InvalidSpec, operation, message)
        })
    }

    /// Closes one difference, as it is now.
    pub(super) async fn close(&self, state: &State, spec: &Rds, field: &str) -> Result<Receipt> {
        let Some(now) = self.anew(state).await? else {
            return Ok(Receipt::default());
        };
        let id = &now.instance.id;
        let action = match field {
            "clients" => return self.edit(UPDATE, id, json!({"access": access(spec)})).await,
            "class" if !now.is_of_class(&spec.class) => {
                let flavor = self.flavor(&spec.class, UPDATE).await?;
                if flavor == now.instance.flavor.id {
                    return Ok(Receipt::default());
                }
                json!({"resize": {"flavorRef": flavor}})
            }
            "storage"
                if now
                    .instance
                    .volume
                    .as_ref()
                    .is_some_and(|volume| volume.size < spec.storage.as_gib()) =>
            {
                json!({"resize": {"volume": {"size": spec.storage.as_gib()}}})
            }
            _ => return Ok(Receipt::default()),
        };
        let call = Call::post(UPDATE, Service::Database, format!("/instances/{id}/action"), action);
        Ok(receipt(&self.session.change(call).await?))
    }

    async fn edit(&self, operation: &'static str, id: &str, change: Json) -> Result<Receipt> {
        let call = Call::put(
            operation,
            Service::Database,
            format!("/instances/{id}"),
            json!({ "instance": change }),
        );
        Ok(receipt(&self.session.change(call).await?))
    }

    /// Gives an instance another name: another owner, or parked, or no longer.
    pub(super) async fn rename(
        &self,
        operation: &'static str,
        claim: &Claim,
        now: &State,
        parked: Option<&str>,
    ) -> Result<Receipt> {
        let database = now.word(DATABASE).unwrap_or_default();
        let mut words = vec![(DATABASE, database.as_str())];
        words.extend(parked.map(|until| (PARKED, until)));
        let name = label::entitle(&claim.name, &claim.owner, &words)?;
        match now.instance.name == name {
            true => Ok(Receipt::default()),
            false => self.edit(operation, &now.instance.id, json!({ "name": name })).await,
        }
    }

    async fn backups(&self, operation: &'static str, id: &str) -> Result<Vec<Backup>> {
        let call = Call::get(operation, Service::Database, format!("/instances/{id}/backups"));
        Ok(self.session.list(call, "backups", "id").await?.unwrap_or_default())
    }

    /// Backs it up, and when that is done shuts everybody out and says so in its name.
    pub(super) async fn shut(&self, claim: &Claim, now: &State, until: &str, backup: bool) -> Result<Receipt> {
        let id = &now.instance.id;
        if backup {
            let name = format!("{} {until}", claim.name);
            let made = self.backups(PARK, id).await?.into_iter().find(|made| made.name == name);
            match made.as_ref().map(|made| made.status.as_str()) {
                Some("COMPLETED") => {}
                Some("FAILED" | "DELETE_FAILED") => {
                    let message = format!(
                        "the backup `{name}` before parking failed; `openstack database backup show` tells why; delete \
                         it and it is tried again, or set finalBackup: false"
                    );
                    return Err(Error::new(ErrorKind::Unexpected, PARK, message));
                }
                Some(status) => {
                    let message = format!("the backup `{name}` is {status}");
                    return Err(Error::new(ErrorKind::Busy, PARK, message));
                }
                None => {
                    let body = json!({"backup": {"name": name, "instance": id}});
                    let answer = self
                        .session
                        .make(Call::post(PARK, Service::Database, "/backups", body))
                        .await?;
                    return Ok(receipt(&answer));
                }
            }
        }
        for user in self.users(PARK, id).await? {
            self.drop_user(PARK, id, &user.name).await?;
        }
        self.rename(PARK, claim, now, Some(until)).await
    }

    /// Removes the backups that parking made, then the instance.
    pub(super) async fn end(&self, claim: &Claim, now: &State) -> Result<Receipt> {
        let id = &now.instance.id;
        for backup in self.backups(DELETE, id).await? {
            // Only parking makes backups of this name.
            if backup.name.starts_with(&format!("{} ", claim.name)) {
                self.session
                    .remove(Call::delete(
                        DELETE,
                        Service::Database,
                        format!("/backups/{}", backup.id),
                    ))
                    .await?;
            }
        }
        match self
            .session
            .remove(Call::delete(DELETE, Service::Database, format!("/instances/{id}")))
            .await
        {
            // It is going already.
            Err(error) if error.kind() == ErrorKind::Busy && now.instance.status == "SHUTDOWN" => {
                Ok(Receipt::default())
            }
            done => done,
        }
    }
}

/// Who may connect. Without any range Trove admits everybody who reaches the network.
fn access(spec: &Rds) -> Json {
    match spec.clients.as_slice() {
        [] => json!({"is_public": false}),
        clients => json!({"is_public": false, "allowed_cidrs": clients}),
    }
}
