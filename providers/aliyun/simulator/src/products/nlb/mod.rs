//! NLB: balancers, listeners and server groups; most changes are jobs.

mod balancer;
mod group;
mod listener;

use serde_json::{Value as Json, json};

use super::tags;
use crate::{
    Kind, Resource,
    context::Context,
    refusal::{Answer, Refusal, absent, bad},
    world::millis,
};

const TYPES: tags::Types = &[
    ("loadbalancer", Kind::Nlb),
    ("listener", Kind::NlbListener),
    ("servergroup", Kind::NlbGroup),
];

pub(crate) fn call(context: &mut Context<'_>) -> Option<Answer> {
    Some(match context.action {
        "CreateLoadBalancer" => balancer::create(context),
        "GetLoadBalancerAttribute" => balancer::get(context),
        "ListLoadBalancers" => balancer::list(context),
        "UpdateLoadBalancerAttribute" => balancer::update(context),
        "UpdateLoadBalancerProtection" => balancer::protect(context),
        "DeleteLoadBalancer" => balancer::delete(context),
        "LoadBalancerJoinSecurityGroup" => balancer::security_groups(context, true),
        "LoadBalancerLeaveSecurityGroup" => balancer::security_groups(context, false),
        "CreateListener" => listener::create(context),
        "GetListenerAttribute" => listener::get(context),
        "ListListeners" => listener::list(context),
        "StartListener" => listener::switch(context, true),
        "StopListener" => listener::switch(context, false),
        "DeleteListener" => listener::delete(context),
        "CreateServerGroup" => group::create(context),
        "ListServerGroups" => group::list(context),
        "AddServersToServerGroup" => group::add(context),
        "RemoveServersFromServerGroup" => group::remove(context),
        "ListServerGroupServers" => group::servers(context),
        "DeleteServerGroup" => group::delete(context),
        "GetJobStatus" => status(context),
        "TagResources" => tags::tag(context, TYPES),
        "UntagResources" => tags::untag(context, TYPES),
        "ListTagResources" => tagged(context),
        "DescribeZones" => {
            let zone = |zone: &String| json!({"ZoneId": zone, "LocalName": zone});
            Ok(json!({"Zones": context.options.zones.iter().map(zone).collect::<Vec<_>>()}))
        }
        "DescribeRegions" => {
            let region = &context.options.region;
            Ok(json!({"Regions": [{"RegionId": region, "LocalName": region}]}))
        }
        _ => return None,
    })
}

fn tagged(context: &Context<'_>) -> Answer {
    let (rows, next) = tags::list(context, TYPES, "")?;
    let (count, total) = (i64::try_from(rows.len()).unwrap_or(0), rows.len());
    Ok(json!({"TagResources": rows, "NextToken": next, "MaxResults": count, "TotalCount": total}))
}

/// What the call names, or the error that says which kind is not there.
fn find<'a>(context: &'a Context<'_>, kind: Kind, parameter: &str) -> Answer<&'a Resource> {
    let code = match kind {
        Kind::NlbListener => "ResourceNotFound.listener",
        Kind::NlbGroup => "ResourceNotFound.serverGroup",
        _ => "ResourceNotFound.loadBalancer",
    };
    let id = context.params.need(parameter)?;
    let message = || Refusal::new(404, code, format!("The specified resource {id} is not found."));
    context.find(kind, id).ok_or_else(message)
}

/// The balancer of the call, which has to be active.
fn active(context: &Context<'_>) -> Answer<String> {
    let balancer = find(context, Kind::Nlb, "LoadBalancerId")?;
    if balancer.is_busy(context.now) {
        return match balancer.busy.as_ref().map(|busy| busy.status.as_str()) {
            Some("Provisioning") => bad("ResourceInCreating.loadbalancer", "The load balancer is being created."),
            Some("Configuring") => bad(
                "ResourceInConfiguring.loadbalancer",
                "The load balancer is being configured.",
            ),
            _ => bad(
                "IncorrectStatus.loadbalancer",
                "The status of the load balancer is incorrect.",
            ),
        };
    }
    Ok(balancer.id.clone())
}

/// How long a job is known after it is done.
const KEPT: i64 = 24 * 3_600_000;

/// Begins a job, which is as long as provisioning.
fn job(context: &mut Context<'_>) -> String {
    let id = context.id("");
    let mut job = context.make(Kind::Job, &id, "");
    job.busy = context.busy("Processing");
    job.gone_at = Some(context.now + millis(context.options.provisioning) + KEPT);
    context.world.put(job);
    id
}

fn status(context: &Context<'_>) -> Answer {
    match context.find(Kind::Job, context.params.need("JobId")?) {
        Some(job) => Ok(json!({"Status": job.status(context.now, "Succeeded")})),
        None => absent("ResourceNotFound.JobId", "The specified job is not found."),
    }
}

/// A page of a list, with what every list tells.
fn listed(context: &Context<'_>, name: &str, all: Vec<Json>) -> Answer {
    let total = all.len();
    let size = context.params.int("MaxResults").unwrap_or(20);
    let (some, next) = context.slice(all, 100, 20)?;
    Ok(json!({name: some, "NextToken": next, "MaxResults": size, "TotalCount": total}))
}

/// Whether a list of ids names this, or is not there.
fn among(context: &Context<'_>, parameter: &str, id: &str) -> Answer<bool> {
    let ids = context.params.texts(parameter);
    if ids.len() > 20 {
        return bad("IllegalParam", format!("{parameter} takes up to 20 ids."));
    }
    Ok(ids.is_empty() || ids.contains(&id))
}

/// A trial run of a write succeeds with this error.
fn dry_run(context: &Context<'_>) -> Answer<()> {
    if context.params.truth("DryRun").unwrap_or_default() {
        return bad(
            "DryRunOperation",
            "Request validation has been passed with DryRun flag set.",
        );
    }
    Ok(())
}
