//! Rules on the wire.

use std::collections::BTreeMap;

use mooring_provider::{Error, ErrorKind, Owner, Receipt, Result};
use serde::Deserialize;
use serde_json::{Value as Json, json};

use super::rule::{ABOVE, BELOW, Level, Rule, tags};
use crate::{
    api::{Api, Call, Nothing},
    errors::is_not_found,
    marks::{self, Tags},
    params::Params,
    product::Product,
    sight::retold,
};

const OBSERVE: &str = "monitor.observe";
/// The largest page.
const PAGE: usize = 100;

/// A rule that is there.
#[derive(Debug, Clone)]
pub(crate) struct Found {
    pub(super) id: String,
    pub(super) labels: Tags,
    /// What it says; `None` when it says what no rule of ours does.
    pub(super) rule: Option<Rule>,
}

impl Found {
    /// The owner that its labels name in full.
    pub(super) fn owner(&self) -> Option<Owner> {
        marks::owner(&tags(&self.labels))
    }
}

#[derive(Deserialize)]
#[serde(rename_all = "PascalCase")]
struct Page {
    alarms: Alarms,
    #[serde(default)]
    total: Json,
}

#[derive(Deserialize)]
struct Alarms {
    #[serde(rename = "Alarm")]
    list: Vec<Alarm>,
}

/// A rule as the API has it.
#[derive(Debug, Clone, Deserialize)]
#[serde(rename_all = "PascalCase")]
struct Alarm {
    rule_id: String,
    #[serde(default)]
    rule_name: String,
    #[serde(default)]
    namespace: String,
    #[serde(default)]
    metric_name: String,
    #[serde(default)]
    resources: String,
    #[serde(default)]
    contact_groups: String,
    #[serde(default)]
    period: Json,
    #[serde(default)]
    silence_time: Json,
    #[serde(default)]
    escalations: BTreeMap<String, Escalation>,
    #[serde(default)]
    labels: Labels,
}

#[derive(Debug, Clone, Default, Deserialize)]
#[serde(rename_all = "PascalCase", default)]
struct Escalation {
    comparison_operator: String,
    statistics: String,
    threshold: Json,
    times: Json,
}

#[derive(Debug, Clone, Default, Deserialize)]
struct Labels {
    #[serde(rename = "Labels", default)]
    list: Vec<Label>,
}

#[derive(Debug, Clone, Deserialize)]
#[serde(rename_all = "PascalCase")]
struct Label {
    key: String,
    #[serde(default)]
    value: String,
}

impl Alarm {
    fn found(&self) -> Found {
        let labels = self
            .labels
            .list
            .iter()
            .map(|label| (label.key.clone(), label.value.clone()));
        Found {
            id: self.rule_id.clone(),
            labels: labels.collect(),
            rule: self.rule(),
        }
    }

    fn rule(&self) -> Option<Rule> {
        let set = |level: &Level| Some((*level, self.escalations.get(level.as_str())?));
        let mut levels = Level::ALL
            .iter()
            .filter_map(set)
            .filter(|(_, one)| !one.comparison_operator.is_empty());
        let (level, escalation) = levels.next().filter(|_| levels.next().is_none())?;
        let resources: Vec<BTreeMap<String, String>> = serde_json::from_str(&self.resources).ok()?;
        let [resource] = resources.as_slice() else { return None };
        Some(Rule {
            name: self.rule_name.clone(),
            namespace: self.namespace.clone(),
            metric: self.metric_name.clone(),
            resource: resource.get("instanceId").filter(|_| resource.len() == 1)?.clone(),
            contacts: self
                .contact_groups
                .split(',')
                .map(|name| name.trim().to_owned())
                .collect(),
            level,
            statistics: escalation.statistics.clone(),
            above: match escalation.comparison_operator.as_str() {
                ABOVE => true,
                BELOW => false,
                _ => return None,
            },
            threshold: number(&escalation.threshold)?,
            period: number(&self.period)? as u64,
            times: number(&escalation.times)? as u64,
            silence: number(&self.silence_time)? as u64,
        })
    }
}

/// A number, which the API writes as such or as text.
fn number(value: &Json) -> Option<f64> {
    value.as_f64().or_else(|| value.as_str()?.trim().parse().ok())
}

/// The rules of these ids that are there.
pub(super) async fn by_ids(api: &Api, ids: &[String]) -> Result<Vec<Found>> {
    let found = pages(api, Params::new().set("RuleIds", ids.join(","))).await?;
    Ok(found.into_iter().filter(|found| ids.contains(&found.id)).collect())
}

/// Every rule of the account.
pub(super) async fn all(api: &Api) -> Result<Vec<Found>> {
    pages(api, Params::new()).await
}

async fn pages(api: &Api, params: Params) -> Result<Vec<Found>> {
    let mut found = BTreeMap::new();
    for page in 1.. {
        let params = params.clone().set("Page", page).set("PageSize", PAGE);
        let call = Call::read(Product::Cms, "DescribeMetricRuleList", OBSERVE, params);
        let answer = api.rpc::<Page>(call).await?.value;
        let count = answer.alarms.list.len();
        found.extend(
            answer
                .alarms
                .list
                .into_iter()
                .map(|alarm| (alarm.rule_id.clone(), alarm.found())),
        );
        let total = number(&answer.total).map_or(0, |total| total as usize);
        if count > 0 && page * PAGE < total {
            continue;
        }
        if found.len() < total {
            // What is missing in a list that changed while it was read is not absent.
            let message = format!("the list has {} of {total} rules; it is read again later", found.len());
            return Err(Error::new(ErrorKind::Unavailable, OBSERVE, message));
        }
        break;
    }
    Ok(found.into_values().collect())
}

/// Makes a rule, or makes it so: the whole of it is said, so it may be said again.
pub(super) async fn put(api: &Api, operation: &'static str, id: &str, rule: &Rule, labels: &Tags) -> Result<Receipt> {
    let level = format!("Escalations.{}", rule.level.as_str());
    let mut params = Params::new()
        .set("RuleId", id)
        .set("RuleName", &rule.name)
        .set("Namespace", &rule.namespace)
        .set("MetricName", &rule.metric)
        .json("Resources", &json!([{"instanceId": rule.resource}]))
        .set("ContactGroups", rule.contacts.join(","))
        .set("Period", rule.period)
        .set("Interval", 60)
        .set("SilenceTime", rule.silence)
        .set("NoDataPolicy", "KEEP_LAST_STATE")
        .set(format!("{level}.Statistics"), &rule.statistics)
        .set(
            format!("{level}.ComparisonOperator"),
            if rule.above { ABOVE } else { BELOW },
        )
        .set(format!("{level}.Threshold"), rule.threshold)
        .set(format!("{level}.Times"), rule.times);
    for (n, (key, value)) in labels.iter().enumerate() {
        params = params.member("Labels", n + 1, [("Key", key), ("Value", value)]);
    }
    let call = Call::write(Product::Cms, "PutResourceMetricRule", operation, params).idempotent();
    match api.rpc::<Nothing>(call).await {
        Err(error) if is_not_found(Product::Cms, &error) => {
            let fix = format!("are all of its groups of contacts there: {}?", rule.contacts.join(", "));
            Err(retold(&error, format!("{}; {fix}", error.message())))
        }
        reply => Ok(reply?.receipt()),
    }
}

/// Removes rules. One that is gone already is as good.
pub(super) async fn delete(api: &Api, operation: &'static str, ids: &[&str]) -> Result<Receipt> {
    let call = Call::write(
        Product::Cms,
        "DeleteMetricRules",
        operation,
        Params::new().list("Id", ids),
    )
    .idempotent();
    match api.rpc::<Nothing>(call).await {
        Err(error) if is_not_found(Product::Cms, &error) => Ok(Receipt::default()),
        reply => Ok(reply?.receipt()),
    }
}
