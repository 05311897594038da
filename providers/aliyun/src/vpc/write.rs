//! Making and removing networks and their parts.

use mooring_provider::{Claim, Created, Error, ErrorKind, ExternalId, Receipt, Result, spec, tag};
use serde::Deserialize;

use super::{
    Vpc,
    cidr::Cidr,
    read,
    state::{State, VSwitch},
};
use crate::{
    api::{Call, Nothing},
    errors::is_not_found,
    marks::{self, Tags},
    params::Params,
    product::Product,
    sight::retold,
};

/// From so many networks on, people are told that the quota is near: an account has ten to begin with.
const NEAR_QUOTA: usize = 8;

#[derive(Deserialize)]
#[serde(rename_all = "PascalCase")]
struct NewVpc {
    vpc_id: String,
}

#[derive(Deserialize)]
struct Interfaces {
    #[serde(rename = "NetworkInterfaceSets", default)]
    sets: InterfaceList,
}

#[derive(Default, Deserialize)]
struct InterfaceList {
    #[serde(rename = "NetworkInterfaceSet", default)]
    list: Vec<Interface>,
}

#[derive(Deserialize)]
#[serde(rename_all = "PascalCase")]
struct Interface {
    network_interface_id: String,
    #[serde(default)]
    instance_id: String,
    #[serde(default)]
    description: String,
}

impl Vpc {
    /// Makes the network, without its parts.
    pub(super) async fn create_vpc(&self, claim: &Claim, spec: &spec::Vpc) -> Result<Created> {
        let there = read::count(&self.api).await?;
        if there >= NEAR_QUOTA {
            tracing::warn!(
                region = self.api.region(),
                networks = there,
                "an account has a quota of ten networks in a region, unless it was raised"
            );
        }
        let params = Params::new()
            .maybe("CidrBlock", spec.cidr.as_deref())
            .set("VpcName", &claim.name)
            .maybe("ResourceGroupId", spec.common.resource_group.as_deref())
            .tags(marks::all(&claim.owner, &spec.common, []))
            .set("ClientToken", claim.token());
        let call = Call::write(Product::Vpc, "CreateVpc", "vpc.create", params).idempotent();
        let reply = self.api.rpc::<NewVpc>(call).await.map_err(|error| match error.kind() {
            ErrorKind::QuotaExceeded => {
                let fix = "use the environment's network, or have the quota of the account raised";
                retold(
                    &error,
                    format!("{} ({there} networks are there); {fix}", error.message()),
                )
            }
            _ => error,
        })?;
        Ok(Created {
            id: ExternalId::new(reply.value.vpc_id),
            request_id: reply.request_id,
        })
    }

    /// Makes the vSwitch of a zone. There is one at a time: the API refuses a second while a first is being made. Its
    /// range is its key, so one that was made by a call without an answer is not made twice: ranges cannot overlap.
    pub(super) async fn create_vswitch(
        &self,
        claim: &Claim,
        state: &State,
        spec: &spec::Vpc,
        (n, zone): (usize, &str),
    ) -> Result<Receipt> {
        let unmarked = |vswitch: &&VSwitch| {
            vswitch.zone == zone && vswitch.name == claim.name && !vswitch.tags.contains_key(tag::IDENTITY)
        };
        if let Some(vswitch) = state.vswitches.iter().find(unmarked) {
            // Its tags may come later than itself; a second one in the zone would be one too many.
            let message = format!(
                "{} has our name and no tags yet; tag or remove it if that stays so",
                vswitch.id
            );
            return Err(Error::new(ErrorKind::Busy, "vpc.update", message));
        }
        let taken: Vec<_> = state
            .vswitches
            .iter()
            .filter_map(|vswitch| Cidr::parse(&vswitch.cidr).ok())
            .collect();
        let count = spec.zones.len().max(super::ZONES);
        let range = Cidr::parse(&state.vpc.cidr_block)
            .ok()
            .and_then(|network| network.subnet(n, count, &taken))
            .ok_or_else(|| {
                let message = format!(
                    "{} has no room in {} for a vSwitch in {zone}; remove one that is not needed",
                    state.vpc.vpc_id, state.vpc.cidr_block
                );
                Error::new(ErrorKind::QuotaExceeded, "vpc.update", message)
            })?;
        let params = Params::new()
            .set("VpcId", &state.vpc.vpc_id)
            .set("ZoneId", zone)
            .set("CidrBlock", range)
            .set("VSwitchName", &claim.name)
            .tags(marks::all(&claim.owner, &spec.common, []));
        let call = Call::write(Product::Vpc, "CreateVSwitch", "vpc.update", params);
        match self.api.rpc::<Nothing>(call).await {
            Err(error)
                if error
                    .code()
                    .is_some_and(|code| code.eq_ignore_ascii_case("InvalidCidrBlock.Overlapped")) =>
            {
                let message = format!("{range} is taken by a vSwitch that is not to be seen yet");
                Err(Error::new(ErrorKind::Busy, "vpc.update", message).with_source(error))
            }
            reply => Ok(reply?.receipt()),
        }
    }

    /// Makes the security group, whose members reach each other.
    pub(super) async fn create_group(&self, claim: &Claim, state: &State, spec: &spec::Vpc) -> Result<Receipt> {
        let params = Params::new()
            .set("VpcId", &state.vpc.vpc_id)
            .set("SecurityGroupName", &claim.name)
            .maybe("ResourceGroupId", spec.common.resource_group.as_deref())
            .tags(marks::all(&claim.owner, &spec.common, []))
            .set("ClientToken", format!("{}-sg", claim.token()));
        let call = Call::write(Product::Ecs, "CreateSecurityGroup", "vpc.update", params).idempotent();
        Ok(self.api.rpc::<Nothing>(call).await?.receipt())
    }

    /// Sets and removes tags of the parts and, last of all, of the network: as long as it is not tagged so, not all
    /// is done.
    pub(super) async fn tag(&self, state: &State, set: &Tags, remove: &[String]) -> Result<Receipt> {
        let groups: Vec<_> = state.own_groups().map(|group| &group.id).collect();
        let vswitches: Vec<_> = state.own_vswitches().map(|vswitch| &vswitch.id).collect();
        let mut receipt = Receipt::default();
        for (product, kind, ids) in [
            (Product::Ecs, "securitygroup", groups),
            (Product::Vpc, "VSWITCH", vswitches),
            (Product::Vpc, "VPC", vec![&state.vpc.vpc_id]),
        ] {
            if ids.is_empty() {
                continue;
            }
            let params = Params::new().set("ResourceType", kind).list("ResourceId", ids);
            if !set.is_empty() {
                let params = params.clone().tags(set);
                let call = Call::write(product, "TagResources", "vpc.update", params).idempotent();
                receipt = self.api.rpc::<Nothing>(call).await?.receipt();
            }
            if !remove.is_empty() {
                let action = if product == Product::Ecs {
                    "UntagResources"
                } else {
                    "UnTagResources"
                };
                let call = Call::write(product, action, "vpc.update", params.list("TagKey", remove)).idempotent();
                receipt = self.api.rpc::<Nothing>(call).await?.receipt();
            }
        }
        Ok(receipt)
    }

    /// Removes one part, or the network when it has none left. What others put into it is left alone, and named.
    pub(super) async fn remove(&self, state: &State) -> Result<Receipt> {
        let foreign = state.foreign();
        if !foreign.is_empty() {
            let message = format!(
                "{} is not empty: {} are not ours and stay; remove them",
                state.vpc.vpc_id,
                foreign.join(", ")
            );
            return Err(Error::new(ErrorKind::Busy, "vpc.delete", message));
        }
        let (product, call) = if let Some(group) = state.own_groups().next() {
            let params = Params::new().set("SecurityGroupId", &group.id);
            (
                Product::Ecs,
                Call::write(Product::Ecs, "DeleteSecurityGroup", "vpc.delete", params),
            )
        } else if let Some(vswitch) = state.own_vswitches().next() {
            let params = Params::new().set("VSwitchId", &vswitch.id);
            (
                Product::Vpc,
                Call::write(Product::Vpc, "DeleteVSwitch", "vpc.delete", params),
            )
        } else {
            let params = Params::new().set("VpcId", &state.vpc.vpc_id);
            (
                Product::Vpc,
                Call::write(Product::Vpc, "DeleteVpc", "vpc.delete", params),
            )
        };
        let is_bare = state.own_groups().next().is_none() && state.own_vswitches().next().is_none();
        let taken = |receipt: Receipt| if is_bare { receipt.ending() } else { receipt };
        match self.api.rpc::<Nothing>(call).await {
            Ok(reply) => Ok(taken(reply.receipt())),
            Err(error) if is_not_found(product, &error) => Ok(taken(Receipt::default())),
            Err(error)
                if error
                    .code()
                    .is_some_and(|code| code.to_ascii_lowercase().starts_with("dependencyviolation")) =>
            {
                let inside = self.inside(&state.vpc.vpc_id).await;
                let message = format!("{} is not empty: {inside} ({})", state.vpc.vpc_id, error.message());
                Err(retold(&error, message))
            }
            Err(error) => Err(error),
        }
    }

    /// What uses addresses of the network, for people.
    async fn inside(&self, vpc: &str) -> String {
        let params = Params::new().set("VpcId", vpc).set("MaxResults", 10);
        let call = Call::read(Product::Ecs, "DescribeNetworkInterfaces", "vpc.delete", params);
        let found = match self.api.rpc::<Interfaces>(call).await {
            Ok(reply) => reply.value.sets.list,
            Err(error) => return format!("what is inside could not be read, {error}"),
        };
        let name = |interface: &Interface| {
            let of = [&interface.instance_id, &interface.description]
                .into_iter()
                .find(|text| !text.is_empty());
            match of {
                Some(of) => format!("{} of {of}", interface.network_interface_id),
                None => interface.network_interface_id.clone(),
            }
        };
        match found.as_slice() {
            [] => "it still has traces of what was inside, which go by themselves".into(),
            found => found.iter().map(name).collect::<Vec<_>>().join(", "),
        }
    }
}
