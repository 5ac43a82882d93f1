//! The commands on people, groups and sessions, alone and beside a running server.

#![allow(
    clippy::unwrap_used,
    clippy::expect_used,
    reason = "a helper of a test fails the test"
)]

use std::fs;
use std::io::{BufRead, BufReader, Read, Write};
use std::net::TcpListener;
use std::os::unix::fs::PermissionsExt;
use std::os::unix::net::UnixStream;
use std::path::PathBuf;
use std::process::{Child, Command, Stdio};
use std::sync::mpsc;
use std::time::Duration;

use rustix::process::{Pid, Signal, kill_process};
use tempfile::TempDir;

/// Nothing here takes longer unless it hangs.
const DEADLINE: Duration = Duration::from_secs(60);

/// A data folder, and perhaps a server that runs on it.
struct Site {
    folder: TempDir,
    server: Option<Child>,
}

/// What a command said, and its exit status.
#[derive(Debug)]
struct Said {
    out: String,
    err: String,
    status: i32,
}

impl Site {
    fn new() -> Site {
        Site {
            folder: TempDir::new().unwrap(),
            server: None,
        }
    }

    fn data(&self) -> PathBuf {
        self.folder.path().join("data")
    }

    fn file(&self, name: &str, text: &str) -> String {
        let path = self.folder.path().join(name);
        fs::write(&path, text).unwrap();
        path.to_str().unwrap().to_owned()
    }

    fn command(&self, words: &[&str]) -> Command {
        let mut command = Command::new(env!("CARGO_BIN_EXE_isochron"));
        command.args(words).arg("--data").arg(self.data());
        command
            .stdin(Stdio::piped())
            .stdout(Stdio::piped())
            .stderr(Stdio::piped());
        command
    }

    /// Runs a command with `input` as its standard input.
    fn run_with(&self, input: &str, words: &[&str]) -> Said {
        let mut child = self.command(words).spawn().unwrap();
        // A command that refuses early does not read its input.
        let _ = child.stdin.take().unwrap().write_all(input.as_bytes());
        let output = child.wait_with_output().unwrap();
        Said {
            out: String::from_utf8(output.stdout).unwrap(),
            err: String::from_utf8(output.stderr).unwrap(),
            status: output.status.code().expect("an exit status"),
        }
    }

    /// What a command prints that must succeed.
    fn run(&self, words: &[&str]) -> String {
        let said = self.run_with("", words);
        assert_eq!(said.status, 0, "{words:?}: {said:?}");
        said.out
    }

    /// What a command complains about that must fail with status 1.
    fn refused(&self, words: &[&str]) -> String {
        let said = self.run_with("", words);
        assert_eq!(
            (said.status, said.out.as_str()),
            (1, ""),
            "{words:?}: {said:?}"
        );
        said.err
    }

    fn add(&self, user: &str) {
        let said = self.run_with("secret\n", &["user", "add", user]);
        assert_eq!(
            (said.status, said.out),
            (0, format!("added {user}\n")),
            "{}",
            said.err
        );
    }

    /// Starts a server on a free port and waits until it serves.
    fn start(&mut self) {
        let port = TcpListener::bind("127.0.0.1:0")
            .unwrap()
            .local_addr()
            .unwrap()
            .port();
        let settings =
            format!("[Debug]\nVPMX_PORT={port}\nVPMX_TLS_PORT=0\n[Isochron]\nHEALTH_PORT=0\n");
        let settings = self.file("sametime.ini", &settings);
        let mut command = self.command(&["run", "--config", &settings]);
        let mut server = command.stderr(Stdio::inherit()).spawn().unwrap();
        let out = BufReader::new(server.stdout.take().unwrap());
        self.server = Some(server);
        let (line, lines) = mpsc::channel();
        std::thread::spawn(move || {
            out.lines()
                .map_while(Result::ok)
                .try_for_each(|text| line.send(text))
        });
        while lines
            .recv_timeout(DEADLINE)
            .expect("the server says that it is ready")
            != "ready"
        {}
    }

    fn stop(&mut self) {
        let mut server = self.server.take().unwrap();
        kill_process(Pid::from_child(&server), Signal::TERM).unwrap();
        assert_eq!(server.wait().unwrap().code(), Some(0));
    }
}

impl Drop for Site {
    fn drop(&mut self) {
        if let Some(mut server) = self.server.take() {
            let _ = server.kill();
            let _ = server.wait();
        }
    }
}

#[test]
fn people_are_added_listed_changed_and_removed() {
    let site = Site::new();
    site.add("carol");
    let words = [
        "user",
        "add",
        "alice",
        "--name",
        "Alice Example",
        "--mail",
        "alice@example.com",
        "--group",
        "staff",
    ];
    assert_eq!(site.run_with("geheim\n", &words).status, 0);
    assert_eq!(
        site.run(&["user", "list"]),
        "USER   NAME           MAIL               GROUPS  STATE\n\
         alice  Alice Example  alice@example.com  staff\n\
         carol  carol\n"
    );
    assert_eq!(site.run(&["user", "disable", "Carol"]), "disabled Carol\n");
    let users = site.run(&["user", "list", "--json"]);
    let expected = r#"[
  {
    "user": "alice",
    "name": "Alice Example",
    "mail": "alice@example.com",
    "groups": [
      "staff"
    ],
    "disabled": false
  },
  {
    "user": "carol",
    "name": "carol",
    "mail": "",
    "groups": [],
    "disabled": true
  }
]
"#;
    assert_eq!(users, expected);
    assert_eq!(site.run(&["user", "enable", "carol"]), "enabled carol\n");
    assert_eq!(
        site.run_with("new\r\n", &["user", "passwd", "carol", "--password-stdin"])
            .status,
        0
    );
    assert_eq!(site.run(&["user", "remove", "carol"]), "removed carol\n");
    assert!(!site.run(&["user", "list"]).contains("carol"));

    assert_eq!(
        site.refused(&["user", "remove", "carol"]),
        "isochron: there is no user \"carol\"\n"
    );
    let again = site.run_with("x\n", &["user", "add", "ALICE"]);
    assert_eq!(
        (again.status, again.err.as_str()),
        (1, "isochron: there is a user \"alice\" already\n")
    );
}

#[test]
fn a_password_is_never_empty_and_never_an_argument() {
    let site = Site::new();
    assert!(
        site.refused(&["user", "add", "bob"])
            .contains("there is no password on standard input")
    );
    let empty = site.run_with("\n", &["user", "add", "bob"]);
    assert!(
        empty.status == 1 && empty.err.contains("must not be empty"),
        "{empty:?}"
    );
    assert_eq!(
        site.run_with("", &["user", "add", "bob", "secret"]).status,
        2
    );
    assert_eq!(
        site.run_with("", &["user", "add", "bob", "--password", "secret"])
            .status,
        2
    );
}

#[test]
fn groups_are_made_filled_and_removed() {
    let site = Site::new();
    site.add("alice");
    site.add("bob");
    site.run(&[
        "group",
        "add",
        "staff",
        "--name",
        "All staff",
        "--member",
        "alice",
    ]);
    site.run(&["group", "add", "staff", "--member", "Bob"]);
    assert_eq!(
        site.run(&["group", "list"]),
        "GROUP  NAME       MEMBERS\n\
         staff  All staff  alice, bob\n"
    );
    site.run(&["group", "remove", "staff", "--member", "alice"]);
    assert!(site.run(&["group", "list", "--json"]).contains("\"bob\"\n"));
    assert!(
        site.refused(&["group", "add", "staff", "--member", "nobody"])
            .contains("there is no user \"nobody\"")
    );
    site.run(&["group", "remove", "staff"]);
    assert!(
        site.refused(&["group", "remove", "staff"])
            .contains("there is no group \"staff\"")
    );
}

#[test]
fn an_import_is_all_or_nothing_and_can_be_repeated() {
    let mut site = Site::new();
    let people = "user,name,mail,password,groups\n\
                  alice,Alice,alice@example.com,a,staff;sales\n\
                  bob,Bob,,b,staff\n";
    let file = site.file("people.csv", people);
    assert_eq!(
        site.run(&["user", "import", &file]),
        "added 2, updated 0, new groups 2\n"
    );

    let changed = "groups,user,name,mail,password\nsales,alice,Alice A.,,\n,carol,Carol,,c\n";
    let file = site.file("changed.csv", changed);
    // The same with a server, which sees what was imported before it started.
    site.start();
    assert_eq!(
        site.run(&["user", "import", &file]),
        "added 1, updated 1, new groups 0\n"
    );
    assert_eq!(
        site.run(&["user", "list"]),
        "USER   NAME      MAIL  GROUPS  STATE\n\
         alice  Alice A.        sales\n\
         bob    Bob             staff\n\
         carol  Carol\n"
    );

    let before = site.run(&["user", "list", "--json"]);
    let file = site.file(
        "faulty.csv",
        "user,name,mail,password,groups\nerin,Erin,,e,\nfrank,,,,\nBOB,,,b,\nerin,,,e,\n",
    );
    assert_eq!(
        site.refused(&["user", "import", &file]),
        format!(
            "{file}: line 3: user \"frank\" is new and has no password\n\
             {file}: line 4: user \"BOB\" exists in another spelling: \"bob\"\n\
             {file}: line 5: user \"erin\" comes twice, first on line 2\n\
             isochron: nothing was imported; faults: 3\n"
        )
    );
    assert_eq!(site.run(&["user", "list", "--json"]), before);
    assert!(
        site.refused(&["user", "import", "/nonexistent.csv"])
            .contains("cannot read /nonexistent.csv")
    );
}

#[test]
fn commands_go_through_a_running_server() {
    let mut site = Site::new();
    site.add("alice");
    site.start();
    site.add("bob");
    assert!(site.run(&["user", "list"]).contains("bob"));
    assert!(site.run(&["sessions"]).starts_with("SESSION "));
    assert!(
        site.run(&["sessions", "list", "--without-tls", "--json"])
            .starts_with('[')
    );
    assert!(
        site.refused(&["sessions", "end", "none"])
            .contains("there is no session \"none\"")
    );
    let socket = site.data().join("control.sock");
    assert_eq!(
        fs::metadata(&socket).unwrap().permissions().mode() & 0o777,
        0o600
    );
    site.stop();
    assert!(
        site.run(&["user", "list"]).contains("bob"),
        "what the server changed is on the disk"
    );
    assert!(site.refused(&["sessions"]).contains("no server is running"));
    // The socket that the server left does not keep the next one from starting.
    site.start();
    assert!(site.run(&["user", "list"]).contains("bob"));
}

#[test]
fn the_control_socket_refuses_what_it_does_not_know() {
    let mut site = Site::new();
    site.add("alice");
    site.start();
    let ask = |request: &[u8]| {
        let mut stream = UnixStream::connect(site.data().join("control.sock")).unwrap();
        stream.set_read_timeout(Some(DEADLINE)).unwrap();
        stream.write_all(request).unwrap();
        stream.shutdown(std::net::Shutdown::Write).unwrap();
        let mut answer = String::new();
        stream.read_to_string(&mut answer).unwrap();
        answer
    };
    assert!(ask(b"garbage\n").contains("refused"));
    assert!(ask(b"{\"format_disk\":{}}\n").contains("of another version"));
    assert!(ask(b"\"list_users\"").contains("cut off"));
    assert!(ask(&vec![b' '; 16 << 20]).contains("too long"));
    let bad_hash = ask(b"{\"set_password\":{\"user\":\"alice\",\"password_hash\":\"plain\"}}\n");
    assert!(bad_hash.contains("not a usable Argon2id"), "{bad_hash}");
    let two = ask(b"\"list_groups\"\n\"list_groups\"\n");
    assert_eq!(two, "{\"groups\":{\"groups\":[]}}\n".repeat(2));
}

#[test]
fn a_mistyped_folder_is_not_made() {
    let site = Site::new();
    assert!(
        site.refused(&["user", "list"])
            .contains("there is no data folder")
    );
    assert!(
        site.refused(&["sessions"])
            .contains("there is no data folder")
    );
    assert!(!site.data().exists());
    site.add("alice");
    assert_eq!(
        fs::metadata(site.data()).unwrap().permissions().mode() & 0o777,
        0o700
    );
}

#[test]
fn the_version_is_told() {
    let site = Site::new();
    let version = site.run(&["version"]);
    assert!(
        version.starts_with("isochron ") && version.lines().count() == 1,
        "{version:?}"
    );
}
