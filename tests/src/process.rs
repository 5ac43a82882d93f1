//! Processes whose output is read line by line.

use crate::PATIENCE;
use std::io::{BufRead, BufReader, Read};
use std::process::{Child, Command, ExitStatus};
use std::sync::mpsc::{Receiver, RecvTimeoutError, channel};
use std::sync::{Arc, Mutex, PoisonError};
use std::time::Instant;

/// The lines of a pipe, read by a thread of their own so that nobody blocks on a full pipe.
pub(crate) struct Lines {
    fresh: Receiver<String>,
    all: Arc<Mutex<Vec<String>>>,
}

impl Lines {
    pub(crate) fn of(pipe: impl Read + Send + 'static) -> Self {
        let (sender, fresh) = channel();
        let all = Arc::new(Mutex::new(Vec::new()));
        let kept = Arc::clone(&all);
        std::thread::spawn(move || {
            for line in BufReader::new(pipe).split(b'\n').map_while(Result::ok) {
                let line = String::from_utf8_lossy(&line).into_owned();
                kept.lock()
                    .unwrap_or_else(PoisonError::into_inner)
                    .push(line.clone());
                // Nobody may be waiting any more; the line is kept all the same.
                let _ = sender.send(line);
            }
        });
        Self { fresh, all }
    }

    /// The next line, `None` at the end of the output. Panics when the deadline passes.
    pub(crate) fn next(&self, what: &str, deadline: Instant) -> Option<String> {
        let left = deadline.saturating_duration_since(Instant::now());
        match self.fresh.recv_timeout(left) {
            Ok(line) => Some(line),
            Err(RecvTimeoutError::Disconnected) => None,
            Err(RecvTimeoutError::Timeout) => {
                panic!("waited in vain for {what}; so far:\n{}", self.tail())
            }
        }
    }

    /// Lines that are there already, without waiting.
    pub(crate) fn try_next(&self) -> Option<String> {
        self.fresh.try_recv().ok()
    }

    /// Waits for a line; panics when the output ends or nothing comes within [`PATIENCE`].
    pub(crate) fn wait(&self, what: &str, accept: impl Fn(&str) -> bool) -> String {
        let deadline = Instant::now() + PATIENCE;
        while let Some(line) = self.next(what, deadline) {
            if accept(&line) {
                return line;
            }
        }
        panic!("the output ended before {what}; it was:\n{}", self.tail());
    }

    /// Waits for the end of the output.
    pub(crate) fn wait_end(&self, what: &str) {
        let deadline = Instant::now() + PATIENCE;
        while self.next(what, deadline).is_some() {}
    }

    pub(crate) fn all(&self) -> Vec<String> {
        self.all
            .lock()
            .unwrap_or_else(PoisonError::into_inner)
            .clone()
    }

    /// The last lines, for messages.
    pub(crate) fn tail(&self) -> String {
        const SHOWN: usize = 60;
        let all = self.all();
        all[all.len().saturating_sub(SHOWN)..].join("\n")
    }
}

/// Sends a signal to a process, or to a process group when the id has a minus in front.
///
/// The shell's own `kill` needs no package.
pub(crate) fn signal(name: &str, target: &str) {
    let status = Command::new("sh")
        .args(["-c", "kill -s \"$0\" -- \"$1\" 2>/dev/null", name, target])
        .status();
    // A process that is gone already is what the caller wants.
    drop(status);
}

/// Waits for a process that is known to be ending.
pub(crate) fn wait_exit(child: &mut Child, what: &str) -> ExitStatus {
    crate::poll(what, || {
        child.try_wait().expect("a child can be waited for")
    })
}
