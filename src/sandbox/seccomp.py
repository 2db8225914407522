# A filter of system calls on top of the engine's own, for this process and all that come from it. Engines of before 2023
# allow io_uring (a way around other filters) and sockets to the hypervisor, which no network namespace holds back; Podman
# allows new namespaces, where the code would be root of its own.
def deny_calls():
    """Whether it is in force: it needs ctypes and an architecture it knows."""
    try:
        import ctypes
        import platform
        import struct

        # linux/audit.h, and the numbers of clone, of socket, and of what is refused on this machine: userfaultfd, ptrace,
        # process_vm_readv, process_vm_writev, kcmp, unshare, setns, mount, umount2, pivot_root, bpf, perf_event_open,
        # add_key, request_key and keyctl.
        arch, clone, socket, *refused = {
            "x86_64": (0xC000003E, 56, 41, 323, 101, 310, 311, 312, 272, 308, 165, 166, 155, 321, 298, 248, 249, 250),
            "aarch64": (0xC00000B7, 220, 198, 282, 117, 270, 271, 272, 97, 268, 40, 39, 41, 280, 241, 217, 218, 219),
        }[platform.machine()]
        # The same everywhere: io_uring's, and the newer ones about mounts.
        refused += [425, 426, 427, 428, 429, 430, 431, 432, 433, 442]
        clone3 = 435  # Its flags are in memory, which a filter cannot read; without it the C library takes clone.
        namespaces = 0x7E020000  # CLONE_NEWNS, NEWCGROUP, NEWUTS, NEWIPC, NEWUSER, NEWPID, NEWNET
        families = (38, 40)  # AF_ALG, AF_VSOCK
        load, equal, greater, has, give = 0x20, 0x15, 0x35, 0x45, 0x06
        # SECCOMP_RET_ALLOW; SECCOMP_RET_ERRNO with EPERM and with ENOSYS. The last three instructions.
        ends = {"allow": 0x7FFF0000, "deny": 0x00050000 | 1, "unknown": 0x00050000 | 38}
        count = 4 + len(refused) + 1 + 3 + 2 + len(families)
        code = []

        def to(end):
            """How many instructions are passed over on the way there."""
            return count + list(ends).index(end) - len(code) - 1

        # Offsets in struct seccomp_data: the number 0, the architecture 4, the first argument 16. A jump names how many
        # instructions are passed over when it holds and when it does not.
        code.append((load, 0, 0, 4))
        code.append((equal, 0, to("deny"), arch))
        code.append((load, 0, 0, 0))
        code.append((greater, to("deny"), 0, 0x40000000))  # x32, which has numbers of its own
        for number in refused:
            code.append((equal, to("deny"), 0, number))
        code.append((equal, to("unknown"), 0, clone3))
        code.append((equal, 0, 2, clone))
        code.append((load, 0, 0, 16))
        code.append((has, to("deny"), to("allow"), namespaces))
        code.append((equal, 0, to("allow"), socket))
        code.append((load, 0, 0, 16))
        for family in families:
            code.append((equal, to("deny"), 0, family))
        code += [(give, 0, 0, end) for end in ends.values()]
        program = b"".join(struct.pack("=HBBI", *one) for one in code)
        memory = ctypes.create_string_buffer(program)
        filters = struct.pack("@HP", len(code), ctypes.addressof(memory))
        libc = ctypes.CDLL(None, use_errno=True)
        # PR_SET_NO_NEW_PRIVS (set already, and the condition for the rest), PR_SET_SECCOMP with SECCOMP_MODE_FILTER.
        return libc.prctl(38, 1, 0, 0, 0) == 0 and libc.prctl(22, 2, ctypes.c_char_p(filters), 0, 0) == 0
    except Exception:
        return False


