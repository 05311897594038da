"""Fills the cloud in a directory: services, endpoints, a project with a user and an application credential, an external
network. Writes cloud.json. May be run again."""
import json
import os
import sys

import requests

DIR = sys.argv[1]
PORT = dict(line.strip().removeprefix("PORT_").split("=") for line in open(f"{DIR}/ports"))
KEYSTONE = f"http://127.0.0.1:{PORT['KEYSTONE']}/v3"
NEUTRON = f"http://127.0.0.1:{PORT['NEUTRON']}"
ENDPOINTS = {
    "identity": ("keystone", KEYSTONE),
    "network": ("neutron", NEUTRON),
    "load-balancer": ("octavia", f"http://127.0.0.1:{PORT['OCTAVIA']}"),
    "database": ("trove", f"http://127.0.0.1:{PORT['TROVE']}/v1.0/%(tenant_id)s"),
}


def login(user, password, project):
    """A session with a token of the user."""
    domain = {"id": "default"}
    body = {"auth": {"identity": {"methods": ["password"], "password": {"user": {"name": user, "domain": domain, "password": password}}}, "scope": {"project": {"name": project, "domain": domain}}}}
    session = requests.Session()
    answer = session.post(f"{KEYSTONE}/auth/tokens", json=body)
    answer.raise_for_status()
    session.headers["X-Auth-Token"] = answer.headers["X-Subject-Token"]
    return session


ADMIN = login("admin", "adminpass", "admin")


def ensure(url, many, one, match, extra=None):
    """What matches in a collection; made where it is missing, changed where it differs in what else it should have."""
    answer = ADMIN.get(f"{url}/{many}", params=match)
    answer.raise_for_status()
    for found in answer.json()[many]:
        if all(found.get(key) == value for key, value in match.items()):
            if "url" in (extra or {}) and found["url"] != extra["url"]:
                ADMIN.patch(f"{url}/{many}/{found['id']}", json={one: extra}).raise_for_status()
            return found
    answer = ADMIN.post(f"{url}/{many}", json={one: {**match, **(extra or {})}})
    answer.raise_for_status()
    return answer.json()[one]


roles = {name: ensure(KEYSTONE, "roles", "role", {"name": name})["id"] for name in ("admin", "member", "load-balancer_member")}


def user(name, password, project, its_roles):
    found = ensure(KEYSTONE, "users", "user", {"name": name, "domain_id": "default"}, {"password": password})
    for role in its_roles:
        ADMIN.put(f"{KEYSTONE}/projects/{project['id']}/users/{found['id']}/roles/{roles[role]}").raise_for_status()
    return found


service = ensure(KEYSTONE, "projects", "project", {"name": "service", "domain_id": "default"})
demo = ensure(KEYSTONE, "projects", "project", {"name": "demo", "domain_id": "default"})
user("svc", "svcpass", service, ["admin"])
developer = user("demo", "demopass", demo, ["member", "load-balancer_member"])
for kind, (name, url) in ENDPOINTS.items():
    entry = ensure(KEYSTONE, "services", "service", {"type": kind}, {"name": name})
    for interface in ("public", "internal", "admin"):
        match = {"service_id": entry["id"], "interface": interface, "region_id": "RegionOne"}
        ensure(KEYSTONE, "endpoints", "endpoint", match, {"url": url})

outside = ensure(f"{NEUTRON}/v2.0", "networks", "network", {"name": "outside", "router:external": True}, {"provider:network_type": "flat", "provider:physical_network": "outside"})
ensure(f"{NEUTRON}/v2.0", "subnets", "subnet", {"name": "outside", "network_id": outside["id"]}, {"ip_version": 4, "cidr": "198.18.0.0/16", "enable_dhcp": False})

mine = login("demo", "demopass", "demo")
credentials = f"{KEYSTONE}/users/{developer['id']}/application_credentials"
for old in mine.get(credentials).json()["application_credentials"]:
    mine.delete(f"{credentials}/{old['id']}")
answer = mine.post(credentials, json={"application_credential": {"name": "ci"}})
answer.raise_for_status()
credential = answer.json()["application_credential"]
cloud = {
    "authUrl": KEYSTONE,
    "region": "RegionOne",
    "projectId": demo["id"],
    "project": "demo",
    "username": "demo",
    "password": "demopass",
    "userId": developer["id"],
    "applicationCredentialId": credential["id"],
    "applicationCredentialSecret": credential["secret"],
    "adminPassword": "adminpass",
    "externalNetwork": "outside",
    "endpoints": {kind: url.replace("%(tenant_id)s", demo["id"]) for kind, (_, url) in ENDPOINTS.items()},
    "pids": {name: f"{DIR}/run/{name}.pid" for name in ("keystone", "neutron", "octavia", "trove")},
}
# Whole or not at all: somebody may be waiting for it.
with open(f"{DIR}/cloud.json.new", "w") as file:
    json.dump(cloud, file, indent=1)
os.rename(f"{DIR}/cloud.json.new", f"{DIR}/cloud.json")
