//! Lines of standard input, one at a time and only when one is wanted: in between an editor may have the terminal.

use std::io::BufRead;
use tokio::sync::mpsc;

pub struct Lines {
    want: std::sync::mpsc::Sender<()>,
    came: mpsc::Receiver<Option<String>>,
    wanted: bool,
}

impl Lines {
    /// The thread that reads ends with the program: nothing can wake it from its read.
    pub fn start() -> Lines {
        let (want, wanted) = std::sync::mpsc::channel::<()>();
        // One line is read at a time.
        let (send, came) = mpsc::channel(1);
        std::thread::spawn(move || {
            while wanted.recv().is_ok() {
                let mut bytes = Vec::new();
                let read = std::io::stdin().lock().read_until(b'\n', &mut bytes);
                let line = match read {
                    Ok(1..) => {
                        let line = String::from_utf8_lossy(&bytes);
                        Some(line.trim_end_matches(['\n', '\r']).to_owned())
                    }
                    Ok(0) | Err(_) => None,
                };
                if send.blocking_send(line).is_err() {
                    return;
                }
            }
        });
        Lines {
            want,
            came,
            wanted: false,
        }
    }

    /// The next line; `None` at the end. Safe to cancel.
    pub async fn next(&mut self) -> Option<String> {
        if !self.wanted && self.want.send(()).is_ok() {
            self.wanted = true;
        }
        let line = self.came.recv().await.flatten();
        self.wanted = false;
        line
    }
}
