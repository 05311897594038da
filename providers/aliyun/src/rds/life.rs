//! The end of an instance, and its rest before.

use mooring_provider::{Claim, Error, ErrorKind, Receipt, Result, tag};

use super::{
    change::{self, admit, has_code, let_in, once, protect},
    config::RdsConfig,
    state::{LetIn, NOBODY, State},
};
use crate::{
    api::{Api, Call, Nothing},
    errors::is_not_found,
    marks::{self, Tags},
    params::Params,
    product::Product,
};

/// Lifts the protection, or else deletes.
pub(super) async fn delete(api: &Api, config: &RdsConfig, state: &State) -> Result<Receipt> {
    if state.is_prepaid() {
        let message = format!(
            "{} is a subscription, paid until {}, which the API does not delete; unsubscribe from it, turn it into \
             pay-as-you-go, or keep it until then (deletionPolicy Retain)",
            state.id, state.is.expire_time
        );
        let error = Error::new(ErrorKind::QuotaExceeded, "rds.delete", message);
        return Err(error.with_code("OperationDenied.PrePayTypeNotSupported"));
    }
    let done = if state.is.deletion_protection {
        protect(api, "rds.delete", state, false).await
    } else {
        let params = Params::new()
            .set("DBInstanceId", &state.id)
            .maybe("ReleasedKeepPolicy", config.keep_backups.policy());
        let call = Call::write(Product::Rds, "DeleteDBInstance", "rds.delete", params).idempotent();
        let done = api.rpc::<Nothing>(call).await;
        done.map(|reply| reply.receipt().ending())
    };
    match done {
        Err(error) if is_not_found(Product::Rds, &error) => Ok(Receipt::default().ending()),
        done => done,
    }
}

/// Shuts the door, protects it, backs it up, and says until when it rests: that last, for it says that all is done.
pub(super) async fn park(api: &Api, state: &State, until: &str, backup: bool) -> Result<Receipt> {
    const OPERATION: &str = "rds.park";
    if state.tags.contains_key(tag::PARKED_UNTIL) {
        return Ok(Receipt::default());
    }
    admit(api, OPERATION, state, &[NOBODY.to_owned()]).await?;
    if let Some(LetIn::Set(_)) = state.let_in(None) {
        let_in(api, OPERATION, state, None).await?;
    }
    if !state.is.deletion_protection && !state.is_prepaid() {
        protect(api, OPERATION, state, true).await?;
    }
    if backup {
        let params = Params::new().set("DBInstanceId", &state.id);
        match once(api, "CreateBackup", OPERATION, params).await {
            Ok(_) => {}
            // One is under way, ours or the provider's own; either holds all there is.
            Err(error) if has_code(&error, "BackupJobExists") => {}
            Err(error) => return Err(error),
        }
    }
    let note = Tags::from([(tag::PARKED_UNTIL.to_owned(), until.to_owned())]);
    change::tag(api, OPERATION, &state.id, &note).await
}

/// Takes it back; what differs, its closed door among it, is then closed as any drift.
pub(super) async fn unpark(api: &Api, state: &State) -> Result<Receipt> {
    change::untag(api, "rds.unpark", &state.id, &[tag::PARKED_UNTIL.to_owned()]).await
}

/// Gives it the owner tags of this claim.
pub(super) async fn adopt(api: &Api, claim: &Claim, state: &State) -> Result<Receipt> {
    let tags = marks::of_owner(&claim.owner);
    let stale = marks::stale(&state.tags, &tags);
    if !stale.is_empty() {
        change::untag(api, "rds.adopt", &state.id, &stale).await?;
    }
    change::tag(api, "rds.adopt", &state.id, &tags).await
}
