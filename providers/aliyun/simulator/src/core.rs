//! One call from its request to its reply.

use std::{
    collections::BTreeMap,
    io,
    sync::{Arc, Mutex, MutexGuard, PoisonError},
    time::Duration,
};

use bytes::Bytes;
use serde_json::{Map, Value as Json};

use crate::{
    Call, Denial, Fault, Kind, Options, Resource, Scheme,
    auth::{self, Caller},
    call::{Calls, starred},
    context::Context,
    fault::Plan,
    products,
    refusal::{Answer, Refusal, bad},
    request::{Request, Target},
    world::{World, millis, wall},
};

/// The whole cloud.
#[derive(Debug)]
pub(crate) struct Core {
    pub(crate) options: Options,
    pub(crate) world: World,
    pub(crate) plan: Plan,
    pub(crate) calls: Calls,
    /// The keys that are refused; `None` is all of them.
    pub(crate) denials: BTreeMap<Option<String>, Denial>,
    /// When each Action of each account was called within the last second.
    recent: BTreeMap<(String, String), Vec<i64>>,
}

#[derive(Debug, Clone)]
pub(crate) struct Cloud(Arc<Mutex<Core>>);

/// What goes back over the wire; `None` is a broken connection.
pub(crate) type Reply = Option<Parts>;

#[derive(Debug)]
pub(crate) struct Parts {
    pub(crate) status: u16,
    pub(crate) headers: Vec<(&'static str, String)>,
    pub(crate) body: String,
    /// The body is cut here.
    pub(crate) cut: Option<usize>,
}

impl Cloud {
    pub(crate) fn new(options: Options) -> io::Result<Self> {
        let mut world = match &options.state {
            Some(path) => World::load(path, options.seed)
                .map_err(|error| io::Error::new(error.kind(), format!("the state file {}: {error}", path.display())))?,
            None => World::new(options.seed),
        };
        world.frozen = options.frozen.then(wall);
        if world.is_empty() {
            products::vpc::found(&mut world, &options);
        }
        Ok(Self(Arc::new(Mutex::new(Core {
            plan: Plan::new(options.seed),
            options,
            world,
            calls: Calls::default(),
            denials: BTreeMap::new(),
            recent: BTreeMap::new(),
        }))))
    }

    pub(crate) fn lock(&self) -> MutexGuard<'_, Core> {
        self.0.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

impl Core {
    /// Answers a request, and says how late.
    pub(crate) fn answer(&mut self, request: &Request) -> (Reply, Duration) {
        self.world.sweep();
        let id = self.request_id();
        let mut call = Call {
            number: self.calls.next(),
            product: "?".into(),
            action: request.path.clone(),
            params: Map::new(),
            key: String::new(),
            scheme: None,
            host: request.host.clone(),
            request_id: id.clone(),
            status: 0,
            code: None,
            fault: None,
        };
        let answer = self.carry_out(request, &mut call);
        let fault = call.fault.clone();
        let delay = fault.as_ref().map(Fault::delay).unwrap_or_default();
        let mut reply = Some(products::dress(request, &call, &answer, &self.options.region));
        match fault {
            Some(Fault::Lost | Fault::Cut) => reply = None,
            Some(Fault::Garbled) => {
                if let Some(parts) = &mut reply {
                    parts.cut = Some(parts.body.len() / 2);
                }
            }
            _ => {}
        }
        call.status = reply.as_ref().map_or(0, |parts| parts.status);
        call.code = answer.err().map(|refusal| refusal.code.into_owned());
        self.calls.push(call);
        self.save();
        (reply, delay)
    }

    fn carry_out(&mut self, request: &Request, call: &mut Call) -> Answer {
        let target = request.target()?;
        (call.product, call.action) = (target.product.into(), target.action.into());
        let mut caller = auth::verify(request, &self.options.access_keys, &mut self.world)?;
        (call.key, call.scheme) = (caller.key.clone(), Some(caller.scheme));
        let denial = self
            .denials
            .get(&None)
            .or_else(|| self.denials.get(&Some(caller.key.clone())));
        if let Some(denial) = denial {
            return Err(denial.refusal(target.product == "Sls"));
        }
        let params = products::params(request, &target, self.options.scope.is_some())?;
        call.params = starred(&params.0);
        if let Some(project) = &target.project {
            call.params.insert("project".into(), project.as_str().into());
        }
        self.throttle(&caller, &target)?;
        call.fault = self.plan.decide(call, self.options.chances);
        match &call.fault {
            Some(Fault::Before | Fault::Cut) => return Err(unavailable()),
            Some(Fault::Throttled(after)) => return Err(throttled(*after)),
            Some(Fault::Refused { status, code }) => {
                return Err(Refusal::new(*status, code.clone(), "Refused on purpose."));
            }
            _ => {}
        }
        if let Some(scope) = &self.options.scope {
            auth_scope(request, scope, &target, &mut caller)?;
        }
        let now = self.world.now();
        let mut context = Context {
            world: &mut self.world,
            options: &self.options,
            caller: &caller,
            now,
            product: target.product,
            action: target.action,
            params,
            fault: call.fault.clone(),
            project: target.project,
            body: request.body.clone(),
            compression: request.header("x-log-compresstype").map(|kind| {
                let size = request.header("x-log-bodyrawsize").and_then(|size| size.parse().ok());
                (kind.to_owned(), size.unwrap_or_default())
            }),
        };
        let reply = products::dispatch(&mut context)?;
        target
            .contract
            .check_reply(&reply)
            .map_err(|why| Refusal::new(500, "SimulatorError", why))?;
        match call.fault {
            Some(Fault::After) => Err(unavailable()),
            _ => Ok(reply),
        }
    }

    /// Carries out an Action without a request: nothing is signed, logged, throttled or goes wrong.
    pub(crate) fn act(&mut self, account: &str, product: &str, action: &str, params: Json) -> Answer {
        self.world.sweep();
        let Json::Object(mut params) = params else {
            return Err(Refusal::parameter("params", "they should be an object"));
        };
        let caller = Caller {
            account: account.into(),
            scheme: Scheme::Anonymous,
            key: String::new(),
            role: None,
        };
        let project = params
            .remove("project")
            .and_then(|name| name.as_str().map(str::to_owned));
        let now = self.world.now();
        let mut context = Context {
            world: &mut self.world,
            options: &self.options,
            caller: &caller,
            now,
            product,
            action,
            params: crate::params::Params(params),
            fault: None,
            project,
            body: Bytes::new(),
            compression: None,
        };
        let reply = products::dispatch(&mut context);
        self.save();
        reply
    }

    /// Destroys a thing with its data, at once; the interfaces that the service had for it go as they do after a
    /// deletion.
    pub(crate) fn destroy(&mut self, kind: Kind, id: &str) -> bool {
        let until = self.world.now() + millis(self.options.lingering);
        let of = |is: &&Resource| is.name == id && is.attr("ServiceManaged") == true;
        let interfaces = self.world.of(Kind::NetworkInterface).filter(of);
        let interfaces: Vec<_> = interfaces.map(|interface| interface.id.clone()).collect();
        for interface in interfaces {
            if let Some(interface) = self.world.edit(Kind::NetworkInterface, &interface) {
                interface.gone_at = Some(until);
            }
        }
        self.world.remove(kind, id).is_some()
    }

    fn throttle(&mut self, caller: &Caller, target: &Target) -> Answer<()> {
        let Some(limit) = self.options.throttle else {
            return Ok(());
        };
        let now = self.world.now();
        let key = (caller.account.clone(), format!("{}.{}", target.product, target.action));
        let recent = self.recent.entry(key).or_default();
        recent.retain(|at| now - at < 1000);
        if recent.len() >= usize::try_from(limit).unwrap_or(usize::MAX) {
            let oldest = recent.first().copied().unwrap_or(now);
            return Err(throttled(u64::try_from(1000 - (now - oldest)).unwrap_or(1000).max(1)));
        }
        recent.push(now);
        Ok(())
    }

    pub(crate) fn save(&mut self) {
        if let Some(path) = &self.options.state {
            let saved = self.world.save(path);
            saved
                .unwrap_or_else(|error| tracing::error!(path = %path.display(), %error, "the state cannot be written"));
        }
    }

    fn request_id(&mut self) -> String {
        let hex: String = format!(
            "{:032X}",
            u128::from(self.calls.issued()) ^ (u128::from(self.options.seed) << 64)
        );
        format!(
            "{}-{}-{}-{}-{}",
            &hex[..8],
            &hex[8..12],
            &hex[12..16],
            &hex[16..20],
            &hex[20..]
        )
    }
}

fn unavailable() -> Refusal {
    Refusal::new(
        503,
        "ServiceUnavailable",
        "The request has failed due to a temporary failure of the server.",
    )
}

fn throttled(after: u64) -> Refusal {
    Refusal {
        retry_after: Some(after),
        ..Refusal::new(400, "Throttling.User", "Request was denied due to user flow control.")
    }
}

/// Without its scope a caller sees nothing, and may change nothing.
fn auth_scope(request: &Request, scope: &crate::Scope, target: &Target, caller: &mut Caller) -> Answer<()> {
    let carries = |header: &str, pair: &str, wanted: &str| {
        let is = request.header(header).or_else(|| request.pair(pair));
        is == Some(wanted)
    };
    let good = carries("x-acs-organizationid", "Department", &scope.organization)
        && carries("x-acs-resourcegroupid", "ResourceGroup", &scope.resource_group);
    if caller.scheme == Scheme::Acs3 || caller.scheme == Scheme::SlsV4 {
        return bad("IncompleteSignature", "An Apsara Stack knows RPC V1 and SLS V1 only.");
    }
    // The data of log stores is asked for without a scope.
    if good || matches!(target.product, "Sts" | "Ascm" | "Sls") {
        return Ok(());
    }
    if ["Describe", "List", "Get"]
        .iter()
        .any(|read| target.action.starts_with(read))
    {
        caller.account = "out of scope".into();
        return Ok(());
    }
    auth::out_of_scope()
}

#[cfg(test)]
mod tests {
    use serde_json::json;

    use super::*;
    use crate::{ACCOUNT, contract};

    #[test]
    fn every_action_of_the_contract_is_served() {
        let cloud = Cloud::new(Options::default()).expect("it needs no file");
        let mut lost = Vec::new();
        for (product, actions) in contract::all() {
            for action in actions.keys() {
                let answer = cloud.lock().act(ACCOUNT, product, action, json!({}));
                if answer.is_err_and(|refusal| refusal.code == "InvalidAction.NotFound") {
                    lost.push(format!("{product}.{action}"));
                }
            }
        }
        assert!(lost.is_empty(), "{}", lost.join(" "));
    }
}
