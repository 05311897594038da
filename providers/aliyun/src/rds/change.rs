//! Making an instance, and closing what differs.

use mooring_provider::{
    Claim, Created, Drift, Error, ErrorKind, ExternalId, Receipt, Result,
    spec::{Rds, Tls},
};

use super::{
    config::{Options, Period, RdsConfig},
    engine,
    state::{CLIENT_GROUPS, DATABASE, GROUP, LetIn, NOBODY, STORAGE, State, clients, gigabytes},
    wire,
};
use crate::{
    api::{Api, Call, Nothing},
    marks::{self, Tags},
    params::Params,
    place::{self, Place},
    product::Product,
};

/// Sends a change that says the whole of what is wanted, so that it may be sent again.
pub(super) async fn change(
    api: &Api,
    action: &'static str,
    operation: &'static str,
    params: Params,
) -> Result<Receipt> {
    let call = Call::write(Product::Rds, action, operation, params).idempotent();
    Ok(api.rpc::<Nothing>(call).await?.receipt())
}

/// Sends a change once.
pub(super) async fn once(api: &Api, action: &'static str, operation: &'static str, params: Params) -> Result<Receipt> {
    let call = Call::write(Product::Rds, action, operation, params);
    Ok(api.rpc::<Nothing>(call).await?.receipt())
}

/// Sets tags of an instance.
pub(super) async fn tag(api: &Api, operation: &'static str, id: &ExternalId, tags: &Tags) -> Result<Receipt> {
    let params = Params::new()
        .set("ResourceType", "INSTANCE")
        .list("ResourceId", [id])
        .tags(tags);
    change(api, "TagResources", operation, params).await
}

/// Removes tags of an instance.
pub(super) async fn untag(api: &Api, operation: &'static str, id: &ExternalId, names: &[String]) -> Result<Receipt> {
    let params = Params::new()
        .set("ResourceType", "INSTANCE")
        .list("ResourceId", [id])
        .list("TagKey", names);
    change(api, "UntagResources", operation, params).await
}

/// Zone, zone of the standby, and subnets, as the API takes them.
fn zones(place: &Place, high_availability: bool, options: &Options) -> Result<(String, Option<String>, String)> {
    let (zone, subnet) = &place.zones[0];
    // A standby that is asked for by its edition alone may stand in the same zone.
    if !high_availability && options.category.as_deref().is_none_or(|category| category == "Basic") {
        return Ok((zone.clone(), None, subnet.clone()));
    }
    match place.zones.get(1) {
        Some((other, second)) => Ok((zone.clone(), Some(other.clone()), format!("{subnet},{second}"))),
        None if high_availability => {
            let message = format!(
                "highAvailability: the standby belongs into another zone, and all of network.subnets are in {zone}; the \
                 environment has to name a vSwitch of a second zone"
            );
            Err(Error::new(ErrorKind::InvalidSpec, "rds.create", message))
        }
        None => Ok((zone.clone(), Some(zone.clone()), subnet.clone())),
    }
}

pub(super) async fn create(api: &Api, config: &RdsConfig, claim: &Claim, spec: &Rds) -> Result<Created> {
    let options = Options::read(&spec.common)?;
    let place = place::find(api, "rds.create", &spec.network).await?;
    let (zone, second, subnets) = zones(&place, spec.high_availability, &options)?;
    let storage = gigabytes(spec.storage);
    let more = [(DATABASE, spec.database.clone()), (STORAGE, storage.to_string())];
    let more = more
        .into_iter()
        .chain(spec.client_security_group.clone().map(|group| (CLIENT_GROUPS, group)));
    let tags = marks::all(&claim.owner, &spec.common, more);
    let storage_type = options.storage_type.as_deref().or(config.storage_type.as_deref());
    let mut params = Params::new()
        .set("Engine", engine::native(spec.engine).unwrap_or_default())
        .set("EngineVersion", engine::version(spec))
        .set("DBInstanceClass", &spec.class)
        .set("DBInstanceStorage", storage)
        .set("DBInstanceStorageType", storage_type.unwrap_or("cloud_essd"))
        .set("Category", options.category(spec.high_availability))
        .set("DBInstanceNetType", "Intranet")
        .set("InstanceNetworkType", "VPC")
        .set("VPCId", &place.vpc)
        .set("VSwitchId", subnets)
        .set("ZoneId", zone)
        .maybe("ZoneIdSlave1", second)
        // Nobody comes in before the instance is as it should be; our own group of the whitelist opens it.
        .set("SecurityIPList", NOBODY)
        .set("DBInstanceDescription", &claim.name)
        .maybe("ResourceGroupId", spec.common.resource_group.as_deref())
        .set("ClientToken", claim.token())
        .tags(&tags);
    params = match &config.subscription {
        None => params
            .set("PayType", "Postpaid")
            .set("DeletionProtection", spec.deletion_protection),
        Some(subscription) => params
            .set("PayType", "Prepaid")
            .set(
                "Period",
                match subscription.period {
                    Period::Month => "Month",
                    Period::Year => "Year",
                },
            )
            .set("UsedTime", subscription.count)
            .set("AutoPay", true),
    };
    let call = Call::write(Product::Rds, "CreateDBInstance", "rds.create", params).idempotent();
    let reply = api.rpc::<wire::Created>(call).await?;
    let id = ExternalId::new(&reply.value.id);
    if reply.value.id.is_empty() {
        let message = "the instance that was ordered has no id in the answer; it is looked for by its tags";
        return Err(Error::new(ErrorKind::Unexpected, "rds.create", message));
    }
    if reply.value.tagged == Some(false) {
        // Our token made it, so it is ours; if this fails, the same token answers with the same instance again.
        tag(api, "rds.create", &id, &tags).await?;
    }
    Ok(Created {
        id,
        request_id: reply.request_id,
    })
}

pub(super) async fn update(api: &Api, state: &State, spec: &Rds, drift: &Drift) -> Result<Receipt> {
    let Some(first) = drift.0.first() else {
        return Ok(Receipt::default());
    };
    let of = || Params::new().set("DBInstanceId", &state.id);
    match first.field {
        "tags" => {
            let (set, remove) = marks::difference(&spec.common, &state.tags);
            if set.is_empty() {
                untag(api, "rds.update", &state.id, &remove).await
            } else {
                tag(api, "rds.update", &state.id, &set).await
            }
        }
        "deletionProtection" => protect(api, "rds.update", state, spec.deletion_protection).await,
        "database" => {
            let params = of()
                .set("DBName", &spec.database)
                .set("CharacterSetName", engine::character_set(spec.engine));
            match once(api, "CreateDatabase", "rds.update", params).await {
                Err(error) if has_code(&error, "InvalidDBName.Duplicate") => Ok(Receipt::default()),
                made => made,
            }
        }
        "tls" => {
            let wanted = u8::from(spec.tls != Tls::Disabled);
            let mut params = of()
                .set("ConnectionString", &state.is.connection_string)
                .set("SSLEnabled", wanted);
            if engine::can_require_tls(spec.engine) && wanted == 1 {
                params = params.set("ForceEncryption", u8::from(spec.tls == Tls::Required));
            }
            change(api, "ModifyDBInstanceSSL", "rds.update", params).await
        }
        "backupRetention" => {
            let days = spec
                .backup_retention
                .map_or(7, |span| span.get().as_secs().div_ceil(86_400));
            let backup = state
                .parts
                .as_ref()
                .map(|parts| parts.backup.clone())
                .unwrap_or_default();
            let params = of()
                .set("BackupPolicyMode", "DataBackupPolicy")
                .set("BackupRetentionPeriod", days)
                .maybe("PreferredBackupPeriod", Some(backup.on).filter(|on| !on.is_empty()))
                .maybe("PreferredBackupTime", Some(backup.at).filter(|at| !at.is_empty()));
            change(api, "ModifyBackupPolicy", "rds.update", params).await
        }
        "clients" => admit(api, "rds.update", state, &clients(spec).into_iter().collect::<Vec<_>>()).await,
        "clientSecurityGroup" => let_in(api, "rds.update", state, spec.client_security_group.as_deref()).await,
        "class" | "highAvailability" | "storage" => resize(api, state, spec, drift).await,
        field => {
            let message = format!("{field} of an instance cannot be changed");
            Err(Error::new(ErrorKind::Unsupported, "rds.update", message))
        }
    }
}

/// Whether the error carries this code.
pub(super) fn has_code(error: &Error, code: &str) -> bool {
    error.code().is_some_and(|is| is.eq_ignore_ascii_case(code))
}

/// Sets or lifts the protection against deletion.
pub(super) async fn protect(api: &Api, operation: &'static str, state: &State, protected: bool) -> Result<Receipt> {
    let params = Params::new()
        .set("DBInstanceId", &state.id)
        .set("DeletionProtection", protected);
    change(api, "ModifyDBInstanceDeletionProtection", operation, params).await
}

/// Lets exactly these in by our group of the whitelist.
pub(super) async fn admit(api: &Api, operation: &'static str, state: &State, who: &[String]) -> Result<Receipt> {
    let params = Params::new()
        .set("DBInstanceId", &state.id)
        .set("DBInstanceIPArrayName", GROUP)
        .set("ModifyMode", "Cover")
        .set("SecurityIps", who.join(","));
    change(api, "ModifySecurityIps", operation, params).await
}

/// Takes the next step so that of our security groups this one is let in, or none. Somebody else's stay.
pub(super) async fn let_in(api: &Api, operation: &'static str, state: &State, wanted: Option<&str>) -> Result<Receipt> {
    match state.let_in(wanted) {
        None => Ok(Receipt::default()),
        Some(LetIn::Note(ours)) if ours.is_empty() => {
            untag(api, operation, &state.id, &[CLIENT_GROUPS.to_owned()]).await
        }
        Some(LetIn::Note(ours)) => {
            let note = ours.into_iter().collect::<Vec<_>>().join("/");
            tag(
                api,
                operation,
                &state.id,
                &Tags::from([(CLIENT_GROUPS.to_owned(), note)]),
            )
            .await
        }
        Some(LetIn::Set(groups)) => {
            let params = Params::new()
                .set("DBInstanceId", &state.id)
                .set("SecurityGroupId", groups.into_iter().collect::<Vec<_>>().join(","));
            change(api, "ModifySecurityGroupConfiguration", operation, params).await
        }
    }
}

/// Class, edition and storage go in one call: a class of one edition does not fit another. What the provider has
/// grown by itself is never made smaller.
async fn resize(api: &Api, state: &State, spec: &Rds, drift: &Drift) -> Result<Receipt> {
    let gap = |field: &str| drift.0.iter().any(|difference| difference.field == field);
    let storage = gigabytes(spec.storage);
    let mut params = Params::new()
        .set("DBInstanceId", &state.id)
        .set("PayType", if state.is_prepaid() { "Prepaid" } else { "Postpaid" })
        .set("EffectiveTime", "Immediate");
    if gap("class") || gap("highAvailability") {
        params = params.set("DBInstanceClass", &spec.class);
    }
    if gap("storage") && storage > state.is.storage {
        // Noted first: a note without the change is closed by the next step, a change without the note would look
        // like the provider's own doing.
        let note = Tags::from([(STORAGE.to_owned(), storage.to_string())]);
        tag(api, "rds.update", &state.id, &note).await?;
        params = params.set("DBInstanceStorage", storage);
    }
    if gap("highAvailability") {
        let options = Options::read(&spec.common)?;
        let place = place::find(api, "rds.update", &spec.network).await?;
        let (zone, second, subnets) = zones(&place, spec.high_availability, &options)?;
        params = params
            .set("Category", options.category(spec.high_availability))
            .set("ZoneId", zone)
            .maybe("ZoneIdSlave1", second)
            .set("VSwitchId", subnets);
    }
    once(api, "ModifyDBInstanceSpec", "rds.update", params).await
}
