//! `/sandbox`: another image, or a network, for the container that the model's code runs in.

use super::background::{Arrival, described, start_sandbox};
use super::task::Core;
use super::{AgentEvent, SandboxChange, SandboxState};
use crate::sandbox::ImageWish;
use std::time::Duration;
use tokio::time::timeout;

/// For a container that is there: its word may still be under way.
const ARRIVAL: Duration = Duration::from_secs(1);

impl Core {
    /// While no turn runs. Returns at once where something has to be fetched; calls wait for it as they do at the start.
    pub(super) async fn change_sandbox(&mut self, change: SandboxChange) {
        match change {
            SandboxChange::Image(wish) => self.fetch_image(wish),
            // Obeyed at any time, see `Link::aside`.
            SandboxChange::Cancel => {}
            SandboxChange::Network(on) => self.switch_network(on).await,
        }
    }

    fn fetch_image(&mut self, wish: ImageWish) {
        // What was to be fetched before is not wanted any more.
        self.link.fetching().cancel();
        let load = self.host.sandbox(wish);
        self.link.fetches(load.cancel.clone());
        let old = std::mem::replace(&mut self.python, Arrival::Lost);
        let events = self.link.events();
        self.python = start_sandbox(load, Some(old), events);
        // Where it was not offered so far, it is with the next turn.
        if !self.offer().python {
            self.fixed = None;
        }
    }

    async fn switch_network(&mut self, on: bool) {
        let event = match timeout(ARRIVAL, self.python.wait()).await {
            Ok(Some(Ok(python))) => {
                python.set_network(on).await;
                let description = described(python.as_ref(), on);
                self.link
                    .send(AgentEvent::Sandbox(SandboxState::Ready { description }));
                AgentEvent::Notice(if on {
                    "the container has a network from the next call on, until the session ends; /sandbox network off takes it away".to_owned()
                } else {
                    "the container has no network from the next call on".to_owned()
                })
            }
            Ok(Some(Err(reason))) => {
                AgentEvent::Problem(format!("there is no container: {reason}"))
            }
            Ok(None) => AgentEvent::Problem("there is no container; /doctor says why".to_owned()),
            Err(_elapsed) => AgentEvent::Problem(
                "the container is still starting\n  try again when the status line names it"
                    .to_owned(),
            ),
        };
        self.say(event).await;
    }
}
