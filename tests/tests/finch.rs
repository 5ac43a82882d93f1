//! Finch, a chat program that people use: it logs in by itself and shows a message on its screen.

#![allow(
    clippy::expect_used,
    clippy::panic,
    reason = "a test may end by panicking anywhere"
)]

use isochron_tests::{Client, Ports, Server, Tunnel, password_of, poll, tool};
use std::path::PathBuf;
use std::process::Command;

#[test]
fn finch_shows_a_message() {
    let mut server = Server::start(Ports::Shared, &[]);
    talk_to_finch(&server, server.legacy_port());
    server.stop();
}

#[test]
fn finch_shows_a_message_that_came_through_tls() {
    let mut server = Server::start(Ports::StrictTls, &[]);
    let tunnel = Tunnel::to(server.tls_port());
    talk_to_finch(&server, tunnel.port());
    server.stop();
}

fn talk_to_finch(server: &Server, port: u16) {
    let mut alice = Client::new("127.0.0.1", port, "alice", &password_of("alice"));
    alice.login();
    alice.tell(&["attribute-watch", "0x6"]);
    alice.watch("bob", "offline");

    let finch = Finch::start(server, port, "bob");
    alice.expect_status("bob", "active");
    // Finch says that it takes files: the last thing it tells when it logs in.
    alice.expect(&["attribute", "user=bob", "key=0x6"]);

    alice.open("bob");
    alice.tell(&[
        "html",
        "bob",
        "<b>message 4711</b> for your screen, <i>grüße</i>",
    ]);
    finch.wait_for_text("message 4711 for your screen, grüße");
    alice.tell(&["html", "bob", "and one more: 4712"]);
    finch.wait_for_text("and one more: 4712");

    // The other way: what is typed into its window arrives.
    finch.type_text("typed by hand");
    alice.expect(&["html", "from=bob", "text=typed by hand"]);
}

/// Finch in a terminal of tmux, with settings of its own.
struct Finch {
    folder: PathBuf,
}

impl Finch {
    /// Starts it with one account that logs in at once.
    fn start(server: &Server, port: u16, user: &str) -> Self {
        let folder = server.data_folder().with_file_name("finch");
        std::fs::create_dir_all(&folder).expect("a folder for finch");
        let account = format!(
            "<?xml version='1.0' encoding='UTF-8' ?>\n\
             <account version='1.0'><account>\
             <protocol>prpl-meanwhile</protocol><name>{user}</name><password>{}</password>\
             <settings><setting name='server' type='string'>127.0.0.1</setting>\
             <setting name='port' type='int'>{port}</setting></settings>\
             <settings ui='gnt-purple'><setting name='auto-login' type='bool'>1</setting></settings>\
             </account></account>\n",
            password_of(user)
        );
        std::fs::write(folder.join("accounts.xml"), account).expect("the account file is written");
        let finch = Self { folder };
        // Looked for here, so that the message names the package and not an empty screen.
        let program = tool("finch", "finch").get_program().to_owned();
        let program = program.to_str().expect("programs have plain names");
        let config = finch
            .folder
            .to_str()
            .expect("temporary folders have plain names")
            .to_owned();
        let mut tmux = finch.tmux();
        // A file of settings or a session of the person who runs the tests must not matter.
        tmux.env("HOME", &finch.folder)
            .env("LANG", "C.UTF-8")
            .env_remove("TMUX");
        tmux.args([
            "-u",
            "-f",
            "/dev/null",
            "new-session",
            "-d",
            "-x",
            "160",
            "-y",
            "50",
        ]);
        let status = tmux
            .arg(format!("{program} -c {config}"))
            .status()
            .expect("tmux starts");
        assert!(status.success(), "tmux ended with {status}");
        finch
    }

    /// Waits for a text on the screen; asks for the next window each time, because the buddy list may
    /// cover what is looked for.
    fn wait_for_text(&self, text: &str) {
        poll(&format!("{text:?} on the screen of finch"), || {
            if self.screen().contains(text) {
                return Some(());
            }
            self.key("M-n");
            None
        });
    }

    /// Types into the window in front and sends the line.
    fn type_text(&self, text: &str) {
        let status = self.tmux().args(["send-keys", "-l", text]).status();
        assert!(
            status.is_ok_and(|status| status.success()),
            "tmux takes keys"
        );
        self.key("Enter");
    }

    fn key(&self, key: &str) {
        let status = self.tmux().args(["send-keys", key]).status();
        assert!(
            status.is_ok_and(|status| status.success()),
            "finch has ended"
        );
    }

    fn screen(&self) -> String {
        let output = self
            .tmux()
            .args(["capture-pane", "-p"])
            .output()
            .expect("tmux starts");
        String::from_utf8_lossy(&output.stdout).into_owned()
    }

    fn tmux(&self) -> Command {
        let mut tmux = tool("tmux", "tmux");
        tmux.arg("-S").arg(self.folder.join("tmux"));
        tmux
    }
}

impl Drop for Finch {
    fn drop(&mut self) {
        if std::thread::panicking() {
            eprintln!("---- screen of finch ----\n{}", self.screen());
        }
        drop(self.tmux().arg("kill-server").output());
    }
}
