"""Octavia provider driver for tests: one real HAProxy per load balancer, bound to the Neutron VIP when that VIP
is a 127.0.0.0/8 address (any other VIP: control plane only). Needs no RabbitMQ, worker, Nova or driver-agent
process: it calls the driver-agent's own DriverUpdater in the API process. octavia-api must be ONE process."""
import csv, io, ipaddress, os, queue, socket, subprocess, tempfile, threading, time
from octavia_lib.api.drivers import provider_base
from octavia_lib.common import constants as c
from oslo_log import log as logging

LOG = logging.getLogger(__name__)
RUN = os.environ.get("LO_HAPROXY_DIR", tempfile.gettempdir() + "/lo_haproxy")
ALGO = {"ROUND_ROBIN": "roundrobin", "LEAST_CONNECTIONS": "leastconn", "SOURCE_IP": "source"}


def sub(tree, kind):
    return [x for x in (tree.get(kind) or []) if isinstance(x, dict)]


def uid(x, kind):
    return x.get({"listeners": "listener_id", "pools": "pool_id", "members": "member_id", "healthmonitors": "healthmonitor_id"}[kind])


class Engine:
    def __init__(self):
        os.makedirs(RUN, exist_ok=True)
        self.q, self.live, self.seen = queue.Queue(), {}, {}
        for f in (self.work, self.poll):
            threading.Thread(target=f, daemon=True).start()

    @property
    def updater(self):
        from octavia.api.drivers.driver_agent import driver_updater
        return driver_updater.DriverUpdater()

    def submit(self, lb=None, pool=None, deleted=(), keep_members=None):
        self.q.put((lb, pool, set(deleted), keep_members))

    # -- jobs ---------------------------------------------------------------------------------------------------
    def work(self):
        while True:
            job = self.q.get()
            try:
                self.apply(*job)
            except Exception:
                LOG.exception("lo_haproxy job failed: %s", job)

    def tree(self, lb, pool):
        """Waits for the API's transaction (it holds the row lock), then reads the committed tree."""
        from octavia.api.drivers.driver_agent import driver_get
        from octavia.db import api as db_api, models
        s = db_api.get_session()
        with s.begin():
            if lb is None:
                lb = s.query(models.Pool.load_balancer_id).filter_by(id=pool).scalar()
            s.query(models.LoadBalancer.id).filter_by(id=lb).with_for_update().one_or_none()
        return lb, driver_get.process_get({"object": c.LOADBALANCERS, "id": lb})

    def apply(self, lb, pool, deleted, keep_members):
        lb, t = self.tree(lb, pool)
        if not t:
            return
        if lb in deleted:
            self.stop(lb)
            deleted |= {uid(x, "listeners") for x in sub(t, "listeners")}
            for p in sub(t, "pools"):
                deleted |= {uid(p, "pools")} | {uid(m, "members") for m in sub(p, "members")}
                if isinstance(p.get("healthmonitor"), dict):
                    deleted.add(uid(p["healthmonitor"], "healthmonitors"))
        if keep_members is not None:
            for p in sub(t, "pools"):
                if p["pool_id"] == pool:
                    deleted |= {m["member_id"] for m in sub(p, "members")} - set(keep_members)
        time.sleep(5 if "make-it-slow" in (t.get("name") or "") else int(os.environ.get("LO_HAPROXY_DELAY_MS", "0")) / 1000)   # keep PENDING_* visible to tests
        ok = lb in deleted or ("make-it-fail" not in (t.get("name") or "") and self.render(lb, t, deleted))
        st = {k: [] for k in ("listeners", "pools", "members", "healthmonitors", "loadbalancers")}

        def put(kind, i, op="ONLINE"):
            r = {"id": i, "provisioning_status": "DELETED" if i in deleted else ("ACTIVE" if ok else "ERROR")}
            if i not in deleted:
                r["operating_status"] = op if ok else "ERROR"
            st[kind].append(r)
        for x in sub(t, "listeners"):
            put("listeners", x["listener_id"])
        for p in sub(t, "pools"):
            put("pools", p["pool_id"])
            hm = p.get("healthmonitor")
            if isinstance(hm, dict):
                put("healthmonitors", hm["healthmonitor_id"])
            for m in sub(p, "members"):
                put("members", m["member_id"], "ONLINE" if isinstance(hm, dict) and hm["healthmonitor_id"] not in deleted else "NO_MONITOR")
        put("loadbalancers", lb)
        self.seen.pop(lb, None)
        res = self.updater.update_loadbalancer_status(st)
        if res.get("status_code") != c.DRVR_STATUS_CODE_OK:
            LOG.error("status update refused: %s", res)

    # -- haproxy ------------------------------------------------------------------------------------------------
    def render(self, lb, t, deleted):
        vip = t["vip_address"]
        o = [f"global\n  maxconn 1000\n  stats socket {RUN}/{lb}.sock mode 600 level admin\ndefaults\n  timeout connect 5s\n  timeout client 50s\n  timeout server 50s"]
        bound, hms = 0, False
        for x in sub(t, "listeners"):
            if x["listener_id"] in deleted or x.get("protocol") == "UDP":
                continue
            http = x["protocol"] in ("HTTP", "TERMINATED_HTTPS")
            o.append(f"frontend {x['listener_id']}\n  mode {'http' if http else 'tcp'}")
            if ipaddress.ip_address(vip).is_loopback and x.get("admin_state_up", True) and t.get("admin_state_up", True):
                o.append(f"  bind {vip}:{x['protocol_port']}")
                bound += 1
            if http and (x.get("insert_headers") or {}).get("X-Forwarded-For") == "true":
                o.append("  option forwardfor")
            if x.get("allowed_cidrs"):
                o.append(f"  acl ok src {' '.join(x['allowed_cidrs'])}\n  tcp-request connection reject unless ok")
            if x.get("default_pool_id") and x["default_pool_id"] not in deleted:
                o.append(f"  default_backend {x['default_pool_id']}")
        for p in sub(t, "pools"):
            if p["pool_id"] in deleted:
                continue
            http = p["protocol"] == "HTTP"
            o.append(f"backend {p['pool_id']}\n  mode {'http' if http else 'tcp'}\n  balance {ALGO.get(p['lb_algorithm'], 'roundrobin')}")
            hm, chk = p.get("healthmonitor"), ""
            if isinstance(hm, dict) and hm["healthmonitor_id"] not in deleted:
                hms = True
                chk = f" check inter {hm['delay']}s fall {hm.get('max_retries_down') or 3} rise {hm['max_retries']}"
                if hm["type"] == "HTTP":
                    o.append(f"  option httpchk {hm.get('http_method') or 'GET'} {hm.get('url_path') or '/'}\n  http-check expect status {hm.get('expected_codes') or '200'}")
            for m in sub(p, "members"):
                if m["member_id"] not in deleted and m.get("admin_state_up", True):
                    w = m["weight"] if isinstance(m.get("weight"), int) else 1
                    o.append(f"  server {m['member_id']} {m['address']}:{m['protocol_port']} weight {w}{' backup' if m.get('backup') is True else ''}{chk}")
        cfg = f"{RUN}/{lb}.cfg"
        with open(cfg, "w") as f:
            f.write("\n".join(o) + "\n")
        self.live[lb] = {"tree": t, "hms": hms}
        if not bound:
            self.stop(lb, forget=False)
            return True
        old = self.pid(lb)
        r = subprocess.run(["haproxy", "-D", "-f", cfg, "-p", f"{RUN}/{lb}.pid"] + (["-sf", old] if old else []), capture_output=True, text=True)
        if r.returncode:
            LOG.error("haproxy for %s: %s", lb, r.stderr)
        return r.returncode == 0

    def pid(self, lb):
        try:
            p = open(f"{RUN}/{lb}.pid").read().split()[0]
            os.kill(int(p), 0)
            return p
        except (OSError, IndexError):
            return None

    def stop(self, lb, forget=True):
        p = self.pid(lb)
        if p:
            os.kill(int(p), 15)
        for e in ("pid", "sock") + (("cfg",) if forget else ()):
            try:
                os.unlink(f"{RUN}/{lb}.{e}")
            except FileNotFoundError:
                pass
        if forget:
            self.live.pop(lb, None)

    def stat(self, lb):
        s = socket.socket(socket.AF_UNIX)
        s.settimeout(2)
        s.connect(f"{RUN}/{lb}.sock")
        s.sendall(b"show stat\n")
        b = b"".join(iter(lambda: s.recv(65536), b""))
        s.close()
        return list(csv.DictReader(io.StringIO(b.decode().lstrip("# "))))

    def poll(self):
        while True:
            time.sleep(1)
            for lb, e in list(self.live.items()):
                try:
                    if not self.q.empty() or not self.pid(lb):
                        continue
                    rows = self.stat(lb)
                    self.updater.update_listener_statistics({"listeners": [dict(id=r["pxname"], active_connections=int(r["scur"]), bytes_in=int(r["bin"]), bytes_out=int(r["bout"]), request_errors=int(r["ereq"] or 0), total_connections=int(r["stot"])) for r in rows if r["svname"] == "FRONTEND"]})
                    if not e["hms"]:
                        continue
                    mem = {r["svname"]: ("ERROR" if r["status"].startswith("DOWN") else "NO_MONITOR" if r["status"] == "no check" else "ONLINE") for r in rows if r["svname"] not in ("FRONTEND", "BACKEND")}
                    if self.seen.get(lb) == mem:
                        continue
                    pools = [(r["pxname"], [mem[x["svname"]] for x in rows if x["pxname"] == r["pxname"] and x["svname"] in mem]) for r in rows if r["svname"] == "BACKEND"]
                    pst = {p: "ERROR" if ms and all(m == "ERROR" for m in ms) else "DEGRADED" if "ERROR" in ms else "ONLINE" for p, ms in pools}
                    w = "ONLINE" if all(v == "ONLINE" for v in pst.values()) else "ERROR" if pst and all(v == "ERROR" for v in pst.values()) else "DEGRADED"
                    self.updater.update_loadbalancer_status({"members": [dict(id=k, operating_status=v) for k, v in mem.items()], "pools": [dict(id=k, operating_status=v) for k, v in pst.items()], "loadbalancers": [dict(id=lb, operating_status=w)]})
                    self.seen[lb] = mem
                except Exception as x:
                    LOG.warning("lo_haproxy poll %s: %r", lb, x)


ENGINE, LOCK = None, threading.Lock()


def eng():
    global ENGINE
    with LOCK:
        ENGINE = ENGINE or Engine()
    return ENGINE


class Provider(provider_base.ProviderDriver):   # a new instance per API call
    def loadbalancer_create(self, lb): eng().submit(lb.loadbalancer_id)
    def loadbalancer_delete(self, lb, cascade=False): eng().submit(lb.loadbalancer_id, deleted=[lb.loadbalancer_id])
    def loadbalancer_update(self, old, new): eng().submit(new.loadbalancer_id)
    def listener_create(self, x): eng().submit(x.loadbalancer_id)
    def listener_delete(self, x): eng().submit(x.loadbalancer_id, deleted=[x.listener_id])
    def listener_update(self, old, new): eng().submit(old.loadbalancer_id)
    def pool_create(self, x): eng().submit(x.loadbalancer_id)
    def pool_delete(self, x): eng().submit(x.loadbalancer_id, deleted=[x.pool_id] + [m.member_id for m in (x.members or [])] + ([x.healthmonitor.healthmonitor_id] if x.healthmonitor else []))
    def pool_update(self, old, new): eng().submit(old.loadbalancer_id)
    def member_create(self, m): eng().submit(pool=m.pool_id)
    def member_delete(self, m): eng().submit(pool=m.pool_id, deleted=[m.member_id])
    def member_update(self, old, new): eng().submit(pool=old.pool_id)
    def member_batch_update(self, pool_id, members): eng().submit(pool=pool_id, keep_members=[m.member_id for m in members])
    def health_monitor_create(self, h): eng().submit(pool=h.pool_id)
    def health_monitor_delete(self, h): eng().submit(pool=h.pool_id, deleted=[h.healthmonitor_id])
    def health_monitor_update(self, old, new): eng().submit(pool=old.pool_id)
