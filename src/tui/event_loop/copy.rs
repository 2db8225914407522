//! Copies on their way out: to tmux where it is around us, else to the terminal, else to a file.

use super::Loop;
use crate::tui::TuiError;
use crate::tui::copying::Copied;
use crate::tui::model::Msg;
use crate::tui::terminal::{clipboard, tmux};

impl Loop {
    /// Begins a copy; what came of it is said when it is known.
    pub(super) fn copy(&mut self, copied: Copied) -> Result<(), TuiError> {
        let Some(program) = self.terminal.tmux_program.clone() else {
            return self.copied(copied, None);
        };
        let reply = self.reply.clone();
        tokio::spawn(async move {
            let taken = tmux::load_buffer(&program, &copied.text).await;
            let _ = reply.send(Msg::TakenByTmux(copied, taken)).await;
        });
        Ok(())
    }

    /// Ends it. `taken`: whether tmux took it, where it was asked; else the terminal gets a sequence.
    pub(super) fn copied(
        &mut self,
        copied: Copied,
        taken: Option<Result<(), String>>,
    ) -> Result<(), TuiError> {
        let plan = match taken {
            Some(Ok(())) => clipboard::taken_by_tmux(&copied.text, &self.terminal),
            Some(Err(_)) | None => clipboard::plan(&copied.text, &self.terminal),
        };
        self.screen.send(&plan.sequence)?;
        let kept = plan.file.then(|| match &self.state {
            Some(folder) => clipboard::keep(folder, &copied.text)
                .map_err(|error| format!("{} cannot be written: {error}", folder.display())),
            None => Err("no state folder is in use".to_owned()),
        });
        let bytes = copied.text.len();
        let mut said = clipboard::report(&copied.what, bytes, plan.said, kept.as_ref());
        if let Some(Err(problem)) = taken {
            said.push_str(&format!(" (tmux load-buffer: {problem})"));
        }
        self.handle(Msg::Copied {
            said,
            lasting: kept.is_some(),
        })
    }
}
