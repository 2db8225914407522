# A filter of system calls on top of the engine's own, for this process and all that come from it. Engines of before 2023
# allow io_uring (a way around other filters) and sockets to the hypervisor, which no network namespace holds back.
def deny_calls():
    """Whether it is in force: it needs ctypes and an architecture it knows."""
    try:
        import ctypes
        import platform
        import struct

        # linux/audit.h, and the numbers of socket, and of userfaultfd, ptrace, process_vm_readv, process_vm_writev and kcmp;
        # those of io_uring are the same everywhere.
        arch, socket, *refused = {
            "x86_64": (0xC000003E, 41, 323, 101, 310, 311, 312),
            "aarch64": (0xC00000B7, 198, 282, 117, 270, 271, 272),
        }[platform.machine()]
        refused += [425, 426, 427]
        families = (38, 40)  # AF_ALG, AF_VSOCK
        load, equal, greater, give = 0x20, 0x15, 0x35, 0x06
        allow, deny = 0x7FFF0000, 0x00050000 | 1  # SECCOMP_RET_ALLOW, SECCOMP_RET_ERRNO with EPERM
        # Offsets in struct seccomp_data: the number 0, the architecture 4, the first argument 16. A jump names how many
        # instructions are passed over when it holds and when it does not; the last two are `allow` and `deny`.
        count = 4 + len(refused) + 2 + len(families)
        code = []

        def to_deny():
            return count - len(code)

        code.append((load, 0, 0, 4))
        code.append((equal, 0, to_deny(), arch))
        code.append((load, 0, 0, 0))
        code.append((greater, to_deny(), 0, 0x40000000))  # x32, which has numbers of its own
        for number in refused:
            code.append((equal, to_deny(), 0, number))
        code.append((equal, 0, len(families) + 1, socket))
        code.append((load, 0, 0, 16))
        for family in families:
            code.append((equal, to_deny(), 0, family))
        code.append((give, 0, 0, allow))
        code.append((give, 0, 0, deny))
        program = b"".join(struct.pack("=HBBI", *one) for one in code)
        memory = ctypes.create_string_buffer(program)
        filters = struct.pack("@HP", len(code), ctypes.addressof(memory))
        libc = ctypes.CDLL(None, use_errno=True)
        # PR_SET_NO_NEW_PRIVS (set already, and the condition for the rest), PR_SET_SECCOMP with SECCOMP_MODE_FILTER.
        return libc.prctl(38, 1, 0, 0, 0) == 0 and libc.prctl(22, 2, ctypes.c_char_p(filters), 0, 0) == 0
    except Exception:
        return False


