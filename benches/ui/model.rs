//! The interface as it starts, for the benches.

use descant::agent::ApprovalPolicy;
use descant::conversation::Effort;
use descant::tui::model::{Model, ModelState, Msg, Status, Update};
use descant::tui::theme::catalogue::Themes;
use descant::tui::update::update;
use descant::tui::view::{ViewCache, settle, view};
use ratatui::Terminal;
use ratatui::backend::TestBackend;
use std::convert::Infallible;
use std::time::Duration;

/// Columns and rows.
pub const SIZE: (u16, u16) = (120, 40);

/// The interface on a test backend.
pub struct Screen {
    pub model: Model,
    pub cache: ViewCache,
    pub terminal: Terminal<TestBackend>,
}

impl Screen {
    /// Drawn once.
    pub fn new() -> Result<Screen, Infallible> {
        let status = Status {
            model: ModelState::Loading {
                name: "demo".into(),
                progress: None,
            },
            effort: Effort::Medium,
            approvals: ApprovalPolicy::Review,
            tokens_per_second: None,
            context: Default::default(),
            branch: Some("main".into()),
            dirty: None,
            workspace: "project".into(),
            sandbox: None,
        };
        let mut this = Screen {
            model: Model::new(SIZE, Themes::fixed("dark"), status),
            cache: ViewCache::default(),
            terminal: Terminal::new(TestBackend::new(SIZE.0, SIZE.1))?,
        };
        this.draw()?;
        Ok(this)
    }

    pub fn send(&mut self, msg: Msg) -> Update {
        update(&mut self.model, msg, Duration::from_secs(60))
    }

    pub fn draw(&mut self) -> Result<(), Infallible> {
        settle(&mut self.model, &mut self.cache);
        let (model, cache) = (&self.model, &mut self.cache);
        self.terminal.draw(|frame| view(model, cache, frame))?;
        Ok(())
    }
}

pub fn median(values: &mut [f64]) -> f64 {
    values.sort_by(f64::total_cmp);
    values.get(values.len() / 2).copied().unwrap_or(f64::NAN)
}
