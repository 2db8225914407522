//! The create request against its golden, and the pure parts that decide on users and mounts.

use std::collections::HashMap;
use std::path::{Path, PathBuf};

use serde_json::{Value, json};

use super::request::{Mapping, check_workspace, container_user};
use super::*;

fn config() -> SandboxConfig {
    SandboxConfig::new(PathBuf::from("/home/ada/project"), EngineLocator::default())
}

fn request(config: &SandboxConfig, cpus: f64) -> Value {
    request_to(false, config, cpus)
}

fn request_to(podman: bool, config: &SandboxConfig, cpus: f64) -> Value {
    let user = container_user(Mapping::Same, (1000, 1001), None);
    let labels = HashMap::from([("dev.descant.owner".to_owned(), "somebody".to_owned())]);
    let mounts = vec![request::read_only_mount(&config.workspace, WORKSPACE)];
    serde_json::to_value(create_request(
        config,
        "sha256:abc",
        &user,
        podman,
        cpus,
        labels,
        mounts,
    ))
    .unwrap()
}

fn golden() -> Value {
    json!({
        "Image": "sha256:abc",
        "Entrypoint": ["python3", "-I", "-B", "-u", "-c", kernel::SUPERVISOR],
        "Cmd": [],
        "WorkingDir": "/",
        "Hostname": "sandbox",
        "User": "1000:1001",
        "Env": [],
        "NetworkDisabled": true,
        "OpenStdin": true,
        "StdinOnce": true,
        "AttachStdin": true,
        "AttachStdout": true,
        "AttachStderr": true,
        "Tty": false,
        "Healthcheck": { "Test": ["NONE"] },
        "Labels": { "dev.descant.owner": "somebody" },
        "HostConfig": {
            "AutoRemove": true,
            "Init": true,
            "NetworkMode": "none",
            "IpcMode": "private",
            "CgroupnsMode": "private",
            "Privileged": false,
            "CapDrop": ["ALL"],
            "SecurityOpt": ["no-new-privileges"],
            "ReadonlyRootfs": true,
            "Tmpfs": {
                "/tmp": "rw,noexec,nosuid,nodev,size=67108864,nr_inodes=16384,mode=1777",
                "/mnt/data": "rw,noexec,nosuid,nodev,size=268435456,nr_inodes=16384,mode=1777",
            },
            "ShmSize": 16_777_216,
            "Mounts": [{
                "Type": "bind",
                "Source": "/home/ada/project",
                "Target": "/workspace",
                "ReadOnly": true,
                "BindOptions": { "Propagation": "rprivate", "NonRecursive": true },
            }],
            "Memory": 1_073_741_824,
            "MemorySwap": 1_073_741_824,
            "NanoCpus": 2_000_000_000,
            "PidsLimit": 128,
            "Ulimits": [
                { "Name": "nofile", "Soft": 1024, "Hard": 1024 },
                { "Name": "core", "Soft": 0, "Hard": 0 },
            ],
            "LogConfig": { "Type": "none" },
        },
    })
}

#[test]
fn the_create_request_is_the_golden_one_field_by_field() {
    let found = request(&config(), 8.0);
    assert_eq!(found, golden());
    assert!(kernel::SUPERVISOR.contains("deny_calls()"));
    // Each field on its own: none is left out of the comparison.
    let mut fields = 0;
    for place in places(&found, String::new()) {
        for change in [json!(null), json!("another"), json!(77)] {
            let mut changed = found.clone();
            *changed.pointer_mut(&place).unwrap() = change;
            assert_ne!(changed, golden(), "{place} may be anything");
        }
        fields += 1;
    }
    assert!(fields >= 50, "{fields} fields");
}

/// The place of every value in it that holds no others.
fn places(value: &Value, at: String) -> Vec<String> {
    let below = |key: String, inner: &Value| {
        let key = key.replace('~', "~0").replace('/', "~1");
        places(inner, format!("{at}/{key}"))
    };
    match value {
        Value::Object(fields) if !fields.is_empty() => fields
            .iter()
            .flat_map(|(key, inner)| below(key.clone(), inner))
            .collect(),
        Value::Array(items) if !items.is_empty() => items
            .iter()
            .enumerate()
            .flat_map(|(key, inner)| below(key.to_string(), inner))
            .collect(),
        _ => vec![at],
    }
}

#[test]
fn podman_is_asked_for_what_it_takes_and_the_rest_is_the_same() {
    let mut expected = golden();
    expected["HostConfig"]["Tmpfs"] = json!({
        "/tmp": "rw,noexec,nosuid,nodev,size=67108864,mode=1777",
        "/mnt/data": "rw,noexec,nosuid,nodev,size=268435456,mode=1777",
        "/run": "rw,noexec,nosuid,nodev,size=65536,mode=755",
        "/var/tmp": "rw,noexec,nosuid,nodev,size=67108864,mode=1777",
    });
    assert_eq!(request_to(true, &config(), 8.0), expected);
}

/// By itself Podman would copy what is to be hidden into what hides it.
#[test]
fn a_cover_stays_empty_on_podman() {
    let user = container_user(Mapping::Same, (1000, 1001), None);
    let mounts = vec![request::empty_folder("/workspace/secrets".to_owned())];
    let host = create_request(&config(), "x", &user, true, 1.0, HashMap::new(), mounts);
    let host = host.host_config.unwrap();
    assert!(host.mounts.unwrap().is_empty());
    let cover = &host.tmpfs.unwrap()["/workspace/secrets"];
    assert!(
        cover.starts_with("ro,") && cover.ends_with(",notmpcopyup"),
        "{cover}"
    );
}

#[test]
fn limits_follow_the_configuration_and_what_the_engine_has() {
    let mut config = config();
    config.memory = 64 << 20;
    config.pids = 7;
    config.cpus = 4.0;
    let host = &request(&config, 1.0)["HostConfig"];
    assert_eq!(
        (
            &host["Memory"],
            &host["MemorySwap"],
            &host["PidsLimit"],
            &host["NanoCpus"]
        ),
        (
            &json!(67_108_864),
            &json!(67_108_864),
            &json!(7),
            &json!(1_000_000_000)
        )
    );
    config.cpus = 0.5;
    assert_eq!(
        request(&config, 8.0)["HostConfig"]["NanoCpus"],
        json!(500_000_000)
    );
    config.cpus = f64::NAN;
    assert_eq!(
        request(&config, 8.0)["HostConfig"]["NanoCpus"],
        json!(8_000_000_000_i64)
    );
}

#[test]
fn the_user_is_never_root_of_the_host() {
    let user = |mapping, host, owner| container_user(mapping, host, owner).user;
    assert_eq!(user(Mapping::Same, (1000, 100), Some((0, 0))), "1000:100");
    assert_eq!(user(Mapping::Same, (0, 0), Some((1000, 100))), "1000:100");
    assert_eq!(user(Mapping::Same, (0, 0), Some((0, 0))), "65534:65534");
    assert_eq!(user(Mapping::Same, (0, 0), None), "65534:65534");
    // There 0 is the host's own user and 1000 is somebody who cannot read the repository.
    assert_eq!(user(Mapping::RootlessDocker, (1000, 100), None), "0:0");
    let podman = container_user(Mapping::RootlessPodman, (1000, 100), None);
    assert_eq!(
        (podman.user.as_str(), podman.userns.as_deref()),
        ("1000:100", Some("keep-id"))
    );
}

#[test]
fn a_folder_that_holds_more_than_a_repository_is_not_mounted() {
    let home = tempfile::tempdir().unwrap();
    let project = home.path().join("project");
    let run = home.path().join("run");
    for folder in [&project, &run] {
        std::fs::create_dir(folder).unwrap();
    }
    let socket = run.join("docker.sock");
    std::fs::write(&socket, "").unwrap();
    let engine = EngineLocator {
        home: Some(home.path().to_owned()),
        runtime_dir: Some(run.clone()),
        ..EngineLocator::default()
    };
    let reason = |workspace: &Path| match check_workspace(workspace, &engine, &Some(socket.clone()))
    {
        Ok(()) => String::new(),
        Err(SandboxError::Workspace { reason, .. }) => reason,
        Err(other) => panic!("{other}"),
    };
    assert_eq!(reason(&project), "");
    assert_eq!(reason(&home.path().join("project/../project")), "");
    assert!(reason(home.path()).contains("engine's socket"));
    assert!(reason(&project.join("..")).contains("engine's socket"));
    assert!(reason(Path::new("/")).contains("engine's socket"));
    assert!(reason(&home.path().join("absent")).contains("cannot be opened"));
    #[cfg(unix)]
    {
        std::os::unix::fs::symlink(home.path(), project.join("up")).unwrap();
        assert!(reason(&project.join("up")).contains("engine's socket"));
    }
    std::fs::remove_file(&socket).unwrap();
    assert!(reason(home.path()).contains("home folder"));
    assert!(reason(&run).contains("session's sockets"));
}
