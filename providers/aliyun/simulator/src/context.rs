//! What an Action sees of the cloud: only what is the caller's and can be seen already.

use std::collections::BTreeMap;

use bytes::Bytes;
use serde_json::{Map, Value as Json, json};

use crate::{
    Fault, Options,
    auth::Caller,
    params::Params,
    refusal::{Answer, Refusal, bad},
    resource::{Busy, Kind, Resource},
    world::{World, millis},
};

/// A call that is carried out.
#[derive(Debug)]
pub(crate) struct Context<'a> {
    pub(crate) world: &'a mut World,
    pub(crate) options: &'a Options,
    pub(crate) caller: &'a Caller,
    pub(crate) now: i64,
    pub(crate) product: &'a str,
    pub(crate) action: &'a str,
    pub(crate) params: Params,
    pub(crate) fault: Option<Fault>,
    /// Of SLS.
    pub(crate) project: Option<String>,
    pub(crate) body: Bytes,
    /// How an SLS body is compressed, and its size before.
    pub(crate) compression: Option<(String, usize)>,
}

/// An answer without anything but the request's id.
pub(crate) fn done() -> Answer {
    Ok(json!({}))
}

impl Context<'_> {
    fn shows(&self, resource: &Resource) -> bool {
        resource.account == self.caller.account && (resource.visible_from <= self.now || !resource.kind.hides())
    }

    /// What the caller can see of this kind.
    pub(crate) fn seen(&self, kind: Kind) -> impl Iterator<Item = &Resource> {
        self.world.of(kind).filter(|is| self.shows(is))
    }

    pub(crate) fn find(&self, kind: Kind, id: &str) -> Option<&Resource> {
        self.world.get(kind, id).filter(|is| self.shows(is))
    }

    pub(crate) fn edit(&mut self, kind: Kind, id: &str) -> &mut Resource {
        self.world.edit(kind, id).expect("who edits it has found it")
    }

    /// How many there are of the caller's, seen or not.
    pub(crate) fn count(&self, kind: Kind) -> usize {
        self.world
            .of(kind)
            .filter(|is| is.account == self.caller.account)
            .count()
    }

    /// A new thing of the caller's; it is still to be put into the world.
    pub(crate) fn make(&self, kind: Kind, id: impl Into<String>, name: impl Into<String>) -> Resource {
        Resource {
            kind,
            id: id.into(),
            name: name.into(),
            parent: None,
            account: self.caller.account.clone(),
            created: self.now,
            visible_from: self.now + millis(self.options.invisible_for),
            busy: None,
            gone_at: None,
            tags: BTreeMap::new(),
            attrs: Map::new(),
            rows: Vec::new(),
        }
    }

    /// A state that lasts as long as provisioning does.
    pub(crate) fn busy(&self, status: &str) -> Option<Busy> {
        Some(Busy {
            status: status.into(),
            until: self.now + millis(self.options.provisioning),
        })
    }

    /// An id as the vendor's look.
    pub(crate) fn id(&mut self, prefix: &str) -> String {
        format!("{prefix}{}", self.world.random(17))
    }

    /// The network interface by which something is in a vSwitch.
    pub(crate) fn attach(&mut self, owner: &str, vswitch: &str, vpc: Json, address: Json) {
        let id = self.id("eni-bp1");
        let mut interface = self.make(Kind::NetworkInterface, id, owner);
        interface.parent = Some(vswitch.into());
        interface.set("PrivateIpAddress", address);
        interface.set("VpcId", vpc);
        interface.set("ServiceManaged", true);
        self.world.put(interface);
    }

    /// Its interfaces go a while after it is gone.
    pub(crate) fn detach(&mut self, owner: &str, gone: i64) {
        let of = |is: &&Resource| is.name == owner && is.attr("ServiceManaged") == true;
        let ids: Vec<_> = self
            .world
            .of(Kind::NetworkInterface)
            .filter(of)
            .map(|is| is.id.clone())
            .collect();
        for id in ids {
            let until = gone + millis(self.options.lingering);
            self.edit(Kind::NetworkInterface, &id).gone_at = Some(until);
        }
    }

    /// The tags in parameters `Tag.N.Key` and `Tag.N.Value`.
    pub(crate) fn tags(&self, name: &str) -> Answer<BTreeMap<String, String>> {
        let list = self.params.list(name);
        if list.len() > 20 {
            return bad("NumberExceed.Tags", "The maximum number of tags is 20.");
        }
        let mut tags = BTreeMap::new();
        for tag in list {
            let part = |name: &str| tag.get(name).and_then(Json::as_str).unwrap_or_default().to_owned();
            let (key, value) = (part("Key"), part("Value"));
            if key.is_empty()
                || key.len() > 128
                || value.len() > 128
                || key.starts_with("aliyun")
                || key.starts_with("acs:")
            {
                return bad("InvalidTagKey.Malformed", format!("The tag key `{key}` is not valid."));
            }
            if tags.insert(key.clone(), value).is_some() {
                return bad("Duplicate.TagKey", format!("The tag key `{key}` is there twice."));
            }
        }
        Ok(tags)
    }

    /// Whether something has all the tags that the call filters by; a filter without a value wants any.
    pub(crate) fn has_tags(&self, resource: &Resource) -> bool {
        self.params.list("Tag").iter().all(|tag| {
            let part = |name: &str| tag.get(name).and_then(Json::as_str);
            let is = part("Key").and_then(|key| resource.tags.get(key));
            is.is_some_and(|is| part("Value").is_none_or(|value| value.is_empty() || value == is))
        })
    }

    /// Whether a parameter that is there equals this.
    pub(crate) fn wants(&self, name: &str, is: &str) -> bool {
        self.params.text(name).is_none_or(|wanted| wanted == is)
    }

    /// Whether a parameter of comma-joined ids names this, or is not there.
    pub(crate) fn lists(&self, name: &str, id: &str, max: usize) -> Answer<bool> {
        let ids = self.params.commas(name);
        if ids.len() > max {
            return bad(
                "InvalidParameter",
                format!("{name} takes up to {max} ids, not {}.", ids.len()),
            );
        }
        Ok(ids.is_empty() || ids.contains(&id))
    }

    /// `PageNumber` and `PageSize`.
    pub(crate) fn page(&self, max: i64, default: i64) -> Answer<(usize, usize)> {
        self.page_of("PageNumber", max, default)
    }

    pub(crate) fn page_of(&self, number: &str, max: i64, default: i64) -> Answer<(usize, usize)> {
        let at = self.params.int(number).unwrap_or(1);
        let size = self.params.int("PageSize").unwrap_or(default);
        if at < 1 {
            return Err(Refusal::parameter(number, format!("{at} is no page; the first is 1")));
        }
        if !(1..=max).contains(&size) {
            return Err(Refusal::parameter("PageSize", format!("{size} is not from 1 to {max}")));
        }
        Ok((usize::try_from(at).unwrap_or(1), usize::try_from(size).unwrap_or(1)))
    }

    /// `MaxResults` and `NextToken`: this page of a list, and the token of the next.
    pub(crate) fn slice<T>(&self, all: Vec<T>, max: i64, default: i64) -> Answer<(Vec<T>, String)> {
        let size = self.params.int("MaxResults").unwrap_or(default);
        if !(1..=max).contains(&size) {
            return Err(Refusal::parameter(
                "MaxResults",
                format!("{size} is not from 1 to {max}"),
            ));
        }
        let from = match self.params.text("NextToken") {
            None => 0,
            Some(token) => {
                let from = token.strip_prefix("next-").and_then(|from| from.parse::<usize>().ok());
                from.ok_or_else(|| Refusal::new(400, "Invalid.NextToken", "The parameter NextToken is invalid."))?
            }
        };
        let size = usize::try_from(size).unwrap_or(1);
        let next = if all.len() > from + size {
            format!("next-{}", from + size)
        } else {
            String::new()
        };
        Ok((all.into_iter().skip(from).take(size).collect(), next))
    }
}

/// The page of a list.
pub(crate) fn page<T>(all: Vec<T>, (number, size): (usize, usize)) -> Vec<T> {
    all.into_iter().skip((number - 1) * size).take(size).collect()
}

/// Tags as the API lists them, under these names.
pub(crate) fn tag_list(tags: &BTreeMap<String, String>, key: &str, value: &str) -> Json {
    tags.iter().map(|(is, it)| json!({key: is, value: it})).collect()
}
