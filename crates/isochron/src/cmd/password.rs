//! Asking for a new password without showing it.

use crate::cli::PasswordSource;
use anyhow::{Context, bail};
use identity::HashedPassword;
use rustix::termios::{LocalModes, OptionalActions, Termios, tcgetattr, tcsetattr};
use std::io::{self, BufRead, IsTerminal, Stdin};
use zeroize::Zeroizing;

/// Asks for a password, twice on a terminal, and gives its hash.
///
/// # Errors
/// When there is none, the two differ, or it cannot be used.
pub(super) fn ask(source: &PasswordSource, user: &str) -> anyhow::Result<HashedPassword> {
    let stdin = io::stdin();
    let password = if source.password_stdin || !stdin.is_terminal() {
        read_line(&stdin)?
    } else {
        let first = ask_hidden(&stdin, &format!("New password of {user}: "))?;
        let second = ask_hidden(&stdin, "Once more: ")?;
        if first != second {
            bail!("the two passwords differ");
        }
        first
    };
    Ok(HashedPassword::of(password.as_bytes())?)
}

/// A line without its end.
fn read_line(stdin: &Stdin) -> anyhow::Result<Zeroizing<String>> {
    let mut line = Zeroizing::new(String::new());
    if stdin
        .lock()
        .read_line(&mut line)
        .context("the password cannot be read")?
        == 0
    {
        bail!("there is no password on standard input");
    }
    let end = line.trim_end_matches(['\n', '\r']).len();
    line.truncate(end);
    Ok(line)
}

fn ask_hidden(stdin: &Stdin, question: &str) -> anyhow::Result<Zeroizing<String>> {
    eprint!("{question}");
    let hidden = Hidden::start(stdin);
    let line = read_line(stdin);
    drop(hidden);
    // The line end that was typed was not shown either.
    eprintln!();
    line
}

/// A terminal that does not show what is typed, as long as this lives.
struct Hidden<'a> {
    stdin: &'a Stdin,
    before: Option<Termios>,
}

impl Hidden<'_> {
    fn start(stdin: &Stdin) -> Hidden<'_> {
        let before = tcgetattr(stdin).ok();
        if let Some(mut modes) = before.clone() {
            modes.local_modes.remove(LocalModes::ECHO);
            // Without it the password is shown to who types it, which is no reason to stop.
            let _ = tcsetattr(stdin, OptionalActions::Flush, &modes);
        }
        Hidden { stdin, before }
    }
}

impl Drop for Hidden<'_> {
    fn drop(&mut self) {
        if let Some(before) = &self.before {
            let _ = tcsetattr(self.stdin, OptionalActions::Flush, before);
        }
    }
}
