//! Whose keys requests are signed with, and how they are kept fresh.

mod environment;
mod metadata;
mod profile;
mod source;
mod sts;

use std::time::Duration;

use jiff::Timestamp;
use mooring_provider::Result;
use mooring_provider_http::Cached;

pub(crate) use source::Source;

use crate::{
    config::AssumeRole,
    wire::{Keys, Scope, Wire},
};

/// How long before the end of a session another is begun.
const EARLY: Duration = Duration::from_secs(15 * 60);

/// The keys of an account: of a user, or of sessions that are begun anew before they end.
#[derive(Debug)]
pub(crate) struct Keyring {
    source: Source,
    roles: Vec<AssumeRole>,
    session: Cached<Keys>,
}

impl Keyring {
    /// The keys of a source, or of the last of the roles, each assumed with the keys of the one before.
    pub(crate) fn new(source: Source, roles: Vec<AssumeRole>) -> Self {
        Self {
            source,
            roles,
            session: Cached::new(EARLY),
        }
    }

    /// Keys that are good now. Of many who ask when a session is near its end, one begins another.
    pub(crate) async fn keys(&self, wire: &Wire, scope: Option<&Scope>) -> Result<Keys> {
        if let (Source::Keys(keys), []) = (&self.source, self.roles.as_slice()) {
            return Ok(keys.clone());
        }
        let fetch = || async {
            let (mut keys, mut end) = self.source.fetch(wire).await?;
            for role in &self.roles {
                (keys, end) = sts::assume_role(wire, scope, &keys, role).await?;
            }
            Ok((keys, end))
        };
        self.session.get(Timestamp::now(), fetch).await
    }

    /// The keys were refused; a session is not used again.
    pub(crate) async fn refused(&self) {
        self.session.forget().await;
    }
}
