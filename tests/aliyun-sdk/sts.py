"""STS and Tag, by the official SDKs."""

import json

from alibabacloud_sts20150401 import models as sts
from alibabacloud_sts20150401.client import Client as Sts
from alibabacloud_tag20180828 import models as tag
from alibabacloud_tag20180828.client import Client as Tag
from alibabacloud_vpc20160428 import models as vpc
from alibabacloud_vpc20160428.client import Client as Vpc

from common import REGION, config, lifecycles, refused, until

ACCOUNT = "1234567890123456"


def run(scheme):
    client = Sts(config(scheme))
    assert client.get_caller_identity().body.account_id == ACCOUNT
    role = f"acs:ram::{ACCOUNT}:role/mooring"
    request = sts.AssumeRoleRequest(role_arn=role, role_session_name="the-sdk", duration_seconds=900)
    given = client.assume_role(request).body.credentials
    fields = dict(
        access_key_id=given.access_key_id, access_key_secret=given.access_key_secret, security_token=given.security_token
    )
    who = Sts(config(scheme, **fields)).get_caller_identity().body
    assert who.identity_type == "AssumedRoleUser" and who.account_id == ACCOUNT
    other = Sts(config(scheme, **{**fields, "security_token": "another"}))
    refused("InvalidSecurityToken.MismatchWithAccessKey", other.get_caller_identity, 400)
    request.duration_seconds = 10
    refused("InvalidParameter.DurationSeconds", lambda: client.assume_role(request), 400)
    missing = sts.AssumeRoleRequest(role_arn=f"acs:ram::{ACCOUNT}:role/missing", role_session_name="the-sdk")
    refused("EntityNotExist.Role", lambda: client.assume_role(missing), 404)
    by_token = sts.AssumeRoleWithOIDCRequest(
        role_arn=role, oidcprovider_arn=f"acs:ram::{ACCOUNT}:oidc-provider/ack", oidctoken="a.b.c", role_session_name="the-sdk"
    )
    assert client.assume_role_with_oidc(by_token).body.credentials.access_key_id.startswith("STS.")

    network, tags = Vpc(config(scheme)), Tag(config(scheme))
    made = network.create_vpc(vpc.CreateVpcRequest(region_id=REGION)).body.vpc_id
    arn = f"arn:acs:vpc:{REGION}:{ACCOUNT}:vpc/{made}"
    tags.tag_resources(tag.TagResourcesRequest(region_id=REGION, resource_arn=[arn], tags=json.dumps({"a": "1", "b": "2"})))

    def listed(**wanted):
        request = tag.ListTagResourcesRequest(region_id=REGION, tags=json.dumps(wanted), page_size=100)
        return [one.resource_arn for one in tags.list_tag_resources(request).body.tag_resources]

    assert listed(a="1", b="2") == [arn] and listed(a="1", b="3") == []
    tags.untag_resources(tag.UntagResourcesRequest(region_id=REGION, resource_arn=[arn], tag_key=["a"]))
    assert listed(a="1") == []
    describe = vpc.DescribeVpcsRequest(region_id=REGION, vpc_id=made)
    until("the VPC", lambda: network.describe_vpcs(describe).body.vpcs.vpc[0].status, "Available")
    network.delete_vpc(vpc.DeleteVpcRequest(region_id=REGION, vpc_id=made))


lifecycles(run)
