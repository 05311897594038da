//! Making networks and their parts, and taking them away.

use std::collections::BTreeMap;

use mooring_provider::{
    Adapter, Change, Claim, Difference, Error, ErrorKind, ExternalId, Receipt, Result,
    spec::{Egress, Vpc},
};
use serde_json::json;

use super::{
    Networks,
    state::{Network, Port, State, shown},
};
use crate::{
    config::Service,
    label,
    neutron::{Collection, GROUPS, Meta, NETWORKS, PORTS, ROUTERS, RULES, SUBNETS},
    session::{Call, receipt},
};

const UPDATE: &str = "vpc.update";
const DELETE: &str = "vpc.delete";
/// A network is whole after fewer changes than this.
const CHANGES: usize = 12;

impl Networks {
    pub(super) async fn begin(&self, claim: &Claim, spec: &Vpc) -> Result<ExternalId> {
        // One that was made, and whose answer was lost, is the one that is wanted.
        let view = self.view().await?;
        let mut by_owner = claim.clone();
        by_owner.id = None;
        if let mooring_provider::Sighting::One(State {
            network: Some(network), ..
        }) = self.sight(&view, &by_owner).await?
        {
            return Ok(ExternalId::new(network.meta.id));
        }
        let body = json!({"name": claim.name});
        let network: Network = self
            .session
            .add("vpc.create", NETWORKS, &claim.owner, &spec.common.tags, body)
            .await?;
        Ok(ExternalId::new(network.meta.id))
    }

    /// Closes one difference, or all that may be closed. Some take several changes, so what there is is looked at anew
    /// until there is nothing left to do.
    pub(super) async fn close(
        &self,
        claim: &Claim,
        id: &ExternalId,
        spec: &Vpc,
        only: Option<&str>,
    ) -> Result<Receipt> {
        let mut last = Receipt::default();
        for _ in 0..CHANGES {
            let Some(now) = self.anew(claim, id).await? else {
                return Ok(last);
            };
            let drift = Adapter::drift(self, spec, &now);
            let closable = |difference: &&Difference| {
                difference.change == Change::Enforced && only.is_none_or(|only| only == difference.field)
            };
            let gaps: Vec<_> = drift.0.iter().filter(closable).collect();
            if gaps.is_empty() {
                return Ok(last);
            }
            for gap in gaps {
                last = self.change(claim, &now, spec, gap.field).await?;
            }
        }
        Ok(last)
    }

    async fn change(&self, claim: &Claim, now: &State, spec: &Vpc, field: &str) -> Result<Receipt> {
        if now.network.is_none() {
            return self.clear(now).await;
        }
        match field {
            "tags" => self.retag(claim, now, &spec.common.tags).await,
            "subnet" => self.add_subnet(claim, now, spec).await,
            "securityGroup" => self.close_group(claim, now, spec).await,
            "egress" => self.close_egress(claim, now, spec).await,
            _ => Ok(Receipt::default()),
        }
    }

    async fn retag(&self, claim: &Claim, now: &State, wanted: &BTreeMap<String, String>) -> Result<Receipt> {
        let mut last = Receipt::default();
        for (collection, part) in collected(now) {
            if shown(part) != *wanted {
                last = self
                    .session
                    .tag(UPDATE, collection, &part.id, label::tags(&claim.owner, wanted))
                    .await?;
            }
        }
        Ok(last)
    }

    async fn add_subnet(&self, claim: &Claim, now: &State, spec: &Vpc) -> Result<Receipt> {
        if now.subnets.is_empty() {
            let version = if spec.cidr.as_deref().is_some_and(|cidr| cidr.contains(':')) {
                6
            } else {
                4
            };
            let body = json!({
                "name": claim.name, "network_id": now.id, "ip_version": version, "cidr": spec.cidr,
                "enable_dhcp": !is_loopback(spec),
            });
            self.session
                .add::<Meta>(UPDATE, SUBNETS, &claim.owner, &spec.common.tags, body)
                .await?;
        }
        Ok(Receipt::default())
    }

    async fn close_group(&self, claim: &Claim, now: &State, spec: &Vpc) -> Result<Receipt> {
        let cidr = now.cidr().or(spec.cidr.as_deref()).unwrap_or_default();
        match now.groups.as_slice() {
            [] => {
                let body = json!({"name": claim.name});
                self.session
                    .add::<Meta>(UPDATE, GROUPS, &claim.owner, &spec.common.tags, body)
                    .await?;
            }
            [group] if !now.admits(cidr) => {
                let body = json!({RULES.one: {
                    "security_group_id": group.meta.id, "direction": "ingress", "remote_ip_prefix": cidr,
                    "ethertype": if cidr.contains(':') { "IPv6" } else { "IPv4" },
                }});
                let answer = self
                    .session
                    .change(Call::post(UPDATE, Service::Network, RULES.path, body))
                    .await?;
                return Ok(receipt(&answer));
            }
            [_, spare, ..] => return self.session.drop_part(UPDATE, GROUPS, &spare.meta.id).await,
            [_] => {}
        }
        Ok(Receipt::default())
    }

    async fn close_egress(&self, claim: &Claim, now: &State, spec: &Vpc) -> Result<Receipt> {
        let spare = match (spec.egress, now.routers.as_slice()) {
            (Egress::None, [router, ..]) | (Egress::Internet, [_, router, ..]) => Some(router),
            (Egress::None, []) | (Egress::Internet, [] | [_]) => None,
        };
        if let Some(router) = spare {
            self.detach(UPDATE, now, &router.meta.id).await?;
            return self.session.drop_part(UPDATE, ROUTERS, &router.meta.id).await;
        }
        if spec.egress == Egress::None {
            return Ok(Receipt::default());
        }
        let external = self.session.external_network(UPDATE).await?;
        let gateway = json!({"network_id": external});
        let Some(router) = now.routers.first() else {
            let body = json!({"name": claim.name, "external_gateway_info": gateway});
            self.session
                .add::<Meta>(UPDATE, ROUTERS, &claim.owner, &spec.common.tags, body)
                .await?;
            return Ok(Receipt::default());
        };
        let path = format!("{}/{}", ROUTERS.path, router.meta.id);
        let call = if router.external_gateway_info.is_none() {
            Call::put(
                UPDATE,
                Service::Network,
                path,
                json!({"router": {"external_gateway_info": gateway}}),
            )
        } else if let (Some(subnet), []) = (now.subnets.first(), now.interfaces.as_slice()) {
            let body = json!({"subnet_id": subnet.meta.id});
            Call::put(UPDATE, Service::Network, format!("{path}/add_router_interface"), body)
        } else {
            return Ok(Receipt::default());
        };
        match self.session.change(call).await {
            // Somebody attached it since we looked: "already has a port on subnet".
            Err(error) if error.kind() == ErrorKind::InvalidSpec && error.message().contains("already has") => {
                Ok(Receipt::default())
            }
            answer => Ok(receipt(&answer?)),
        }
    }

    async fn detach(&self, operation: &'static str, now: &State, router: &str) -> Result<()> {
        for port in now.interfaces.iter().filter(|port| port.device_id == router) {
            let path = format!("{}/{router}/remove_router_interface", ROUTERS.path);
            self.session
                .remove(Call::put(
                    operation,
                    Service::Network,
                    path,
                    json!({"port_id": port.id}),
                ))
                .await?;
        }
        Ok(())
    }

    /// Takes a network away, unless somebody else has something in it: then nothing is touched.
    pub(super) async fn end(&self, claim: &Claim, state: &State) -> Result<Receipt> {
        let Some(now) = self.anew(claim, &state.id).await? else {
            return Ok(Receipt::default());
        };
        if now.network.is_some() {
            self.refuse_inhabited(&now).await?;
        }
        self.clear(&now).await
    }

    /// Takes away each part, the network last, so that it is seen as long as there is anything of it.
    async fn clear(&self, now: &State) -> Result<Receipt> {
        for router in &now.routers {
            self.detach(DELETE, now, &router.meta.id).await?;
            self.session.drop_part(DELETE, ROUTERS, &router.meta.id).await?;
        }
        for group in &now.groups {
            self.session.drop_part(DELETE, GROUPS, &group.meta.id).await?;
        }
        for subnet in &now.subnets {
            self.session.drop_part(DELETE, SUBNETS, &subnet.meta.id).await?;
        }
        match &now.network {
            Some(network) => self.session.drop_part(DELETE, NETWORKS, &network.meta.id).await,
            None => Ok(Receipt::default()),
        }
    }

    async fn refuse_inhabited(&self, now: &State) -> Result<()> {
        let busy = |message: String| Err(Error::new(ErrorKind::Busy, DELETE, message).with_code("NetworkInUse"));
        let ours = now.owner();
        if let Some(subnet) = now.subnets.iter().find(|subnet| subnet.meta.owner() != ours) {
            return busy(format!(
                "the subnet {} ({}) in network {} is not ours; it goes when its owner has removed it",
                subnet.meta.id, subnet.cidr, now.id
            ));
        }
        let ports: Vec<Port> = self
            .session
            .find(DELETE, PORTS, &[("network_id", now.id.as_str())])
            .await?;
        let inhabitants: Vec<_> = ports.iter().filter(|port| !is_service(port, now)).collect();
        if inhabitants.is_empty() {
            return Ok(());
        }
        let named: Vec<_> = inhabitants.iter().take(3).map(|port| describe(port)).collect();
        let more = match inhabitants.len() - named.len() {
            0 => String::new(),
            more => format!(" and {more} more"),
        };
        busy(format!(
            "in network {} there is still {}{more}; it goes when what they belong to is removed",
            now.id,
            named.join(", ")
        ))
    }

    pub(super) async fn give(&self, claim: &Claim, state: &State) -> Result<Receipt> {
        // The network comes last: until it has its new owner, all of this is done again.
        let mut parts: Vec<_> = collected(state).collect();
        parts.rotate_left(usize::from(state.network.is_some()));
        let mut last = Receipt::default();
        for (collection, part) in parts {
            last = self
                .session
                .hand_over("vpc.adopt", collection, part, &claim.owner)
                .await?;
        }
        Ok(last)
    }
}

fn collected(state: &State) -> impl Iterator<Item = (Collection, &Meta)> {
    let network = state.network.iter().map(|network| (NETWORKS, &network.meta));
    let subnets = state.subnets.iter().map(|subnet| (SUBNETS, &subnet.meta));
    let routers = state.routers.iter().map(|router| (ROUTERS, &router.meta));
    network
        .chain(subnets)
        .chain(routers)
        .chain(state.groups.iter().map(|group| (GROUPS, &group.meta)))
}

/// Neutron's own ports of a network, and those of our routers: they go with it.
fn is_service(port: &Port, now: &State) -> bool {
    matches!(port.device_owner.as_str(), "network:dhcp" | "network:distributed")
        || (port.network_id == now.id.as_str() && now.routers.iter().any(|router| router.meta.id == port.device_id))
}

fn describe(port: &Port) -> String {
    let of = match (port.device_owner.as_str(), port.device_id.as_str()) {
        ("", "") => "of nothing".to_owned(),
        (owner, "") => format!("of {owner}"),
        (owner, device) => format!("of {owner} {device}"),
    };
    match port.name.as_str() {
        "" => format!("the port {} {of}", port.id),
        name => format!("the port {} (`{name}`) {of}", port.id),
    }
}

/// Neutron refuses DHCP in a range of loopback addresses, which tests on one machine use.
fn is_loopback(spec: &Vpc) -> bool {
    spec.cidr.as_deref().is_some_and(|cidr| cidr.starts_with("127."))
}
