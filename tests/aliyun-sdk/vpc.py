"""VPC and ECS security groups, by the official SDK."""

from alibabacloud_ecs20140526 import models as ecs
from alibabacloud_ecs20140526.client import Client as Ecs
from alibabacloud_vpc20160428 import models as vpc
from alibabacloud_vpc20160428.client import Client as Vpc

from common import REGION, config, lifecycles, refused, until


def run(scheme):
    client, groups = Vpc(config(scheme)), Ecs(config(scheme))
    tags = [vpc.CreateVpcRequestTag(key="owner", value="the sdk & co")]
    create = vpc.CreateVpcRequest(
        region_id=REGION, cidr_block="10.64.0.0/20", vpc_name="shop net", tag=tags, client_token=f"one-{scheme}"
    )
    made = client.create_vpc(create).body
    assert client.create_vpc(create).body.vpc_id == made.vpc_id
    create.cidr_block = "10.65.0.0/20"
    refused("Duplicated.ClientToken", lambda: client.create_vpc(create), 400)

    def describe(**what):
        return client.describe_vpcs(vpc.DescribeVpcsRequest(region_id=REGION, **what)).body

    until("the VPC", lambda: describe(vpc_id=made.vpc_id).vpcs.vpc[0].status, "Available")
    attribute = client.describe_vpc_attribute(vpc.DescribeVpcAttributeRequest(region_id=REGION, vpc_id=made.vpc_id)).body
    assert attribute.vpc_name == "shop net" and attribute.tags.tag[0].value == "the sdk & co"
    filter = [vpc.DescribeVpcsRequestTag(key="owner", value="the sdk & co")]
    assert describe(tag=filter).total_count == 1 and describe(vpc_id="vpc-none").total_count == 0
    refused("InvalidParameter", lambda: describe(page_size=51), 400)
    listed = client.list_tag_resources(
        vpc.ListTagResourcesRequest(region_id=REGION, resource_type="VPC", resource_id=[made.vpc_id])
    ).body
    assert listed.tag_resources.tag_resource[0].tag_key == "owner"

    def subnet(cidr, token=None):
        request = vpc.CreateVSwitchRequest(
            region_id=REGION, vpc_id=made.vpc_id, zone_id="cn-hangzhou-h", cidr_block=cidr, client_token=token
        )
        return client.create_vswitch(request).body.v_switch_id

    vswitch = subnet("10.64.0.0/24", f"sub-{scheme}")
    refused("IncorrectVSwitchStatus", lambda: subnet("10.64.1.0/24"), 400)
    look = vpc.DescribeVSwitchAttributesRequest(region_id=REGION, v_switch_id=vswitch)
    until("the vSwitch", lambda: client.describe_vswitch_attributes(look).body.status, "Available")
    refused("InvalidCidrBlock.Overlapped", lambda: subnet("10.64.0.0/25"), 400)
    refused("InvalidCidrBlock.Malformed", lambda: subnet("10.99.0.0/24"), 400)
    client.modify_vpc_attribute(vpc.ModifyVpcAttributeRequest(region_id=REGION, vpc_id=made.vpc_id, vpc_name="renamed"))
    assert describe(vpc_name="renamed").vpcs.vpc[0].v_switch_ids.v_switch_id == [vswitch]

    group = groups.create_security_group(
        ecs.CreateSecurityGroupRequest(region_id=REGION, vpc_id=made.vpc_id, security_group_name="shop")
    ).body.security_group_id
    rule = ecs.AuthorizeSecurityGroupRequestPermissions(ip_protocol="TCP", port_range="3306/3306", source_cidr_ip="10.8.0.0/16")
    groups.authorize_security_group(
        ecs.AuthorizeSecurityGroupRequest(region_id=REGION, security_group_id=group, permissions=[rule])
    )
    seen = groups.describe_security_group_attribute(
        ecs.DescribeSecurityGroupAttributeRequest(region_id=REGION, security_group_id=group)
    ).body
    assert seen.permissions.permission[0].source_cidr_ip == "10.8.0.0/16"

    delete = vpc.DeleteVpcRequest(region_id=REGION, vpc_id=made.vpc_id)
    refused("DependencyViolation.VSwitch", lambda: client.delete_vpc(delete), 400)
    gone = vpc.DeleteVSwitchRequest(region_id=REGION, v_switch_id=vswitch)
    client.delete_vswitch(gone)
    refused("InvalidVSwitchId.NotFound", lambda: client.delete_vswitch(gone), 404)
    refused("DependencyViolation.SecurityGroup", lambda: client.delete_vpc(delete), 400)
    groups.delete_security_group(ecs.DeleteSecurityGroupRequest(region_id=REGION, security_group_id=group))
    client.delete_vpc(delete)
    refused("InvalidVpcId.NotFound", lambda: client.delete_vpc(delete), 404)

    bad = Vpc(config(scheme, access_key_secret="wrong"))
    refused("SignatureDoesNotMatch", lambda: bad.describe_vpcs(vpc.DescribeVpcsRequest(region_id=REGION)), 400)
    unknown = Vpc(config(scheme, access_key_id="nobody"))
    refused("InvalidAccessKeyId.NotFound", lambda: unknown.describe_vpcs(vpc.DescribeVpcsRequest(region_id=REGION)), 404)


lifecycles(run)
