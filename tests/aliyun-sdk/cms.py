"""CloudMonitor, by the official SDK."""

import json

from alibabacloud_cms20190101 import models as cms
from alibabacloud_cms20190101.client import Client

from common import config, lifecycles, refused


def run(scheme):
    client = Client(config(scheme))
    group, rule = f"shop-{scheme}", f"rule-{scheme}"
    answer = client.put_contact_group(cms.PutContactGroupRequest(contact_group_name=group, describe="the shop")).body
    assert answer.success is True and answer.code == "200"
    listed = client.describe_contact_group_list(cms.DescribeContactGroupListRequest(page_size=100)).body
    assert group in listed.contact_groups.contact_group
    critical = cms.PutResourceMetricRuleRequestEscalationsCritical(
        statistics="Average", comparison_operator="GreaterThanOrEqualToThreshold", threshold="80", times=3
    )
    put = cms.PutResourceMetricRuleRequest(
        rule_id=rule, rule_name="connections", namespace="acs_rds_dashboard", metric_name="ConnectionUsage",
        resources=json.dumps([{"instanceId": "rm-x"}]), contact_groups=group, period="60", silence_time=86400,
        escalations=cms.PutResourceMetricRuleRequestEscalations(critical=critical),
        labels=[cms.PutResourceMetricRuleRequestLabels(key="owner", value="me")],
    )
    assert client.put_resource_metric_rule(put).body.success is True

    def rules():
        return client.describe_metric_rule_list(cms.DescribeMetricRuleListRequest(rule_ids=rule)).body.alarms.alarm

    assert rules()[0].escalations.critical.threshold == "80" and rules()[0].alert_state == "OK"
    critical.threshold = "90"
    client.put_resource_metric_rule(put)
    assert [one.escalations.critical.threshold for one in rules()] == ["90"], "putting it again changes it"
    client.disable_metric_rules(cms.DisableMetricRulesRequest(rule_id=[rule]))
    assert rules()[0].enable_state is False
    put.contact_groups = "nobody"
    refused("ResourceNotFound", lambda: client.put_resource_metric_rule(put), 404)
    delete = cms.DeleteMetricRulesRequest(id=[rule])
    client.delete_metric_rules(delete)
    refused("ResourceNotFound", lambda: client.delete_metric_rules(delete), 404)
    gone = cms.DeleteContactGroupRequest(contact_group_name=group)
    client.delete_contact_group(gone)
    refused("ContactGroup.NotExists", lambda: client.delete_contact_group(gone), 404)


lifecycles(run)
