"""octavia-api with its provider driver in one process: no message queue, no worker, no driver agent."""
import os

from gunicorn.app.base import BaseApplication


class Api(BaseApplication):
    def load_config(self):
        settings = dict(bind="127.0.0.1:" + os.environ["OSPORT"], workers=1, threads=8, worker_class="gthread", timeout=120, keepalive=75, control_socket_disable=True)
        for name, value in settings.items():
            self.cfg.set(name, value)

    def load(self):
        from octavia.api import app
        return app.setup_app(argv=["octavia-api", "--config-file", os.environ["OSCONF"]])


Api().run()
