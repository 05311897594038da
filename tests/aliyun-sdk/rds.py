"""RDS, by the official SDK."""

import json

from alibabacloud_rds20140815 import models as rds
from alibabacloud_rds20140815.client import Client

from common import REGION, config, lifecycles, refused, until


def run(scheme):
    client = Client(config(scheme))
    create = rds.CreateDBInstanceRequest(
        region_id=REGION, engine="MySQL", engine_version="8.0", dbinstance_class="mysql.n2.medium.1",
        dbinstance_storage=20, dbinstance_net_type="Intranet", security_iplist="127.0.0.1", pay_type="Postpaid",
        instance_network_type="VPC", vpcid="vpc-shared", v_switch_id="vsw-shared-1", zone_id="cn-hangzhou-h",
        dbinstance_description="shop", client_token=f"db-{scheme}", deletion_protection=True,
        tag=[rds.CreateDBInstanceRequestTag(key="owner", value="me"), rds.CreateDBInstanceRequestTag(key="scheme", value=scheme)],
    )
    made = client.create_dbinstance(create).body
    assert made.tag_result is True and client.create_dbinstance(create).body.dbinstance_id == made.dbinstance_id
    create.dbinstance_storage = 40
    refused("IdempotentParameterMismatch", lambda: client.create_dbinstance(create), 400)
    id = made.dbinstance_id

    def attribute():
        request = rds.DescribeDBInstanceAttributeRequest(dbinstance_id=id)
        return client.describe_dbinstance_attribute(request).body.items.dbinstance_attribute[0]

    account = rds.CreateAccountRequest(dbinstance_id=id, account_name="app", account_password="Secret-of-1")
    refused("IncorrectDBInstanceState", lambda: client.create_account(account), 403)
    until("the instance", lambda: attribute().dbinstance_status, "Running")
    assert attribute().dbinstance_storage == 20 and attribute().deletion_protection is True

    def listed(**tags):
        request = rds.DescribeDBInstancesRequest(region_id=REGION, tags=json.dumps(tags))
        return [one.dbinstance_id for one in client.describe_dbinstances(request).body.items.dbinstance]

    assert listed(owner="me", other="no") == [id], "any tag is enough"
    assert listed(owner="you") == []
    tags = client.list_tag_resources(
        rds.ListTagResourcesRequest(region_id=REGION, resource_type="INSTANCE", resource_id=[id])
    ).body.tag_resources.tag_resource
    assert {(one.tag_key, one.tag_value) for one in tags} == {("owner", "me"), ("scheme", scheme)}

    account.account_password = "simple"
    refused("InvalidAccountPassword.Format", lambda: client.create_account(account), 400)
    account.account_password = "Secret-of-1"
    client.create_account(account)
    refused("InvalidAccountName.Duplicate", lambda: client.create_account(account), 400)
    database = rds.CreateDatabaseRequest(dbinstance_id=id, dbname="shop", character_set_name="utf8mb4")
    client.create_database(database)
    refused("InvalidDBName.Duplicate", lambda: client.create_database(database), 400)
    accounts = rds.DescribeAccountsRequest(dbinstance_id=id)
    until("the account", lambda: client.describe_accounts(accounts).body.accounts.dbinstance_account[0].account_status, "Available")
    databases = rds.DescribeDatabasesRequest(dbinstance_id=id)
    until("the database", lambda: client.describe_databases(databases).body.databases.database[0].dbstatus, "Running")
    client.grant_account_privilege(
        rds.GrantAccountPrivilegeRequest(dbinstance_id=id, account_name="app", dbname="shop", account_privilege="ReadWrite")
    )
    grant = client.describe_accounts(accounts).body.accounts.dbinstance_account[0].database_privileges.database_privilege[0]
    assert (grant.dbname, grant.account_privilege) == ("shop", "ReadWrite")
    client.reset_account_password(
        rds.ResetAccountPasswordRequest(dbinstance_id=id, account_name="app", account_password="Secret-of-2")
    )

    client.modify_security_ips(
        rds.ModifySecurityIpsRequest(dbinstance_id=id, dbinstance_iparray_name="mooring", security_ips="10.8.0.0/16,10.9.0.1")
    )
    groups = client.describe_dbinstance_iparray_list(rds.DescribeDBInstanceIPArrayListRequest(dbinstance_id=id)).body
    groups = {one.dbinstance_iparray_name: one.security_iplist for one in groups.items.dbinstance_iparray}
    assert groups == {"default": "127.0.0.1", "mooring": "10.8.0.0/16,10.9.0.1"}
    net = client.describe_dbinstance_net_info(rds.DescribeDBInstanceNetInfoRequest(dbinstance_id=id)).body
    assert net.dbinstance_net_infos.dbinstance_net_info[0].port == "3306"

    client.modify_dbinstance_spec(
        rds.ModifyDBInstanceSpecRequest(dbinstance_id=id, pay_type="Postpaid", dbinstance_class="mysql.n2.large.1", dbinstance_storage=40)
    )
    assert attribute().dbinstance_status == "DBInstanceClassChanging"
    until("the change", lambda: attribute().dbinstance_status, "Running")
    assert (attribute().dbinstance_storage, attribute().dbinstance_class) == (40, "mysql.n2.large.1")
    job = client.create_backup(rds.CreateBackupRequest(dbinstance_id=id)).body.backup_job_id
    refused("BackupJobExists", lambda: client.create_backup(rds.CreateBackupRequest(dbinstance_id=id)), 400)
    jobs = rds.DescribeBackupTasksRequest(dbinstance_id=id, backup_job_id=int(job))
    until("the backup", lambda: client.describe_backup_tasks(jobs).body.items.backup_job[0].backup_status, "Finished")
    assert client.describe_backups(rds.DescribeBackupsRequest(dbinstance_id=id)).body.total_record_count == "1"

    delete = rds.DeleteDBInstanceRequest(dbinstance_id=id, released_keep_policy="None")
    refused("OperationDenied.DeletionProtection", lambda: client.delete_dbinstance(delete), 400)
    client.modify_dbinstance_deletion_protection(
        rds.ModifyDBInstanceDeletionProtectionRequest(dbinstance_id=id, deletion_protection=False)
    )
    client.delete_dbinstance(delete)
    until("the deletion", lambda: listed(scheme=scheme), [])
    refused("InvalidDBInstanceId.NotFound", attribute)
    refused("InvalidDBInstanceName.NotFound", lambda: client.delete_dbinstance(delete), 404)


lifecycles(run)
