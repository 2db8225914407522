//! Compiles the o200k vocabulary in: writes every ordinary token's bytes, in the order of their ids, as two
//! files that `harmony::vocab` includes. The bytes come from the `tiktoken-rs` crate, which carries OpenAI's
//! file but gives it out only as a ready tokenizer; a test re-makes the file and checks its published hash.
//! Done here rather than at start-up because that tokenizer costs a quarter of a second and 50 MB.

use std::error::Error;
use std::path::PathBuf;

/// Ids 0..199,998 are ordinary tokens; the special ones follow.
const ORDINARY: u32 = 199_998;

// Cargo reads a build script's instructions from its standard output.
#[allow(clippy::print_stdout)]
fn main() -> Result<(), Box<dyn Error>> {
    println!("cargo::rerun-if-changed=build.rs");
    let out = PathBuf::from(std::env::var_os("OUT_DIR").ok_or("cargo sets OUT_DIR")?);
    let tokenizer = tiktoken_rs::o200k_base()?;
    let mut bytes = Vec::with_capacity(1_500_000);
    let mut lengths = Vec::with_capacity(ORDINARY as usize);
    for id in 0..ORDINARY {
        let token = tokenizer
            .decode_bytes(&[id])
            .map_err(|error| format!("o200k has no token {id}: {error}"))?;
        lengths.push(u8::try_from(token.len())?);
        bytes.extend(token);
    }
    std::fs::write(out.join("o200k.bytes"), bytes)?;
    std::fs::write(out.join("o200k.lengths"), lengths)?;
    Ok(())
}
