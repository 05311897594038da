//! CloudMonitor: rules, contacts and their groups. Its answers say `Success` and `Code` besides.

use serde_json::{Value as Json, json};

use crate::{
    Kind,
    context::{Context, page},
    refusal::{Answer, Refusal, absent, bad},
};

const RULE: [&str; 16] = [
    "RuleName",
    "Namespace",
    "MetricName",
    "Resources",
    "ContactGroups",
    "Period",
    "Interval",
    "SilenceTime",
    "EffectiveInterval",
    "NoEffectiveInterval",
    "NoDataPolicy",
    "Webhook",
    "EmailSubject",
    "Escalations",
    "Labels",
    "SendOK",
];
const OPERATORS: [&str; 6] = [
    "GreaterThanOrEqualToThreshold",
    "GreaterThanThreshold",
    "LessThanOrEqualToThreshold",
    "LessThanThreshold",
    "NotEqualToThreshold",
    "EqualToThreshold",
];
const NAMESPACES: [&str; 5] = [
    "acs_rds_dashboard",
    "acs_slb_dashboard",
    "acs_nlb",
    "acs_ecs_dashboard",
    "acs_polardb",
];

pub(crate) fn call(context: &mut Context<'_>) -> Option<Answer> {
    let answer = match context.action {
        "PutResourceMetricRule" => put_rule(context),
        "DescribeMetricRuleList" => rules(context),
        "DeleteMetricRules" => delete_rules(context),
        "EnableMetricRules" => enable(context, true),
        "DisableMetricRules" => enable(context, false),
        "PutContact" => put_contact(context),
        "DescribeContactList" => contacts(context),
        "DeleteContact" => delete(context, Kind::Contact, "ContactName", "ContactNotExists"),
        "PutContactGroup" => put_group(context),
        "DescribeContactGroupList" => groups(context),
        "DeleteContactGroup" => delete(
            context,
            Kind::ContactGroup,
            "ContactGroupName",
            "ContactGroup.NotExists",
        ),
        _ => return None,
    };
    Some(answer.map(|mut reply| {
        reply["Success"] = true.into();
        // The list of rules has a number there, everything else a text.
        reply["Code"] = if context.action == "DescribeMetricRuleList" {
            200.into()
        } else {
            "200".into()
        };
        reply
    }))
}

/// Names are the account's, and something of this name may be another account's too.
fn key(context: &Context<'_>, name: &str) -> String {
    format!("{}/{name}", context.caller.account)
}

fn put_rule(context: &mut Context<'_>) -> Answer {
    let id = context.params.need("RuleId")?.to_owned();
    for name in ["RuleName", "Namespace", "MetricName", "ContactGroups", "Resources"] {
        context.params.need(name)?;
    }
    let namespace = context.params.need("Namespace")?;
    if !NAMESPACES.contains(&namespace) {
        return absent("ResourceNotFound", format!("The namespace {namespace} is not known."));
    }
    let resources = context.params.json("Resources")?.unwrap_or(Json::Null);
    let listed = resources
        .as_array()
        .is_some_and(|all| !all.is_empty() && all.iter().all(Json::is_object));
    if !listed {
        return Err(Refusal::parameter("Resources", "it should be a JSON list of objects"));
    }
    let escalations = context
        .params
        .0
        .get("Escalations")
        .and_then(Json::as_object)
        .cloned()
        .unwrap_or_default();
    if escalations.is_empty() {
        return Err(Refusal::missing("Escalations.Critical.Threshold"));
    }
    for (level, escalation) in &escalations {
        let operator = escalation["ComparisonOperator"].as_str().unwrap_or_default();
        if !OPERATORS.contains(&operator) {
            return Err(Refusal::parameter(
                &format!("Escalations.{level}.ComparisonOperator"),
                format!("`{operator}`"),
            ));
        }
        if escalation["Threshold"]
            .as_str()
            .is_none_or(|text| text.parse::<f64>().is_err())
        {
            return Err(Refusal::parameter(
                &format!("Escalations.{level}.Threshold"),
                "it should be a number",
            ));
        }
    }
    let groups = context.params.commas("ContactGroups");
    if let Some(lost) = groups
        .iter()
        .find(|name| context.find(Kind::ContactGroup, &key(context, name)).is_none())
    {
        return absent("ResourceNotFound", format!("The contact group {lost} does not exist."));
    }
    let name = context.params.need("RuleName")?.to_owned();
    let key = key(context, &id);
    let enabled = context.find(Kind::Rule, &key).is_none_or(|is| is.truth("EnableState"));
    let created = context
        .world
        .get(Kind::Rule, &key)
        .map(|is| (is.created, is.visible_from));
    let mut rule = context.make(Kind::Rule, key, name);
    (rule.created, rule.visible_from) = created.unwrap_or((rule.created, rule.visible_from));
    rule.attrs = context.params.pick(&RULE);
    rule.set("RuleId", id);
    rule.set("EnableState", enabled);
    context.world.put(rule);
    Ok(json!({}))
}

fn rules(context: &Context<'_>) -> Answer {
    let ids = context.params.commas("RuleIds");
    let mut all = Vec::new();
    for is in context.seen(Kind::Rule) {
        let listed = ids.is_empty() || ids.contains(&is.text("RuleId"));
        let named = context
            .params
            .text("RuleName")
            .is_none_or(|name| is.name.contains(name));
        let fits = ["Namespace", "MetricName"]
            .iter()
            .all(|name| context.wants(name, is.text(name)));
        if !listed || !named || !fits {
            continue;
        }
        let mut shown = Json::Object(is.attrs.clone());
        for (from, to) in [("EmailSubject", "MailSubject"), ("Interval", "")] {
            let value = shown.as_object_mut().and_then(|shown| shown.remove(from));
            if let (Some(value), false) = (value, to.is_empty()) {
                shown[to] = value;
            }
        }
        if !shown["Labels"].is_null() {
            shown["Labels"] = json!({"Labels": shown["Labels"]});
        }
        shown["Dimensions"] = shown["Resources"].clone();
        shown["AlertState"] = "OK".into();
        shown["SourceType"] = "METRIC".into();
        shown["GmtCreate"] = is.created.into();
        all.push(shown);
    }
    let at = context.page_of("Page", 100, 10)?;
    let total = all.len().to_string();
    Ok(json!({"Alarms": {"Alarm": page(all, at)}, "Total": total}))
}

fn wanted(context: &Context<'_>, name: &str) -> Answer<Vec<String>> {
    let ids = context.params.texts(name);
    if ids.is_empty() || ids.len() > 100 {
        return bad("ParameterInvalid", format!("{name} takes 1 to 100 ids."));
    }
    Ok(ids.into_iter().map(|id| key(context, id)).collect())
}

/// Deletes those that are there; when none is, that is an error.
fn delete_rules(context: &mut Context<'_>) -> Answer {
    let ids = wanted(context, "Id")?;
    let known: Vec<_> = ids
        .into_iter()
        .filter(|id| context.find(Kind::Rule, id).is_some())
        .collect();
    if known.is_empty() {
        return absent("ResourceNotFound", "The specified resource is not found.");
    }
    for id in known {
        context.world.remove(Kind::Rule, &id);
    }
    Ok(json!({}))
}

fn enable(context: &mut Context<'_>, on: bool) -> Answer {
    let ids = wanted(context, "RuleId")?;
    if ids.iter().any(|id| context.find(Kind::Rule, id).is_none()) {
        return absent("ResourceNotFound", "The specified resource is not found.");
    }
    for id in ids {
        context.edit(Kind::Rule, &id).set("EnableState", on);
    }
    Ok(json!({}))
}

fn put_contact(context: &mut Context<'_>) -> Answer {
    let name = context.params.need("ContactName")?.to_owned();
    let mut contact = context.make(Kind::Contact, key(context, &name), name);
    contact.attrs = context.params.pick(&["Describe", "Channels", "Lang"]);
    context.world.put(contact);
    Ok(json!({}))
}

fn contacts(context: &Context<'_>) -> Answer {
    let mut all = Vec::new();
    for is in context
        .seen(Kind::Contact)
        .filter(|is| context.wants("ContactName", &is.name))
    {
        all.push(json!({"Name": is.name, "Desc": is.text("Describe"), "Channels": is.attr("Channels"), "CreateTime": is.created}));
    }
    let at = context.page(100, 10)?;
    let total = all.len();
    Ok(json!({"Contacts": {"Contact": page(all, at)}, "Total": total}))
}

fn put_group(context: &mut Context<'_>) -> Answer {
    let name = context.params.need("ContactGroupName")?.to_owned();
    let contacts = context.params.texts("ContactNames");
    if let Some(lost) = contacts
        .iter()
        .find(|name| context.find(Kind::Contact, &key(context, name)).is_none())
    {
        return absent("ContactNotExists", format!("The contact {lost} does not exist."));
    }
    let mut group = context.make(Kind::ContactGroup, key(context, &name), name);
    group.attrs = context.params.pick(&["ContactNames", "Describe", "EnableSubscribed"]);
    context.world.put(group);
    Ok(json!({}))
}

fn groups(context: &Context<'_>) -> Answer {
    let all = context.seen(Kind::ContactGroup).map(|is| {
        let contacts = json!({"Contact": is.list("ContactNames")});
        json!({"Name": is.name, "Describe": is.text("Describe"), "CreateTime": is.created, "Contacts": contacts})
    });
    let all: Vec<_> = all.collect();
    let at = context.page(100, 10)?;
    let total = all.len();
    let some = page(all, at);
    let names: Vec<_> = some.iter().map(|group| group["Name"].clone()).collect();
    Ok(json!({"ContactGroups": {"ContactGroup": names}, "ContactGroupList": {"ContactGroup": some}, "Total": total}))
}

fn delete(context: &mut Context<'_>, kind: Kind, parameter: &str, code: &'static str) -> Answer {
    let key = key(context, context.params.need(parameter)?);
    if context.find(kind, &key).is_none() {
        return absent(code, "The specified resource does not exist.");
    }
    context.world.remove(kind, &key);
    Ok(json!({}))
}
