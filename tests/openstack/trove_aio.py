"""trove-api and trove-taskmanager in one process over an in-process transport."""
from trove.cmd.common import with_initialize


def hurry():
    """Trove waits in steps of seconds for machines that boot; ours are processes that start at once."""
    from trove.common import utils
    waits = utils.poll_until

    def poll_until(retriever, *args, **options):
        options.update(zip(("condition", "sleep_time", "time_out", "initial_delay"), args))
        options.update(sleep_time=0.1, initial_delay=0)
        return waits(retriever, **options)

    utils.poll_until = poll_until


@with_initialize
def main(conf):
    from trove.common import cfg, notification, profile, wsgi
    from trove.common.rpc import service as rpc_service, version as rpc_version
    from trove.instance import models
    hurry()
    notification.DBaaSAPINotification.register_notify_callback(models.persist_instance_fault)
    cfg.set_api_config_defaults()
    profile.setup_profiler("api", conf.host)
    launcher = wsgi.launch("trove", conf.bind_port, conf.find_file(conf.api_paste_config), host=conf.bind_host, workers=1)
    rpc_service.RpcService(key=conf.taskmanager_rpc_encr_key, topic=conf.taskmanager_queue, rpc_api_version=rpc_version.RPC_API_VERSION, manager="trove.taskmanager.manager.Manager").start()
    launcher.wait()


main()
