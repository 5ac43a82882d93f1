//! Asking for passwords without showing them.

use crate::cli::PasswordSource;
use anyhow::{Context, bail};
use identity::HashedPassword;
use keys::material::first_line;
use rustix::termios::{LocalModes, OptionalActions, Termios, tcgetattr, tcsetattr};
use std::fs::File;
use std::io::{self, BufRead, IsTerminal, Stdin};
use std::path::Path;
use zeroize::Zeroizing;

/// Asks for a password, twice on a terminal, and gives its hash.
///
/// # Errors
/// When there is none, the two differ, or it cannot be used.
pub(super) fn ask(source: &PasswordSource, user: &str) -> anyhow::Result<HashedPassword> {
    let password = new(source.password_stdin, &format!("New password of {user}: "))?;
    Ok(HashedPassword::of(password.as_bytes())?)
}

/// Asks for a password that is to be, twice on a terminal.
///
/// # Errors
/// When there is none, or the two differ.
pub(super) fn new(from_stdin: bool, question: &str) -> anyhow::Result<Zeroizing<String>> {
    let stdin = io::stdin();
    if from_stdin || !stdin.is_terminal() {
        return read_line(&stdin);
    }
    let first = ask_hidden(&stdin, question)?;
    let second = ask_hidden(&stdin, "Once more: ")?;
    if first != second {
        bail!("the two passwords differ");
    }
    Ok(first)
}

/// Asks for a password that is there already.
///
/// # Errors
/// When there is none.
pub(super) fn present(from_stdin: bool, question: &str) -> anyhow::Result<Zeroizing<String>> {
    let stdin = io::stdin();
    if from_stdin || !stdin.is_terminal() {
        return read_line(&stdin);
    }
    ask_hidden(&stdin, question)
}

/// The first line of a file, as the server takes it from the file that a setting names.
///
/// # Errors
/// When it cannot be read, is no text, or too long for one.
pub(super) fn from_file(path: &Path) -> anyhow::Result<Zeroizing<String>> {
    let refused = || format!("the password cannot be read from {}", path.display());
    // Opened as it comes: here a pipe does as well.
    let file = File::open(path).with_context(refused)?;
    Ok(first_line(file).with_context(refused)?.text)
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
