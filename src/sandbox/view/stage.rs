//! Containers that never run: the engine reads and writes volumes only through one.

use std::collections::HashMap;
use std::io;
use std::sync::Arc;
use std::time::Duration;

use bollard::errors::Error;
use bollard::models::{ContainerCreateBody, HostConfig, Mount};
use bollard::query_parameters::{
    CreateContainerOptions, DownloadFromContainerOptionsBuilder, UploadToContainerOptionsBuilder,
};
use futures_util::StreamExt;

use super::super::container::{remove, step};
use super::super::owner::OWNER_LABEL;
use super::super::{SandboxError, WORKSPACE};
use super::{Maker, TreeKind, View, WorkTree, archive, on_disk, volume_mount};

/// The folder below which the volumes are filled.
const STAGE: &str = "/descant";
/// A copy of a large tree over a slow connection.
const COPY_TIMEOUT: Duration = Duration::from_secs(600);
/// A file through which the overlay is tried is no longer than this.
const PROBE_FILE: u64 = 64 * 1024;

/// Fills volumes through a container that never runs. An archive sets the owner of what it names: that is why the
/// volumes are mounted one below the folder it is unpacked in.
pub(super) async fn fill(
    maker: &Maker<'_>,
    view: &View,
    places: &[(&str, &str)],
    fill: impl FnOnce(&mut archive::Out) -> io::Result<()> + Send + 'static,
) -> Result<(), SandboxError> {
    let mounts = places
        .iter()
        .map(|(place, part)| volume_mount(&view.named(part), &format!("{STAGE}/{place}"), false));
    let id = container(maker, mounts.collect()).await?;
    let (stream, outcome) = archive::stream(fill);
    let options = UploadToContainerOptionsBuilder::default()
        .path(STAGE)
        .build();
    let upload =
        maker
            .docker
            .upload_to_container(&id, Some(options), bollard::body_try_stream(stream));
    let sent = step("filling the view of the work tree", COPY_TIMEOUT, upload).await;
    remove(maker.docker, &id, maker.limit).await;
    // Our own failure ends the stream early, which the engine can only call a bad request.
    if let Ok(Err(error)) = outcome.await {
        return Err(SandboxError::View {
            reason: format!("the work tree could not be read: {error}"),
        });
    }
    sent
}

/// A container for its mounts alone.
async fn container(maker: &Maker<'_>, mounts: Vec<Mount>) -> Result<String, SandboxError> {
    let body = ContainerCreateBody {
        image: Some(maker.image.to_owned()),
        entrypoint: Some(vec!["/bin/false".to_owned()]),
        labels: Some(HashMap::from([(
            OWNER_LABEL.to_owned(),
            maker.owner.label(),
        )])),
        network_disabled: Some(true),
        host_config: Some(HostConfig {
            network_mode: Some("none".to_owned()),
            mounts: Some(mounts),
            ..HostConfig::default()
        }),
        ..ContainerCreateBody::default()
    };
    let created = maker
        .docker
        .create_container(None::<CreateContainerOptions>, body);
    let created = step("creating a container for the view", maker.limit, created).await?;
    Ok(created.id)
}

/// Whether the overlay can be mounted and shows the work tree: one file is read through it.
pub(super) async fn probe(
    maker: &Maker<'_>,
    view: &View,
    tree: &Arc<dyn WorkTree>,
) -> Result<(), SandboxError> {
    let file = on_disk(tree, "looking for a file to try", |tree| {
        for entry in tree.visible()? {
            if matches!(entry.kind, TreeKind::File { len } if len <= PROBE_FILE) {
                let bytes = tree.read(&entry.path)?;
                return Ok(Some((entry.path, bytes)));
            }
        }
        Ok(None)
    })
    .await?;
    let mounts = view.mounts().into_iter().take(1).collect();
    let id = container(maker, mounts).await?;
    let (path, bytes) = file.map_or_else(
        || (String::new(), None),
        |(path, bytes)| (path, Some(bytes)),
    );
    let options = DownloadFromContainerOptionsBuilder::default()
        .path(&format!("{WORKSPACE}/{path}"))
        .build();
    let mut download = maker.docker.download_from_container(&id, Some(options));
    let read = async {
        let mut archive = Vec::new();
        while let Some(piece) = download.next().await {
            archive.extend_from_slice(&piece?);
            // Without a file to try, the folder itself: that it could be mounted is all there is to see.
            if bytes.is_none() || archive.len() as u64 > 2 * PROBE_FILE {
                break;
            }
        }
        Ok::<_, Error>(archive)
    };
    let got = step("trying the overlay", maker.limit, read).await;
    remove(maker.docker, &id, maker.limit).await;
    match (bytes, got?) {
        (Some(bytes), got) if archive::only_file(&got).as_deref() != Some(&bytes) => {
            Err(SandboxError::View {
                reason: format!("{path} could not be read through an overlay of the engine's"),
            })
        }
        _ => Ok(()),
    }
}
