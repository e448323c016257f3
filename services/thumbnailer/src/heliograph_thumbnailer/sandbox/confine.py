"""Takes from the calling process what a decoder does not need: files, network, programs, other processes.

For a child whose libraries are loaded and that has not seen a byte of an original. Linux only; what the
kernel refuses is reported by ``lock_down`` and not fatal, because the process is killable and limited all the same.
Protocol: seccomp(2) with a classic BPF filter as an allow-list, applied to all threads.
"""

from __future__ import annotations

import ctypes
import errno
import os
import platform
import resource
import signal
import struct

_PR_SET_PDEATHSIG, _PR_SET_DUMPABLE, _PR_SET_NAME, _PR_SET_NO_NEW_PRIVS = 1, 4, 15, 38
_SECCOMP_SET_MODE_FILTER, _TSYNC = 1, 1
_ALLOW, _ERRNO, _KILL = 0x7FFF0000, 0x00050000, 0x80000000
_AUDIT_ARCH_X86_64 = 0xC000003E
_CLONE_THREAD = 0x00010000

# x86-64 system calls that Python, numpy, libjpeg-turbo, libvips and the channel to the parent use once all is loaded.
_CALLS = {
    "read": 0, "write": 1, "close": 3, "fstat": 5, "poll": 7, "lseek": 8, "mmap": 9, "mprotect": 10, "munmap": 11,
    "brk": 12, "rt_sigaction": 13, "rt_sigprocmask": 14, "rt_sigreturn": 15, "pread64": 17, "pwrite64": 18,
    "sched_yield": 24, "mremap": 25, "madvise": 28, "dup": 32, "nanosleep": 35, "getpid": 39, "sendmsg": 46,
    "recvmsg": 47, "exit": 60, "uname": 63, "fcntl": 72, "ftruncate": 77, "gettimeofday": 96, "getrusage": 98,
    "sysinfo": 99, "sigaltstack": 131, "gettid": 186, "futex": 202, "sched_getaffinity": 204, "restart_syscall": 219,
    "clock_gettime": 228, "clock_getres": 229, "clock_nanosleep": 230, "exit_group": 231,
    "set_robust_list": 273, "ppoll": 271, "eventfd2": 290, "getcpu": 309, "getrandom": 318, "memfd_create": 319,
    "membarrier": 324, "rseq": 334,
}  # fmt: skip
_CLONE, _PRCTL, _TGKILL, _NEWFSTATAT, _PRLIMIT64, _CLONE3, _SECCOMP = 56, 157, 234, 262, 302, 435, 317
_AT_EMPTY_PATH = 0x1000
_ARGUMENT, _WORD = 16, 8  # offset of the first argument in seccomp_data, bytes an argument

_libc = ctypes.CDLL(None, use_errno=True)


def die_with_parent() -> None:
    """Has the kernel kill this process when the one that forked it ends."""
    _libc.prctl(_PR_SET_PDEATHSIG, signal.SIGKILL, 0, 0, 0)


def limit(*, file_bytes: int, files: int) -> None:
    """Limits that hold for the whole life of the process; no core dumps."""
    resource.setrlimit(resource.RLIMIT_CORE, (0, 0))
    resource.setrlimit(resource.RLIMIT_FSIZE, (file_bytes, file_bytes))
    resource.setrlimit(resource.RLIMIT_NOFILE, (files, files))


def limit_job(*, memory: int, cpu_seconds: int) -> None:
    """Limits of one job: address space in bytes, and CPU seconds from now on."""
    used = resource.getrusage(resource.RUSAGE_SELF)
    _soft(resource.RLIMIT_AS, memory)
    _soft(resource.RLIMIT_CPU, int(used.ru_utime + used.ru_stime) + 1 + cpu_seconds)


def lock_down() -> str:
    """Gives up privileges, files, network and programs; returns what the kernel refused, or an empty string."""
    _libc.prctl(_PR_SET_DUMPABLE, 0, 0, 0, 0)
    if _libc.prctl(_PR_SET_NO_NEW_PRIVS, 1, 0, 0, 0) != 0:
        return f"no_new_privs: {os.strerror(ctypes.get_errno())}"
    if platform.machine() != "x86_64":
        return f"seccomp: no list of system calls for {platform.machine()}"
    program = _program()
    buffer = ctypes.create_string_buffer(program, len(program))
    argument = struct.pack("HxxxxxxQ", len(program) // 8, ctypes.addressof(buffer))
    if _libc.syscall(_SECCOMP, _SECCOMP_SET_MODE_FILTER, _TSYNC, argument) != 0:
        return f"seccomp: {os.strerror(ctypes.get_errno())}"
    return ""


def _soft(which: int, value: int) -> None:
    _, hard = resource.getrlimit(which)
    resource.setrlimit(which, (value if hard == resource.RLIM_INFINITY else min(value, hard), hard))


def _program() -> bytes:
    """The filter: wrong architecture kills; listed calls pass, five more by one argument; all else is EPERM."""
    load, equal, at_least, masked, give = 0x20, 0x15, 0x35, 0x45, 0x06
    refuse, unknown = _ERRNO | errno.EPERM, _ERRNO | errno.ENOSYS

    def by_argument(call: int, test: int, value: int, argument: int = 0) -> list[tuple[int, int, int, int]]:
        offset = _ARGUMENT + _WORD * argument
        return [
            (equal, 0, 4, call),
            (load, 0, 0, offset),
            (test, 0, 1, value),
            (give, 0, 0, _ALLOW),
            (give, 0, 0, refuse),
        ]

    code = [
        (load, 0, 0, 4),
        (equal, 1, 0, _AUDIT_ARCH_X86_64),
        (give, 0, 0, _KILL),
        (load, 0, 0, 0),
        (at_least, 0, 1, 0x40000000),
        (give, 0, 0, refuse),
    ]
    for number in sorted(_CALLS.values()):
        code += [(equal, 0, 1, number), (give, 0, 0, _ALLOW)]
    # glibc falls back from clone3, whose flags a filter cannot see, to clone, whose flags it can.
    code += [(equal, 0, 1, _CLONE3), (give, 0, 0, unknown)]
    code += by_argument(_CLONE, masked, _CLONE_THREAD)
    code += by_argument(_PRCTL, equal, _PR_SET_NAME)
    code += by_argument(_TGKILL, equal, os.getpid())  # its own threads only: abort() needs that
    code += by_argument(_PRLIMIT64, equal, 0)  # of itself only
    code += by_argument(_NEWFSTATAT, equal, _AT_EMPTY_PATH, 3)  # glibc's fstat
    code.append((give, 0, 0, refuse))
    return b"".join(struct.pack("HBBI", *instruction) for instruction in code)
