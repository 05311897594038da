"""What Trove takes for Nova, Cinder, Glance and Swift: objects in memory. The ports of its instances are Neutron's."""
import threading
import time
import uuid

import novaclient.api_versions
from novaclient import exceptions as nova_exceptions


class Thing:
    def __init__(self, **fields):
        self.__dict__.update(fields)


def flavor(id, name, ram, disk):
    links = [{"rel": "self", "href": f"http://127.0.0.1/flavors/{id}"}]
    return Thing(id=id, str_id=id, name=name, ram=ram, disk=disk, vcpus=1, ephemeral=0, links=links)


FLAVORS = {found.id: found for found in (flavor("1", "db.small", 512, 10), flavor("2", "db.medium", 2048, 20))}
SERVERS, VOLUMES = {}, {}


def neutron():
    from trove.common import clients
    return clients.create_neutron_client(None)


def wake(instance):
    """Reports once Trove waits for it, as the agent of a machine does that has just started."""
    from trove.instance import models, service_status
    for _ in range(600):
        time.sleep(0.1)
        status = models.InstanceServiceStatus.find_by(instance_id=instance)
        if status.get_status() == service_status.ServiceStatuses.PAUSED:
            status.set_status(service_status.ServiceStatuses.SHUTDOWN)
            status.save()
            return


class Server(Thing):
    def delete(self):
        SERVERS.pop(self.id, None)

    def resize(self, flavor_id):
        self.flavor, self.status = {"id": flavor_id}, "VERIFY_RESIZE"
        threading.Thread(target=wake, args=(self.instance,), daemon=True).start()

    def confirm_resize(self):
        self.status = "ACTIVE"

    revert_resize = confirm_resize


class Nova:
    api_version = novaclient.api_versions.APIVersion("2.53")

    class flavors:
        @staticmethod
        def get(id):
            if str(id) not in FLAVORS:
                raise nova_exceptions.NotFound(404, f"flavor {id} not found")
            return FLAVORS[str(id)]

        @staticmethod
        def list(*args, **options):
            return list(FLAVORS.values())

    class servers:
        @staticmethod
        def create(name, image, flavor, nics=None, **options):
            instance = options["meta"]["trove_instance_id"]
            server = Server(instance=instance, id=str(uuid.uuid4()), name=name, status="ACTIVE", fault={}, addresses={}, flavor={"id": flavor}, hostId="h", host="h")
            for nic in nics or []:
                neutron().update_port(nic["port-id"], {"port": {"device_id": server.id, "device_owner": "compute:nova"}})
            SERVERS[server.id] = server
            return server

        @staticmethod
        def get(id):
            if id not in SERVERS:
                raise nova_exceptions.NotFound(404, f"server {id} not found")
            return SERVERS[id]

        @staticmethod
        def list(*args, **options):
            return list(SERVERS.values())

    class server_groups:
        @staticmethod
        def list(*args, **options):
            return []


def nova(*args, **options):
    return Nova()


class Volume(Thing):
    def delete(self):
        VOLUMES.pop(self.id, None)


class Cinder:
    class volumes:
        @staticmethod
        def create(size=1, name=None, volume_type=None, **options):
            volume = Volume(id=str(uuid.uuid4()), size=size, name=name, status="available", volume_type=volume_type, attachments=[])
            VOLUMES[volume.id] = volume
            return volume

        @staticmethod
        def get(id):
            return VOLUMES[id]

        @staticmethod
        def extend(id, size):
            VOLUMES[id].size = size

        @staticmethod
        def list(search_opts=None, **options):
            name = (search_opts or {}).get("name")
            return [volume for volume in VOLUMES.values() if name in (None, volume.name)]

    class volume_types:
        @staticmethod
        def list(*args, **options):
            return []


def cinder(*args, **options):
    return Cinder()


class Glance:
    class images:
        @staticmethod
        def get(id):
            return {"id": id, "status": "active"}

        @staticmethod
        def list(**options):
            return [{"id": "00000000-0000-0000-0000-0000000000aa"}]


def glance(*args, **options):
    return Glance()


class Swift:
    @staticmethod
    def get_account():
        return {}, []


def swift(*args, **options):
    return Swift()
