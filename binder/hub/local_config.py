"""For `make class-check`, without systemd: the class's settings, on loopback, students in cgroups."""
import os

from jupyterhub.spawner import LocalProcessSpawner

from binder.check.group import Group

c = get_config()                                                        # noqa: F821
load_subconfig("jupyterhub_config.py", path=os.path.dirname(__file__))  # noqa: F821


class GroupSpawner(LocalProcessSpawner):
    """Students as Unix users, as systemd's spawner has them, each in a group that holds to `mem_limit`."""

    async def start(self):
        self.group = Group(f"class-{self.user.name}", self.mem_limit // 2**20)
        place = await super().start()
        self.group.pid = self.pid
        return place

    async def stop(self, now=False):
        await super().stop(now)
        if hasattr(self, "group"):                                      # not after a restart of the hub
            self.group.close()

    def make_preexec_fn(self, name):
        become = super().make_preexec_fn(name)

        def enter():
            self.group.enter()                                          # before it is the student's process
            become()

        return enter


port = int(os.environ["CLASS_PORT"])
c.JupyterHub.spawner_class = GroupSpawner
c.Spawner.cmd = [f"{os.environ['CLASS_ENVIRONMENT']}/bin/python", "-m", "jupyterhub.singleuser"]
c.Spawner.environment["LD_LIBRARY_PATH"] = os.environ["CLASS_LIBRARIES"]         # of that Python's copy
c.JupyterHub.bind_url = f"http://127.0.0.1:{port}"
c.JupyterHub.hub_bind_url = f"http://127.0.0.1:{port + 1}"
c.ConfigurableHTTPProxy.api_url = f"http://127.0.0.1:{port + 2}"
c.ConfigurableHTTPProxy.should_start = False                            # a service of its own, as TLJH has it
c.JupyterHub.db_url = "sqlite:///hub.sqlite"
c.Authenticator.allowed_users = set(os.environ["CLASS_STUDENTS"].split())
c.JupyterHub.services.extend([{"name": "check", "api_token": os.environ["CLASS_TOKEN"]}])
c.JupyterHub.load_roles.extend([{
    "name": "check", "services": ["check"],
    "scopes": ["admin:users", "admin:servers", "tokens", "access:servers"]}])
