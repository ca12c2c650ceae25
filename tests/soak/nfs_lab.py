"""A lab of guests: Linux kernels run as ordinary programs, with host names, clocks and NFS clients of their own.

All of it lives in one network and process namespace without a name. Whatever ends this program closes a pipe, and with
that the kernel takes the guests, the bridge and the cards: nothing is left behind, and two labs never meet.
"""

from __future__ import annotations

import contextlib
import os
import shutil
import signal
import subprocess
import time
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path
from types import TracebackType
from typing import Final, Self

KERNEL: Final = "linux.uml"
MODULES: Final = Path("/usr/lib/uml/modules")
SERVER_ADDRESS: Final = "10.77.0.18"
VERSIONS: Final = frozenset({"3", "4", "4.0", "4.1", "4.2"})
_FIRST_PROCESS: Final = Path(__file__).with_name("nfs_guest.sh")
_SERVER_NUMBER: Final = 8
_BOOT_SECONDS: Final = 60.0
_MTU: Final = 32000  # bytes; a guest takes milliseconds for a packet, whatever its size
_TOOLS: Final = {
    KERNEL: "user-mode-linux",
    "ip": "iproute2",
    "modprobe": "kmod",
    "mkfs.ext4": "e2fsprogs",
    "unshare": "util-linux",
    "nsenter": "util-linux",
    "mount.nfs": "nfs-common",
    "exportfs": "nfs-kernel-server",
    "rpc.nfsd": "nfs-kernel-server",
    "rpc.mountd": "nfs-kernel-server",
    "rpcbind": "rpcbind",
}
_SERVER_JOB: Final = """\
modprobe -d /run/kmod nfsd
mount -t nfsd nfsd /proc/fs/nfsd
mkdir -p /mnt/export
mount -t ext4 -o noatime /dev/ubda /mnt/export
echo "/mnt/export 10.77.0.0/24(rw,sync,no_root_squash,no_subtree_check,fsid=0)" > /run/exports
mount --bind /run/exports /etc/exports
rpcbind -w
exportfs -ra
rpc.nfsd --grace-time 10 --lease-time 10 8
rpc.mountd
echo server is ready
"""


def missing(find: Callable[[str], str | None] = shutil.which) -> list[str]:
    """What this machine lacks for a lab of guests, each with what would mend it; empty: nothing.

    Args:
        find: where a program lies; None: nowhere.
    """
    lacks = [f"{tool} (Debian package {package})" for tool, package in _TOOLS.items() if find(tool) is None]
    if not MODULES.is_dir():
        lacks.append(f"{MODULES} (Debian package user-mode-linux)")
    if os.geteuid() != 0:
        lacks.append("root rights (for network namespaces)")
    if not os.access("/dev/net/tun", os.R_OK | os.W_OK):
        lacks.append("/dev/net/tun (the tun device)")
    return lacks


class LabError(Exception):
    """The lab itself did not do what it was asked; says nothing about what is tested in it."""


@dataclass(frozen=True, slots=True)
class Mount:
    """How a guest mounts the server's folder.

    Attributes:
        version: of NFS, one of VERSIONS.
        options: more of them, as `soft,timeo=20`.
    """

    version: str
    options: str = ""

    def missing(self) -> str:
        """What a guest's kernel lacks for it; empty: nothing."""
        module = f"nfsv{self.version[0]}.ko"
        return "" if any(MODULES.glob(f"*/kernel/fs/nfs/{module}")) else f"{module} in {MODULES}"

    def command(self) -> str:
        """The shell command that mounts it on /mnt/s.

        Version 3 goes without the lock manager: a root of ours is locked by links alone.
        """
        is_old = self.version == "3"
        options = ",".join(filter(None, [f"vers={self.version}", "nolock" if is_old else "", self.options]))
        return f"mount -t nfs -o {options} {SERVER_ADDRESS}:{'/mnt/export' if is_old else '/'} /mnt/s"


class Guest:
    """One machine of a lab, off at first.

    Args:
        lab: whose network it is in.
        name: its host name.
        number: 1 to 8: its card and its address.
        memory: for its kernel, as `384M`.
        disk: an image for /dev/ubda; None: it has no disk.
    """

    def __init__(self, lab: Lab, name: str, number: int, memory: str = "384M", disk: Path | None = None) -> None:
        self.lab, self.name, self.number, self.memory, self.disk = lab, name, number, memory, disk
        self.boots = 0
        self._enter: subprocess.Popen[bytes] | None = None

    @property
    def console(self) -> Path:
        """What the guest has printed since it was last switched on."""
        return self.lab.folder / f"{self.name}.{self.boots:03d}.out"

    def said(self) -> str:
        return self.console.read_text(errors="replace") if self.boots else ""

    @property
    def is_on(self) -> bool:
        return self._enter is not None and self._enter.poll() is None

    def boot(self, job: str) -> None:
        """Switch it on; `job` is a bash script, and when that is over the guest switches itself off."""
        if self.is_on:
            raise LabError(f"{self.name} is on already")
        self.boots += 1
        script = self.lab.folder / f"{self.name}.job"
        script.write_text(job, encoding="utf-8")
        words = [
            *(KERNEL, f"mem={self.memory}", "root=/dev/root", "rootfstype=hostfs", "rootflags=/", "ro"),
            *("con=null", "con0=null,fd:1", "quiet", "loglevel=3", f"init={_FIRST_PROCESS}"),
            *(
                f"vec0:transport=tap,ifname=t{self.number},depth=64,gro=0,mtu={_MTU}",
                f"NAME={self.name}",
                f"MTU={_MTU}",
            ),
            *(f"ADDRESS=10.77.0.1{self.number}", f"JOB={script}"),
            *([f"ubda={self.disk}"] if self.disk else []),
        ]
        with self.console.open("wb") as console:
            self._enter = self.lab.enter(words, console.fileno())

    def power_off(self) -> None:
        """Cut its power: nothing in it has a say."""
        if self._enter is None or not self.is_on:
            return
        kernel = self._kernel()
        for group in (kernel, self._enter.pid):  # a kernel makes a group of its own for itself and its processes
            with contextlib.suppress(ProcessLookupError):
                os.killpg(group, signal.SIGKILL)
        with contextlib.suppress(ProcessLookupError):
            os.kill(kernel, signal.SIGKILL)  # so early that it has no group yet
        self._enter.wait()

    def freeze(self) -> None:
        """Stop its kernel: all its clocks stand still, and jump when it thaws."""
        os.kill(self._kernel(), signal.SIGSTOP)

    def thaw(self) -> None:
        if self._enter is not None and self.is_on:
            for pid in (self._kernel(), self._enter.pid):  # nsenter stops with its child
                os.kill(pid, signal.SIGCONT)

    def cut_cable(self) -> None:
        """Take it off the bridge; its card notices nothing, as behind a switch."""
        self.lab.ip("link", "set", f"t{self.number}", "nomaster")

    def plug_in(self) -> None:
        self.lab.ip("link", "set", f"t{self.number}", "master", "br0")

    def wait_for(self, text: str, seconds: float) -> str:
        """Wait until the guest has printed a text; all that it has printed.

        Raises:
            LabError: it went off before, or the time is over.
        """
        until = time.monotonic() + seconds
        while text not in (said := self.said()):
            if time.monotonic() > until or not (self.is_on or text in self.said()):
                raise LabError(f"{self.name} never said {text!r}; its last words: {said[-1000:]}")
            time.sleep(0.1)
        return said

    def _kernel(self) -> int:
        """The process that the guest's kernel is: nsenter's only child."""
        if self._enter is None:
            raise LabError(f"{self.name} is off")
        return _only_child(self._enter.pid)


class Lab:
    """See the module's docstring.

    Args:
        folder: for consoles, scripts and the server's disk.
        guests: how many there are beside the server.
        beside: what the server does while it serves, as lines of bash.
    """

    def __init__(self, folder: Path, guests: int, beside: str = "sleep infinity") -> None:
        self.folder, self.beside = folder.absolute(), beside
        self.folder.mkdir(parents=True, exist_ok=True)
        self.guests = [Guest(self, f"h{number}", number) for number in range(1, guests + 1)]
        self.server = Guest(self, "srv", _SERVER_NUMBER, memory="1G", disk=self.folder / "disk")

    def __enter__(self) -> Self:
        self._keeper = subprocess.Popen(
            ["unshare", "--net", "--pid", "--fork", "--kill-child", "cat"],
            stdin=subprocess.PIPE,
            start_new_session=True,  # Ctrl-C is for this program, which then ends the lab in order
        )
        self._inside = _only_child(self._keeper.pid)
        self.ip("link", "set", "lo", "up")
        self.ip("link", "add", "br0", "type", "bridge")
        self.ip("addr", "add", "10.77.0.1/24", "dev", "br0")
        self.ip("link", "set", "br0", "mtu", str(_MTU), "up")
        for guest in [*self.guests, self.server]:
            card = f"t{guest.number}"
            self.ip("tuntap", "add", "dev", card, "mode", "tap", "vnet_hdr")
            self.ip("link", "set", card, "master", "br0", "mtu", str(_MTU), "up")
        return self

    def __exit__(
        self, kind: type[BaseException] | None, value: BaseException | None, trace: TracebackType | None
    ) -> None:
        for guest in [*self.guests, self.server]:
            guest.power_off()
        if self._keeper.stdin is not None:
            self._keeper.stdin.close()
        self._keeper.wait()

    def note(self, what: str) -> None:
        """Write down what befell it, and when, beside the consoles."""
        with (self.folder / "blows.txt").open("a", encoding="utf-8") as file:
            file.write(f"{time.time():.2f} {what}\n")

    def start_server(self, *, wait: bool = True) -> None:
        """Switch the file server on, with what its disk holds; by default wait until it serves."""
        disk = self.folder / "disk"
        if not disk.exists():
            with disk.open("wb") as file:
                file.truncate(4 << 30)
            subprocess.run(["mkfs.ext4", "-q", "-F", disk], check=True)
        self.server.boot(f"{_SERVER_JOB}{self.beside}\n")
        if wait:
            self.wait_for_server()

    def wait_for_server(self) -> None:
        """Until it serves.

        Raises:
            LabError: it does not come up.
        """
        self.server.wait_for("server is ready", _BOOT_SECONDS)

    def ip(self, *words: str) -> None:
        """Run iproute2's `ip` in the lab's network."""
        status = self.enter(["ip", *words], subprocess.DEVNULL).wait()
        if status:
            raise LabError(f"ip {' '.join(words)}: exit status {status}")

    def enter(self, words: list[str], output: int) -> subprocess.Popen[bytes]:
        """Start a program among the lab's processes and in its network, in a group of its own."""
        spaces = [f"--net=/proc/{self._inside}/ns/net", f"--pid=/proc/{self._inside}/ns/pid"]
        return subprocess.Popen(
            ["nsenter", *spaces, "env", "TMPDIR=/dev/shm", *words],
            stdin=subprocess.DEVNULL,
            stdout=output,
            stderr=output,
            start_new_session=True,
        )


def _only_child(pid: int, patience_seconds: float = 10.0) -> int:
    until = time.monotonic() + patience_seconds
    while not (children := Path(f"/proc/{pid}/task/{pid}/children").read_text().split()):
        if time.monotonic() > until:
            raise LabError(f"process {pid} started nothing")
        time.sleep(0.01)
    return int(children[0])
