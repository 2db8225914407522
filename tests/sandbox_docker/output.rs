//! Output without an end, in bounded memory.

use std::time::Duration;

use descant::sandbox::{CellExit, SandboxConfig};
use tokio_util::sync::CancellationToken;

#[tokio::test]
async fn a_hundred_megabytes_are_cut_to_their_head_and_tail_in_bounded_memory() {
    let session = session!(|config: &mut SandboxConfig| config.timeout = Duration::from_secs(120));
    session.ok("print('x' * 1000)").await;
    let before = resident();
    let mut streamed = 0;
    let code = "import sys\nprint('the head')\nblock = ('y' * 99 + '\\n') * 10486\nfor _ in range(100): sys.stdout.write(block)\nprint('the tail')";
    let result = session
        .sandbox
        .run_python(
            code,
            |text| streamed += text.len(),
            &CancellationToken::new(),
        )
        .await
        .unwrap();
    let grown = resident().saturating_sub(before);
    assert_eq!(result.exit, CellExit::Ok);
    assert!(result.output.starts_with("the head\n") && result.output.ends_with("the tail\n"));
    assert!(
        result.output.len() <= 16 * 1024 && streamed == result.output.len(),
        "{}",
        result.output.len()
    );
    let (_, rest) = result.output.split_once("[... ").unwrap();
    let left_out: u64 = rest.split_once(' ').unwrap().0.parse().unwrap();
    assert_eq!(left_out / 1_000_000, 104);
    assert!(grown <= 16 << 20, "our memory grew by {grown} bytes");
    // One line without an end, and bytes that are no text.
    let result = session
        .run("sys.stdout.write('z' * (20 << 20))\nNone")
        .await;
    assert!(result.output.len() <= 16 * 1024 && result.exit == CellExit::Ok);
    let output = session
        .ok("import os\nprint('a', flush=True)\n_ = os.write(1, b'\\xff\\xfe\\x00b\\xe2\\x82')")
        .await;
    assert_eq!(output, "a\n\u{fffd}\u{fffd}\0b\u{fffd}");
}

/// Bytes of memory this process has now; 0 where that cannot be read, so that nothing is claimed there.
fn resident() -> usize {
    let status = std::fs::read_to_string("/proc/self/status").unwrap_or_default();
    let line = status.lines().find_map(|line| line.strip_prefix("VmRSS:"));
    line.and_then(|line| line.trim().split(' ').next()?.parse::<usize>().ok())
        .unwrap_or(0)
        * 1024
}
