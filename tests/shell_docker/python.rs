//! Python on the view that the shell works on.

use descant::sandbox::{CellExit, ViewChoice};
use tokio_util::sync::CancellationToken;

use crate::bench::{Bench, repository};

/// What a cell writes below `/workspace` lies on the engine's disk: it has the room of a command, no more.
#[tokio::test]
async fn a_cell_cannot_fill_the_disk() {
    for view in [ViewChoice::Overlay, ViewChoice::Copy] {
        let started = Bench::with(view, repository(), &[], |config| config.disk = 32 << 20).await;
        let Some(bench) = started else { return };
        let sandbox = bench.bench.sandbox();
        let never = CancellationToken::new();
        let code = "with open('/workspace/big', 'wb', buffering=0) as big:\n    for _ in range(4096): big.write(bytes(1 << 20))\nprint('filled')";
        let result = sandbox.run_python(code, |_| {}, &never).await.unwrap();
        assert_eq!(result.exit, CellExit::Died, "{}", result.output);
        assert!(
            result
                .output
                .contains("more than the 32 MiB there are; its variables are lost"),
            "{}",
            result.output
        );
        // There is room again once it is gone.
        let code = "import os\nos.remove('/workspace/big')\nprint('well')";
        let result = sandbox.run_python(code, |_| {}, &never).await.unwrap();
        assert_eq!(result.output, "well\n");
    }
}
