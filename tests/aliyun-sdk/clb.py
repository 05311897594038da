"""CLB, by the official SDK."""

import json

from alibabacloud_slb20140515 import models as slb
from alibabacloud_slb20140515.client import Client

from common import REGION, config, lifecycles, refused, until


def run(scheme):
    client = Client(config(scheme))
    create = slb.CreateLoadBalancerRequest(
        region_id=REGION, address_type="intranet", v_switch_id="vsw-shared-1", instance_charge_type="PayByCLCU",
        load_balancer_name="shop", client_token=f"clb-{scheme}", delete_protection="on",
        tag=[slb.CreateLoadBalancerRequestTag(key="owner", value="me")],
    )
    id = client.create_load_balancer(create).body.load_balancer_id
    assert client.create_load_balancer(create).body.load_balancer_id == id
    create.load_balancer_name = "other"
    refused("IdempotentParameterMismatch", lambda: client.create_load_balancer(create), 400)

    def attribute():
        return client.describe_load_balancer_attribute(slb.DescribeLoadBalancerAttributeRequest(region_id=REGION, load_balancer_id=id)).body

    assert attribute().load_balancer_status == "active" and attribute().vpc_id == "vpc-shared"
    tags = [slb.DescribeLoadBalancersRequestTag(key="owner", value="me")]
    describe = slb.DescribeLoadBalancersRequest(region_id=REGION, load_balancer_id=id, tag=tags)
    assert client.describe_load_balancers(describe).body.total_count == 1
    group = client.create_vserver_group(
        slb.CreateVServerGroupRequest(region_id=REGION, load_balancer_id=id, vserver_group_name="web")
    ).body.vserver_group_id
    listen = slb.CreateLoadBalancerHTTPListenerRequest(
        region_id=REGION, load_balancer_id=id, listener_port=80, bandwidth=-1, sticky_session="off", health_check="on",
        health_check_uri="/healthz", vserver_group_id=group,
    )
    client.create_load_balancer_httplistener(listen)
    refused("ListenerAlreadyExists", lambda: client.create_load_balancer_httplistener(listen), 400)

    def listener():
        request = slb.DescribeLoadBalancerHTTPListenerAttributeRequest(region_id=REGION, load_balancer_id=id, listener_port=80)
        return client.describe_load_balancer_httplistener_attribute(request).body

    assert (listener().status, listener().health_check_uri) == ("stopped", "/healthz"), "listeners are created stopped"
    switch = dict(region_id=REGION, load_balancer_id=id, listener_port=80, listener_protocol="http")
    client.start_load_balancer_listener(slb.StartLoadBalancerListenerRequest(**switch))
    until("the listener", lambda: listener().status, "running")
    refused(
        "OperationFailed.ListenerStatusNotSupport",
        lambda: client.start_load_balancer_listener(slb.StartLoadBalancerListenerRequest(**switch)), 400,
    )
    client.set_load_balancer_httplistener_attribute(
        slb.SetLoadBalancerHTTPListenerAttributeRequest(region_id=REGION, load_balancer_id=id, listener_port=80, health_check_uri="/ready")
    )
    assert listener().health_check_uri == "/ready"
    listed = client.describe_load_balancer_listeners(slb.DescribeLoadBalancerListenersRequest(region_id=REGION, load_balancer_id=[id])).body
    assert listed.listeners[0].httplistener_config.health_check_uri == "/ready"

    backend = json.dumps([{"ServerId": "eni-none", "Port": "8080", "Weight": "100", "Type": "eni"}])
    add = slb.AddVServerGroupBackendServersRequest(region_id=REGION, vserver_group_id=group, backend_servers=backend)
    refused("InvalidServerId.NotExist", lambda: client.add_vserver_group_backend_servers(add), 400)
    gone = slb.DeleteVServerGroupRequest(region_id=REGION, vserver_group_id=group)
    refused("RspoolVipExist", lambda: client.delete_vserver_group(gone), 400)
    client.stop_load_balancer_listener(slb.StopLoadBalancerListenerRequest(**switch))
    until("the listener", lambda: listener().status, "stopped")
    client.delete_load_balancer_listener(slb.DeleteLoadBalancerListenerRequest(**switch))
    refused(
        "ResourceNotFound.Listener",
        lambda: client.delete_load_balancer_listener(slb.DeleteLoadBalancerListenerRequest(**switch)), 404,
    )
    client.delete_vserver_group(gone)
    acl = client.create_access_control_list(slb.CreateAccessControlListRequest(region_id=REGION, acl_name="office")).body.acl_id
    entries = json.dumps([{"entry": "10.8.0.0/16", "comment": "pods"}])
    client.add_access_control_list_entry(slb.AddAccessControlListEntryRequest(region_id=REGION, acl_id=acl, acl_entrys=entries))
    seen = client.describe_access_control_list_attribute(
        slb.DescribeAccessControlListAttributeRequest(region_id=REGION, acl_id=acl)
    ).body
    assert seen.acl_entrys.acl_entry[0].acl_entry_ip == "10.8.0.0/16"
    client.delete_access_control_list(slb.DeleteAccessControlListRequest(region_id=REGION, acl_id=acl))
    delete = slb.DeleteLoadBalancerRequest(region_id=REGION, load_balancer_id=id)
    refused("OperationDenied.DeleteProtectionIsOn", lambda: client.delete_load_balancer(delete), 400)
    client.set_load_balancer_delete_protection(
        slb.SetLoadBalancerDeleteProtectionRequest(region_id=REGION, load_balancer_id=id, delete_protection="off")
    )
    client.delete_load_balancer(delete)
    refused("InvalidLoadBalancerId.NotFound", attribute, 404)


lifecycles(run)
