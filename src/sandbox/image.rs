//! The image: found, pulled, or imported from a file; and pinned to the one that was used first.
//!
//! A name like `python:3.13-slim` may stand for another image tomorrow. So the image that a name stood for when it was
//! first used is kept on record ([`Pins`]) and used from then on, until the user pulls, imports or accepts another. The
//! one thing to know: nothing is fetched unless [`ImageWish`] says that the user asked for it.

mod import;
mod pins;
mod progress;

use std::collections::BTreeSet;
use std::path::{Path, PathBuf};
use std::time::{Duration, Instant};

use bollard::Docker;
use bollard::errors::Error;
use bollard::models::ImageInspect;
use bollard::query_parameters::{CreateImageOptionsBuilder, TagImageOptionsBuilder};
use futures_util::StreamExt;
use tokio::time::timeout;
use tokio_util::sync::CancellationToken;

use super::container::step;
use super::locate::Engine;
use super::{SandboxConfig, SandboxError};
use pins::Pins;
pub use pins::{Pin, PinFile};
use progress::Layers;
pub use progress::{ImageProgress, ImageStage};

/// A pull that says nothing for this long has stalled.
const PULL_SILENCE: Duration = Duration::from_secs(120);
/// Reports of a pull are no closer together than this: an engine sends hundreds a second.
const REPORT_PAUSE: Duration = Duration::from_millis(100);

/// What may be done to have the image.
#[derive(Debug, Clone, PartialEq, Eq, Default)]
pub enum ImageWish {
    /// Use the one that is here.
    #[default]
    Local,
    /// Pull what the name stands for now, and use that from now on.
    Pull,
    /// Import this file (of `docker save`, or a root file system as tar) under the name.
    Import(PathBuf),
    /// Use the one that the name stands for here now, from now on.
    Accept,
}

/// The image of a session.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Image {
    /// As the configuration names it.
    pub name: String,
    /// What containers are made from, whatever becomes of the name.
    pub id: String,
    /// `python@sha256:...`; images that were made or imported here have none.
    pub digest: Option<String>,
    /// `YYYY-MM-DD`, the day from which on this image is the one; `None` where that could not be kept on record.
    pub pinned: Option<String>,
    /// The name stands for this other image by now.
    pub moved: Option<String>,
}

impl Image {
    fn of(name: &str, inspected: ImageInspect) -> Self {
        Self {
            name: name.to_owned(),
            id: inspected.id.unwrap_or_else(|| name.to_owned()),
            digest: inspected
                .repo_digests
                .unwrap_or_default()
                .into_iter()
                .next(),
            pinned: None,
            moved: None,
        }
    }

    /// The digest, or the id where there is none, short enough for a line.
    pub fn short(&self) -> String {
        short(self.digest.as_deref().unwrap_or(&self.id))
    }
}

/// `sha256:0123456789ab` of a digest or an id.
fn short(id: &str) -> String {
    let hash = id.rsplit("sha256:").next().unwrap_or(id);
    let head: String = hash.chars().take(12).collect();
    format!("sha256:{head}")
}

/// Gets the image as the wish says, and keeps on record which one it is.
pub(super) async fn resolve(
    engine: &Engine,
    config: &SandboxConfig,
    progress: &mut (dyn FnMut(ImageProgress) + Send),
    cancel: &CancellationToken,
) -> Result<Image, SandboxError> {
    let docker = &engine.docker;
    let name = &config.image;
    match &config.wish {
        ImageWish::Local | ImageWish::Accept => {}
        ImageWish::Pull => pull(docker, name, progress, cancel).await?,
        ImageWish::Import(path) => {
            let names = import::run(docker, name, path, progress, cancel).await?;
            let id = only(docker, &names, path, config.engine_timeout).await?;
            tag(docker, &id, name, config.engine_timeout).await?;
        }
    }
    let pins = Pins::of(config.pins.as_ref(), &engine.host);
    let found = inspect(docker, name, config.engine_timeout).await?;
    let pin = pins.get(name);
    let image = match (found, pin) {
        (Some(found), Some(pin)) if config.wish == ImageWish::Local => {
            let found = Image::of(name, found);
            if found.id == pin.id {
                Image {
                    pinned: Some(pin.since),
                    ..found
                }
            } else {
                moved(docker, config, found, pin).await?
            }
        }
        (Some(found), _) => {
            let image = Image::of(name, found);
            let pinned = pins.put(name, &image.id, image.digest.as_deref());
            Image { pinned, ..image }
        }
        // The name is gone, the image may still be here.
        (None, Some(pin)) => match inspect(docker, &pin.id, config.engine_timeout).await? {
            Some(found) => Image {
                pinned: Some(pin.since),
                ..Image::of(name, found)
            },
            None => return Err(missing(name)),
        },
        (None, None) => return Err(missing(name)),
    };
    Ok(image)
}

/// The name stands for another image than the pinned one, which is used as long as it is here.
async fn moved(
    docker: &Docker,
    config: &SandboxConfig,
    found: Image,
    pin: Pin,
) -> Result<Image, SandboxError> {
    match inspect(docker, &pin.id, config.engine_timeout).await? {
        Some(pinned) => Ok(Image {
            pinned: Some(pin.since),
            moved: Some(found.short()),
            ..Image::of(&found.name, pinned)
        }),
        None => Err(SandboxError::ImageMoved {
            now: found.short(),
            image: found.name,
            pinned: short(pin.digest.as_deref().unwrap_or(&pin.id)),
            since: pin.since,
        }),
    }
}

fn missing(image: &str) -> SandboxError {
    SandboxError::NoImage {
        image: image.to_owned(),
        hint: format!(
            "get it with `docker pull {image}`, `descant python --pull`, or /sandbox pull in the interface"
        ),
    }
}

async fn inspect(
    docker: &Docker,
    name: &str,
    limit: Duration,
) -> Result<Option<ImageInspect>, SandboxError> {
    match step("looking for the image", limit, docker.inspect_image(name)).await {
        Ok(found) => Ok(Some(found)),
        Err(SandboxError::Engine {
            source:
                Error::DockerResponseServerError {
                    status_code: 404, ..
                },
            ..
        }) => Ok(None),
        Err(other) => Err(other),
    }
}

/// Repository and tag; without a tag the engine would fetch every one there is.
fn reference(name: &str) -> (&str, &str) {
    let last = name.rfind('/').map_or(0, |slash| slash + 1);
    match name.get(last..).and_then(|last| last.rfind([':', '@'])) {
        Some(at) => {
            let (repository, tag) = name.split_at(last + at);
            (repository, tag.trim_start_matches([':', '@']))
        }
        None => (name, "latest"),
    }
}

/// The id of the one image that an import gave, which may have several names.
async fn only(
    docker: &Docker,
    names: &[String],
    path: &Path,
    limit: Duration,
) -> Result<String, SandboxError> {
    let mut ids = BTreeSet::new();
    for name in names {
        let found = inspect(docker, name, limit).await?;
        ids.extend(found.and_then(|found| found.id));
    }
    match (ids.pop_first(), ids.len()) {
        (Some(id), 0) => Ok(id),
        (None, _) => Err(SandboxError::ImageFile {
            path: path.to_owned(),
            reason: "the engine does not know the image it named".to_owned(),
        }),
        (Some(_), more) => Err(SandboxError::ImageFile {
            path: path.to_owned(),
            reason: format!("it holds {} images; save one alone", more + 1),
        }),
    }
}

async fn tag(docker: &Docker, id: &str, name: &str, limit: Duration) -> Result<(), SandboxError> {
    let (repository, tag) = reference(name);
    let options = TagImageOptionsBuilder::default()
        .repo(repository)
        .tag(tag)
        .build();
    step(
        "naming the imported image",
        limit,
        docker.tag_image(id, Some(options)),
    )
    .await
}

async fn pull(
    docker: &Docker,
    image: &str,
    progress: &mut (dyn FnMut(ImageProgress) + Send),
    cancel: &CancellationToken,
) -> Result<(), SandboxError> {
    let failed = |source: Error| SandboxError::Engine {
        doing: "pulling the image",
        source,
    };
    let (repository, tag) = reference(image);
    let reference = if image.contains('@') {
        image.to_owned()
    } else {
        format!("{repository}:{tag}")
    };
    let options = CreateImageOptionsBuilder::default()
        .from_image(&reference)
        .build();
    let begun = Instant::now();
    let mut layers = Layers::new(image);
    let mut reported = None;
    let mut steps = docker.create_image(Some(options), None, None);
    progress(layers.progress(Duration::ZERO));
    loop {
        // The connection closes with the stream, at which the engine stops.
        let step = tokio::select! {
            biased;
            () = cancel.cancelled() => return Err(SandboxError::Cancelled {
                image: image.to_owned(),
            }),
            step = timeout(PULL_SILENCE, steps.next()) => step,
        };
        let step = match step {
            Ok(Some(step)) => step.map_err(failed)?,
            Ok(None) => break,
            Err(_elapsed) => return Err(failed(Error::RequestTimeoutError)),
        };
        let now = begun.elapsed();
        if layers.apply(&step) || reported.is_none_or(|last| now - last >= REPORT_PAUSE) {
            reported = Some(now);
            progress(layers.progress(now));
        }
    }
    progress(layers.progress(begun.elapsed()));
    Ok(())
}

#[cfg(test)]
#[allow(clippy::unwrap_used, clippy::expect_used, clippy::panic)]
mod tests {
    use super::*;

    #[test]
    fn a_name_is_a_repository_and_a_tag() {
        for (name, parts) in [
            ("python", ("python", "latest")),
            ("python:3.13-slim", ("python", "3.13-slim")),
            ("ghcr.io/me/python:3", ("ghcr.io/me/python", "3")),
            ("localhost:5000/python", ("localhost:5000/python", "latest")),
            ("python@sha256:00", ("python@sha256", "00")),
        ] {
            assert_eq!(reference(name), parts, "{name}");
        }
        assert_eq!(
            short("python@sha256:0123456789abcdef"),
            "sha256:0123456789ab"
        );
        assert_eq!(short("sha256:0123456789abcdef"), "sha256:0123456789ab");
        assert_eq!(short("odd"), "sha256:odd");
    }
}
