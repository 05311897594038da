"""What the agent in an instance of Trove would do, done to a mariadbd on the instance's address when that is 127.x."""
import getpass
import os
import shutil
import signal
import subprocess
import time
import traceback
import uuid

from trove_local import neutron

RUN, TEMPLATE = os.environ["TROVE_LOCAL_DIR"], os.environ["TROVE_TEMPLATE"]
HIDDEN = ("root", "mariadb.sys", "mysql", getpass.getuser())


def quoted(text):
    return "'" + str(text).replace("\\", "\\\\").replace("'", "''") + "'"


def ended(pid):
    try:
        with open(f"/proc/{pid}/stat") as stat:
            return stat.read().rsplit(")", 1)[1].split()[0] == "Z"
    except OSError:
        return True


class Guest:
    def __init__(self, id):
        self.id, self.dir = id, f"{RUN}/{id}"

    def sql(self, *statements):
        client = ["mariadb", "--no-defaults", "-uroot", "-N", "-B", "-S", f"{self.dir}/my.sock", "-e", ";".join(statements)]
        done = subprocess.run(client, capture_output=True, text=True)
        if done.returncode:
            raise RuntimeError(done.stderr)
        return [line.split("\t") for line in done.stdout.splitlines()]

    def status(self, name):
        from trove.instance import models, service_status
        status = models.InstanceServiceStatus.find_by(instance_id=self.id)
        status.set_status(getattr(service_status.ServiceStatuses, name))
        status.save()

    # -- life ------------------------------------------------------------------------------------------------------
    def start(self):
        with open(f"{self.dir}/ip") as file:
            ip = file.read()
        server = ["mariadbd", "--no-defaults", f"--user={getpass.getuser()}", f"--datadir={self.dir}/data", f"--socket={self.dir}/my.sock", f"--bind-address={ip}", "--port=3306", f"--pid-file={self.dir}/my.pid", "--skip-name-resolve", "--innodb-buffer-pool-size=8M", "--innodb-log-file-size=8M", "--innodb-flush-log-at-trx-commit=0", "--performance-schema=0"]
        with open(f"{self.dir}/log", "ab") as log:
            process = subprocess.Popen(server, stdin=subprocess.DEVNULL, stdout=log, stderr=log, start_new_session=True)
        for _ in range(600):
            ping = ["mariadb-admin", "--no-defaults", "-uroot", "-S", f"{self.dir}/my.sock", "ping"]
            if subprocess.run(ping, capture_output=True).returncode == 0:
                return
            if process.poll() is not None:
                raise RuntimeError(f"mariadbd ended with {process.returncode}, see {self.dir}/log")
            time.sleep(0.05)

    def prepare(self, memory_mb, packages, databases, users, root_password=None, **options):
        from trove.guestagent.models import AgentHeartBeat
        from trove.instance import models
        instance = models.DBInstance.find_by(id=self.id)
        ports = neutron().list_ports(device_id=instance.compute_instance_id)["ports"]
        ip = ports[0]["fixed_ips"][0]["ip_address"] if ports else "127.0.0.1"
        try:
            if not ip.startswith("127."):
                raise RuntimeError(f"an instance of the lab needs a loopback address, not {ip}")
            os.makedirs(self.dir)
            with open(f"{self.dir}/ip", "w") as file:
                file.write(ip)
            shutil.copytree(TEMPLATE, f"{self.dir}/data")
            self.start()
            self.create_database(databases)
            self.create_user(users)
            if root_password:
                self.enable_root_with_password(root_password)
            AgentHeartBeat.create(instance_id=self.id)
            self.status("HEALTHY")
        except Exception:
            traceback.print_exc()
            self.status("FAILED")

    def stop_db(self, *args, **options):
        try:
            with open(f"{self.dir}/my.pid") as file:
                pid = int(file.read())
            os.kill(pid, signal.SIGTERM)
            for _ in range(200):
                if ended(pid):
                    break
                time.sleep(0.05)
        except (OSError, ValueError):
            pass
        from trove.instance import models
        if str(models.DBInstance.find_by(id=self.id).task_status.action).upper() == "DELETING":
            shutil.rmtree(self.dir, ignore_errors=True)

    def restart(self):
        self.stop_db()
        self.start()
        self.status("HEALTHY")

    def start_db_with_conf_changes(self, *args, **options):
        self.start()
        self.status("HEALTHY")

    def create_backup(self, backup_info):
        from trove.backup import models, state
        with open(f"{self.dir}/backup", "w") as file:
            dump = ["mariadb-dump", "--no-defaults", "-uroot", "-S", f"{self.dir}/my.sock", "--all-databases"]
            done = subprocess.run(dump, stdout=file, stderr=subprocess.DEVNULL)
        backup = models.DBBackup.find_by(id=backup_info["id"])
        backup.state = state.BackupState.FAILED if done.returncode else state.BackupState.COMPLETED
        backup.size = 0.1
        backup.save()

    # -- databases and users -----------------------------------------------------------------------------------------
    def create_database(self, databases):
        for database in databases or []:
            characters = f" character set {database['_character_set']}" if database.get("_character_set") else ""
            self.sql(f"create database if not exists `{database['_name']}`{characters}")

    def create_user(self, users):
        for user in users or []:
            who = f"{quoted(user['_name'])}@{quoted(user.get('_host') or '%')}"
            grants = [f"grant all on `{database['_name']}`.* to {who}" for database in user.get("_databases") or []]
            self.sql(f"create user {who} identified by {quoted(user['_password'])}", *grants)

    def change_passwords(self, users):
        for user in users:
            self.sql(f"alter user {quoted(user['name'])}@{quoted(user.get('host') or '%')} identified by {quoted(user['password'])}")

    def delete_database(self, database):
        self.sql(f"drop database `{database['_name']}`")

    def delete_user(self, user):
        who = f"{quoted(user['_name'])}@{quoted(user.get('_host') or '%')}"
        self.sql(f"drop user {who}")
        for (connection,) in self.sql(f"select id from information_schema.processlist where user={quoted(user['_name'])}"):
            self.sql(f"kill {connection}")

    def grant_access(self, username, hostname, databases):
        self.sql(*[f"grant all on `{database}`.* to {quoted(username)}@{quoted(hostname or '%')}" for database in databases])

    def revoke_access(self, username, hostname, database):
        self.sql(f"revoke all on `{database}`.* from {quoted(username)}@{quoted(hostname or '%')}")

    def list_access(self, username, hostname):
        grantee = quoted(quoted(username) + "@" + quoted(hostname or "%"))
        rows = self.sql(f"select distinct table_schema from information_schema.schema_privileges where grantee={grantee}")
        return [{"_name": row[0], "_character_set": None, "_collate": None} for row in rows]

    def list_databases(self, limit=None, marker=None, include_marker=False):
        rows = self.sql("select schema_name, default_character_set_name, default_collation_name from information_schema.schemata where schema_name not in ('mysql','sys','information_schema','performance_schema') order by 1")
        return [{"_name": row[0], "_character_set": row[1], "_collate": row[2]} for row in rows], None

    def list_users(self, limit=None, marker=None, include_marker=False):
        hidden = ",".join(quoted(name) for name in HIDDEN)
        rows = self.sql(f"select user,host from mysql.user where user not in ({hidden}) order by 1")
        return [{"_name": row[0], "_host": row[1], "_password": None, "_databases": self.list_access(row[0], row[1])} for row in rows], None

    def get_user(self, username, hostname):
        rows = self.sql(f"select user,host from mysql.user where user={quoted(username)} and host={quoted(hostname or '%')}")
        return {"_name": rows[0][0], "_host": rows[0][1], "_password": None, "_databases": self.list_access(username, hostname)} if rows else None

    def enable_root_with_password(self, root_password=None):
        password = root_password or uuid.uuid4().hex
        self.sql(f"create user if not exists 'root'@'%' identified by {quoted(password)}", f"alter user 'root'@'%' identified by {quoted(password)}", "grant all on *.* to 'root'@'%' with grant option")
        return {"_name": "root", "_password": password, "_host": "%"}

    def enable_root(self):
        return self.enable_root_with_password()

    def disable_root(self):
        self.sql("drop user if exists 'root'@'%'")

    def is_root_enabled(self):
        return bool(self.sql("select 1 from mysql.user where user='root' and host='%'"))

    # -- what needs no doing here ------------------------------------------------------------------------------------
    def get_volume_info(self):
        return {"device": "/dev/vda", "mount_point": self.dir, "total_fs": 1, "used": 0.1, "free": 0.9, "total": 1.0}

    get_filesystem_stats = get_volume_info

    def nothing(self, *args, **options):
        pass

    update_overrides = apply_overrides = reset_configuration = resize_fs = mount_volume = unmount_volume = nothing

    def get_hwinfo(self):
        return {}

    def rpc_ping(self):
        return True


def guest(context, id, manager=None):
    return Guest(id)
