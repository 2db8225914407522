//! Memory, processes, descriptors, disk, time.

use std::time::Duration;

use descant::sandbox::{CellExit, SandboxConfig};

#[tokio::test]
async fn memory_is_taken_without_end() {
    let session = session!();
    let result = session
        .run("hog = []\nwhile True: hog.append(bytearray(8 << 20))")
        .await;
    match result.exit {
        CellExit::Died => assert!(result.output.contains("memory"), "{}", result.output),
        CellExit::Error => assert!(result.output.contains("MemoryError"), "{}", result.output),
        other => panic!("{other:?}: {}", result.output),
    }
    assert_eq!(session.ok("1 + 1").await, "2\n");
}

#[tokio::test]
async fn memory_is_taken_by_a_child() {
    let session = session!(|config: &mut SandboxConfig| config.timeout = Duration::from_secs(20));
    let result = session
        .run("import subprocess, sys\ndone = subprocess.run([sys.executable, '-c', 'hog = []\\nwhile True: hog.append(bytearray(8 << 20))'], stderr=subprocess.DEVNULL)\nprint(done.returncode != 0)")
        .await;
    assert!(
        result.exit == CellExit::Died || result.output.contains("True"),
        "{result:?}"
    );
    assert_eq!(session.ok("1 + 1").await, "2\n");
}

#[tokio::test]
async fn processes_are_made_without_end() {
    let session = session!();
    let result = session
        .run("import os, time\ncount = 0\ntry:\n    while True:\n        if os.fork() == 0:\n            time.sleep(100)\n            os._exit(0)\n        count += 1\nexcept OSError as error: print(count, error.errno)")
        .await;
    let (count, errno) = result.output.trim().split_once(' ').expect("two numbers");
    assert!(
        errno == "11" && (10..128).contains(&count.parse::<i32>().unwrap()),
        "{}",
        result.output
    );
    assert_eq!(session.ok("1 + 1").await, "2\n");
}

/// Every process forks: the time limit ends all of them.
#[tokio::test]
async fn processes_make_processes() {
    let session = session!(|config: &mut SandboxConfig| config.timeout = Duration::from_secs(6));
    let result = session
        .run("import os\nwhile True:\n    try: os.fork()\n    except BaseException: pass")
        .await;
    assert_ne!(result.exit, CellExit::Ok);
    assert_eq!(session.ok("1 + 1").await, "2\n");
    let left = session
        .ok("import os\nprint(len([name for name in os.listdir('/proc') if name.isdigit()]) <= 4)")
        .await;
    assert_eq!(left, "True\n");
}

#[tokio::test]
async fn threads_are_started_without_end() {
    let session = session!();
    let result = session
        .run("import threading\nstop = threading.Event()\ncount = 0\ntry:\n    while True:\n        threading.Thread(target=stop.wait, daemon=True).start()\n        count += 1\nexcept RuntimeError: print(count < 128)\nstop.set()")
        .await;
    assert!(result.output.contains("True"), "{result:?}");
    assert_eq!(session.ok("1 + 1").await, "2\n");
}

#[tokio::test]
async fn descriptors_are_opened_without_end() {
    let session = session!();
    let opened = session
        .ok("files = []\ntry:\n    while True: files.append(open('/dev/null'))\nexcept OSError as error: print(error.errno, len(files) < 1024)\nfiles.clear()")
        .await;
    assert_eq!(opened, "24 True\n");
    assert_eq!(session.ok("1 + 1").await, "2\n");
}

async fn fill(place: &str) {
    let session = session!();
    let filled = session
        .run(&format!("import os\ntotal = 0\ntry:\n    with open('{place}/big', 'wb', buffering=0) as big:\n        while total < (1 << 30): total += big.write(b'x' * (1 << 20))\n    print('filled')\nexcept OSError as error: print(error.errno, total >> 20)\nfinally: os.remove('{place}/big')"))
        .await;
    let (errno, mebibytes) = filled.output.trim().split_once(' ').unwrap_or_default();
    // ENOSPC, well below the memory limit of 256 MiB.
    assert!(
        errno == "28" && mebibytes.parse::<u32>().unwrap() <= 64,
        "{place}: {}",
        filled.output
    );
    assert_eq!(session.ok("1 + 1").await, "2\n");
}

#[tokio::test]
async fn the_temporary_folder_is_filled() {
    fill("/tmp").await;
}

#[tokio::test]
async fn the_data_folder_is_filled() {
    fill("/mnt/data").await;
}

#[tokio::test]
async fn shared_memory_is_filled() {
    fill("/dev/shm").await;
}

#[tokio::test]
async fn names_of_files_are_made_without_end() {
    let session = session!(|config: &mut SandboxConfig| config.timeout = Duration::from_secs(60));
    let code = "import os\ncount = 0\ntry:\n    while True:\n        os.mkdir('/tmp/%d' % count)\n        count += 1\nexcept OSError as error: print(error.errno, count < 16384)";
    if session.is_podman() {
        // It takes no number of inodes; they count as memory, and that ends.
        let result = session.run(code).await;
        assert_eq!(result.exit, CellExit::Died, "{}", result.output);
        assert!(result.output.contains("out of memory"), "{}", result.output);
        assert_eq!(session.ok("1").await, "1\n");
        return;
    }
    assert_eq!(session.ok(code).await, "28 True\n");
}

#[tokio::test]
async fn a_core_file_is_dumped() {
    let session = session!();
    let said = session
        .ok("import resource, subprocess, sys\nprint(resource.getrlimit(resource.RLIMIT_CORE))\ndone = subprocess.run([sys.executable, '-c', 'import os; os.chdir(\"/tmp\"); os.abort()'], stderr=subprocess.DEVNULL)\nimport os\nprint(done.returncode, os.listdir('/tmp'))")
        .await;
    assert_eq!(said, "(0, 0)\n-6 []\n");
}

#[tokio::test]
async fn no_more_processors_are_used_than_it_was_given() {
    let session = session!(|config: &mut SandboxConfig| config.cpus = 0.5);
    // One second of the wall at half a processor is half a second of work; the slack is the quota's own period.
    let said = session
        .ok("import time\nwall, work = time.monotonic(), time.process_time()\nwhile time.monotonic() - wall < 2: pass\nprint((time.process_time() - work) / (time.monotonic() - wall) < 0.8)")
        .await;
    assert_eq!(said, "True\n");
}

/// A child that leaves its session and ignores every signal it can goes with the container.
#[tokio::test]
async fn a_child_becomes_a_daemon() {
    let session = session!();
    session
        .ok("import os, signal, time\nif os.fork() == 0:\n    os.setsid()\n    if os.fork() == 0:\n        for number in range(1, 32):\n            try: signal.signal(number, signal.SIG_IGN)\n            except (OSError, ValueError): pass\n        while True: time.sleep(1)\n    os._exit(0)")
        .await;
    session.sandbox.stop().await;
    let docker = bollard::Docker::connect_with_defaults().unwrap();
    let label = format!("dev.descant.session={}", session.sandbox.report().session);
    let filters = std::collections::HashMap::from([("label".to_owned(), vec![label])]);
    let options = bollard::query_parameters::ListContainersOptionsBuilder::default()
        .all(true)
        .filters(&filters)
        .build();
    let left = docker.list_containers(Some(options)).await.unwrap();
    assert!(left.is_empty(), "{left:?}");
}
