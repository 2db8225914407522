//! A container that never runs: the engine writes volumes only through one.

use std::collections::HashMap;
use std::io;
use std::sync::PoisonError;
use std::time::Duration;

use bollard::models::{ContainerCreateBody, HostConfig, Mount};
use bollard::query_parameters::{CreateContainerOptions, UploadToContainerOptionsBuilder};

use super::super::SandboxError;
use super::super::container::{Made, step};
use super::super::owner::OWNER_LABEL;
use super::{Maker, View, archive, volume_mount};

/// The folder below which the volumes are filled.
const STAGE: &str = "/descant";
/// A copy of a large tree over a slow connection.
const COPY_TIMEOUT: Duration = Duration::from_secs(600);

/// Fills volumes through a container that never runs; `below` is the place of the one that the archive is unpacked in, if it
/// is not the folder above all of them. It is removed meanwhile; [`View::remove`] waits for that.
///
/// Docker sets the owner of what an archive names, but not that of the folder it is unpacked in: there that has to be the
/// one above. Podman finds a volume only where the archive is unpacked right in it.
pub(super) async fn fill(
    maker: &Maker<'_>,
    view: &View,
    places: &[(&str, &str)],
    below: &str,
    fill: impl FnOnce(&mut archive::Out) -> io::Result<()> + Send + 'static,
) -> Result<(), SandboxError> {
    let mounts = places
        .iter()
        .map(|(place, part)| volume_mount(&view.named(part), &format!("{STAGE}/{place}"), false));
    let made = container(maker, mounts.collect()).await?;
    let (stream, outcome) = archive::stream(fill);
    let options = UploadToContainerOptionsBuilder::default()
        .path(&format!("{STAGE}/{below}"))
        .build();
    let upload = maker.docker.upload_to_container(
        made.id(),
        Some(options),
        bollard::body_try_stream(stream),
    );
    let sent = step("filling the view of the work tree", COPY_TIMEOUT, upload).await;
    *view.stage.lock().unwrap_or_else(PoisonError::into_inner) = Some(tokio::spawn(made.remove()));
    // Our own failure ends the stream early, which the engine can only call a bad request.
    if let Ok(Err(error)) = outcome.await {
        return Err(SandboxError::View {
            reason: format!("the work tree could not be read: {error}"),
        });
    }
    sent
}

/// A container for its mounts alone.
async fn container(maker: &Maker<'_>, mounts: Vec<Mount>) -> Result<Made, SandboxError> {
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
    Ok(Made::new(maker.docker, created.id, maker.limit))
}
