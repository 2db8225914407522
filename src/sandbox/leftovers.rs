//! What sessions that died left on the engine: found by its label, removed at the next start.

use std::collections::HashMap;
use std::time::Duration;

use bollard::Docker;
use bollard::errors::Error;
use bollard::models::ContainerSummary;
use bollard::query_parameters::{ListContainersOptionsBuilder, ListVolumesOptionsBuilder};
use tokio::time::timeout;

use super::locate::Engine;
use super::owner::{OWNER_LABEL, Owner};
use super::{container, view};

/// The leftovers of others' crashes are not worth a longer wait at the start.
const SWEEP_TIMEOUT: Duration = Duration::from_secs(5);

/// Removes the containers and volumes of this user's sessions that died without removing theirs. Failing to is no reason not
/// to start.
pub(super) async fn remove(engine: &Engine, owner: &Owner, limit: Duration) {
    let docker = &engine.docker;
    let sweep = async {
        let containers = if engine.podman {
            // What it is just about to remove is in a state that bollard does not know, and fails on.
            let ended = ours(docker, &["exited"]).await.unwrap_or_default();
            let others = ours(docker, &["created", "running", "paused"]).await?;
            [ended, others].concat()
        } else {
            ours(docker, &[]).await?
        };
        for container in containers {
            let label = container
                .labels
                .as_ref()
                .and_then(|labels| labels.get(OWNER_LABEL));
            if let (Some(id), Some(label)) = (&container.id, label)
                && owner.is_left_behind(label)
            {
                container::remove(docker, id, limit).await;
            }
        }
        volumes(docker, owner).await
    };
    match timeout(SWEEP_TIMEOUT.min(limit), sweep).await {
        Ok(Ok(())) => {}
        Ok(Err(error)) => tracing::warn!(%error, "leftover containers could not be listed"),
        Err(_elapsed) => tracing::warn!("leftover containers could not be removed in time"),
    }
}

/// The containers with an owner of ours, in any of these states; none: in any.
async fn ours(docker: &Docker, states: &[&str]) -> Result<Vec<ContainerSummary>, Error> {
    let mut filters = HashMap::from([("label".to_owned(), vec![OWNER_LABEL.to_owned()])]);
    if !states.is_empty() {
        let states = states.iter().map(|state| (*state).to_owned());
        filters.insert("status".to_owned(), states.collect());
    }
    let options = ListContainersOptionsBuilder::default()
        .all(true)
        .filters(&filters)
        .build();
    docker.list_containers(Some(options)).await
}

/// Removes the volumes of this user's sessions that died without removing theirs; their containers are gone.
async fn volumes(docker: &Docker, owner: &Owner) -> Result<(), Error> {
    let filters = HashMap::from([("label".to_owned(), vec![OWNER_LABEL.to_owned()])]);
    let options = ListVolumesOptionsBuilder::default()
        .filters(&filters)
        .build();
    let found = docker.list_volumes(Some(options)).await?;
    let left: Vec<String> = found
        .volumes
        .unwrap_or_default()
        .into_iter()
        .filter(|volume| {
            let label = volume.labels.get(OWNER_LABEL);
            label.is_some_and(|label| owner.is_left_behind(label))
        })
        .map(|volume| volume.name)
        .collect();
    // The view is made last and holds the others mounted.
    let (views, layers): (Vec<_>, Vec<_>) =
        left.into_iter().partition(|name| name.ends_with("-view"));
    let all: Vec<String> = views.into_iter().chain(layers).collect();
    view::remove_volumes(docker, &all, Duration::from_secs(5)).await;
    Ok(())
}
