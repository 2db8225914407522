//! A container's life beside Descant's: killed, left over, found again.

use std::collections::HashMap;
use std::io::{BufRead, BufReader};
use std::path::Path;
use std::process::{Command, Stdio};
use std::sync::Arc;
use std::time::{Duration, Instant};

use bollard::Docker;
use bollard::models::ContainerSummary;
use bollard::query_parameters::{
    ListContainersOptionsBuilder, ListVolumesOptionsBuilder, RemoveContainerOptionsBuilder,
};
use descant::sandbox::{Sandbox, SandboxError};
use descant::tools::workbench::Workbench;
use descant::workspace::Workspace;
use tokio_util::sync::CancellationToken;

use crate::support::{Session, config, engine, repository};

const OWNER: &str = "dev.descant.owner";

#[tokio::test]
async fn a_missing_image_is_named_and_nothing_is_pulled() {
    let repository = repository();
    let mut config = config(repository.path());
    let Some(sandbox) = engine(Sandbox::start(config.clone()).await) else {
        return;
    };
    sandbox.stop().await;
    config.image = "descant-no-such-image:none".to_owned();
    match Sandbox::start(config).await.map(|_| ()) {
        Err(SandboxError::NoImage { image, hint }) => {
            assert_eq!(image, "descant-no-such-image:none");
            assert!(hint.contains("docker pull descant-no-such-image:none"));
        }
        other => panic!("{other:?}"),
    }
}

fn docker() -> Docker {
    Docker::connect_with_defaults().unwrap()
}

fn labelled() -> HashMap<String, Vec<String>> {
    HashMap::from([("label".to_owned(), vec![OWNER.to_owned()])])
}

/// Whether an owner label names this process.
fn is_of(label: Option<&String>, pid: u32) -> bool {
    label.is_some_and(|label| label.split('/').nth(4) == Some(pid.to_string().as_str()))
}

/// The ids of all containers of a process.
async fn containers_of(docker: &Docker, pid: u32) -> Vec<String> {
    let options = ListContainersOptionsBuilder::default()
        .all(true)
        .filters(&labelled())
        .build();
    let begin = Instant::now();
    let all = loop {
        match docker.list_containers(Some(options.clone())).await {
            Ok(all) => break all,
            // Podman has a state on the way out that bollard does not know.
            Err(error) => assert!(begin.elapsed() < Duration::from_secs(60), "{error}"),
        }
        tokio::time::sleep(Duration::from_millis(100)).await;
    };
    let label = |one: &ContainerSummary| one.labels.as_ref()?.get(OWNER).cloned();
    all.into_iter()
        .filter(|one| is_of(label(one).as_ref(), pid))
        .filter_map(|one| one.id)
        .collect()
}

/// The names of all volumes of a process.
async fn volumes_of(docker: &Docker, pid: u32) -> Vec<String> {
    let options = ListVolumesOptionsBuilder::default()
        .filters(&labelled())
        .build();
    let all = docker.list_volumes(Some(options)).await.unwrap().volumes;
    let all = all.unwrap_or_default().into_iter();
    all.filter(|one| is_of(one.labels.get(OWNER), pid))
        .map(|one| one.name)
        .collect()
}

/// Not a test of its own: the process that `killed_in_a_cell...` kills. It starts a sandbox and stays in a cell.
#[tokio::test]
async fn helper_that_stays_in_a_cell() {
    let Some(code) = std::env::var_os("DESCANT_TEST_HELPER") else {
        return;
    };
    let repository = repository();
    let workspace = Arc::new(Workspace::open(repository.path()).unwrap());
    let bench = Workbench::start(config(workspace.root()), workspace, Vec::new());
    let bench = bench.await.unwrap();
    assert!(bench.sandbox().view().is_ok(), "it has volumes");
    let code = format!("print('in the cell')\n{}", code.to_string_lossy());
    let ran = bench
        .sandbox()
        .run_python(&code, |text| eprintln!("{text}"), &CancellationToken::new())
        .await;
    panic!("it ended: {ran:?}");
}

fn helper(code: &str) -> std::process::Child {
    let mut child = Command::new(std::env::current_exe().unwrap())
        .args([
            "--exact",
            "life::helper_that_stays_in_a_cell",
            "--nocapture",
        ])
        .env("DESCANT_TEST_HELPER", code)
        .stdout(Stdio::null())
        .stderr(Stdio::piped())
        .spawn()
        .unwrap();
    let said = BufReader::new(child.stderr.take().unwrap());
    let mut lines = said.lines();
    assert!(
        lines.any(|line| line.unwrap().contains("in the cell")),
        "the helper did not start"
    );
    // Kept open: a closed pipe would end it before it is killed.
    std::mem::forget(lines);
    child
}

/// Killed this often: safety.md asks for 100, which take minutes; DESCANT_KILLS sets it.
const KILLS: usize = 10;

#[tokio::test]
async fn killed_in_a_cell_it_leaves_no_container_and_after_a_start_no_volume_behind() {
    let session = session!();
    let docker = docker();
    let times = std::env::var("DESCANT_KILLS").map_or(KILLS, |times| times.parse().unwrap());
    let codes = [
        "while True: pass",
        "import time\ntime.sleep(1000)",
        "while True: print('x' * 10000)",
        "import os, time, signal\nsignal.signal(signal.SIGTERM, signal.SIG_IGN)\nif os.fork() == 0: os.setsid()\ntime.sleep(1000)",
        "import subprocess\nsubprocess.Popen(['sleep', '1000'], start_new_session=True)\nwhile True:\n    try: input()\n    except BaseException: pass",
    ];
    let mut killed = Vec::new();
    for code in codes.iter().cycle().take(times) {
        let mut child = helper(code);
        assert_eq!(containers_of(&docker, child.id()).await.len(), 1);
        assert!(!volumes_of(&docker, child.id()).await.is_empty());
        child.kill().unwrap();
        child.wait().unwrap();
        let begin = Instant::now();
        while !containers_of(&docker, child.id()).await.is_empty() {
            assert!(
                begin.elapsed() < Duration::from_secs(60),
                "a container is left after {code:?}"
            );
            tokio::time::sleep(Duration::from_millis(100)).await;
        }
        killed.push(child.id());
    }
    let next = Session::start(|_| {}).await.unwrap();
    for pid in &killed {
        let left = volumes_of(&docker, *pid).await;
        assert!(left.is_empty(), "{left:?}");
    }
    eprintln!("killed {times} times, nothing left");
    assert_eq!(next.ok("1 + 1").await, "2\n");
    assert_eq!(session.ok("1 + 1").await, "2\n", "another session goes on");
}

#[tokio::test]
async fn the_next_start_removes_what_a_dead_session_left_and_nothing_else() {
    let session = session!();
    let docker = docker();
    let theirs = |name: &str, label: Option<String>| {
        let mut arguments = vec![
            "create".to_owned(),
            "--name".to_owned(),
            format!("descant-test-{name}-{}", std::process::id()),
        ];
        if let Some(label) = label {
            arguments.extend(["--label".to_owned(), format!("{OWNER}={label}")]);
        }
        arguments.extend([config(Path::new("/")).image, "python3".to_owned()]);
        let created = Command::new("docker").args(arguments).output().unwrap();
        assert!(
            created.status.success(),
            "{}",
            String::from_utf8_lossy(&created.stderr)
        );
        String::from_utf8(created.stdout).unwrap().trim().to_owned()
    };
    // A container whose supervisor was stopped by the code cannot leave by itself: it waits for the next start.
    let mut child = helper(
        "import os, signal, time\ntime.sleep(1)\nos.kill(os.getppid(), signal.SIGSTOP)\ntime.sleep(1000)",
    );
    tokio::time::sleep(Duration::from_secs(2)).await;
    let left = containers_of(&docker, child.id()).await;
    let labels = docker
        .inspect_container(&left[0], None)
        .await
        .unwrap()
        .config
        .unwrap()
        .labels
        .unwrap();
    let label = labels[OWNER].clone();
    let with = |field: usize, value: &str| {
        let mut fields: Vec<&str> = label.split('/').collect();
        fields[field] = value;
        Some(fields.join("/"))
    };
    let kept = [
        theirs("unlabelled", None),
        theirs("strange", Some("not ours".to_owned())),
        theirs("machine", with(0, "0123456789abcdef")),
        theirs("user", with(1, "4242")),
        theirs("namespace", with(3, "pid:1")),
    ];
    let gone = [
        theirs("boot", with(2, "another-boot")),
        theirs("reused", with(5, "1")),
    ];
    child.kill().unwrap();
    child.wait().unwrap();

    let next = Session::start(|_| {}).await.unwrap();
    let exists = async |id: &str| docker.inspect_container(id, None).await.is_ok();
    assert!(
        !exists(&left[0]).await,
        "the dead session's container is left"
    );
    for id in &gone {
        assert!(!exists(id).await);
    }
    for id in &kept {
        assert!(exists(id).await, "somebody else's container was removed");
        let force = RemoveContainerOptionsBuilder::default()
            .force(true)
            .v(true)
            .build();
        docker.remove_container(id, Some(force)).await.unwrap();
    }
    assert_eq!(
        session.ok("1 + 1").await,
        "2\n",
        "the living session goes on"
    );
    assert_eq!(next.ok("1 + 1").await, "2\n");
}
