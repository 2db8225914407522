//! Weights read beside the load, into the system's cache: faster than page faults, and something to show.

use super::Progress;
use crate::engine::LoadProgress;
use crate::engine::checkpoint::Checkpoint;
use std::io::Read;
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};
use std::time::Instant;

/// Reads the shards in order beside the load and reports how far it is.
pub(super) struct ReadAhead {
    stop: Arc<AtomicBool>,
    thread: std::io::Result<std::thread::JoinHandle<std::io::Result<()>>>,
}

impl ReadAhead {
    pub(super) fn start(checkpoint: &Checkpoint, progress: Progress, start: Instant) -> Self {
        let stop = Arc::new(AtomicBool::new(false));
        let stopped = stop.clone();
        let shards = checkpoint.shards.clone();
        let total = checkpoint.weight_bytes.max(1);
        let thread = std::thread::Builder::new()
            .name("descant-read-ahead".into())
            .spawn(move || {
                let mut buffer = vec![0u8; 4 << 20];
                let mut done = 0u64;
                for shard in shards {
                    let mut file = std::fs::File::open(shard)?;
                    loop {
                        if stopped.load(Ordering::Relaxed) {
                            return Ok(());
                        }
                        let count = file.read(&mut buffer)?;
                        if count == 0 {
                            break;
                        }
                        done += count as u64;
                        let bytes = Some((done.min(total), total));
                        let _full = progress.try_send(LoadProgress {
                            stage: "reading weights",
                            bytes,
                            elapsed: start.elapsed(),
                        });
                    }
                }
                let _full = progress.try_send(LoadProgress {
                    stage: "building the model",
                    bytes: None,
                    elapsed: start.elapsed(),
                });
                Ok(())
            });
        ReadAhead { stop, thread }
    }

    pub(super) fn finish(self) -> std::io::Result<()> {
        self.stop.store(true, Ordering::Relaxed);
        match self.thread?.join() {
            Ok(result) => result,
            Err(_panicked) => Err(std::io::Error::other("the reading thread panicked")),
        }
    }
}
