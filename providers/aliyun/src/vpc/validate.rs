//! What a dedicated network may be like, and what a shared one needs.

use mooring_provider::{
    Error, ErrorKind, Result,
    spec::{self, Egress},
};

use super::{ZONES, cidr::Cidr};
use crate::marks;

/// Checks a spec.
pub(super) fn check(spec: &spec::Vpc) -> Result<()> {
    let refuse = |kind, message: String| Err(Error::new(kind, "vpc.validate", message));
    if let Some(option) = spec.common.options.keys().next() {
        return refuse(
            ErrorKind::InvalidSpec,
            format!("vpc options.{option}: networks have no options; remove it"),
        );
    }
    marks::check("vpc.validate", &spec.common)?;
    if let Some(shared) = &spec.shared {
        return match (&shared.id, &spec.cidr) {
            (None, _) => refuse(
                ErrorKind::InvalidSpec,
                "vpc network.id: `` names no network; name the one that is shared".into(),
            ),
            (_, Some(cidr)) => refuse(
                ErrorKind::InvalidSpec,
                format!("vpc cidr: `{cidr}` is for a dedicated network; this one is shared, remove it"),
            ),
            _ => Ok(()),
        };
    }
    if spec.egress == Egress::Internet {
        return refuse(
            ErrorKind::Unsupported,
            "vpc egress: `internet` is not made for a dedicated network on Alibaba Cloud; use the environment's \
             network and its NAT gateway, or `none`"
                .into(),
        );
    }
    let cidr = spec.cidr.as_deref().unwrap_or_default();
    let range = match Cidr::network(cidr) {
        Ok(range) => range,
        Err(why) => return refuse(ErrorKind::InvalidSpec, format!("vpc cidr: `{cidr}` {why}")),
    };
    if range.subnet(0, spec.zones.len().max(ZONES), &[]).is_none() {
        let zones = spec.zones.len();
        return refuse(
            ErrorKind::InvalidSpec,
            format!("vpc cidr: `{cidr}` has no room for {zones} zones; write a larger one"),
        );
    }
    Ok(())
}
