//! How fast a device reads its own memory, measured.

use mistralrs::{DType, Device, Tensor};
use rayon::prelude::*;
use std::hint::black_box;
use std::time::Instant;

/// Larger than the last cache of any processor by far.
const BYTES: usize = 512 << 20;
/// The best of so many passes: others only ever make it slower.
const PASSES: usize = 5;

/// Bytes a second, or `None` where there is no room to measure or the device refuses.
pub(super) fn measure(device: &Device) -> Option<f64> {
    match device {
        Device::Cpu => cpu(),
        Device::Cuda(_) | Device::Metal(_) => accelerator(device).ok(),
    }
}

fn cpu() -> Option<f64> {
    let free = super::memory::available_memory();
    if free.is_some_and(|free| free < 2 * BYTES as u64) {
        return None;
    }
    let memory: Vec<u64> = (0..BYTES as u64 / 8).into_par_iter().collect();
    let pass = || {
        let start = Instant::now();
        let sum: u64 = memory
            .par_chunks(1 << 16)
            .map(|chunk| chunk.iter().fold(0u64, |sum, value| sum ^ value))
            .reduce(|| 0, |a, b| a ^ b);
        black_box(sum);
        start.elapsed().as_secs_f64()
    };
    best(BYTES as f64, pass)
}

/// A kernel that reads and writes: its traffic is twice its size.
fn accelerator(device: &Device) -> mistralrs::Result<f64> {
    let memory = Tensor::zeros(BYTES / 4, DType::F32, device)?;
    let mut fastest = f64::INFINITY;
    // The first pass compiles or loads the kernel.
    for pass in 0..=PASSES {
        device.synchronize()?;
        let start = Instant::now();
        let written = memory.affine(1.0, 1.0)?;
        device.synchronize()?;
        let seconds = start.elapsed().as_secs_f64();
        drop(written);
        if pass > 0 {
            fastest = fastest.min(seconds);
        }
    }
    Ok(2.0 * BYTES as f64 / fastest)
}

fn best(bytes: f64, pass: impl Fn() -> f64) -> Option<f64> {
    let fastest = (0..PASSES).map(|_| pass()).fold(f64::INFINITY, f64::min);
    (fastest > 0.0).then(|| bytes / fastest)
}

#[cfg(test)]
#[allow(
    clippy::unwrap_used,
    clippy::expect_used,
    clippy::panic,
    clippy::string_slice
)]
mod tests {
    use super::*;

    #[test]
    fn a_cpu_reads_more_than_a_disk_and_less_than_light() {
        // Where memory is short there is no figure, and none is made up.
        if let Some(speed) = measure(&Device::Cpu) {
            assert!((1e7..1e14).contains(&speed), "{speed}");
        }
    }
}
