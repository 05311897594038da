//! What the schema of a spec cannot say. Every message names the field, its value and the fix.

use std::{fmt, net::IpAddr};

use mooring_provider::{Error, ErrorKind, Kind, Result, spec::Common};
use serde::de::DeserializeOwned;

/// The most tags that Neutron keeps on one thing.
const TAGS: usize = 50;

pub(crate) struct Check(pub(crate) Kind);

impl Check {
    pub(crate) fn error(&self, kind: ErrorKind, field: &str, value: impl fmt::Display, fix: &str) -> Error {
        Error::new(kind, "validate", format!("{} {field}: `{value}` {fix}", self.0))
    }

    pub(crate) fn require(&self, holds: bool, field: &str, value: impl fmt::Display, fix: &str) -> Result<()> {
        match holds {
            true => Ok(()),
            false => Err(self.error(ErrorKind::InvalidSpec, field, value, fix)),
        }
    }

    pub(crate) fn can(&self, holds: bool, field: &str, value: impl fmt::Display, why: &str) -> Result<()> {
        match holds {
            true => Ok(()),
            false => Err(self.error(ErrorKind::Unsupported, field, value, why)),
        }
    }

    /// `options.openstack`, as the kind has them. serde's message names an unknown one.
    pub(crate) fn options<T: DeserializeOwned>(&self, common: &Common) -> Result<T> {
        let options = serde_json::Value::Object(common.options.clone());
        serde_json::from_value(options).map_err(|error| {
            Error::new(
                ErrorKind::InvalidSpec,
                "validate",
                format!("{} options.openstack: {error}", self.0),
            )
        })
    }

    pub(crate) fn tags(&self, common: &Common) -> Result<()> {
        let tags: usize = common
            .tags
            .iter()
            .map(|(name, value)| 1 + (name.len() + value.len()) / 30)
            .sum();
        self.require(
            tags + 10 <= TAGS,
            "tags",
            common.tags.len(),
            "tags are more than OpenStack keeps; use fewer or shorter ones",
        )?;
        let long = common.tags.keys().find(|name| name.len() > 40);
        self.require(
            long.is_none(),
            "tags",
            long.map_or("", String::as_str),
            "is too long a name here; use up to 40 characters",
        )
    }

    pub(crate) fn ranges(&self, field: &str, ranges: &[String]) -> Result<()> {
        ranges.iter().try_for_each(|range| {
            self.require(
                prefix(range).is_some(),
                field,
                range,
                "is no address range; write one such as 10.8.0.0/16",
            )
        })
    }
}

/// The length of the prefix of an address range, and whether it is of IPv4.
pub(crate) fn prefix(range: &str) -> Option<(u8, bool)> {
    let (address, length) = range.split_once('/')?;
    let (address, length): (IpAddr, u8) = (address.parse().ok()?, length.parse().ok()?);
    (length <= if address.is_ipv4() { 32 } else { 128 }).then_some((length, address.is_ipv4()))
}
