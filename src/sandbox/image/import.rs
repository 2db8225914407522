//! An image from a file: what `docker save` wrote, or a root file system as a tar archive; gzip may be around either.

use std::fs::File;
use std::io::{self, BufReader, Read};
use std::path::Path;
use std::time::{Duration, Instant};

use bollard::Docker;
use bollard::body_try_stream;
use bollard::errors::Error;
use bollard::query_parameters::{CreateImageOptionsBuilder, ImportImageOptionsBuilder};
use bytes::Bytes;
use flate2::read::MultiGzDecoder;
use futures_util::{Stream, StreamExt};
use tokio::io::AsyncReadExt;
use tokio::sync::watch;
use tokio_util::sync::CancellationToken;

use super::super::SandboxError;
use super::progress::{ImageProgress, ImageStage};

const CHUNK: usize = 256 * 1024;
const BLOCK: usize = 512;
const REPORT_PAUSE: Duration = Duration::from_millis(100);
/// How many members are looked at for an image's list of contents. `docker save` may write it last.
const MEMBERS: usize = 1_000_000;

#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Kind {
    /// With its layers and its configuration.
    Image,
    /// Files.
    RootFileSystem,
}

/// Imports the file and gives the ids or names of what was in it, as the engine says them.
pub(super) async fn run(
    docker: &Docker,
    image: &str,
    path: &Path,
    progress: &mut (dyn FnMut(ImageProgress) + Send),
    cancel: &CancellationToken,
) -> Result<Vec<String>, SandboxError> {
    let unusable = |reason: String| SandboxError::ImageFile {
        path: path.to_owned(),
        reason,
    };
    if image.contains('@') {
        return Err(unusable(format!(
            "the configured image {image} is named by its digest, which an import cannot have"
        )));
    }
    let look = path.to_owned();
    let (kind, total) = tokio::task::spawn_blocking(move || kind(&look))
        .await
        .map_err(|broken| unusable(format!("reading it broke off: {broken}")))?
        .map_err(|error| unusable(error.to_string()))?;
    let file = tokio::fs::File::open(path)
        .await
        .map_err(|error| unusable(error.to_string()))?;
    let (sent, mut seen) = watch::channel(0_u64);
    let body = body(file, sent);
    let mut said = match kind {
        Kind::Image => loaded(docker, body).boxed(),
        Kind::RootFileSystem => imported(docker, body).boxed(),
    };
    let begun = Instant::now();
    let mut last = None;
    let mut names = Vec::new();
    loop {
        let answer = tokio::select! {
            biased;
            () = cancel.cancelled() => return Err(SandboxError::Cancelled {
                image: image.to_owned(),
            }),
            answer = said.next() => answer,
            // The last sender ends with the body: the answer is all that is left then.
            Ok(()) = seen.changed() => {
                let now = begun.elapsed();
                let bytes = *seen.borrow_and_update();
                if bytes == total || last.is_none_or(|last| now - last >= REPORT_PAUSE) {
                    last = Some(now);
                    progress(ImageProgress {
                        image: image.to_owned(),
                        stage: ImageStage::Importing,
                        bytes: (bytes.min(total), total),
                        layers: (0, 0),
                        elapsed: now,
                    });
                }
                continue;
            }
        };
        match answer {
            Some(Ok(more)) => names.extend(more),
            Some(Err(source)) => {
                return Err(SandboxError::Engine {
                    doing: "importing the image",
                    source,
                });
            }
            None => break,
        }
    }
    if names.is_empty() {
        return Err(unusable("the engine took it and named no image".to_owned()));
    }
    Ok(names)
}

/// What `POST /images/load` says: `Loaded image: NAME` or `Loaded image ID: sha256:...`.
fn loaded(docker: &Docker, body: impl Body) -> impl Stream<Item = Result<Vec<String>, Error>> {
    let options = ImportImageOptionsBuilder::default().quiet(true).build();
    docker
        .import_image(options, body_try_stream(body), None)
        .map(|step| {
            let text = step?.stream.unwrap_or_default();
            let names = text.lines().filter_map(|line| {
                line.strip_prefix("Loaded image ID: ")
                    .or_else(|| line.strip_prefix("Loaded image: "))
            });
            Ok(names.map(|name| name.trim().to_owned()).collect())
        })
}

/// What `POST /images/create?fromSrc=-` says: the new id as a status.
fn imported(docker: &Docker, body: impl Body) -> impl Stream<Item = Result<Vec<String>, Error>> {
    let options = CreateImageOptionsBuilder::default().from_src("-").build();
    docker
        .create_image(Some(options), Some(body_try_stream(body)), None)
        .map(|step| {
            let status = step?.status.unwrap_or_default();
            Ok(status
                .starts_with("sha256:")
                .then_some(status)
                .into_iter()
                .collect())
        })
}

/// What a request carries.
trait Body: Stream<Item = io::Result<Bytes>> + Send + 'static {}
impl<T: Stream<Item = io::Result<Bytes>> + Send + 'static> Body for T {}

fn body(file: tokio::fs::File, sent: watch::Sender<u64>) -> impl Body {
    futures_util::stream::unfold((file, sent), |(mut file, sent)| async move {
        let mut piece = vec![0; CHUNK];
        match file.read(&mut piece).await {
            Ok(0) => None,
            Ok(count) => {
                piece.truncate(count);
                sent.send_modify(|bytes| *bytes += count as u64);
                Some((Ok(Bytes::from(piece)), (file, sent)))
            }
            Err(error) => Some((Err(error), (file, sent))),
        }
    })
}

/// What the file is, and its size in bytes.
fn kind(path: &Path) -> io::Result<(Kind, u64)> {
    let mut file = File::open(path)?;
    let meta = file.metadata()?;
    if !meta.is_file() {
        return Err(io::Error::other("it is not a file"));
    }
    let mut start = [0; 6];
    let read = read_up_to(&mut file, &mut start)?;
    let file = BufReader::with_capacity(CHUNK, File::open(path)?);
    let kind = match start.get(..read).unwrap_or_default() {
        [0x1f, 0x8b, ..] => of_members(MultiGzDecoder::new(file))?,
        [0x28, 0xb5, 0x2f, 0xfd, ..] => return Err(compressed("zstd", "zstd -d")),
        [0xfd, b'7', b'z', b'X', b'Z', ..] => return Err(compressed("xz", "unxz")),
        [b'B', b'Z', b'h', ..] => return Err(compressed("bzip2", "bunzip2")),
        _ => of_members(file)?,
    };
    Ok((kind, meta.len()))
}

fn compressed(what: &str, program: &str) -> io::Error {
    io::Error::other(format!(
        "it is compressed with {what}; unpack it first (`{program}`)"
    ))
}

/// Reads the headers of a tar archive: an image has a `manifest.json` or an `index.json` at its top.
fn of_members(mut archive: impl Read) -> io::Result<Kind> {
    let broken = || io::Error::other("it is not a tar archive");
    let mut header = [0; BLOCK];
    for member in 0..MEMBERS {
        match read_up_to(&mut archive, &mut header)? {
            BLOCK => {}
            0 if member > 0 => break,
            _ => return Err(broken()),
        }
        if header.iter().all(|byte| *byte == 0) {
            if member == 0 {
                return Err(broken());
            }
            break;
        }
        let name = header.split(|byte| *byte == 0).next().unwrap_or_default();
        let name = name.get(..name.len().min(100)).unwrap_or_default();
        let name = name.strip_prefix(b"./").unwrap_or(name);
        if [b"manifest.json".as_slice(), b"index.json", b"repositories"].contains(&name) {
            return Ok(Kind::Image);
        }
        let (checksum, size) = (number(&header, 148, 8), number(&header, 124, 12));
        let (Some(checksum), Some(size)) = (checksum, size) else {
            return Err(broken());
        };
        // The sum of all bytes, its own field taken as spaces (POSIX ustar).
        let sum: u64 = header
            .iter()
            .enumerate()
            .map(|(at, byte)| {
                u64::from(if (148..156).contains(&at) {
                    b' '
                } else {
                    *byte
                })
            })
            .sum();
        if sum != checksum {
            return Err(broken());
        }
        let padded = size.div_ceil(BLOCK as u64) * BLOCK as u64;
        let skipped = io::copy(&mut (&mut archive).take(padded), &mut io::sink())?;
        if skipped < size {
            return Err(io::Error::other("it is cut short"));
        }
    }
    Ok(Kind::RootFileSystem)
}

/// An octal field, or a base-256 one as GNU tar writes for sizes above 8 GiB.
fn number(header: &[u8; BLOCK], at: usize, length: usize) -> Option<u64> {
    let field = header.get(at..at + length)?;
    if let [first, rest @ ..] = field
        && first & 0x80 != 0
    {
        return rest.iter().try_fold(u64::from(first & 0x7f), |sum, byte| {
            sum.checked_mul(256)?.checked_add(u64::from(*byte))
        });
    }
    let text = std::str::from_utf8(field).ok()?;
    let digits = text.trim_matches([' ', '\0']);
    if digits.is_empty() {
        return Some(0);
    }
    u64::from_str_radix(digits, 8).ok()
}

fn read_up_to(from: &mut impl Read, into: &mut [u8]) -> io::Result<usize> {
    let mut filled = 0;
    while let Some(rest) = into.get_mut(filled..)
        && !rest.is_empty()
    {
        match from.read(rest)? {
            0 => break,
            count => filled += count,
        }
    }
    Ok(filled)
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
    use proptest::prelude::*;
    use std::io::Write;

    fn member(name: &str, content: &[u8]) -> Vec<u8> {
        let mut header = [0_u8; BLOCK];
        header[..name.len()].copy_from_slice(name.as_bytes());
        header[124..135].copy_from_slice(format!("{:011o}", content.len()).as_bytes());
        header[148..156].copy_from_slice(b"        ");
        let sum: u32 = header.iter().map(|byte| u32::from(*byte)).sum();
        header[148..155].copy_from_slice(format!("{sum:06o}\0").as_bytes());
        let mut all = header.to_vec();
        all.extend_from_slice(content);
        all.resize(all.len().div_ceil(BLOCK) * BLOCK, 0);
        all
    }

    fn look(bytes: &[u8]) -> Result<Kind, String> {
        let mut file = tempfile::NamedTempFile::new().unwrap();
        file.write_all(bytes).unwrap();
        kind(file.path())
            .map(|(kind, _)| kind)
            .map_err(|error| error.to_string())
    }

    #[test]
    fn an_image_is_told_from_a_root_file_system() {
        let end = vec![0; 2 * BLOCK];
        let files = [
            member("bin/python3", &[b'x'; 400]),
            member("etc/passwd", b""),
        ]
        .concat();
        let root = [files.clone(), end.clone()].concat();
        let saved = [files, member("manifest.json", b"[]"), end.clone()].concat();
        assert_eq!(look(&root), Ok(Kind::RootFileSystem));
        assert_eq!(look(&saved), Ok(Kind::Image));
        assert_eq!(
            look(&[member("./index.json", b"{}"), end].concat()),
            Ok(Kind::Image)
        );
        let mut zipped = flate2::write::GzEncoder::new(Vec::new(), flate2::Compression::fast());
        zipped.write_all(&saved).unwrap();
        assert_eq!(look(&zipped.finish().unwrap()), Ok(Kind::Image));
        assert!(look(&saved[..700]).unwrap_err().contains("cut short"));
        for (bytes, why) in [
            (&b""[..], "not a tar archive"),
            (&[0; 2048], "not a tar archive"),
            (&[b'x'; 2048], "not a tar archive"),
            (b"\xfd7zXZ\0...", "unxz"),
            (b"\x28\xb5\x2f\xfd...", "zstd -d"),
            (b"BZh9...", "bunzip2"),
        ] {
            assert!(look(bytes).unwrap_err().contains(why), "{bytes:?}");
        }
        assert!(
            kind(Path::new("/"))
                .unwrap_err()
                .to_string()
                .contains("not a file")
        );
    }

    proptest! {
        #[test]
        fn any_bytes_are_an_archive_or_an_error(bytes in proptest::collection::vec(any::<u8>(), 0..2000)) {
            let _ = of_members(bytes.as_slice());
        }
    }
}
