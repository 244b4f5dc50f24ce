"""A class on one server: what JupyterHub needs to know of the course.

For The Littlest JupyterHub: copy it to /opt/tljh/config/jupyterhub_config.d/ddpm.py, install the course into
/opt/tljh/user, and run `sudo tljh-config reload`. It brings the rest: systemd's spawner, the proxy, HTTPS,
logins. A JupyterHub of your own takes it with `jupyterhub -f`. docs/teaching/hub.md says how.
"""
import os
import pwd
import sys

c = get_config()                                                        # noqa: F821, JupyterHub gives it

# A student: the largest notebook's kernel needs 750 MB, JupyterLab 150. Over the limit it is ended, nobody
# else's.
c.Spawner.mem_limit = os.environ.get("CLASS_MEMORY", "1G")
c.Spawner.mem_guarantee = "512M"
c.Spawner.cpu_limit = 1.0
c.Spawner.default_url = "/lab/tree/notebooks/00_start_here.ipynb"
c.Spawner.start_timeout = c.Spawner.http_timeout = 300                  # a whole class opens it in one minute
c.JupyterHub.concurrent_spawn_limit = 20


def runtime(spawner):
    """A folder of the student's own, its path short: a socket's may have 107 characters."""
    return f"{pwd.getpwnam(spawner.user.name).pw_dir}/.run"


# Kernels listen on sockets in the student's home. On TCP ports, the default, another student of the same
# machine could subscribe to what a kernel prints.
c.Spawner.args = ["--KernelManager.transport=ipc"]
c.Spawner.environment = {"JUPYTER_RUNTIME_DIR": runtime, "OMP_NUM_THREADS": "1"}
# What is freed goes back to the machine at once, and threads keep no stores of their own (mallopt(3), bytes).
c.Spawner.environment |= {"MALLOC_ARENA_MAX": "1", "MALLOC_MMAP_THRESHOLD_": "1000000",
                          "MALLOC_TRIM_THRESHOLD_": "1000000"}

# A restart of the hub ends nobody's work: servers and proxy go on, and the hub finds them again.
c.JupyterHub.cleanup_servers = False
c.JupyterHub.cleanup_proxy = False

# What nobody uses goes: kernels after 20 minutes (saved files stay), servers after an hour. This culler takes
# the place of The Littlest JupyterHub's own.
c.Spawner.args += ["--MappingKernelManager.cull_idle_timeout=1200",
                   "--MappingKernelManager.cull_interval=120"]
c.JupyterHub.load_roles = [{
    "name": "culler", "services": ["culler"],
    "scopes": ["list:users", "read:users:activity", "read:servers", "delete:servers"]}]
c.JupyterHub.services = [{
    "name": "culler",
    "command": [sys.executable, "-m", "jupyterhub_idle_culler", "--timeout=3600", "--max-age=43200"]}]

# Several processes of one student share one student's part; where systemd starts them:
c.SystemdSpawner.isolate_tmp = True
c.SystemdSpawner.isolate_devices = True
c.SystemdSpawner.disable_user_sudo = True
