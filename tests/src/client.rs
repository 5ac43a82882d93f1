//! A Sametime client on Debian's libmeanwhile: the process of `meanwhile/driver.c`, and what it reports.

use crate::process::Lines;
use crate::{PATIENCE, tools};
use std::io::Write;
use std::process::{Child, ChildStdin, Command, Stdio};
use std::time::{Duration, Instant};

/// One client. Commands and events are described in `meanwhile/driver.c`.
pub struct Client {
    user: String,
    child: Child,
    commands: ChildStdin,
    output: Lines,
    log: Lines,
    pending: Vec<Event>,
}

/// Something that the client library reported.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Event {
    words: Vec<String>,
}

impl Client {
    /// A client that is not connected yet.
    #[must_use]
    pub fn new(host: &str, port: u16, user: &str, password: &str) -> Self {
        Self::spawn(Command::new(tools::driver()), host, port, user, password)
    }

    /// The same inside a network namespace of `ip netns`.
    #[must_use]
    pub fn inside(namespace: &str, host: &str, port: u16, user: &str) -> Self {
        let mut command = tools::tool("ip", "iproute2");
        command
            .args(["netns", "exec", namespace])
            .arg(tools::driver());
        Self::spawn(command, host, port, user, &crate::password_of(user))
    }

    fn spawn(mut command: Command, host: &str, port: u16, user: &str, password: &str) -> Self {
        command.args([host, &port.to_string(), user, password]);
        command
            .stdin(Stdio::piped())
            .stdout(Stdio::piped())
            .stderr(Stdio::piped());
        let mut child = command.spawn().expect("the driver starts");
        let commands = child.stdin.take().expect("the input is piped");
        let output = Lines::of(child.stdout.take().expect("the output is piped"));
        let log = Lines::of(child.stderr.take().expect("the log is piped"));
        Self {
            user: user.to_owned(),
            child,
            commands,
            output,
            log,
            pending: Vec::new(),
        }
    }

    /// Gives a command: its name and its words, any text in each.
    pub fn tell(&mut self, words: &[&str]) {
        let line: Vec<String> = words.iter().map(|word| escape(word)).collect();
        let sent = writeln!(self.commands, "{}", line.join(" "));
        assert!(
            sent.is_ok(),
            "the client of {} is gone:\n{}",
            self.user,
            self.log.tail()
        );
    }

    /// Waits for an event: its kind, and words that it must have among others.
    ///
    /// Events of other kinds wait until somebody asks for them. Earlier events of the same kind are
    /// forgotten, so that what comes is newer than what was expected before.
    pub fn expect(&mut self, words: &[&str]) -> Event {
        self.expect_within(PATIENCE, words)
    }

    /// The same with a deadline that belongs to what is tested.
    pub fn expect_within(&mut self, patience: Duration, words: &[&str]) -> Event {
        let deadline = Instant::now() + patience;
        loop {
            if let Some(at) = self.pending.iter().position(|event| event.has(words)) {
                let kind = words[0].to_owned();
                let found = self.pending.remove(at);
                let mut index = 0;
                self.pending.retain(|event| {
                    index += 1;
                    index > at || event.kind() != kind
                });
                return found;
            }
            let what = format!("{words:?} at the client of {}", self.user);
            match self.output.next(&what, deadline) {
                Some(line) => self.pending.push(Event::parse(&line)),
                None => panic!(
                    "the client of {} ended before {words:?}:\n{}",
                    self.user,
                    self.log.tail()
                ),
            }
        }
    }

    /// Asserts that no such event has come, after a question to the server was answered: what the server
    /// sent before that answer is here.
    pub fn expect_none(&mut self, words: &[&str]) {
        self.fence();
        let found = self.pending.iter().find(|event| event.has(words));
        assert!(found.is_none(), "the client of {} got {found:?}", self.user);
    }

    /// Asks the server something and waits for the answer.
    pub fn fence(&mut self) {
        // A key outside those of the official clients, and not used by any test.
        self.tell(&["load", "0x7fff0000"]);
        self.expect(&["loaded", "key=0x7fff0000"]);
    }

    /// Logs in; gives the event with the login's identity.
    pub fn login(&mut self) -> Event {
        self.tell(&["login"]);
        self.expect(&["started"])
    }

    /// Tries to log in; the server must refuse with this code.
    pub fn login_refused(&mut self, code: u32) {
        self.tell(&["login"]);
        self.expect_stopped(code);
        assert!(
            !self.pending.iter().any(|event| event.kind() == "started"),
            "{} was logged in",
            self.user
        );
    }

    /// Waits for the end of the login, with this code from the server.
    pub fn expect_stopped(&mut self, code: u32) {
        self.expect(&["stopped", &reason(code)]);
    }

    /// Logs out.
    pub fn logout(&mut self) {
        self.tell(&["logout"]);
        self.expect(&["stopped", "reason=0x0"]);
    }

    /// Opens a conversation and waits until it is; gives the event at this side.
    pub fn open(&mut self, peer: &str) -> Event {
        self.tell(&["open", peer]);
        self.expect(&["im-opened", &with(peer)])
    }

    /// Tries to open a conversation, which must be refused with this code.
    pub fn open_refused(&mut self, peer: &str, code: u32) {
        self.tell(&["open", peer]);
        self.expect(&["im-closed", &with(peer), &reason(code)]);
    }

    /// Sends a text to a peer with whom a conversation is open, and waits until it is there.
    pub fn text(&mut self, peer: &mut Self, text: &str) {
        self.tell(&["text", &peer.user, text]);
        peer.expect(&[
            "text",
            &format!("from={}", self.user),
            &format!("text={text}"),
        ]);
    }

    /// Watches people and waits for what is known of the first of them.
    pub fn watch(&mut self, user: &str, status: &str) {
        self.tell(&["watch", user]);
        self.expect_status(user, status);
    }

    /// Waits until a watched person has this status.
    pub fn expect_status(&mut self, user: &str, status: &str) {
        self.expect(&[
            "aware",
            &format!("user={user}"),
            &format!("status={status}"),
        ]);
    }

    /// What the library complained about so far.
    pub fn warnings(&mut self) -> Vec<Event> {
        while let Some(line) = self.output.try_next() {
            self.pending.push(Event::parse(&line));
        }
        self.pending
            .iter()
            .filter(|event| matches!(event.kind(), "warning" | "error"))
            .cloned()
            .collect()
    }
}

impl Drop for Client {
    fn drop(&mut self) {
        let warnings = self.warnings();
        drop(self.child.kill());
        drop(self.child.wait());
        if std::thread::panicking() {
            eprintln!("---- events of {} ----\n{}", self.user, self.output.tail());
            return;
        }
        // A server that is understood without a complaint is part of what every scenario checks.
        assert!(
            warnings.is_empty(),
            "the client library of {} complained: {warnings:#?}",
            self.user
        );
    }
}

impl Event {
    fn parse(line: &str) -> Self {
        Self {
            words: line.split(' ').map(unescape).collect(),
        }
    }

    fn kind(&self) -> &str {
        &self.words[0]
    }

    fn has(&self, words: &[&str]) -> bool {
        self.kind() == words[0]
            && words[1..]
                .iter()
                .all(|word| self.words.iter().any(|own| own == word))
    }

    /// A field's value.
    #[must_use]
    pub fn get(&self, name: &str) -> &str {
        let mut values = self
            .words
            .iter()
            .filter_map(|word| word.strip_prefix(name)?.strip_prefix('='));
        values
            .next()
            .unwrap_or_else(|| panic!("{self:?} has no field {name}"))
    }
}

/// The word of an event that names a reason.
#[must_use]
pub fn reason(code: u32) -> String {
    format!("reason={code:#x}")
}

fn with(peer: &str) -> String {
    format!("with={peer}")
}

fn escape(word: &str) -> String {
    let plain = |byte: u8| byte.is_ascii_graphic() && byte != b'%';
    word.bytes()
        .map(|byte| {
            if plain(byte) {
                char::from(byte).to_string()
            } else {
                format!("%{byte:02X}")
            }
        })
        .collect()
}

fn unescape(word: &str) -> String {
    let mut bytes = Vec::with_capacity(word.len());
    let mut rest = word.as_bytes();
    while let Some((&first, tail)) = rest.split_first() {
        let hex = tail
            .get(..2)
            .and_then(|digits| std::str::from_utf8(digits).ok());
        match hex.and_then(|digits| u8::from_str_radix(digits, 16).ok()) {
            Some(byte) if first == b'%' => {
                bytes.push(byte);
                rest = &tail[2..];
            }
            _ => {
                bytes.push(first);
                rest = tail;
            }
        }
    }
    String::from_utf8_lossy(&bytes).into_owned()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn any_text_fits_into_one_word() {
        for text in [
            "",
            "plain",
            "two words",
            "100 %",
            "zeile\r\n",
            "grüße",
            "%41",
        ] {
            let word = escape(text);
            assert!(!word.contains(' ') && word.is_ascii(), "{word}");
            assert_eq!(unescape(&word), text);
        }
    }

    #[test]
    fn an_event_has_its_words_in_any_order() {
        let event = Event::parse("aware user=bob status=busy text=do%20not");
        assert!(event.has(&["aware", "text=do not", "user=bob"]));
        assert!(!event.has(&["aware", "user=bobby"]));
        assert_eq!(event.get("status"), "busy");
    }
}
