//! The program at a server: exit codes, what is told, what is kept secret, and no network but that.

use crate::support::stand_in::*;
use crate::support::{Bench, Ran};
use serde_json::{Value, json};
use std::process::Command;

/// A turn at a server, without a container.
fn once(bench: &Bench, url: &str, more: &[&str]) -> Ran {
    let mut args = vec!["--once", "--server", url, "-c", "sandbox.enabled=false"];
    args.extend_from_slice(more);
    bench.run(&args)
}

/// A stream of chat completions: these deltas, then the end.
fn chat(deltas: &[Value], reason: &str) -> Vec<Act> {
    let chunk = |delta: &Value, reason: Value| {
        event(&json!({"choices": [{"index": 0, "delta": delta, "finish_reason": reason}]}))
    };
    let mut bytes: Vec<u8> = deltas
        .iter()
        .flat_map(|delta| chunk(delta, Value::Null))
        .collect();
    bytes.extend(chunk(&json!({}), json!(reason)));
    bytes.extend(event(&json!({"choices": [], "usage": {"prompt_tokens": 40, "completion_tokens": 7, "prompt_tokens_details": {"cached_tokens": 30}}})));
    bytes.extend(b"data: [DONE]\n\n");
    stream(&bytes)
}

fn call(name: &str, arguments: &Value) -> Value {
    json!({"tool_calls": [{"index": 0, "id": "c1", "type": "function", "function": {"name": name, "arguments": arguments.to_string()}}]})
}

#[test]
fn a_turn_with_calls_goes_through_messages() {
    let patch = "*** Begin Patch\n*** Update File: a.txt\n@@\n-one\n+ONE\n*** End Patch";
    let server = Kind::Chat.start(move |_, before| match before {
        0 => chat(
            &[
                json!({"reasoning": "Read it."}),
                call("read_file", &json!({"path": "a.txt"})),
            ],
            "tool_calls",
        ),
        1 => chat(
            &[
                json!({"content": "I change it."}),
                call("apply_patch", &json!({"input": patch})),
            ],
            "tool_calls",
        ),
        _ => chat(
            &[json!({"content": "Do"}), json!({"content": "ne."})],
            "stop",
        ),
    });
    let bench = Bench::new();
    bench.write("a.txt", "one\ntwo\n");
    let ran = once(
        &bench,
        &server.url,
        &["--apply", "all", "--json", "Change it"],
    );
    assert_eq!(ran.code, 0, "{ran:?}");
    assert_eq!(bench.read("a.txt"), "ONE\ntwo\n");
    let last: Value = serde_json::from_str(ran.stdout.lines().last().unwrap()).unwrap();
    assert_eq!(
        (
            &last["usage"]["input_tokens"],
            &last["usage"]["cached_input_tokens"],
            &last["usage"]["output_tokens"]
        ),
        (&json!(120), &json!(90), &json!(21))
    );
    assert!(ran.stdout.contains(r#""text":"Done.""#), "{}", ran.stdout);
    let asked = server.generations(Kind::Chat);
    assert_eq!(asked.len(), 3);
    let messages = asked[2].body["messages"].as_array().unwrap();
    let roles: Vec<&str> = messages
        .iter()
        .map(|message| message["role"].as_str().unwrap())
        .collect();
    assert_eq!(
        roles,
        ["system", "user", "assistant", "tool", "assistant", "tool"]
    );
    assert!(
        messages[0]["content"]
            .as_str()
            .unwrap()
            .contains("apply_patch"),
        "{}",
        messages[0]
    );
    assert_eq!(messages[2]["reasoning"], "Read it.");
    assert!(messages[3]["content"].as_str().unwrap().contains("one"));
    assert_eq!(messages[4]["content"], "I change it.");
    assert!(
        messages[5]["content"]
            .as_str()
            .unwrap()
            .starts_with("Success."),
        "{}",
        messages[5]
    );
    let offered: Vec<&str> = asked[0].body["tools"]
        .as_array()
        .unwrap()
        .iter()
        .map(|tool| tool["function"]["name"].as_str().unwrap())
        .collect();
    assert_eq!(
        offered,
        ["read_file", "list_files", "search", "apply_patch"]
    );
}

#[test]
fn a_server_that_is_not_available_is_exit_code_4() {
    let bench = Bench::new();
    let gone = once(&bench, "http://127.0.0.1:1", &["hi"]);
    assert_eq!(gone.code, 4, "{gone:?}");
    assert!(
        gone.stderr.contains("http://127.0.0.1:1: no connection: ")
            && gone.stderr.contains("start the server"),
        "{gone:?}"
    );
    let server = Kind::Chat.start(|_, _| vec![]);
    let wrong = once(&bench, &server.url, &["-m", "qwen", "hi"]);
    assert_eq!(wrong.code, 4, "{wrong:?}");
    assert!(
        wrong.stderr.contains("it has no model qwen") && wrong.stderr.contains(MODEL),
        "{wrong:?}"
    );
    // It leaves after it was found.
    let overloaded =
        Kind::Chat.start(|_, _| answer(503, &json!({"error": {"message": "overloaded"}})));
    let url = format!("servers.busy.url={}", overloaded.url);
    let ran = once(
        &bench,
        "busy",
        &["-c", &url, "-c", "servers.busy.retries=0", "--json", "hi"],
    );
    assert_eq!(ran.code, 4, "{ran:?}");
    assert!(
        ran.stdout.lines().last().unwrap().contains("turn.failed")
            && ran.stdout.contains("overloaded"),
        "{ran:?}"
    );
    for (server, part) in [
        ("ftp://x", "ftp://"),
        ("team", "no server team"),
        ("http://u:secretpw@h", "environment variable"),
    ] {
        let refused = once(&bench, server, &["hi"]);
        assert_eq!(refused.code, 4, "{refused:?}");
        assert!(
            refused.stderr.contains(part) && !refused.stderr.contains("secretpw"),
            "{refused:?}"
        );
    }
}

#[test]
fn offline_speaks_to_this_machine_alone() {
    let bench = Bench::new();
    for url in [
        "http://192.0.2.7:8000",
        "https://models.example",
        "http://127.0.0.1.example:80",
    ] {
        let ran = once(&bench, url, &["--offline", "hi"]);
        assert_eq!(ran.code, 4, "{ran:?}");
        assert!(
            ran.stderr.contains("--offline forbids") && ran.stderr.contains(url),
            "{ran:?}"
        );
    }
    let server = Kind::Chat.start(|_, _| chat(&[json!({"content": "Here."})], "stop"));
    let here = once(&bench, &server.url, &["--offline", "hi"]);
    assert_eq!(
        (here.code, here.stdout.as_str()),
        (0, "Here.\n"),
        "{here:?}"
    );
}

#[test]
fn a_servers_words_cannot_act_on_the_terminal() {
    let text = "\u{1b}]0;owned\u{7}\u{1b}[2Jclean\u{202e}\u{9b}31m";
    let server = Kind::Chat.start(move |_, before| match before {
        0 => chat(
            &[json!({"reasoning_content": text}), json!({"content": text})],
            "stop",
        ),
        _ => answer(400, &json!({"error": {"message": text}})),
    });
    let bench = Bench::new();
    for code in [0, 1] {
        let ran = once(&bench, &server.url, &["hi"]);
        assert_eq!(ran.code, code, "{ran:?}");
        let all = format!("{}{}", ran.stdout, ran.stderr);
        assert!(all.contains("clean"), "{all:?}");
        let bad = |c: char| (c.is_control() && c != '\n') || c == '\u{202e}';
        assert!(!all.contains(bad), "{all:?}");
    }
}

#[test]
fn a_key_is_in_no_file_and_no_line() {
    const KEY: &str = "zq81-planted-key-4711-not-of-any-family";
    let server = StandIn::start(|asked, _| {
        let knows = asked
            .headers
            .contains(&format!("authorization: bearer {KEY}"));
        match Kind::Chat.greets(asked) {
            Some(acts) => acts,
            None => answer(
                401,
                &json!({"error": {"message": format!("{knows}: your key is {KEY}")}}),
            ),
        }
    });
    let bench = Bench::new();
    for args in [
        &["--once", "-vv", "-c", "sandbox.enabled=false", "hi"][..],
        &["doctor", "-vv", "-c", "sandbox.enabled=false"],
        &["models", "list", "-vv"],
    ] {
        let mut command = bench.command(args);
        command
            .env("DESCANT_SERVER", &server.url)
            .env("DESCANT_API_KEY", KEY)
            .env("RUST_LOG", "trace");
        let ran = Ran::from(command.output().unwrap());
        assert!(!format!("{ran:?}").contains(KEY), "{ran:?}");
        if args[0] == "--once" {
            assert!(
                ran.stderr.contains("true: your key is ***")
                    && ran.stderr.contains("DESCANT_API_KEY"),
                "{ran:?}"
            );
        }
    }
    let mut files = 0;
    let mut folders = vec![bench.home().to_owned(), bench.work().to_owned()];
    while let Some(folder) = folders.pop() {
        for entry in std::fs::read_dir(folder).unwrap().map(Result::unwrap) {
            if entry.file_type().unwrap().is_dir() {
                folders.push(entry.path());
                continue;
            }
            files += 1;
            let bytes = std::fs::read(entry.path()).unwrap();
            assert!(
                !String::from_utf8_lossy(&bytes).contains(KEY),
                "{}",
                entry.path().display()
            );
        }
    }
    assert!(files >= 2, "no log and no record: nothing was tested");
}

#[test]
fn the_configuration_names_servers_and_their_models() {
    let server = Kind::Chat.start(|_, _| chat(&[json!({"content": "Yes."})], "stop"));
    let bench = Bench::new();
    let home = bench.home().join("descant");
    std::fs::create_dir_all(&home).unwrap();
    let config = format!(
        "server = 'team'\nmodel = 'demo'\n[servers.team]\nurl = '{}/v1'\nmodel = '{MODEL}'\n[servers.gone]\nurl = 'http://127.0.0.1:1'\n",
        server.url
    );
    std::fs::write(home.join("config.toml"), config).unwrap();
    let ran = bench.run(&["--once", "-c", "sandbox.enabled=false", "hi"]);
    assert_eq!((ran.code, ran.stdout.as_str()), (0, "Yes.\n"), "{ran:?}");
    let listed = bench.run(&["models", "list"]);
    assert!(
        listed
            .stdout
            .contains(&format!("{MODEL}@team\t\tat a server\t{}", server.url)),
        "{listed:?}"
    );
    assert!(
        listed.stderr.contains("http://127.0.0.1:1: no connection"),
        "{listed:?}"
    );
    assert_eq!(listed.code, 0);
    let doctor = bench.run(&["doctor", "-c", "sandbox.enabled=false"]);
    let line = format!("{MODEL}@team: chat (/v1/chat/completions), {CONTEXT} tokens of context");
    assert!(doctor.stdout.contains(&line), "{doctor:?}");
    let doctor = bench.run(&["doctor", "-c", "sandbox.enabled=false", "--server", "gone"]);
    assert!(
        doctor.stdout.contains("--  server") && doctor.stdout.contains("no connection"),
        "{doctor:?}"
    );
    // Said now, it is the model in process again.
    let local = bench.run(&[
        "--once",
        "--server",
        "none",
        "-m",
        "demo",
        "-c",
        "sandbox.enabled=false",
        "Hello!",
    ]);
    assert!(
        local.code == 0 && local.stdout.contains("demo model"),
        "{local:?}"
    );
}

/// Everything but a download works without any network; and what needs one says so at once.
#[cfg(target_os = "linux")]
#[test]
fn without_a_network_nothing_is_missing_but_the_network() {
    let unshare = |args: &[&str], bench: &Bench| {
        let mut command = Command::new("unshare");
        command
            .args([
                "--user",
                "--map-root-user",
                "--net",
                env!("CARGO_BIN_EXE_descant"),
            ])
            .args(args);
        command
            .current_dir(bench.work())
            .stdin(std::process::Stdio::null())
            .envs(bench.environment());
        Ran::from(command.output().unwrap())
    };
    let able = Command::new("unshare")
        .args(["--user", "--map-root-user", "--net", "true"])
        .output();
    if !able.is_ok_and(|ran| ran.status.success()) {
        assert!(
            std::env::var_os("CI").is_none(),
            "this machine makes no network namespace"
        );
        eprintln!("not run: this machine makes no network namespace");
        return;
    }
    let bench = Bench::new();
    bench.write("a.txt", "one\ntwo\n");
    let off = ["-c", "sandbox.enabled=false"];
    for (args, code, part) in [
        (
            vec![
                "--once",
                "--apply",
                "all",
                "In a.txt, change `one` to `ONE`.",
            ],
            0,
            "Changed a.txt.",
        ),
        (vec!["undo"], 0, "a.txt"),
        (vec!["redo"], 0, "a.txt"),
        (vec!["checkpoints"], 0, "a.txt"),
        (vec!["sessions", "list"], 0, "demo"),
        (vec!["models", "list"], 0, "demo"),
        (vec!["doctor"], 0, "demo (built in)"),
        (
            vec!["--once", "--server", "http://192.0.2.7:8000", "hi"],
            4,
            "http://192.0.2.7:8000: no connection: ",
        ),
    ] {
        let ran = unshare(&[&args[..], &off].concat(), &bench);
        assert_eq!(ran.code, code, "{args:?}: {ran:?}");
        assert!(
            format!("{}{}", ran.stdout, ran.stderr).contains(part),
            "{args:?}: {ran:?}"
        );
    }
    assert_eq!(bench.read("a.txt"), "ONE\ntwo\n");
}
