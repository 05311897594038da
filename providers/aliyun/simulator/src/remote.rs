//! The control endpoint; what it does stands in the documentation of the crate.

use std::{net::Ipv4Addr, time::Duration};

use serde::{Deserialize, de::DeserializeOwned};
use serde_json::{Value as Json, json};

use crate::{
    ACCOUNT, AccessKey, Chances, Denial, Kind, Planned,
    core::{Cloud, Core, Parts},
};

type Done = Result<Json, String>;

pub(crate) fn answer(cloud: &Cloud, method: &str, path: &str, query: &[(String, String)], body: &[u8]) -> Parts {
    let mut core = cloud.lock();
    core.world.sweep();
    let name = path.trim_start_matches("/-/");
    let since = query
        .iter()
        .find_map(|(name, value)| (name == "since").then(|| value.parse().ok())?);
    let done = carry_out(&mut core, method, name, since.unwrap_or_default(), body);
    core.save();
    let (status, body) = match done {
        Ok(reply) => (200, reply),
        Err(why) => (400, json!({ "error": why })),
    };
    let headers = vec![("content-type", "application/json".to_owned())];
    Parts {
        status,
        headers,
        body: body.to_string(),
        cut: None,
    }
}

fn read<T: DeserializeOwned>(body: &[u8]) -> Result<T, String> {
    serde_json::from_slice(body).map_err(|error| format!("the body is not what is expected: {error}"))
}

#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
struct Deny {
    key: Option<String>,
    denial: Option<Denial>,
}

#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
struct Millis {
    millis: u64,
}

#[derive(Deserialize)]
#[serde(deny_unknown_fields, rename_all = "camelCase")]
struct Throttle {
    per_second: Option<u32>,
}

#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
struct One {
    kind: Kind,
    id: String,
    row: Option<String>,
}

#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
struct Act {
    product: String,
    action: String,
    params: Json,
    account: Option<String>,
}

#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
struct Login {
    id: String,
    user: String,
    password: String,
    from: Option<Ipv4Addr>,
}

#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
struct Key {
    id: String,
    secret: String,
    account: String,
}

fn carry_out(core: &mut Core, method: &str, name: &str, since: u64, body: &[u8]) -> Done {
    match (method, name) {
        ("GET", "healthz") => return Ok(json!("ok")),
        ("GET", "calls") => return Ok(json!(core.calls.since(since))),
        ("DELETE", "calls") => core.calls.clear(),
        ("GET", "counts") => {
            let counts = core.calls.counts();
            return Ok(counts
                .iter()
                .map(|((product, action), count)| (format!("{product}.{action}"), *count))
                .collect());
        }
        ("POST", "faults") => core.plan.queue.push_back(read::<Planned>(body)?),
        ("DELETE", "faults") => {
            core.plan.queue.clear();
            core.options.chances = Chances::default();
        }
        ("POST", "chances") => core.options.chances = read::<Chances>(body)?,
        ("POST", "deny") => {
            let Deny { key, denial } = read(body)?;
            core.deny(key, denial);
        }
        ("POST", "keys") => {
            let keys: Vec<Key> = read(body)?;
            let keys = keys
                .into_iter()
                .map(|key| AccessKey::new(key.id, key.secret, key.account));
            core.options.access_keys = keys.collect();
        }
        ("POST", "hide") => core.options.invisible_for = Duration::from_millis(read::<Millis>(body)?.millis),
        ("POST", "advance") => core.world.advance(Duration::from_millis(read::<Millis>(body)?.millis)),
        ("POST", "throttle") => core.options.throttle = read::<Throttle>(body)?.per_second,
        ("GET", "resources") => return Ok(core.everything()),
        ("POST", "destroy") => {
            let One { kind, id, .. } = read(body)?;
            if !core.destroy(kind, &id) {
                return Err(format!("there is no {kind:?} {id}"));
            }
        }
        ("POST", "act") => {
            let Act {
                product,
                action,
                params,
                account,
            } = read(body)?;
            let account = account.as_deref().unwrap_or(ACCOUNT);
            let answer = core.act(account, &product, &action, params);
            return answer.map_err(|refusal| format!("{}: {}", refusal.code, refusal.message));
        }
        ("POST", "rows") => {
            let One { kind, id, row } = read(body)?;
            let resource = core
                .world
                .edit(kind, &id)
                .ok_or_else(|| format!("there is no {kind:?} {id}"))?;
            resource.rows.extend(row);
            return Ok(json!(resource.rows));
        }
        ("POST", "login") => {
            let Login {
                id,
                user,
                password,
                from,
            } = read(body)?;
            return Ok(json!(core.login(&id, &user, &password, from)));
        }
        _ => return Err(format!("{method} /-/{name} is no control")),
    }
    Ok(Json::Null)
}
