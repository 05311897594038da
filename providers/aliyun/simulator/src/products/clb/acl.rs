//! Lists of access control.

use serde_json::{Value as Json, json};

use crate::{
    Kind, Resource,
    context::{Context, done, page, tag_list},
    products::vpc,
    refusal::{Answer, Refusal, bad},
};

fn acl<'a>(context: &'a Context<'_>) -> Answer<&'a Resource> {
    let id = context.params.need("AclId")?;
    let message = || Refusal::new(400, "AclNotExist", "The specified acl does not exist.");
    context.find(Kind::ClbAcl, id).ok_or_else(message)
}

pub(super) fn create(context: &mut Context<'_>) -> Answer {
    vpc::region(context)?;
    let (name, tags) = (context.params.need("AclName")?.to_owned(), context.tags("Tag")?);
    let id = context.id("acl-bp1");
    let mut acl = context.make(Kind::ClbAcl, &id, name);
    acl.tags = tags;
    context.world.put(acl);
    Ok(json!({ "AclId": id }))
}

pub(super) fn list(context: &Context<'_>) -> Answer {
    let fits = |is: &&Resource| context.wants("AclName", &is.name) && context.has_tags(is);
    let all = context.seen(Kind::ClbAcl).filter(fits).map(|is| {
        let tags = tag_list(&is.tags, "TagKey", "TagValue");
        json!({"AclId": is.id, "AclName": is.name, "AddressIPVersion": "ipv4", "Tags": {"Tag": tags}})
    });
    let all: Vec<_> = all.collect();
    let at = context.page(50, 10)?;
    let total = all.len();
    let some = page(all, at);
    let count = some.len();
    Ok(json!({"Acls": {"Acl": some}, "TotalCount": total, "Count": count, "PageNumber": at.0, "PageSize": at.1}))
}

/// The listeners that go by a list.
fn users<'a>(context: &'a Context<'_>, id: &'a str) -> impl Iterator<Item = &'a Resource> {
    context
        .seen(Kind::ClbListener)
        .filter(move |is| is.text("AclId").split(',').any(|acl| acl == id))
}

pub(super) fn get(context: &Context<'_>) -> Answer {
    let acl = acl(context)?;
    let listeners = users(context, &acl.id).map(|is| {
        json!({
            "LoadBalancerId": is.parent, "ListenerPort": is.attr("ListenerPort"), "Protocol": is.attr("protocol"),
            "AclType": is.text("AclType"),
        })
    });
    Ok(json!({
        "AclId": acl.id, "AclName": acl.name, "AddressIPVersion": "ipv4", "AclEntrys": {"AclEntry": acl.list("entries")},
        "RelatedListeners": {"RelatedListener": listeners.collect::<Vec<_>>()},
    }))
}

pub(super) fn entries(context: &mut Context<'_>, add: bool) -> Answer {
    let entries = context.params.json("AclEntrys")?.unwrap_or_else(|| json!([]));
    let Some(entries) = entries.as_array().filter(|entries| (1..=50).contains(&entries.len())) else {
        return Err(Refusal::parameter("AclEntrys", "it is a JSON list of 1 to 50"));
    };
    let mut changed = Vec::new();
    for entry in entries {
        let cidr = entry["entry"].as_str().filter(|cidr| vpc::block(cidr).is_some());
        let cidr = cidr.ok_or_else(|| Refusal::parameter("AclEntrys", "each has an `entry`, a CIDR block"))?;
        changed.push(json!({"AclEntryIP": cidr, "AclEntryComment": entry["comment"].as_str().unwrap_or_default()}));
    }
    let is = acl(context)?;
    let known = |entry: &Json| {
        is.list("entries")
            .iter()
            .any(|is| is["AclEntryIP"] == entry["AclEntryIP"])
    };
    if add && changed.iter().any(known) {
        return bad("AclEntryAlreadyExists", "An entry is there already.");
    }
    let (id, mut all) = (is.id.clone(), is.list("entries").to_vec());
    all.retain(|is| !changed.iter().any(|entry| entry["AclEntryIP"] == is["AclEntryIP"]));
    if add {
        all.extend(changed);
    }
    context.edit(Kind::ClbAcl, &id).set("entries", all);
    done()
}

pub(super) fn delete(context: &mut Context<'_>) -> Answer {
    let id = acl(context)?.id.clone();
    if users(context, &id).next().is_some() {
        return bad("AclInUsed", "The specified acl is used by a listener.");
    }
    context.world.remove(Kind::ClbAcl, &id);
    done()
}
