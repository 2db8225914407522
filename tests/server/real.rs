//! llama.cpp's own server with the built-in demo model, which `scripts/llama-server-for-tests.sh` installs: ids, and
//! the two protocols of messages, which it makes of the demo's Harmony by itself.

use super::*;
use crate::support::Bench;
use descant::engine::Protocol;
use std::io::{BufRead, BufReader};
use std::path::{Path, PathBuf};
use std::process::{Child, Command, Stdio};

/// A server that ends with the test.
struct Llama {
    child: Child,
    url: String,
}

impl Drop for Llama {
    fn drop(&mut self) {
        let _ = self.child.kill();
        let _ = self.child.wait();
    }
}

fn installed() -> Option<(PathBuf, PathBuf)> {
    let cache = std::env::var_os("XDG_CACHE_HOME")
        .map(PathBuf::from)
        .or_else(|| Some(PathBuf::from(std::env::var_os("HOME")?).join(".cache")))?;
    let ready = std::fs::read_to_string(cache.join("descant/llama-server/ready")).ok()?;
    let (python, model) = ready.trim().split_once('\n')?;
    let there = Path::new(python).exists() && Path::new(model).exists();
    there.then(|| (python.into(), model.into()))
}

/// `None` where it is not installed, which fails in CI.
fn llama(key: Option<&str>) -> Option<Llama> {
    let Some((python, model)) = installed() else {
        assert!(
            std::env::var_os("CI").is_none(),
            "no llama.cpp server; scripts/llama-server-for-tests.sh installs one"
        );
        eprintln!("not run: no llama.cpp server; scripts/llama-server-for-tests.sh installs one");
        return None;
    };
    let scripts = Path::new(env!("CARGO_MANIFEST_DIR")).join("scripts/llama-server");
    let mut child = Command::new(python)
        .arg(scripts.join("serve.py"))
        .arg(model)
        .arg(scripts.join("chat.jinja"))
        .args(key)
        .stdin(Stdio::piped())
        .stdout(Stdio::piped())
        .stderr(Stdio::null())
        .spawn()
        .unwrap();
    let mut lines = BufReader::new(child.stdout.take().unwrap())
        .lines()
        .map(Result::unwrap);
    let url = lines
        .find(|line| line.starts_with("http://"))
        .expect("the server does not start");
    // What else it prints must find room.
    std::thread::spawn(move || lines.for_each(drop));
    Some(Llama { child, url })
}

/// Arguments for one turn at this server.
fn at<'a>(url: &'a str, more: &[&'a str]) -> Vec<&'a str> {
    let mut args = vec!["--once", "--server", url, "-c", "sandbox.enabled=false"];
    args.extend_from_slice(more);
    args
}

#[test]
fn the_demo_edits_a_file_through_token_ids() {
    let Some(server) = llama(None) else { return };
    let bench = Bench::new();
    bench.write("notes.txt", "alpha\nbeta\ngamma\n");
    let edit = "In notes.txt, change `beta` to `delta`.";
    let ran = bench.run(&at(&server.url, &["--json", "--apply", "all", edit]));
    assert_eq!(ran.code, 0, "{ran:?}");
    assert_eq!(bench.read("notes.txt"), "alpha\ndelta\ngamma\n");
    // The last line's counts are the server's: of the last prompts most was cached there.
    let last: serde_json::Value = serde_json::from_str(ran.stdout.lines().last().unwrap()).unwrap();
    let count = |name: &str| last["usage"][name].as_u64().unwrap();
    assert!(
        count("cached_input_tokens") > 0 && count("cached_input_tokens") < count("input_tokens"),
        "{last}"
    );
    assert!(
        count("output_tokens") > count("reasoning_output_tokens")
            && count("reasoning_output_tokens") > 0,
        "{last}"
    );
    let shown = bench.run(&at(&server.url, &["Show notes.txt."]));
    assert_eq!(
        (shown.code, shown.stdout.as_str()),
        (0, "```\nalpha\ndelta\ngamma\n```\n"),
        "{shown:?}"
    );
    let doctor = bench.run(&["doctor", "--server", &server.url]);
    assert!(
        doctor
            .stdout
            .contains("raw tokens (/completion), 4096 tokens of context"),
        "{doctor:?}"
    );
    let models = bench.run(&["models", "list", "--server", &server.url]);
    assert!(models.stdout.contains("demo@127.0.0.1:"), "{models:?}");
}

#[test]
fn the_demo_calls_a_tool_through_messages() {
    let Some(server) = llama(None) else { return };
    for protocol in ["responses", "chat"] {
        let bench = Bench::new();
        bench.write("notes.txt", "alpha beta\n");
        let url = format!("servers.llama.url={}", server.url);
        let protocol = format!("servers.llama.protocol={protocol}");
        let ran = bench.run(&at(
            "llama",
            &[
                "-c",
                &url,
                "-c",
                &protocol,
                "-c",
                "sampling.temperature=0",
                "--json",
                "Show notes.txt.",
            ],
        ));
        assert_eq!(ran.code, 0, "{protocol}: {ran:?}");
        // The server has parsed the model's Harmony: reasoning, a call, and after its result an answer.
        for part in [
            r#""type":"reasoning","text":"I will show notes.txt.""#,
            r#""tool":"read_file","arguments":{"path":"notes.txt"},"result":{"content":[{"type":"text","text":"alpha beta"#,
        ] {
            assert!(ran.stdout.contains(part), "{protocol}: {ran:?}");
        }
        // llama.cpp spells each of the demo's newlines in its own way (convert.py says why).
        assert!(
            ran.stdout.contains("alpha beta<newline_"),
            "{protocol}: {ran:?}"
        );
    }
}

#[test]
fn a_generation_equals_the_one_in_process_and_a_cancelled_one_stops() {
    let Some(server) = llama(None) else { return };
    let runtime = tokio::runtime::Builder::new_multi_thread()
        .enable_all()
        .build()
        .unwrap();
    runtime.block_on(async {
        let served = engine(target(&server.url)).await;
        assert_eq!(served.info().protocol, Some(Protocol::Completion));
        assert_eq!(served.info().profile, PromptProfile::Demo);
        let home = tempfile::tempdir().unwrap();
        let places = descant::engine::models::ModelPlaces {
            models_dir: home.path().join("models"),
            hub_cache: None,
            lm_studio: Vec::new(),
            current_dir: home.path().to_owned(),
            home_dir: None,
            servers: Default::default(),
        };
        let options = descant::engine::LoadOptions::new("demo", places, home.path().join("demo"));
        let local = descant::engine::load(options, vocabulary(), |_| {}).await.unwrap();
        for asked in ["Show a.py.", "What is 17 * 23?", "Create x.txt with:\n\u{e9} \u{1F99C}\n", "Hello!"] {
            let prompt = descant::engine::scripted::encode_spelled(
                &format!("<|start|>system<|message|>Descant demo. Tools: functions, python.<|end|><|start|>user<|message|>{asked}<|end|><|start|>assistant"),
                &vocabulary(),
            );
            let request = || GenerateRequest { prompt: prompt.clone(), max_tokens: 300, ..request() };
            let done = generate(&served, request()).await;
            let mut events = local.generate(request());
            let mut tokens = Vec::new();
            while let Some(event) = events.recv().await {
                if let EngineEvent::Finished { tokens: all, .. } = event {
                    tokens = all;
                }
            }
            assert_eq!((done.text(), done.ended), (String::from_utf8(vocabulary().decode_bytes(&tokens)).unwrap(), Ok(StopReason::Stop)));
            assert_eq!(done.tokens, tokens, "{asked}");
        }
        // Cancelled in the middle, the one slot is free again for the next.
        let long = GenerateRequest { max_tokens: 3000, ..request() };
        let cancel = long.cancel.clone();
        let mut events = served.generate(long);
        while let Some(event) = events.recv().await {
            if matches!(event, EngineEvent::Tokens(_)) {
                cancel.cancel();
            }
        }
        assert!(generate(&served, request()).await.ended.is_ok());
    });
}

#[test]
fn a_key_opens_it_and_its_absence_says_which() {
    let Some(server) = llama(Some("sk-for-the-test")) else {
        return;
    };
    let bench = Bench::new();
    bench.write("a.txt", "one\n");
    let url = format!("servers.llama.url={}", server.url);
    let args = at(
        "llama",
        &[
            "-c",
            &url,
            "-c",
            "servers.llama.api_key_env=LLAMA_TEST_KEY",
            "Show a.txt.",
        ],
    );
    let without = bench.run(&args);
    assert_eq!(without.code, 4, "{without:?}");
    assert!(
        without
            .stderr
            .contains("set LLAMA_TEST_KEY to the server's key"),
        "{without:?}"
    );
    let with = bench
        .command(&args)
        .env("LLAMA_TEST_KEY", "sk-for-the-test")
        .output()
        .unwrap();
    let with = crate::support::Ran::from(with);
    assert_eq!(
        (with.code, with.stdout.as_str()),
        (0, "```\none\n```\n"),
        "{with:?}"
    );
}
