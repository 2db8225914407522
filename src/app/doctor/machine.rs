//! The machine's side of the report: device and driver, memory, models on disk, the terminal. It blocks.

use super::{bad, good};
use crate::agent::Check;
use crate::app::Setup;
use crate::app::models::catalog::{State, entries};
use crate::engine::memory::{Memory, memory};
use crate::engine::mistral::message_of;
use crate::hub::{bytes, cache::free_space};
use std::io::IsTerminal;
use std::path::Path;

pub(super) fn checks(setup: &Setup) -> Vec<Check> {
    let mut checks = vec![device()];
    checks.extend(driver(Path::new("/proc/driver/nvidia")));
    checks.push(match memory() {
        Some(memory) => good("memory", in_words(memory)),
        None => bad(
            "memory",
            "the system does not say",
            "loading goes on without a check of its size",
        ),
    });
    checks.push(models(setup));
    checks.push(terminal(setup));
    checks
}

fn in_words(memory: Memory) -> String {
    let limit = if memory.limited {
        " (a control group limits it)"
    } else {
        ""
    };
    format!(
        "{} free of {}{limit}",
        bytes(memory.available),
        bytes(memory.total)
    )
}

/// What models run on.
fn device() -> Check {
    use mistralrs::Device;
    use mistralrs::core::MemoryUsage;
    if !cfg!(any(feature = "cuda", feature = "metal")) {
        return good("device", format!("cpu: {}", cpu()));
    }
    match mistralrs::best_device(false) {
        Ok(Device::Cpu) => bad(
            "device",
            format!("cpu: {}; no GPU was found", cpu()),
            "check that the GPU's driver is installed and that this user may use it",
        ),
        Ok(device) => {
            let name = if matches!(device, Device::Cuda(_)) {
                "cuda:0"
            } else {
                "metal"
            };
            let size = |size: Result<usize, _>| {
                size.map_or_else(|_| "unknown".to_owned(), |b: usize| bytes(b as u64))
            };
            let (free, total) = (
                MemoryUsage.get_memory_available(&device),
                MemoryUsage.get_total_memory(&device),
            );
            good(
                "device",
                format!("{name}: {} free of {}", size(free), size(total)),
            )
        }
        Err(error) => bad(
            "device",
            format!("the GPU cannot be used: {}", message_of(&error)),
            "check its driver; -m demo runs on the CPU",
        ),
    }
}

fn cpu() -> String {
    let cores = std::thread::available_parallelism().map_or(1, usize::from);
    let text = std::fs::read_to_string("/proc/cpuinfo").unwrap_or_default();
    let name = text
        .lines()
        .find_map(|line| line.strip_prefix("model name")?.split_once(": "));
    match name {
        Some((_, name)) => format!("{name}, {cores} cores"),
        None => format!("{} with {cores} cores", std::env::consts::ARCH),
    }
}

/// NVIDIA's driver, whether this build uses it or not.
fn driver(folder: &Path) -> Option<Check> {
    let version = std::fs::read_to_string(folder.join("version")).ok()?;
    let version = version
        .lines()
        .next()?
        .strip_prefix("NVRM version:")
        .unwrap_or(&version)
        .trim();
    let gpus = std::fs::read_dir(folder.join("gpus"))
        .into_iter()
        .flatten()
        .flatten();
    let names: Vec<String> = gpus
        .filter_map(|gpu| std::fs::read_to_string(gpu.path().join("information")).ok())
        .filter_map(|text| {
            Some(
                text.lines()
                    .find_map(|l| l.strip_prefix("Model:"))?
                    .trim()
                    .to_owned(),
            )
        })
        .collect();
    let detail = format!(
        "{}; {version}",
        if names.is_empty() {
            "no GPU".to_owned()
        } else {
            names.join(", ")
        }
    );
    Some(if cfg!(feature = "cuda") || names.is_empty() {
        good("driver", detail)
    } else {
        bad(
            "driver",
            detail,
            "this build does not use the GPU: build it with --features cuda",
        )
    })
}

fn models(setup: &Setup) -> Check {
    let found = entries(&setup.places);
    let whole = found
        .iter()
        .filter(|entry| entry.state == State::Whole)
        .count();
    let size = found.iter().map(|entry| entry.size).sum();
    let place = setup
        .places
        .hub_cache
        .as_deref()
        .unwrap_or(&setup.places.models_dir);
    let room =
        free_space(place).map_or_else(String::new, |free| format!(", {} free there", bytes(free)));
    let detail = format!(
        "{whole} whole, {} on disk; {}{room}",
        bytes(size),
        place.display()
    );
    match found.len() - whole {
        0 => good("cache", detail),
        rest => bad(
            "cache",
            format!("{detail}; {rest} unfinished or not usable"),
            "descant models says which",
        ),
    }
}

fn terminal(setup: &Setup) -> Check {
    let var = |name: &str| std::env::var(name).ok().filter(|v| !v.is_empty());
    let Some(term) =
        var("TERM").filter(|_| std::io::stdout().is_terminal() || var("TMUX").is_some())
    else {
        return good("terminal", "none: descant --once works without");
    };
    let mut parts = vec![term.clone()];
    parts.extend(var("TERM_PROGRAM"));
    if let Ok((columns, rows)) = crossterm::terminal::size() {
        parts.push(format!("{columns}x{rows}"));
    }
    let colours = match (setup.no_color, var("COLORTERM").as_deref()) {
        (true, _) => "no colour",
        (_, Some("truecolor" | "24bit")) => "24-bit colour",
        _ if term.contains("256") => "256 colours",
        _ => "16 colours",
    };
    parts.push(colours.to_owned());
    let locale = var("LC_ALL")
        .or_else(|| var("LC_CTYPE"))
        .or_else(|| var("LANG"))
        .unwrap_or_default();
    let utf8 = locale
        .to_ascii_lowercase()
        .replace('-', "")
        .contains("utf8");
    if !utf8 && !cfg!(windows) {
        parts.push(format!(
            "locale {}",
            if locale.is_empty() { "C" } else { &locale }
        ));
        return bad(
            "terminal",
            parts.join(", "),
            "without a UTF-8 locale (LANG=C.UTF-8) lines are drawn in ASCII",
        );
    }
    good("terminal", parts.join(", "))
}

#[cfg(test)]
#[allow(clippy::unwrap_used)]
mod tests {
    use super::*;

    #[test]
    fn nvidias_driver_is_named_with_its_gpus() {
        let dir = tempfile::tempdir().unwrap();
        assert_eq!(driver(dir.path()), None);
        let version = "NVRM version: NVIDIA UNIX Open Kernel Module for x86_64  580.65.06  Release Build\nGCC version:\n";
        std::fs::write(dir.path().join("version"), version).unwrap();
        let gpu = dir.path().join("gpus/0000:01:00.0");
        std::fs::create_dir_all(&gpu).unwrap();
        std::fs::write(
            gpu.join("information"),
            "Model: \t\t NVIDIA H200\nIRQ:   1\n",
        )
        .unwrap();
        let check = driver(dir.path()).unwrap();
        assert!(
            check.detail.starts_with("NVIDIA H200; NVIDIA UNIX Open")
                && check.detail.contains("580.65.06")
        );
        assert_eq!(check.ok, cfg!(feature = "cuda"));
    }

    #[test]
    fn a_limit_is_told() {
        let memory = Memory {
            total: 8_000_000_000,
            available: 3_000_000_000,
            limited: true,
        };
        assert_eq!(
            in_words(memory),
            "3.0 GB free of 8.0 GB (a control group limits it)"
        );
    }
}
