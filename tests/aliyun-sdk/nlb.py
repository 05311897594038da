"""NLB, by the official SDK. It can sign by ACS3 and RPC V1; writes go in a form body."""

from alibabacloud_nlb20220430 import models as nlb
from alibabacloud_nlb20220430.client import Client

from common import REGION, config, lifecycles, refused, until

ZONES = [("cn-hangzhou-h", "vsw-shared-1"), ("cn-hangzhou-i", "vsw-shared-2")]


def run(scheme):
    client = Client(config(scheme))
    zones = [nlb.CreateLoadBalancerRequestZoneMappings(zone_id=zone, v_switch_id=vswitch) for zone, vswitch in ZONES]
    create = nlb.CreateLoadBalancerRequest(
        region_id=REGION, address_type="Intranet", vpc_id="vpc-shared", zone_mappings=zones, load_balancer_name="shop",
        client_token=f"nlb-{scheme}", tag=[nlb.CreateLoadBalancerRequestTag(key="owner", value="me")],
    )
    id = client.create_load_balancer(create).body.loadbalancer_id
    assert client.create_load_balancer(create).body.loadbalancer_id == id
    create.load_balancer_name = "other"
    refused("IdempotenceSignatureMismatch", lambda: client.create_load_balancer(create), 400)

    def get():
        return client.get_load_balancer_attribute(nlb.GetLoadBalancerAttributeRequest(load_balancer_id=id)).body

    group = nlb.CreateServerGroupRequest(
        region_id=REGION, server_group_name="web", vpc_id="vpc-shared", protocol="TCP", server_group_type="Ip",
        health_check_config=nlb.CreateServerGroupRequestHealthCheckConfig(health_check_enabled=True, health_check_type="TCP"),
    )
    made = client.create_server_group(group)
    group_id = made.body.server_group_id
    listener = nlb.CreateListenerRequest(
        region_id=REGION, load_balancer_id=id, listener_port=80, listener_protocol="TCP", server_group_id=group_id,
        client_token=f"lsn-{scheme}",
    )
    refused("ResourceInCreating.loadbalancer", lambda: client.create_listener(listener), 400)
    until("the balancer", lambda: get().load_balancer_status, "Active")
    assert get().tags[0].tag_value == "me" and len(get().zone_mappings) == 2

    def job(answer):
        request = nlb.GetJobStatusRequest(job_id=answer.body.job_id)
        until("the job", lambda: client.get_job_status(request).body.status, "Succeeded")

    job(made)

    def servers():
        request = nlb.ListServerGroupServersRequest(server_group_id=group_id)
        return [(one.server_id, one.status) for one in client.list_server_group_servers(request).body.servers]

    server = nlb.AddServersToServerGroupRequestServers(server_id="10.0.1.9", server_ip="10.0.1.9", server_type="Ip", port=8080)
    add = nlb.AddServersToServerGroupRequest(region_id=REGION, server_group_id=group_id, servers=[server])
    job(client.add_servers_to_server_group(add))
    assert servers() == [("10.0.1.9", "Available")]
    refused("DuplicatedParam.Server", lambda: client.add_servers_to_server_group(add), 400)
    answer = client.create_listener(listener)
    listener_id = answer.body.listener_id
    refused("Conflict.Port", lambda: client.create_listener(nlb.CreateListenerRequest(**{**vars(listener), "client_token": None})), 400)
    job(answer)

    def status():
        return client.get_listener_attribute(nlb.GetListenerAttributeRequest(listener_id=listener_id)).body.listener_status

    assert status() == "Running"
    job(client.stop_listener(nlb.StopListenerRequest(listener_id=listener_id)))
    assert status() == "Stopped"
    refused("IncorrectStatus.listener", lambda: client.stop_listener(nlb.StopListenerRequest(listener_id=listener_id)), 400)
    job(client.start_listener(nlb.StartListenerRequest(listener_id=listener_id)))
    refused("ResourceInUse.ServerGroup", lambda: client.delete_server_group(nlb.DeleteServerGroupRequest(server_group_id=group_id)), 400)
    protect = nlb.UpdateLoadBalancerProtectionRequest(load_balancer_id=id, deletion_protection_enabled=True)
    client.update_load_balancer_protection(protect)
    delete = nlb.DeleteLoadBalancerRequest(load_balancer_id=id)
    refused("OperationDenied.DeletionProtectionEnabled", lambda: client.delete_load_balancer(delete), 400)
    protect.deletion_protection_enabled = False
    client.update_load_balancer_protection(protect)
    gone = nlb.RemoveServersFromServerGroupRequestServers(server_id="10.0.1.9", server_ip="10.0.1.9", server_type="Ip", port=8080)
    job(client.remove_servers_from_server_group(
        nlb.RemoveServersFromServerGroupRequest(region_id=REGION, server_group_id=group_id, servers=[gone])
    ))
    assert servers() == []
    job(client.delete_listener(nlb.DeleteListenerRequest(listener_id=listener_id)))
    refused("ResourceNotFound.listener", status, 404)
    job(client.delete_load_balancer(delete))
    refused("ResourceNotFound.loadBalancer", get, 404)
    job(client.delete_server_group(nlb.DeleteServerGroupRequest(server_group_id=group_id)))
    listed = client.list_server_groups(nlb.ListServerGroupsRequest(region_id=REGION, server_group_ids=[group_id])).body
    assert listed.total_count == 0


lifecycles(run)
