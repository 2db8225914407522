//! `cargo bench --bench pull`: a download in ranges against one plain stream of the same bytes from the same stand-in for
//! the hub, on this machine's loopback: as fast as it goes, and where a server gives each connection a share, as CDNs do.
//! Both sync the file; the download also records its chunks and hashes every byte.

#![allow(
    clippy::unwrap_used,
    clippy::expect_used,
    clippy::panic,
    clippy::print_stdout,
    clippy::print_stderr
)]

#[path = "../tests/hub/stand_in.rs"]
mod stand_in;

use descant::hub::{HubSettings, Pull, RepoRef};
use stand_in::{COMMIT, Fault, REPO, StandIn, noise};
use std::io::{Read, Write};
use std::net::TcpStream;
use std::path::Path;
use std::time::Instant;
use tokio_util::sync::CancellationToken;

const FILE: &str = "model.safetensors";

fn main() {
    let measured = std::env::args().any(|a| a == "--bench");
    // `cargo test --all-targets` runs benches too; few bytes show that it works.
    let (share, rounds) = if measured { (1, 3) } else { (64, 1) };
    let runtime = tokio::runtime::Builder::new_multi_thread()
        .worker_threads(2)
        .enable_all()
        .build()
        .unwrap();
    for (what, size, fault) in [
        ("no limit", 512 << 20, None),
        (
            "each connection limited",
            192 << 20,
            Some(Fault::Slow(20_000)),
        ),
    ] {
        let size = size / share;
        let hub = StandIn::start(&[("config.json", b"{}".to_vec()), (FILE, noise(size, 1))]);
        hub.always(fault);
        let mut ratios = Vec::new();
        for _ in 0..rounds {
            let dir = tempfile::tempdir().unwrap();
            let plain = megabytes_a_second(size, || plain(&hub, &dir.path().join("plain")));
            let settings = HubSettings {
                endpoint: hub.endpoint(),
                token: None,
                cache: dir.path().join("hub"),
            };
            let ranges = megabytes_a_second(size, || {
                runtime.block_on(async {
                    let pull = Pull::new(&settings, RepoRef::parse(REPO).unwrap()).unwrap();
                    let plan = pull.plan().await.unwrap();
                    pull.run(&plan, |_| {}, &CancellationToken::new())
                        .await
                        .unwrap();
                });
            });
            println!("{what}: {ranges:.0} MB/s in ranges, {plain:.0} MB/s in one stream");
            ratios.push(ranges / plain);
        }
        ratios.sort_by(f64::total_cmp);
        println!(
            "{what}: ratio {:.2} (of {})",
            ratios[rounds / 2],
            size >> 20
        );
    }
}

fn megabytes_a_second(size: usize, work: impl FnOnce()) -> f64 {
    let begun = Instant::now();
    work();
    size as f64 / 1e6 / begun.elapsed().as_secs_f64()
}

/// What `curl -L -o` does, one connection and one file, and a `sync` after it.
fn plain(hub: &StandIn, to: &Path) {
    let address = hub.cdn();
    let mut stream = TcpStream::connect(address.trim_start_matches("http://")).unwrap();
    write!(
        stream,
        "GET /blob/{FILE}?{COMMIT} HTTP/1.1\r\nHost: x\r\n\r\n"
    )
    .unwrap();
    let mut file = std::fs::File::create(to).unwrap();
    let mut buffer = vec![0; 256 << 10];
    let mut rest: Option<usize> = None;
    let mut head = Vec::new();
    loop {
        let count = stream.read(&mut buffer).unwrap();
        assert!(count > 0, "the stream ended early");
        let body = match &mut rest {
            Some(rest) => {
                *rest -= count;
                &buffer[..count]
            }
            None => {
                head.extend_from_slice(&buffer[..count]);
                let Some(end) = head.windows(4).position(|w| w == b"\r\n\r\n") else {
                    continue;
                };
                let text = String::from_utf8_lossy(&head[..end]).to_lowercase();
                let (_, length) = text.split_once("content-length: ").unwrap();
                let length: usize = length.lines().next().unwrap().parse().unwrap();
                rest = Some(length - (head.len() - end - 4));
                &head[end + 4..]
            }
        };
        file.write_all(body).unwrap();
        if rest == Some(0) {
            file.sync_all().unwrap();
            return;
        }
    }
}
