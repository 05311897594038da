//! CLB: balancers, listeners, server groups and access control lists. Listeners are created stopped.

mod acl;
mod balancer;
mod group;
mod listener;

use serde_json::{Value as Json, json};

use super::tags;
use crate::{
    Kind, Resource,
    context::Context,
    refusal::{Answer, Refusal},
};

const TYPES: tags::Types = &[
    ("instance", Kind::Clb),
    ("listener", Kind::ClbListener),
    ("vservergroup", Kind::ClbGroup),
    ("acl", Kind::ClbAcl),
];

pub(crate) fn call(context: &mut Context<'_>) -> Option<Answer> {
    if let Some(protocol) = listener::protocol(context.action) {
        return listener::call(context, protocol);
    }
    Some(match context.action {
        "CreateLoadBalancer" | "CreateLoadBalancerPro" => balancer::create(context),
        "DescribeLoadBalancers" => balancer::list(context),
        "DescribeLoadBalancerAttribute" => balancer::get(context),
        "SetLoadBalancerStatus" => balancer::set(context, "LoadBalancerStatus", &["active", "inactive"]),
        "SetLoadBalancerDeleteProtection" => balancer::set(context, "DeleteProtection", &["on", "off"]),
        "SetLoadBalancerModificationProtection" => balancer::set(
            context,
            "ModificationProtectionStatus",
            &["NonProtection", "ConsoleProtection"],
        ),
        "SetLoadBalancerName" => balancer::rename(context),
        "ModifyLoadBalancerInternetSpec" => balancer::bandwidth(context),
        "DeleteLoadBalancer" => balancer::delete(context),
        "DescribeLoadBalancerListeners" => listener::list(context),
        "StartLoadBalancerListener" => listener::switch(context, true),
        "StopLoadBalancerListener" => listener::switch(context, false),
        "DeleteLoadBalancerListener" => listener::delete(context),
        "CreateVServerGroup" => group::create(context),
        "DescribeVServerGroups" => group::list(context),
        "DescribeVServerGroupAttribute" => group::get(context),
        "SetVServerGroupAttribute" => group::set(context),
        "DeleteVServerGroup" => group::delete(context),
        "AddVServerGroupBackendServers" => group::add(context),
        "RemoveVServerGroupBackendServers" => group::remove(context),
        "ModifyVServerGroupBackendServers" => group::modify(context),
        "DescribeHealthStatus" => group::health(context),
        "CreateAccessControlList" => acl::create(context),
        "DescribeAccessControlLists" => acl::list(context),
        "DescribeAccessControlListAttribute" => acl::get(context),
        "AddAccessControlListEntry" => acl::entries(context, true),
        "RemoveAccessControlListEntry" => acl::entries(context, false),
        "DeleteAccessControlList" => acl::delete(context),
        "DescribeServerCertificates" => certificates(context),
        "TagResources" => tags::tag(context, TYPES),
        "UntagResources" => tags::untag(context, TYPES),
        "ListTagResources" => tags::listed(context, TYPES, ""),
        "DescribeRegions" => {
            let region = &context.options.region;
            Ok(json!({"Regions": {"Region": [{"RegionId": region, "LocalName": region}]}}))
        }
        _ => return None,
    })
}

/// The balancer of the call.
fn balancer<'a>(context: &'a Context<'_>) -> Answer<&'a Resource> {
    let id = context.params.need("LoadBalancerId")?;
    let message = || {
        Refusal::new(
            404,
            "InvalidLoadBalancerId.NotFound",
            "The specified LoadBalancerId does not exist.",
        )
    };
    context.find(Kind::Clb, id).ok_or_else(message)
}

/// Certificates are put into the cloud by tests.
fn certificates(context: &Context<'_>) -> Answer {
    let fits = |is: &&Resource| context.wants("ServerCertificateId", &is.id);
    let all = context.seen(Kind::Certificate).filter(fits);
    let all: Vec<Json> = all
        .map(|is| json!({"ServerCertificateId": is.id, "ServerCertificateName": is.name}))
        .collect();
    Ok(json!({"ServerCertificates": {"ServerCertificate": all}}))
}
