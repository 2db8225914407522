//! Namespaces, mounts, rights, other processes, and calls into the kernel.

use super::attacks;

attacks! {
    a_file_system_is_mounted: "done(libc.mount(b'none', b'/mnt/data', b'tmpfs', 0, None))" => ["EPERM"];
    the_root_is_made_writable: "done(libc.mount(None, b'/', None, 32 | 4096, None))" => ["EPERM"];
    the_repository_is_made_writable: "done(libc.mount(None, b'/workspace', None, 32 | 4096, None))" => ["EPERM"];
    the_repository_is_bound_elsewhere: "done(libc.mount(b'/workspace', b'/tmp', None, 4096, None))" => ["EPERM"];
    the_repository_is_unmounted: "done(libc.umount2(b'/workspace', 2))" => ["EPERM"];
    a_mount_is_opened_the_new_way: "call('fsopen', b'tmpfs', 0)" => ["EPERM", "ENOSYS"];
    a_mount_is_moved_the_new_way: "call('move_mount', -100, b'/workspace', -100, b'/tmp', 0)" => ["EPERM", "ENOSYS"];
    a_mount_is_cloned_the_new_way: "call('open_tree', -100, b'/workspace', 1)" => ["EPERM", "ENOSYS"];
    a_mounts_flags_are_changed_the_new_way: "call('mount_setattr', -100, b'/workspace', 0, bytes(32), 32)" => ["EPERM", "ENOSYS"];
    the_root_is_changed: "done(libc.chroot(b'/tmp'))" => ["EPERM"];
    the_root_is_pivoted: "call('pivot_root', b'/tmp', b'/tmp')" => ["EPERM", "ENOSYS"];
    a_user_namespace_is_made: "done(libc.unshare(0x10000000))" => ["EPERM"];
    a_mount_namespace_is_made: "done(libc.unshare(0x20000))" => ["EPERM"];
    a_network_namespace_is_made: "done(libc.unshare(0x40000000))" => ["EPERM"];
    a_process_namespace_is_made: "done(libc.unshare(0x20000000))" => ["EPERM"];
    a_child_in_a_user_namespace_is_made: "call('clone3', struct.pack('11Q', 0x10000000, 0, 0, 0, 17, 0, 0, 0, 0, 0, 0), 88)" => ["EPERM", "ENOSYS"];
    another_namespace_is_entered: "done(libc.setns(os.open('/proc/self/ns/mnt', os.O_RDONLY), 0))" => ["EPERM"];
    the_namespace_of_process_1_is_entered: "done(libc.setns(os.open('/proc/1/ns/mnt', os.O_RDONLY), 0))" => ["EPERM", "EACCES"];
    it_becomes_root: "os.setuid(0)" => ["EPERM"];
    its_group_becomes_root: "os.setgid(0)" => ["EPERM"];
    it_joins_groups: "os.setgroups([0, 999])" => ["EPERM"];
    it_becomes_somebody_else: "os.setresuid(1, 1, 1)" => ["EPERM"];
    it_takes_capabilities: "done(libc.capset(struct.pack('Ii', 0x20080522, 0), struct.pack('6I', 0xffffffff, 0xffffffff, 0, 0xffffffff, 0xffffffff, 0)))" => ["EPERM"];
    it_allows_new_privileges: "done(libc.prctl(38, 0, 0, 0, 0))" => ["EINVAL"];
    it_raises_its_priority: "os.nice(-5)" => ["EPERM", "EACCES"];
    it_runs_in_real_time: "os.sched_setscheduler(0, os.SCHED_FIFO, os.sched_param(50))" => ["EPERM"];
    it_escapes_the_killer_of_memory: "write('/proc/self/oom_score_adj', '-1000')" => ["EACCES", "EPERM"];
    it_raises_its_limit_of_files: "import resource\nresource.prlimit(0, resource.RLIMIT_NOFILE, (1 << 20, 1 << 20))" => ["EPERM"];
    the_supervisors_memory_is_read: "read('/proc/%d/mem' % os.getppid())" => ["EACCES", "EPERM"];
    the_supervisors_environment_is_read: "read('/proc/%d/environ' % os.getppid())" => ["EACCES", "EPERM"];
    the_supervisors_descriptors_are_listed: "os.listdir('/proc/%d/fd' % os.getppid())" => ["EACCES", "EPERM"];
    the_supervisor_is_traced: "call('ptrace', 16, os.getppid(), 0, 0)" => ["EPERM", "ENOSYS"];
    process_1_is_traced: "call('ptrace', 16, 1, 0, 0)" => ["EPERM", "ENOSYS"];
    another_processes_memory_is_read: "call('process_vm_readv', os.getppid(), 0, 0, 0, 0, 1)" => ["EPERM", "ENOSYS", "EINVAL"];
    another_processes_objects_are_compared: "call('kcmp', 1, os.getppid(), 0, 0, 0)" => ["EPERM", "ENOSYS"];
    a_program_is_loaded_into_the_kernel: "call('bpf', 0, bytes(128), 128)" => ["EPERM", "ENOSYS"];
    a_module_is_loaded: "call('init_module', b'', 0, b'')" => ["EPERM", "ENOSYS"];
    a_module_is_loaded_from_a_file: "call('finit_module', 0, b'', 0)" => ["EPERM", "ENOSYS"];
    another_kernel_is_loaded: "call('kexec_load', 0, 0, 0, 0)" => ["EPERM", "ENOSYS"];
    a_key_is_added: "call('add_key', b'user', b'x', b'y', 1, -3)" => ["EPERM", "ENOSYS"];
    a_key_is_asked_for: "call('request_key', b'user', b'x', None, -3)" => ["EPERM", "ENOSYS"];
    a_key_ring_is_joined: "call('keyctl', 1, None)" => ["EPERM", "ENOSYS"];
    an_io_ring_is_set_up: "call('io_uring_setup', 8, bytes(120))" => ["EPERM", "ENOSYS"];
    page_faults_are_served: "call('userfaultfd', 0)" => ["EPERM", "ENOSYS"];
    the_machine_is_measured: "call('perf_event_open', bytes(120), 0, -1, -1, 0)" => ["EPERM", "ENOSYS", "EACCES"];
    the_kernels_log_is_read: "call('syslog', 3, bytes(100), 100)" => ["EPERM", "ENOSYS"];
    the_clock_is_set: "call('settimeofday', struct.pack('2q', 0, 0), None)" => ["EPERM", "ENOSYS"];
    the_clock_is_set_the_new_way: "call('clock_settime', 0, struct.pack('2q', 0, 0))" => ["EPERM", "ENOSYS"];
    the_clock_is_steered: "call('clock_adjtime', 0, struct.pack('I', 2) + bytes(204))" => ["EPERM", "ENOSYS"];
    ports_are_opened: "call('iopl', 3)" => ["EPERM", "ENOSYS"];
    a_port_is_opened: "call('ioperm', 0x70, 1, 1)" => ["EPERM", "ENOSYS"];
    accounting_is_switched_on: "call('acct', b'/tmp/x')" => ["EPERM", "ENOSYS"];
    quotas_are_changed: "call('quotactl', 0, 0, 0, 0)" => ["EPERM", "ENOSYS"];
    swap_is_switched_on: "call('swapon', b'/tmp/x', 0)" => ["EPERM", "ENOSYS"];
    the_machine_is_started_anew: "call('reboot', 0xfee1dead, 672274793, 0x1234567, 0)" => ["EPERM", "ENOSYS"];
    the_host_is_renamed: "socket.sethostname('mine')" => ["EPERM"];
    the_code_segment_is_changed: "call('name_to_handle_at', -100, b'/workspace', bytes(8), bytes(4), 0)" => ["EPERM", "ENOSYS", "EOVERFLOW"];
}

/// The rights themselves, whatever an attack made of them.
#[tokio::test]
async fn it_has_no_rights_and_is_nobody() {
    let session = session!();
    let said = session
        .ok(r#"
import os
status = dict(line.split(":", 1) for line in open("/proc/self/status").read().splitlines() if ":" in line)
print([int(status[name], 16) for name in ("CapInh", "CapPrm", "CapEff", "CapBnd", "CapAmb")], status["NoNewPrivs"].strip(), status["Seccomp"].strip())
print(0 in (os.getuid(), os.geteuid(), os.getgid(), os.getegid()), os.getgroups() in ([], [os.getgid()]))
print(os.getpid() < 100, len([name for name in os.listdir("/proc") if name.isdigit()]) <= 4)
"#)
        .await;
    assert_eq!(said, "[0, 0, 0, 0, 0] 1 2\nFalse True\nTrue True\n");
}

/// A program with the setuid bit gains nothing by it.
#[tokio::test]
async fn a_setuid_program_is_run() {
    let session = session!();
    let said = session
        .ok(r#"
import os, stat, subprocess
found = [path for folder in ("/bin", "/usr/bin", "/sbin", "/usr/sbin") if os.path.isdir(folder) for path in (folder + "/" + name for name in os.listdir(folder))
    if os.path.exists(path) and os.stat(path).st_mode & stat.S_ISUID]
gained = []
for path in found:
    # Stopped before its first instruction, so that it can be looked at.
    child = subprocess.Popen(["/bin/sh", "-c", 'kill -STOP $$; exec "$0" </dev/null >/dev/null 2>&1', path])
    os.waitpid(child.pid, os.WUNTRACED)
    os.kill(child.pid, 18)
    for _ in range(200):
        try: uids = open("/proc/%d/status" % child.pid).read().split("Uid:")[1].split("\n")[0].split()
        except OSError: break
        if "0" in uids: gained.append((path, uids))
        if child.poll() is not None: break
    child.kill(); child.wait()
print(gained)
"#)
        .await;
    assert_eq!(said, "[]\n");
}
