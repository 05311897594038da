//! What the schema of a spec cannot say. Every message names the field, its value and the fix.

use std::{net::IpAddr, str::FromStr};

use mooring_provider::{
    Error, ErrorKind, Kind, Result,
    spec::{Common, Network},
};

pub(crate) struct Check(Kind);

impl Check {
    pub(crate) fn new(kind: Kind) -> Self {
        Self(kind)
    }

    /// The error of a field.
    pub(crate) fn fail(&self, field: &str, value: impl std::fmt::Display, fix: &str) -> Error {
        Error::new(
            ErrorKind::InvalidSpec,
            "validate",
            format!("{} {field}: `{value}` {fix}", self.0),
        )
    }

    pub(crate) fn require(&self, holds: bool, field: &str, value: impl std::fmt::Display, fix: &str) -> Result<()> {
        if holds {
            Ok(())
        } else {
            Err(self.fail(field, value, fix))
        }
    }

    pub(crate) fn common(&self, common: &Common) -> Result<()> {
        match common.options.keys().next() {
            None => Ok(()),
            Some(option) => Err(self.fail(
                &format!("options.mock.{option}"),
                &common.options[option],
                "is no option of the mock cloud, which has none; remove it",
            )),
        }
    }

    pub(crate) fn cidrs(&self, field: &str, cidrs: &[String]) -> Result<()> {
        cidrs.iter().try_for_each(|cidr| {
            self.require(
                prefix(cidr).is_some(),
                field,
                cidr,
                "is no address range; write one such as 10.8.0.0/16",
            )
        })
    }

    pub(crate) fn network(&self, network: &Network) -> Result<()> {
        let needless = network.id.is_none() && !network.subnets.is_empty();
        self.require(
            !needless,
            "network.subnets",
            network.subnets.len(),
            "subnets, but no network.id; name the network",
        )
    }
}

/// The length of the prefix of an address range, and of its addresses.
pub(crate) fn prefix(cidr: &str) -> Option<(u8, bool)> {
    let (address, length) = cidr.split_once('/')?;
    let (address, length) = (IpAddr::from_str(address).ok()?, length.parse::<u8>().ok()?);
    (length <= if address.is_ipv4() { 32 } else { 128 }).then_some((length, address.is_ipv4()))
}
