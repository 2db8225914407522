//! Output without an end, in bounded memory.

use std::process::Command;
use std::time::Duration;

use descant::sandbox::{CellExit, Sandbox, SandboxConfig};
use tokio_util::sync::CancellationToken;

use crate::support::{config, repository};

/// What each of the two cells prints, in MiB.
const MEBIBYTES: usize = 1024;

/// Not a test of its own: the process whose memory `a_gigabyte...` looks at, because other tests run in its own.
#[tokio::test]
async fn helper_that_reads_a_gigabyte() {
    if std::env::var_os("DESCANT_TEST_READER").is_none() {
        return;
    }
    let repository = repository();
    let config = SandboxConfig {
        timeout: Duration::from_secs(1800),
        output_limit: 64 << 10,
        ..config(repository.path())
    };
    let sandbox = Sandbox::start(config).await.unwrap();
    let never = CancellationToken::new();
    // A little first: what the first output costs is no growth.
    let little = "print('x' * 1_000_000)";
    sandbox.run_python(little, |_| {}, &never).await.unwrap();
    let before = peak();
    let lines = "block = ('y' * 99 + '\\n') * 10486";
    let line = "block = 'z' * (1 << 20)";
    for block in [lines, line] {
        let code = format!(
            "import sys\nprint('the head')\n{block}\nfor _ in range({MEBIBYTES}): sys.stdout.write(block)\nprint('\\nthe tail')"
        );
        let mut streamed = 0;
        let result = sandbox
            .run_python(&code, |text| streamed += text.len(), &never)
            .await
            .unwrap();
        assert_eq!(result.exit, CellExit::Ok, "{}", result.output);
        assert!(result.output.starts_with("the head\n") && result.output.ends_with("\nthe tail\n"));
        assert_eq!(streamed, result.output.len());
        assert!(streamed <= 64 << 10, "{streamed} bytes are kept");
        let (_, rest) = result.output.split_once("[... ").unwrap();
        let left_out: usize = rest.split_once(' ').unwrap().0.parse().unwrap();
        let whole = (MEBIBYTES << 20)..(MEBIBYTES << 20) + (1 << 20);
        assert!(whole.contains(&(left_out + streamed)), "{left_out}");
    }
    sandbox.stop().await;
    // The kernel counts a little late, also downwards.
    eprintln!("grown by {} bytes", peak().saturating_sub(before));
}

/// The most bytes of memory that this process ever had.
fn peak() -> usize {
    let status = std::fs::read_to_string("/proc/self/status").unwrap();
    let line = status.lines().find_map(|line| line.strip_prefix("VmHWM:"));
    line.unwrap()
        .trim()
        .split(' ')
        .next()
        .unwrap()
        .parse::<usize>()
        .unwrap()
        * 1024
}

#[tokio::test]
async fn a_gigabyte_is_cut_to_its_head_and_tail_in_bounded_memory_also_in_one_line() {
    let session = session!();
    let helper = Command::new(std::env::current_exe().unwrap())
        .args(["--exact", "output::helper_that_reads_a_gigabyte"])
        .arg("--nocapture")
        .env("DESCANT_TEST_READER", "1")
        .output();
    let said = helper.unwrap();
    let text = String::from_utf8_lossy(&said.stderr);
    assert!(said.status.success(), "{text}");
    let (_, grown) = text.split_once("grown by ").expect(&text);
    let grown: usize = grown.split(' ').next().unwrap().parse().unwrap();
    assert!(grown <= 16 << 20, "our memory grew by {grown} bytes");
    session.sandbox.stop().await;
}

#[tokio::test]
async fn bytes_that_are_no_text_are_shown_as_such() {
    let session = session!();
    let output = session
        .ok("import os\nprint('a', flush=True)\n_ = os.write(1, b'\\xff\\xfe\\x00b\\xe2\\x82')")
        .await;
    assert_eq!(output, "a\n\u{fffd}\u{fffd}\0b\u{fffd}");
    session.sandbox.stop().await;
}
