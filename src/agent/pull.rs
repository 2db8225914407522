//! A model's download beside the turns: asked about, agreed to, shown, stopped.

use super::AgentEvent;
use super::host::{Host, PullOffer, PullRun};
use super::protocol::{PullState, PullStep};
use std::sync::{Arc, Mutex, PoisonError};
use tokio::sync::mpsc;
use tokio::task::JoinSet;
use tokio_util::sync::CancellationToken;

#[derive(Default)]
enum State {
    #[default]
    Idle,
    /// The hub is asked.
    Asking(CancellationToken),
    Offered(String, PullOffer),
    Running(CancellationToken),
}

/// The one download at a time.
pub(super) struct Pulls {
    host: Arc<dyn Host>,
    events: mpsc::Sender<AgentEvent>,
    state: Arc<Mutex<State>>,
    /// Ends with it.
    tasks: JoinSet<()>,
}

impl std::fmt::Debug for Pulls {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("Pulls").finish_non_exhaustive()
    }
}

impl Pulls {
    pub(super) fn new(host: Arc<dyn Host>, events: mpsc::Sender<AgentEvent>) -> Pulls {
        Pulls {
            host,
            events,
            state: Arc::default(),
            tasks: JoinSet::new(),
        }
    }

    pub(super) fn step(&mut self, step: PullStep) {
        while self.tasks.try_join_next().is_some() {}
        match step {
            PullStep::Ask(name) => self.ask(name),
            PullStep::Go => self.go(),
            PullStep::Cancel => self.cancel(),
        }
    }

    fn ask(&mut self, name: String) {
        let busy = matches!(*lock(&self.state), State::Asking(_) | State::Running(_));
        if busy {
            return self.say(AgentEvent::Problem(
                "a download runs already; one at a time\n  /pull shows it, /pull cancel stops it"
                    .to_owned(),
            ));
        }
        let cancel = CancellationToken::new();
        *lock(&self.state) = State::Asking(cancel.clone());
        let (asking, events, state) = (
            self.host.pull(&name),
            self.events.clone(),
            Arc::clone(&self.state),
        );
        self.tasks.spawn(async move {
            let Some(asked) = cancel.run_until_cancelled(asking).await else {
                return;
            };
            let (next, event) = match asked {
                Ok(offer) if offer.there => {
                    let told = format!("{}\n/model {name} chooses it", offer.words);
                    (State::Idle, AgentEvent::Notice(told))
                }
                Ok(offer) => {
                    let words = offer.words.clone();
                    let event = PullState::Offered {
                        name: name.clone(),
                        words,
                    };
                    (State::Offered(name, offer), AgentEvent::Pull(event))
                }
                Err(problem) => (State::Idle, AgentEvent::Problem(problem)),
            };
            {
                let mut state = lock(&state);
                // What comes after a cancel is not wanted any more; another one may be asked about by now.
                if cancel.is_cancelled() {
                    return;
                }
                *state = next;
            }
            let _ = events.send(event).await;
        });
    }

    fn go(&mut self) {
        let offered = std::mem::take(&mut *lock(&self.state));
        let State::Offered(name, offer) = offered else {
            *lock(&self.state) = offered;
            return self.say(AgentEvent::Problem(
                "there is no download to agree to\n  /pull MODEL asks the hub for one".to_owned(),
            ));
        };
        let cancel = CancellationToken::new();
        *lock(&self.state) = State::Running(cancel.clone());
        let PullRun {
            mut progress,
            mut outcome,
        } = (offer.start)(cancel);
        let (events, state) = (self.events.clone(), Arc::clone(&self.state));
        self.tasks.spawn(async move {
            let done = loop {
                tokio::select! {
                    biased;
                    Some(progress) = progress.recv() => {
                        // A progress that finds no room is out of date when there is some.
                        let _ = events.try_send(AgentEvent::Pull(PullState::Progress(progress)));
                    }
                    done = &mut outcome => break done,
                }
            };
            *lock(&state) = State::Idle;
            let _ = events.send(AgentEvent::Pull(PullState::Over)).await;
            let event = match done {
                Ok(words) => AgentEvent::Notice(format!("{words}\n/model {name} goes on with it")),
                Err(problem) => AgentEvent::Problem(problem),
            };
            let _ = events.send(event).await;
        });
    }

    fn cancel(&mut self) {
        let mut state = lock(&self.state);
        let told = match &*state {
            State::Running(cancel) => {
                cancel.cancel();
                return;
            }
            State::Idle => AgentEvent::Problem("there is no download to stop".to_owned()),
            State::Asking(_) | State::Offered(..) => {
                if let State::Asking(cancel) = std::mem::take(&mut *state) {
                    cancel.cancel();
                }
                AgentEvent::Notice("nothing is downloaded".to_owned())
            }
        };
        drop(state);
        self.say(told);
    }

    fn say(&mut self, event: AgentEvent) {
        let events = self.events.clone();
        self.tasks.spawn(async move {
            let _ = events.send(event).await;
        });
    }
}

fn lock<T>(mutex: &Mutex<T>) -> std::sync::MutexGuard<'_, T> {
    mutex.lock().unwrap_or_else(PoisonError::into_inner)
}
