"""SLS, by both official SDKs, which sign by V1 with HMAC-SHA1, V1 with HMAC-SHA256, and V4.

A project is a part of the host, and the loopback address has no names under it: the simulator is the HTTP proxy.
"""

import os
import sys
import time

from common import KEY, REGION, SECRET, config, refused

os.environ["http_proxy"] = os.environ["HTTP_PROXY"] = os.environ["SIMULATOR"]
HOST = f"{REGION}.log.aliyuncs.com"


def by_log_sdk(version):
    from aliyun.log import IndexConfig, IndexLineConfig, LogClient, LogItem, PutLogsRequest
    from aliyun.log.logexception import LogException
    from aliyun.log.machine_group_detail import MachineGroupDetail

    client = LogClient(f"http://{HOST}", KEY, SECRET, auth_version=version, region=REGION)

    def fails(code, call):
        try:
            call()
        except LogException as error:
            assert error.get_error_code() == code, f"{code} expected, not {error}"
        else:
            sys.exit(f"{code} expected")

    name = f"shop-{version}"
    client.create_project(name, "the shop & co")
    fails("ProjectAlreadyExist", lambda: client.create_project(name, "again"))
    got = client.get_project(name)
    assert got.get_description() == "the shop & co" and got.get_status() == "Normal"
    assert name in [one["projectName"] for one in client.list_project(size=100).get_projects()]
    client.tag_project(name, owner="me", app="shop")
    tags = {key: value for page in client.get_project_tags(name) for key, value in page.get_tags().items()}
    assert tags == {"owner": "me", "app": "shop"}, tags
    fails("LogStoreNotExist", lambda: client.get_logstore(name, "web"))
    client.create_logstore(name, "web", ttl=30, shard_count=2)
    fails("LogStoreAlreadyExist", lambda: client.create_logstore(name, "web", ttl=30, shard_count=2))
    assert client.get_logstore(name, "web").get_ttl() == 30
    client.update_logstore(name, "web", ttl=60, shard_count=2)
    assert client.get_logstore(name, "web").get_ttl() == 60
    assert client.list_logstore(name).get_logstores() == ["web"]
    index = IndexConfig(line_config=IndexLineConfig([" ", ";"], case_sensitive=False))
    client.create_index(name, "web", index)
    fails("IndexAlreadyExist", lambda: client.create_index(name, "web", index))
    client.get_index_config(name, "web")
    item = LogItem(timestamp=int(time.time()), contents=[("level", "info"), ("message", "hello, world")])
    client.put_logs(PutLogsRequest(name, "web", "topic", "source", [item], compress=True))
    client.put_logs(PutLogsRequest(name, "web", "topic", "source", [item], compress=False))
    group = MachineGroupDetail("shop-group", "userdefined", ["cluster-1"])
    client.create_machine_group(name, group)
    fails("MachineGroupAlreadyExist", lambda: client.create_machine_group(name, group))
    fails("MachineGroupNotExist", lambda: client.get_machine_group(name, "none"))
    client.delete_machine_group(name, "shop-group")
    client.delete_index(name, "web")
    fails("IndexConfigNotExist", lambda: client.get_index_config(name, "web"))
    client.delete_logstore(name, "web")
    client.delete_project(name)
    fails("ProjectNotExist", lambda: client.get_project(name))
    bad = LogClient(f"http://{HOST}", KEY, "wrong", auth_version=version, region=REGION)
    fails("SignatureNotMatch", lambda: bad.list_project(size=10))
    print("ok sls.py aliyun-log-python-sdk", version)


def by_product_sdk(version):
    from alibabacloud_sls20201230 import models as sls
    from alibabacloud_sls20201230.client import Client

    client = Client(config("acs3", endpoint=HOST, http_proxy=os.environ["SIMULATOR"], signature_version=version))
    name, store = f"shop-product-{version}", "web"
    client.create_project(sls.CreateProjectRequest(project_name=name, description="the shop"))
    refused("ProjectAlreadyExist", lambda: client.create_project(sls.CreateProjectRequest(project_name=name, description="")), 400)
    assert client.get_project(name, sls.GetProjectRequest()).body.status == "Normal"
    listed = client.list_project(sls.ListProjectRequest(project_name="shop", offset=0, size=10)).body
    assert [one.project_name for one in listed.projects] == [name]
    tag = sls.TagResourcesRequestTags(key="owner", value="me")
    client.tag_resources(sls.TagResourcesRequest(resource_type="project", resource_id=[name], tags=[tag]))
    seen = client.list_tag_resources(sls.ListTagResourcesRequest(resource_type="project", resource_id=[name])).body
    assert [(one.tag_key, one.tag_value) for one in seen.tag_resources] == [("owner", "me")]
    client.create_log_store(name, sls.CreateLogStoreRequest(logstore_name=store, shard_count=2, ttl=30))
    refused(
        "LogStoreAlreadyExist",
        lambda: client.create_log_store(name, sls.CreateLogStoreRequest(logstore_name=store, shard_count=2, ttl=30)), 400,
    )
    client.update_log_store(name, store, sls.UpdateLogStoreRequest(logstore_name=store, ttl=60))
    assert client.get_log_store(name, store).body.ttl == 60
    line = sls.IndexLine(token=[" "], case_sensitive=False, chn=False)
    client.create_index(name, store, sls.CreateIndexRequest(body=sls.Index(line=line)))
    assert client.get_index(name, store).body.line.token == [" "]
    detail = sls.LogtailConfigOutputDetail(endpoint=HOST, logstore_name=store)
    tail = sls.LogtailConfig(
        config_name="web", input_type="plugin", input_detail={"plugin": {"inputs": []}}, output_type="LogService",
        output_detail=detail,
    )
    client.create_config(name, sls.CreateConfigRequest(body=tail))
    refused("ConfigAlreadyExist", lambda: client.create_config(name, sls.CreateConfigRequest(body=tail)), 400)
    group = sls.CreateMachineGroupRequest(
        group_name="group", machine_identify_type="userdefined", machine_list=["cluster-1"], group_attribute=sls.CreateMachineGroupRequestGroupAttribute()
    )
    client.create_machine_group(name, group)
    client.apply_config_to_machine_group(name, "group", "web")
    assert client.get_applied_configs(name, "group").body.configs == ["web"]
    refused("ConfigNotExist", lambda: client.apply_config_to_machine_group(name, "group", "none"), 404)
    client.remove_config_from_machine_group(name, "group", "web")
    client.delete_config(name, "web")
    client.delete_machine_group(name, "group")
    client.delete_index(name, store)
    client.delete_log_store(name, store)
    client.delete_project(name, sls.DeleteProjectRequest())
    refused("ProjectNotExist", lambda: client.get_project(name, sls.GetProjectRequest()), 404)
    print("ok sls.py alibabacloud-sls20201230", version)


by_log_sdk("v1")
by_log_sdk("v4")
by_product_sdk("v1")
by_product_sdk("v4")
